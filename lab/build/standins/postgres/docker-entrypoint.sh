#!/bin/bash
# The first start makes the database as the POSTGRES_* variables ask; every start then runs the server as `postgres`.
set -Eeo pipefail

# from_file NAME: NAME may come as NAME_FILE, a path (a mounted secret) that holds the value.
from_file() {
  local name=$1 file_variable=${1}_FILE
  [ -n "${!file_variable}" ] || return 0
  if [ -n "${!name}" ]; then
    echo >&2 "Error: both $name and $file_variable are set; give only one."
    exit 1
  fi
  export "$name=$(<"${!file_variable}")"
}

require_password() {
  [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] && return
  cat >&2 <<'MESSAGE'
Error: Database is uninitialized and superuser password is not specified.
       Give the first start a password for the superuser in POSTGRES_PASSWORD,
       for example: docker run -e POSTGRES_PASSWORD=secret postgres

       POSTGRES_HOST_AUTH_METHOD=trust would let everybody in without one: for
       throw-away experiments only.
MESSAGE
  exit 1
}

init_database() {
  local arguments=()
  eval "arguments=($POSTGRES_INITDB_ARGS)"
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
}

query() { psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" "$@"; }

run_init_scripts() {
  local script
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) echo "$0: running $script"; if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
      *.sql) echo "$0: running $script"; query --dbname "$POSTGRES_DB" -f "$script" ;;
      *.sql.gz) echo "$0: running $script"; gunzip -c "$script" | query --dbname "$POSTGRES_DB" ;;
      */\*) ;;
      *) echo "$0: ignoring $script" ;;
    esac
  done
}

# While the database is filled only this container can reach the server: no TCP.
first_start() {
  init_database
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  if [ "$POSTGRES_DB" != postgres ]; then
    query --dbname postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
  fi
  run_init_scripts
  pg_ctl -D "$PGDATA" -m fast -w stop
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$1" = postgres ]; then
  if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" && chmod 700 "$PGDATA"
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres:postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  if [ -s "$PGDATA/PG_VERSION" ]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
  else
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER
    from_file POSTGRES_DB
    export POSTGRES_USER=${POSTGRES_USER:-postgres}
    export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
    require_password
    PGPASSWORD=$POSTGRES_PASSWORD first_start
  fi
fi
exec "$@"
