#!/usr/bin/env bash
# Does a cluster do what it is for? Starts one, has it archive a known set, verifies the archive byte by byte, and
# removes everything.
#
#   deploy/smoke/run.sh --local         with the processes of deploy/local/cluster.sh: no account is needed
#   deploy/smoke/run.sh IMAGE-VERSION   in the AWS account that the AWS CLI is set up for, with deploy/cloudformation/
#                                       ecs.yaml and the image zipfleet of that account: :TAG or @sha256:DIGEST. It
#                                       takes half an hour, most of it AWS's, and costs about what an hour of a node does
#
# ZIPFLEET is the program (otherwise what deploy/local/cluster.sh finds, or the one on the path). ZIPFLEET_BOUNDARY is the
# ARN of the policy that bounds roles, for whoever has to name one (deploy/README.md, "Who may do what").
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)

say() { printf '\n== %s\n' "$*"; }

# The known set is this checkout's documentation: the archive in $2 must hold what is below $1.
verify() {
  "$ZIPFLEET" verify "$2" --against "$1"
}

# --- On this machine: what follows runs with a cluster around it.

inside_local() {
  say "a job, while one node dies and another leaves"
  "$ZIPFLEET" submit s3://photos/2026/ s3://out/photos.zip
  kill -KILL "$(<"$CLUSTER_DIR/node-1.pid")"
  kill -TERM "$(<"$CLUSTER_DIR/node-2.pid")"
  "$ZIPFLEET" submit --wait s3://data/ s3://out/docs.zip
  local job
  job=$("$ZIPFLEET" --json jobs | sed 's/"id":/\n&/g' | sed -n 's/^"id":"\([0-9a-f]*\)".*photos.zip.*/\1/p')
  "$ZIPFLEET" watch "$job"
  say "both archives, byte by byte"
  verify s3://photos/2026/ s3://out/photos.zip
  verify s3://data/ s3://out/docs.zip
  say "the nodes that are there: the one that died was started again, the one that left was not"
  "$ZIPFLEET" nodes
}

# --- On AWS.

# A text as it stands in JSON.
in_json() { sed 's/\\/\\\\/g; s/"/\\"/g' "$1" | awk '{ printf "%s\\n", $0 }'; }

