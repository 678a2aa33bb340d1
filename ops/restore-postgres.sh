#!/bin/sh
# Bring back what ops/backup-postgres.sh made. All of Winback is stopped first (but for PostgreSQL, with `dump`).
#
#   ops/restore-postgres.sh base BACKUP.tar.gz DATA [WAL_ARCHIVE [MOMENT]]
#       into the data folder DATA, while PostgreSQL is stopped. What is there is put aside. With a WAL archive up to its end, or
#       to MOMENT ('2026-11-24 07:27:54+00'); then start PostgreSQL. As root the files are given to who owned DATA before.
#   ops/restore-postgres.sh dump BACKUP_FOLDER
#       roles and database into the running, empty server of WINBACK_DATABASE_URL (VIA as in backup-postgres.sh).
#
# Once all is up: ops/restored.sh postgres. Then `winback wait`, and `winback audit` for each organization.
set -eu
umask 077
wrong() { echo "restore-postgres: $1" >&2; exit 2; }
kind=${1:-} from=${2:-}
case "$kind" in
base)
  data=${3:-} wal=${4:-} moment=${5:-}
  [ -f "$from" ] && [ -n "$data" ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
  case "$moment" in *\'*) wrong "the moment cannot have a quote" ;; esac
  [ -z "$wal" ] || [ -d "$wal" ] || wrong "$wal, the WAL archive, is not there"
  tar -tzf "$from" backup_label >/dev/null 2>&1 || wrong "$from is no whole base backup"
  owner=$(stat -c %u:%g "$data" 2>/dev/null || stat -c %u:%g "$(dirname "$data")")
  if [ -e "$data/postmaster.pid" ] && kill -0 "$(head -1 "$data/postmaster.pid")" 2>/dev/null; then
    wrong "PostgreSQL runs in $data: stop it first"
  fi
  new="$data.new"
  rm -rf "$new"
  mkdir "$new"
  tar -xzf "$from" -C "$new"
  if [ -n "$wal" ]; then
    {
      echo "restore_command = 'cp \"$(cd "$wal" && pwd)/%f\" \"%p\"'"
      [ -z "$moment" ] || echo "recovery_target_time = '$moment'"
      echo "recovery_target_action = 'promote'"
    } >>"$new/postgresql.auto.conf"
    : >"$new/recovery.signal"
  fi
  chmod 700 "$new"
  [ "$(id -u)" != 0 ] || chown -R "$owner" "$new"
  if [ -e "$data" ]; then
    aside="$data.before-$(date -u +%Y%m%dT%H%M%SZ)"
    mv "$data" "$aside"
    echo "what was there is in $aside"
  fi
  mv "$new" "$data"
  echo "restored into $data: start PostgreSQL"
  ;;
dump)
  [ -f "$from/roles.sql" ] && [ -f "$from/database.dump" ] || wrong "name the folder of a dump"
  url=${WINBACK_DATABASE_URL:?"is needed: the address of PostgreSQL, as the owner"}
  via=${VIA:-}
  tables=$($via psql --dbname="$url" --no-psqlrc -Atc "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
  [ "$tables" = 0 ] || wrong "the database has $tables tables: a dump goes into an empty one"
  # roles that are there (the owner) stay as they are; what else is in the file must go through
  sed -n 's/^CREATE ROLE \(.*\);$/\1/p' "$from/roles.sql" | while read -r role; do
    printf 'SELECT %s WHERE NOT EXISTS (SELECT FROM pg_roles WHERE quote_ident(rolname) = %s)\\gexec\n' \
      "\$\$CREATE ROLE $role\$\$" "\$\$$role\$\$"
  done | $via psql --dbname="$url" --quiet --no-psqlrc -v ON_ERROR_STOP=1
  me=$($via psql --dbname="$url" --no-psqlrc -Atc "SELECT quote_ident(current_user)")
  grep -v -e '^CREATE ROLE ' -e "^ALTER ROLE $me " "$from/roles.sql" |
    $via psql --dbname="$url" --quiet --no-psqlrc -v ON_ERROR_STOP=1 >/dev/null
  $via pg_restore --dbname="$url" --exit-on-error <"$from/database.dump"
  echo "restored: roles, tables, policies"
  ;;
*) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
