#!/bin/sh
# Make the secrets that docker-compose.yml mounts, once. The folder is its owner's alone; the files can be read inside the
# containers, whose user is another one.
set -eu
cd "$(dirname "$0")/.."
mkdir -p -m 700 secrets

random() {
  od -An -tx1 -N24 /dev/urandom | tr -d ' \n'
}

[ -e secrets/secret ] || random > secrets/secret
if [ ! -e secrets/database-password ]; then
  random > secrets/database-password
  printf 'postgresql://winback:%s@postgres:5432/winback' "$(cat secrets/database-password)" > secrets/database-url
fi
chmod 444 secrets/secret secrets/database-password secrets/database-url
echo "secrets/ has all that docker-compose.yml mounts"
