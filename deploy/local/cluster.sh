#!/usr/bin/env bash
# A cluster on this machine, without containers: an S3 in memory, a coordinator and three nodes, a process each, with
# certificates and a token as anywhere else. As under ECS and systemd, a process that fails is started again, one
# that was told to stop is not. At the end all is stopped in order, and nothing is left.
#
#   deploy/local/cluster.sh                    runs until Ctrl-C, and says how to use it
#   deploy/local/cluster.sh COMMAND [ARG...]   runs COMMAND with an environment in which zipfleet finds it all
#
# ZIPFLEET             the program (otherwise: this checkout's release build, or what is on the path)
# NODES                how many nodes (otherwise 3)
# FREE_PORTS=1         takes any free ports, instead of 7400 (nodes), 7401 (jobs) and 9000 (S3)
# AWS_ENDPOINT_URL_S3  an S3 to use instead of an own one; its buckets are data, photos, out and state
set -euo pipefail
# A process group each: Ctrl-C is for this script, which then stops the others one after the other.
set -m
umask 077
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${ZIPFLEET:-}" ]; then
  ZIPFLEET=$root/target/release/zipfleet
  [ -x "$ZIPFLEET" ] || ZIPFLEET=$(command -v zipfleet) || {
    echo "there is no zipfleet: cargo build --release makes it, or ZIPFLEET says where it is" >&2
    exit 2
  }
fi
ZIPFLEET=$(realpath "$ZIPFLEET")
nodes=${NODES:-3}
dir=$(mktemp -d "${TMPDIR:-/tmp}/zipfleet-local.XXXXXX")
declare -A supervisors=()

# Runs `run_NAME NAME` again for as long as it fails; writes down the id of its process.
supervise() {
  local name=$1 pid='' code is_stopping=''
  trap 'is_stopping=1; kill -TERM "$pid" 2>/dev/null || true' TERM
  while :; do
    "run_${name%-*}" "$name" 2>>"$dir/$name.log" &
    pid=$!
    echo "$pid" >"$dir/$name.pid"
    code=0
    wait "$pid" || code=$?
    # A signal ends the waiting, not the process.
    while kill -0 "$pid" 2>/dev/null; do wait "$pid" || code=$?; done
    rm -f "$dir/$name.pid"
    if [ -n "$is_stopping" ] || [ "$code" -eq 0 ]; then return 0; fi
    sleep 1
  done
}

start() {
  supervise "$1" &
  supervisors[$1]=$!
}

# Each replaces its shell by the program, so that what is signalled is the program.
run_s3() {
  exec "$ZIPFLEET" --json s3 --listen "127.0.0.1:$s3_port" --bucket out --bucket state \
    --data "data=$root/docs" --synthetic photos/2026/img-:100:5MB >"$dir/s3.out"
}

run_coordinator() {
  exec "$ZIPFLEET" --json --log-format json coordinator --state s3://state/local/ \
    --listen "$(<"$dir/listen")" --api "$(<"$dir/api")" \
    --tls-ca "$dir/certs/ca.pem" --tls-cert "$dir/certs/coordinator.pem" --tls-key "$dir/certs/coordinator.key" \
    --api-cert "$dir/certs/coordinator.pem" --api-key "$dir/certs/coordinator.key" --tokens "$dir/tokens.toml" \
    >"$dir/coordinator.out"
}

run_node() {
  exec "$ZIPFLEET" --log-format json node --coordinator "localhost:$(port "$(<"$dir/listen")")" --name "node.${1#node-}" \
    --tls-ca "$dir/certs/ca.pem" --tls-cert "$dir/certs/node.pem" --tls-key "$dir/certs/node.key" >"$dir/$1.out"
}

port() { echo "${1##*:}"; }

# What process NAME said of FIELD when it was ready.
told() {
  local name=$1 field=$2 value
  for _ in $(seq 600); do
    value=$(sed -n "s/.*\"$field\":\"\([^\"]*\)\".*/\1/p" "$dir/$name.out" 2>/dev/null || true)
    if [ -n "$value" ]; then echo "$value"; return 0; fi
    sleep 0.1
  done
  echo "the $name does not start:" >&2
  cat "$dir/$name.log" >&2
  return 1
}

stop() {
  trap '' INT TERM HUP
  [ -z "${command:-}" ] || kill -TERM "$command" 2>/dev/null || true
  # The coordinator first, which ends its jobs, so that nodes have nothing to finish; the S3 last, of which it removes
  # what they have uploaded.
  local name
  for name in coordinator $(seq -f 'node-%g' "$nodes") s3; do
    [ -n "${supervisors[$name]:-}" ] || continue
    kill -TERM "${supervisors[$name]}" 2>/dev/null || true
    wait "${supervisors[$name]}" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

s3_port=9000
echo 127.0.0.1:7400 >"$dir/listen"
echo 127.0.0.1:7401 >"$dir/api"
if [ -n "${FREE_PORTS:-}" ]; then
  s3_port=0
  echo 127.0.0.1:0 | tee "$dir/listen" >"$dir/api"
fi
ZIPFLEET=$ZIPFLEET "$root/deploy/local/prepare.sh" "$dir"
if [ -z "${AWS_ENDPOINT_URL_S3:-}" ]; then
  start s3
  AWS_ENDPOINT_URL_S3=$(told s3 endpoint)
  export AWS_ENDPOINT_URL_S3 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=zipfleet AWS_SECRET_ACCESS_KEY=zipfleet-secret
fi
# Where nobody is to be asked what this machine is called.
export AWS_EC2_METADATA_DISABLED=true
start coordinator
listen=$(told coordinator nodes)
api=$(told coordinator api)
# Started again, it is to be found where it was.
echo "$listen" >"$dir/listen"
echo "${api#https://}" >"$dir/api"
for number in $(seq "$nodes"); do start "node-$number"; done

ZIPFLEET_TOKEN=$(<"$dir/token")
ZIPFLEET_CLUSTER=https://localhost:$(port "$api")
export ZIPFLEET ZIPFLEET_TOKEN ZIPFLEET_CLUSTER ZIPFLEET_CLUSTER_CA="$dir/certs/ca.pem" CLUSTER_DIR="$dir"
for _ in $(seq 600); do
  joined=$("$ZIPFLEET" --json health | sed -n 's/.*"nodes":\([0-9]*\).*/\1/p')
  [ "${joined:-0}" -lt "$nodes" ] || break
  sleep 0.1
done
if [ "${joined:-0}" -lt "$nodes" ]; then
  echo "only ${joined:-0} of $nodes nodes have joined; they said:" >&2
  cat "$dir"/node-*.log >&2
  exit 1
fi

if [ $# -gt 0 ]; then
  "$@" &
  command=$!
  code=0
  wait "$command" || code=$?
  command=
  exit "$code"
fi
cat <<END
An S3, a coordinator and $nodes nodes are up; Ctrl-C stops them and forgets everything. In another shell:

  export AWS_ENDPOINT_URL_S3=${AWS_ENDPOINT_URL_S3:-} AWS_REGION=${AWS_REGION:-} AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-}
  export ZIPFLEET_CLUSTER=$ZIPFLEET_CLUSTER ZIPFLEET_CLUSTER_CA=$ZIPFLEET_CLUSTER_CA ZIPFLEET_TOKEN=$ZIPFLEET_TOKEN
  zipfleet submit --wait s3://photos/2026/ s3://data/ s3://out/all.zip
  zipfleet verify s3://out/all.zip --against s3://photos/2026/ s3://data/

Logs, and the id of each process, are in $dir.
END
while :; do sleep 3600 & wait "$!"; done