# A secret with the content of files: KEY=FILE...
make_secret() {
  local name=$1 json='' pair
  shift
  for pair; do json+="${json:+, }\"${pair%%=*}\": \"$(in_json "${pair#*=}")\""; done
  # By way of a file: others on this machine see flags.
  printf '{%s}' "$json" >"$dir/secret.json"
  aws secretsmanager create-secret --name "$stack/$name" --secret-string "file://$dir/secret.json" --query ARN --output text
  rm -f "$dir/secret.json"
}

output() {
  aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}

# All of it, however far it came; says what could not be removed.
destroy() {
  trap '' INT TERM HUP
  say "removing it all"
  local state left=0
  state=$(output State 2>/dev/null) || state=
  aws cloudformation delete-stack --stack-name "$stack" || left=1
  aws cloudformation wait stack-delete-complete --stack-name "$stack" || left=1
  # Only now has the coordinator ended, which writes here until then.
  case $state in s3://*) aws s3 rb --force "${state%/}" >/dev/null || left=1 ;; esac
  for name in coordinator node caller; do
    # One that was not made need not be removed.
    aws secretsmanager delete-secret --secret-id "$stack/$name" --force-delete-without-recovery >/dev/null 2>&1 || true
  done
  [ -z "$has_bucket" ] || aws s3 rb --force "s3://$bucket" >/dev/null || left=1
  rm -rf "$dir"
  if [ "$left" -ne 0 ]; then
    echo "something is left: look for the stack $stack, its state bucket and s3://$bucket" >&2
    exit 1
  fi
  echo "nothing is left"
}

on_aws() {
  local image=$1 account run task code
  account=$(aws sts get-caller-identity --query Account --output text)
  stack=zipfleet-smoke-$(date -u +%m%d%H%M%S)
  bucket=$stack-$account
  has_bucket=
  dir=$(umask 077 && mktemp -d)
  trap destroy EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  say "certificates and a token"
  (
    cd "$dir"
    "$ZIPFLEET" certs init --dir certs --days 2
    "$ZIPFLEET" certs issue --dir certs --name coordinator --role coordinator --days 2 \
      --host "coordinator.$stack.internal" --host localhost
    "$ZIPFLEET" certs issue --dir certs --name node --role node --days 2
    umask 077
    "$ZIPFLEET" -q --json tokens new --name smoke --file tokens.toml --read "s3://$bucket" --write "s3://$bucket" |
      sed -n 's/.*"token":"\([^"]*\)".*/\1/p' >token
  )
  # A token is taken as it stands, so there must be no line end in it.
  printf %s "$(<"$dir/token")" >"$dir/token"

  say "the known set, in s3://$bucket/in/"
  aws s3 mb "s3://$bucket"
  has_bucket=1
  aws s3 cp --recursive --quiet "$root/docs" "s3://$bucket/in/"

  say "the stack $stack"
  local certs=$dir/certs coordinator node caller
  coordinator=$(make_secret coordinator "ca=$certs/ca.pem" "cert=$certs/coordinator.pem" "key=$certs/coordinator.key" "tokens=$dir/tokens.toml")
  node=$(make_secret node "ca=$certs/ca.pem" "cert=$certs/node.pem" "key=$certs/node.key")
  caller=$(make_secret caller "ca=$certs/ca.pem" "token=$dir/token")
  aws cloudformation deploy --stack-name "$stack" --template-file "$root/deploy/cloudformation/ecs.yaml" \
    --s3-bucket "$bucket" --s3-prefix templates --capabilities CAPABILITY_IAM --parameter-overrides \
    ${ZIPFLEET_BOUNDARY:+"PermissionsBoundaryArn=$ZIPFLEET_BOUNDARY"} \
    "ImageVersion=$image" "CoordinatorSecretArn=$coordinator" "NodeSecretArn=$node" "CallerSecretArn=$caller" \
    "SourceBucketArns=arn:aws:s3:::$bucket" "DestinationBucketArns=arn:aws:s3:::$bucket"

  say "a job; the first node comes when there is work, which takes some minutes"
  # What the stack tells its operator to type.
  run=$(output RunJob)
  run=${run/"s3://SOURCE/PREFIX/"/"s3://$bucket/in/"}
  run=${run/"s3://DESTINATION/ARCHIVE.zip"/"s3://$bucket/out/docs.zip"}
  task=$(eval "$run --query 'tasks[0].taskArn' --output text")
  local cluster
  cluster=$(output ClusterName)
  aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task"
  code=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --query 'tasks[0].containers[0].exitCode' --output text)
  if [ "$code" != 0 ]; then
    echo "the job ended with exit code $code (docs/exit-codes.md); it said:" >&2
    aws logs tail "$(output CallerLogGroup)" --since 1h >&2
    exit 1
  fi

  say "the archive, byte by byte, and what is left of its upload"
  verify "s3://$bucket/in/" "s3://$bucket/out/docs.zip"
  local uploads
  # shellcheck disable=SC2016  # These quotes are the query's own.
  uploads=$(aws s3api list-multipart-uploads --bucket "$bucket" --query 'length(Uploads || `[]`)' --output text)
  if [ "$uploads" != 0 ]; then
    echo "$uploads uploads are left in s3://$bucket" >&2
    exit 1
  fi
}

case ${1:-} in
  --local) exec "$root/deploy/local/cluster.sh" "$0" --inside ;;
  --inside) inside_local ;;
  :* | @sha256:*)
    ZIPFLEET=$(command -v "${ZIPFLEET:-zipfleet}") || {
      echo "there is no zipfleet on the path: cargo install --path cli, or ZIPFLEET says where it is" >&2
      exit 2
    }
    ZIPFLEET=$(realpath "$ZIPFLEET")
    on_aws "$1"
    ;;
  *)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0"
    exit 2
    ;;
esac
