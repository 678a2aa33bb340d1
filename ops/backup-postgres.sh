#!/bin/sh
# A backup of PostgreSQL, as the owner of WINBACK_DATABASE_URL:
#
#   ops/backup-postgres.sh base FOLDER    the whole cluster; with a WAL archive it can be brought back to any moment since
#   ops/backup-postgres.sh dump FOLDER    roles, and the database as pg_dump writes it: for another release or machine
#
# It makes FOLDER/base-TIME.tar.gz, or FOLDER/dump-TIME/, whole or not at all, and notes it in the table `backups`, whose age is
# watched. With Docker: VIA="docker compose exec -T postgres" WINBACK_DATABASE_URL=postgresql:///winback?user=winback ops/…
# ops/restore-postgres.sh brings it back. Kafka's backup comes after it, never before (docs/operations.md).
set -eu
umask 077
kind=${1:-} folder=${2:-}
case "$kind" in base | dump) ;; *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac
[ -n "$folder" ] && [ -d "$folder" ] || { echo "backup-postgres: name a folder that is there" >&2; exit 2; }
url=${WINBACK_DATABASE_URL:?"is needed: the address of PostgreSQL, as the owner"}
via=${VIA:-}
time=$(date -u +%Y%m%dT%H%M%SZ)
new="$folder/.new-$kind-$time"
trap 'rm -rf "$new"' EXIT

if [ "$kind" = base ]; then
  made="$folder/base-$time.tar.gz"
  $via pg_basebackup --dbname="$url" --pgdata=- --format=tar --wal-method=fetch --checkpoint=fast | gzip >"$new"
  gzip -t "$new"
  tar -tzf "$new" backup_label >/dev/null || { echo "backup-postgres: pg_basebackup wrote no whole backup" >&2; exit 1; }
else
  made="$folder/dump-$time"
  mkdir "$new"
  $via pg_dumpall --dbname="$url" --roles-only >"$new/roles.sql"
  $via pg_dump --dbname="$url" --format=custom >"$new/database.dump"
  grep -q '^-- PostgreSQL database cluster dump complete' "$new/roles.sql" && [ -s "$new/database.dump" ] ||
    { echo "backup-postgres: the dump is not whole" >&2; exit 1; }
fi
sync "$new"
mv "$new" "$made"
trap - EXIT
$via psql --dbname="$url" --quiet --no-psqlrc -v ON_ERROR_STOP=1 \
  -c "INSERT INTO backups (store, what, place) VALUES ('postgres', 'backup', '$(basename "$made")')"
echo "$made"
