#!/bin/bash
# MariaDB under the names of the official MySQL image: MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD.
# The first start makes the data directory; its port opens when that is done.
set -euo pipefail
if [ $# -eq 0 ] || [ "${1#-}" != "$1" ] || [ "$1" = mysqld ]; then
  [ "${1:-}" != mysqld ] || shift
  set -- mariadbd "$@"
fi
[ "$1" = mariadbd ] || exec "$@"

data=/var/lib/mysql
# text VALUE: VALUE as an SQL string.
text() {
  local value=${1//\\/\\\\}
  printf "'%s'" "${value//\'/\'\'}"
}
# name VALUE: VALUE as an SQL name.
name() { printf '`%s`' "${1//\`/\`\`}"; }

mkdir -p /run/mysqld
chown mysql:mysql /run/mysqld "$data"
if [ ! -d "$data/mysql" ]; then
  : "${MYSQL_ROOT_PASSWORD:?the database needs MYSQL_ROOT_PASSWORD on its first start}"
  mariadb-install-db --user=mysql --datadir="$data" --skip-test-db --auth-root-authentication-method=normal >/dev/null
  first=/run/mysqld/first.sql  # read before the server listens
  {
    echo "ALTER USER root@localhost IDENTIFIED BY $(text "$MYSQL_ROOT_PASSWORD");"
    echo "CREATE USER root@'%' IDENTIFIED BY $(text "$MYSQL_ROOT_PASSWORD");"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    [ -z "${MYSQL_DATABASE:-}" ] || echo "CREATE DATABASE $(name "$MYSQL_DATABASE");"
    if [ -n "${MYSQL_USER:-}" ]; then
      echo "CREATE USER $(text "$MYSQL_USER")@'%' IDENTIFIED BY $(text "${MYSQL_PASSWORD:-}");"
      [ -z "${MYSQL_DATABASE:-}" ] || echo "GRANT ALL ON $(name "$MYSQL_DATABASE").* TO $(text "$MYSQL_USER")@'%';"
    fi
  } >"$first"
  chown mysql:mysql "$first"
  chmod 600 "$first"
  set -- "$@" --init-file="$first"
fi
exec "$@"
