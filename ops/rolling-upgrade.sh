#!/bin/sh
# A new version under orders, with docker-compose.yml as it is. Before: the new files, WINBACK_VERSION in .env, `docker compose build`
# (or pull), and the changelog's required stops. Each process gets a second one of the new version; when that is ready the former
# drains. First who reads, then who writes. It can be called again where it was ended half-way.
set -eu
cd "$(dirname "$0")/.."
docker compose run --rm --no-deps migrate

renew() {
  former=$(docker compose ps --quiet "$1")
  count=$(echo "$former" | grep -c . || true)
  [ "$count" -gt 0 ] || count=1
  docker compose up --detach --wait --no-deps --no-recreate --scale "$1=$((count * 2))" "$1"
  [ -z "$former" ] || { docker stop $former >/dev/null && docker rm $former >/dev/null; }
  docker compose up --detach --wait --no-deps --no-recreate --scale "$1=$count" "$1"
}

renew signals
docker compose --profile two up --detach --wait --no-deps detector-2
docker compose up --detach --wait --no-deps detector
docker compose --profile two rm --stop --force detector-2
for service in digest sequences clock console ingest; do renew "$service"; done
docker compose up --detach --wait # and mail, which has its port to itself: senders try again within minutes
