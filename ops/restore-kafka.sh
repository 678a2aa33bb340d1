#!/bin/sh
# Bring back what ops/backup-kafka.sh made, while the broker and all of Winback are stopped:
#
#   ops/restore-kafka.sh BACKUP.tar.gz DATA
#
# What is there is put aside. PostgreSQL must not be newer than this copy: restore it to a moment before it was made
# (ops/restore-postgres.sh), and remove the detector's folder; or `winback rebuild-log` (docs/operations.md). Processes that meet
# a log that ends before what they read stand still and say so.
set -eu
umask 077
from=${1:-} data=${2:-}
[ -f "$from" ] && [ -n "$data" ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
tar -tzf "$from" ./meta.properties >/dev/null 2>&1 || { echo "restore-kafka: $from is no whole backup of a broker" >&2; exit 2; }
owner=$(stat -c %u:%g "$data" 2>/dev/null || stat -c %u:%g "$(dirname "$data")")
new="$data.new"
rm -rf "$new"
mkdir "$new"
tar -xzf "$from" -C "$new"
[ "$(id -u)" != 0 ] || chown -R "$owner" "$new"
if [ -e "$data" ]; then
  aside="$data.before-$(date -u +%Y%m%dT%H%M%SZ)"
  mv "$data" "$aside"
  echo "what was there is in $aside"
fi
mv "$new" "$data"
echo "restored into $data: start the broker"
