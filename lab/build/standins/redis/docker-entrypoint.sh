#!/bin/sh
set -e
# An option or a configuration file is meant for redis-server.
case "$1" in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
  # The container's network is the protection here; redis's own would refuse every other container.
  case " $* " in
    *protected-mode* | *.conf*) ;;
    *) set -- "$@" --protected-mode no ;;
  esac
  if [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis:redis '{}' +
    exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
  fi
  umask 0077
fi
exec "$@"
