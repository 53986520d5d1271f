#!/bin/sh
# Before nginx itself: every executable script of /docker-entrypoint.d, in order of name.
set -e
case "$1" in
  nginx | nginx-debug)
    for script in /docker-entrypoint.d/*.sh; do
      [ -x "$script" ] || continue
      [ -n "$NGINX_ENTRYPOINT_QUIET_LOGS" ] || echo "$0: Launching $script"
      "$script"
    done
    [ -n "$NGINX_ENTRYPOINT_QUIET_LOGS" ] || echo "$0: Configuration complete; ready for start up"
    ;;
esac
exec "$@"
