#!/bin/sh
# /etc/nginx/templates/NAME.template becomes /etc/nginx/conf.d/NAME, with the environment's variables filled in.
# Only variables that exist are replaced: nginx's own ($uri, $host) look the same.
set -e
[ -d /etc/nginx/templates ] || exit 0
variables=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p')
for template in /etc/nginx/templates/*.template; do
  [ -f "$template" ] || continue
  name=${template##*/}
  envsubst "$variables" < "$template" > "/etc/nginx/conf.d/${name%.template}"
done
