#!/usr/bin/env bash
# build-roots.sh FOLDER: makes the root file systems FOLDER/wordpress and FOLDER/mysql from the packages of the Debian
# mirror that this machine uses. Needs root; starts nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

read -r mirror suite < <(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | head -n 1)
[ -n "$mirror" ] || { echo "build-roots: apt has no package lists here: run apt-get update" >&2; exit 1; }
debootstrap --variant=minbase "$suite" base "$mirror"

rm -rf base/etc/apt/sources.list base/etc/apt/sources.list.d
cp -r /etc/apt/sources.list /etc/apt/sources.list.d base/etc/apt/ 2>/dev/null || true
cp -r /etc/apt/apt.conf.d/. base/etc/apt/apt.conf.d/
cp /etc/resolv.conf /etc/hosts base/etc/
# Nothing is synced one by one, documentation stays out, and no package starts its daemon.
cat >base/etc/dpkg/dpkg.cfg.d/image <<'END'
force-unsafe-io
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
END
printf '#!/bin/sh\nexit 101\n' >base/usr/sbin/policy-rc.d
chmod +x base/usr/sbin/policy-rc.d
chroot base apt-get update -q
cp -a base wordpress
mv base mysql

install_in() {
  local root=$1
  shift
  chroot "$root" apt-get install -y -q --no-install-recommends "$@"
  rm -rf "$root"/var/lib/apt/lists "$root"/var/cache/apt "$root"/usr/sbin/policy-rc.d
  rm -f "$root"/etc/resolv.conf "$root"/etc/hosts "$root"/etc/hostname
}

install_in wordpress apache2 libapache2-mod-php php-cli php-mysql wordpress wordpress-theme-twentytwentythree
rm -rf wordpress/var/www/html
chroot wordpress cp -rL /usr/share/wordpress /var/www/html  # the package keeps much of it behind links
rm -rf wordpress/usr/share/wordpress wordpress/var/www/html/wp-config.php wordpress/etc/apache2/conf-enabled/*
cp "$here"/wp-config-docker.php wordpress/usr/share/
cp "$here"/apache.conf wordpress/etc/apache2/conf-enabled/image.conf
sed -i '/Log /d' wordpress/etc/apache2/sites-available/000-default.conf
chroot wordpress chown -R www-data:www-data /var/www/html
install -m 755 "$here"/apache2-foreground wordpress/usr/local/bin/
chroot wordpress apache2-foreground -t
install -m 755 "$here"/wordpress-entrypoint.sh wordpress/usr/local/bin/docker-entrypoint.sh

install_in mysql mariadb-server
rm -rf mysql/var/lib/mysql mysql/etc/mysql/mariadb.conf.d/*
cp "$here"/mysql.cnf mysql/etc/mysql/mariadb.conf.d/
chroot mysql install -d -o mysql -g mysql -m 750 /var/lib/mysql /run/mysqld
install -m 755 "$here"/mysql-entrypoint.sh mysql/usr/local/bin/docker-entrypoint.sh
