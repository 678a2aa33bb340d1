#!/bin/sh
# A backup of a broker's disk, after PostgreSQL's:
#
#   STOP="docker compose stop kafka" START="docker compose start kafka" ops/backup-kafka.sh DATA FOLDER
#
# The broker is stopped for as long as the copy takes: ingest answers 503, and ERPs send again. (A snapshot of the file system
# (ZFS, LVM, a cloud's disk) of a running broker is as good as a power cut, which Kafka survives: then neither is needed.) With
# three brokers no copy is needed against the loss of one disk; it is against what people do. FOLDER/kafka-TIME.tar.gz is
# there whole or not at all, and noted in the table `backups`. ops/restore-kafka.sh brings it back.
set -eu
umask 077
data=${1:-} folder=${2:-}
[ -f "$data/meta.properties" ] && [ -d "$folder" ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
url=${WINBACK_DATABASE_URL:?"is needed: the address of PostgreSQL, as the owner"}
made="$folder/kafka-$(date -u +%Y%m%dT%H%M%SZ).tar.gz"
new="$folder/.new-kafka"
start() { [ -z "${START:-}" ] || sh -c "$START" >&2; }
trap 'rm -f "$new"' EXIT
if [ -n "${STOP:-}" ]; then
  trap 'rm -f "$new"; start' EXIT
  sh -c "$STOP" >&2
fi
tar -czf "$new" -C "$data" .
gzip -t "$new"
sync "$new"
mv "$new" "$made"
trap - EXIT
start
${VIA:-} psql --dbname="$url" --quiet --no-psqlrc -v ON_ERROR_STOP=1 \
  -c "INSERT INTO backups (store, what, place) VALUES ('kafka', 'backup', '$(basename "$made")')"
echo "$made"
