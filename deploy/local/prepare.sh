#!/usr/bin/env bash
# Makes what a cluster on one machine needs to trust itself, in DIR: an authority, certificates for a coordinator and
# for nodes, and the token of an operator. What is there already stays.
#
#   deploy/local/prepare.sh DIR
#
# ZIPFLEET is the program, with flags before its own if need be; it is run in DIR.
set -euo pipefail
umask 077
dir=${1:?say where: deploy/local/prepare.sh DIR}
read -ra zipfleet <<<"${ZIPFLEET:-zipfleet}"
mkdir -p "$dir"
cd "$dir"

[ -e certs/ca.pem ] || "${zipfleet[@]}" -q certs init --dir certs
[ -e certs/coordinator.pem ] || "${zipfleet[@]}" -q certs issue --dir certs --name coordinator --role coordinator --host localhost
[ -e certs/node.pem ] || "${zipfleet[@]}" -q certs issue --dir certs --name node --role node
# The secret is printed once: without it, the entry in tokens.toml is of no use.
[ -s token ] || {
  rm -f tokens.toml
  "${zipfleet[@]}" -q --json tokens new --name operator --operator --file tokens.toml \
    --read s3://data --read s3://photos --write s3://out | sed -n 's/.*"token":"\([^"]*\)".*/\1/p' >token.new
  [ -s token.new ]
  mv token.new token
}
