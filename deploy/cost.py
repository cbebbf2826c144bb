#!/usr/bin/env python3
"""What a fleet costs: the tables in deploy/README.md, from list prices of us-east-1 and the plans of four jobs.

`deploy/cost.py` prints them, `--write FILE` puts them between the two marks in it, `--check FILE` ends with 1 when they
are not what is there. Data transfer within the region and through a gateway endpoint is free; storage is not counted.
"""

import argparse
import pathlib
import sys

# Dollars, list prices of us-east-1 without free tiers. Instances: the price list that karpenter-provider-aws
# generated on 2026-07-20 (pkg/providers/pricing/zz_generated.pricing_aws.go); m7g.medium is half of m7g.large.
# Fargate: aws.amazon.com/fargate/pricing, Linux/ARM. Requests: proto/src/requests.rs. All others: the price pages of
# the services, of which the state of today could not be looked up when this was written: compare before you rely on it.
NODE_HOUR = 0.2496  # c7gn.xlarge on demand: 4 cores, 8 GiB, 12.5 Gbit/s at any time
COORDINATOR_HOUR = 0.0408  # m7g.medium on demand
FARGATE_CORE_HOUR = 0.03238
FARGATE_GIB_HOUR = 0.00356
ADDRESS_HOUR = 0.005  # a public IPv4 address
DISK_GIB_MONTH = 0.08  # EBS gp3
METRIC_MONTH = 0.30
ALARM_MONTH = 0.10
SECRET_MONTH = 0.40
ZONE_MONTH = 0.50
HOURS = 730

# As docs/metrics.md lists them.
METRICS = 11
TEMPLATES = pathlib.Path(__file__).parent / "cloudformation"

# Four jobs, planned for one node of 12.5 Gbit/s with --goal speed and price: dollars for requests, and seconds of that
# node. They come from `zipfleet --json zip --dry-run --goal GOAL --memory 5GiB --bandwidth 1562500000 s3://BUCKET/
# s3://out/a.zip` (price_usd, seconds) against `zipfleet s3 --synthetic photos/img-:3000:5MB --synthetic
# archive/img-:200000:5MB --synthetic videos/big-:1000:1GB`.
JOBS = (
    ("3,000 objects of 5 MB, 15 GB", "speed", 0.00623, 16.2),
    ("200,000 objects of 5 MB, 1 TB", "speed", 0.11065, 858.3),
    ("200,000 objects of 5 MB, 1 TB", "price", 0.10106, 852.3),
    ("1,000 objects of 1 GB, 1 TB, mostly copied by S3", "speed", 0.01938, 131.9),
)


def alarms(template):
    return (TEMPLATES / template).read_text().count("Type: AWS::CloudWatch::Alarm")


def fixed():
    """What is there without a single node: the template, dollars a month, and what they are for."""
    watched = METRICS * METRIC_MONTH + ZONE_MONTH
    fargate = HOURS * (FARGATE_CORE_HOUR + 4 * FARGATE_GIB_HOUR)
    ecs = fargate + HOURS * ADDRESS_HOUR + watched + alarms("ecs.yaml") * ALARM_MONTH + 3 * SECRET_MONTH
    yield "`ecs.yaml`", ecs, f"coordinator on Fargate, 1 core and 4 GiB ({fargate:.2f}); address, metrics, {alarms('ecs.yaml')} alarms, zone, three secrets"
    instance = HOURS * COORDINATOR_HOUR + 16 * DISK_GIB_MONTH
    ec2 = instance + watched + alarms("ec2.yaml") * ALARM_MONTH + 2 * SECRET_MONTH
    yield "`ec2.yaml`", ec2, f"coordinator on m7g.medium ({instance:.2f}); metrics, {alarms('ec2.yaml')} alarms, zone, two secrets"
    single = HOURS * NODE_HOUR + 16 * DISK_GIB_MONTH
    yield "`single.yaml`", single, "one c7gn.xlarge, always on"


def node_hour():
    return NODE_HOUR + ADDRESS_HOUR + 30 * DISK_GIB_MONTH / HOURS


def tables():
    yield "| always there | $ a month | for |"
    yield "|---|---|---|"
    yield from (f"| {name} | {month:.2f} | {what} |" for name, month, what in fixed())
    yield ""
    yield f"A node on demand (c7gn.xlarge, its address and disk) costs ${node_hour():.3f} an hour, from start to end, minutes to boot and `IdleMinutes` included."
    yield ""
    yield "| a job | `--goal` | requests, $ | node time, $ | together, $ |"
    yield "|---|---|---|---|---|"
    for what, goal, requests, seconds in JOBS:
        time = seconds * node_hour() / 3600
        yield f"| {what} | {goal} | {requests:.4f} | {time:.4f} | {requests + time:.4f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    text = "\n".join(tables())
    path = args.check or args.write
    if not path:
        print(text)
        return
    before, _, rest = path.read_text().partition("<!-- cost.py -->\n")
    there, mark, after = rest.partition("\n<!-- /cost.py -->")
    if not mark:
        sys.exit(f"{path} has no marks for the tables")
    if args.write:
        path.write_text(f"{before}<!-- cost.py -->\n{text}{mark}{after}")
    elif there != text:
        sys.exit(f"the tables in {path} are not those of today: deploy/cost.py --write {path}")


if __name__ == "__main__":
    main()
