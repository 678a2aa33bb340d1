#!/bin/sh
# Make the secrets that docker-compose.yml mounts; what is there stays. The folder is its owner's alone; the files can be read inside
# the containers, whose user is another one.
set -eu
cd "$(dirname "$0")/.."
mkdir -p -m 700 secrets

place=${POSTGRES:-postgres:5432/winback} # of a server elsewhere: HOST:PORT/DATABASE?sslmode=verify-full

random() {
  od -An -tx1 -N24 /dev/urandom | tr -d ' \n'
}

# A password, and the address of PostgreSQL with it: of the owner (database), and of the login of each process
password() { # NAME USER
  [ -e "secrets/$1-password" ] || random > "secrets/$1-password"
  [ -e "secrets/$1-url" ] || printf 'postgresql://%s:%s@%s' "$2" "$(cat "secrets/$1-password")" "$place" > "secrets/$1-url"
  chmod 444 "secrets/$1-password" "secrets/$1-url"
}

[ -e secrets/secret ] || random > secrets/secret
password database winback
for login in ingest persist clock console digest sequences mail; do
  password "$login-database" "winback_$login"
done
chmod 444 secrets/secret
echo "secrets/ has all that docker-compose.yml mounts"
