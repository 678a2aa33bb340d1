#!/bin/sh
# After a restore, once PostgreSQL runs: notes it in the table `backups`, so that freshness is not told as late meanwhile.
#
#   ops/restored.sh postgres | kafka      (VIA and WINBACK_DATABASE_URL as in backup-postgres.sh)
set -eu
case "${1:-}" in postgres | kafka) ;; *) sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac
${VIA:-} psql --dbname="${WINBACK_DATABASE_URL:?is needed}" --quiet --no-psqlrc -v ON_ERROR_STOP=1 \
  -c "INSERT INTO backups (store, what) VALUES ('$1', 'restore')"
