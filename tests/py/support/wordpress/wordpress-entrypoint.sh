#!/bin/sh
# Prepares WordPress when its web server is what is started; any other command is run as it is.
set -eu
case ${1:-} in
  apache2*)
    config=/var/www/html/wp-config.php
    if [ ! -e "$config" ]; then
      secret=$(head -c 48 /dev/urandom | base64 -w 0 | tr -d /+)
      sed "s/put your unique phrase here/$secret/" /usr/share/wp-config-docker.php >"$config"
    fi
    ;;
esac
exec "$@"
