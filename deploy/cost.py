#!/usr/bin/env python3
"""What a fleet costs: the tables in deploy/README.md, from list prices of us-east-1 and simulated jobs.

`deploy/cost.py` prints them, `--write FILE` puts them between the two marks in it, `--check FILE` ends with 1 when they
are not what is there. Jobs are simulated by `cargo run -p cli`, or by the program that ZIPFLEET names. Data transfer
within the region and through a gateway endpoint is free; storage of objects is not counted.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

# Dollars, list prices of us-east-1 without free tiers.
#   instances: the price list that karpenter-provider-aws generated on 2026-07-20
#     (pkg/providers/pricing/zz_generated.pricing_aws.go); that of nodes comes with the simulation, from
#     simulations/model.toml; m7g.medium is half of m7g.large
#   CloudWatch: as others told of its price page in February 2026 (cloudburn.io, "Amazon CloudWatch pricing")
#   requests: proto/src/requests.rs
#   others: the price pages of the services, which could not be looked up when this was written
INSTANCE_PRICES = "2026-07-20"
INSTANCE = "c7gn.xlarge"  # 4 cores, 8 GiB, 12.5 Gbit/s at any time
COORDINATOR_HOUR = 0.0408  # m7g.medium on demand
FARGATE_CORE_HOUR = 0.03238
FARGATE_GIB_HOUR = 0.00356
ADDRESS_HOUR = 0.005  # a public IPv4 address
DISK_GIB_MONTH = 0.08  # EBS gp3
METRIC_MONTH = 0.30
ALARM_MONTH = 0.10
DASHBOARD_MONTH = 3.00
LOGS_GB = 0.50  # taken in; what is kept of it costs a twentieth of that a month
SECRET_MONTH = 0.40
ZONE_MONTH = 0.50
HOURS = 730

# As docs/metrics.md lists them.
METRICS = 11
# Guessed: a line of metrics a minute and some lines for each of a few hundred jobs.
COORDINATOR_LOG_GB = 0.1
TEMPLATES = pathlib.Path(__file__).parent / "cloudformation"

# What the templates have: the disk of a node, its memory (NodeMemory) and requests (what a node has by itself), and how
# long an instance stays without a job: IdleMinutes, and a quarter of an hour until ECS lets it go.
NODE_DISK_GIB = 30
NODE = ("--memory", "5GiB", "--concurrency", "32")
IDLE_S = (15 + 15) * 60
# Guessed: from the alarm that asks for nodes to their first part, billed from about then.
BOOT_S = 180

# Objects, their mean size and how far they differ, nodes, goal, runs (of which the one at the median is told).
JOBS = (
    ("3,000 objects of 5 MB, 15 GB", ("3000", "5MB", "1MB"), 1, "speed", 5),
    ("3,000 objects of 5 MB, 15 GB", ("3000", "5MB", "1MB"), 2, "price", 5),
    ("3,000 objects of 5 MB, 15 GB", ("3000", "5MB", "1MB"), 32, "speed", 5),
    ("300 objects of 1 GiB, 322 GB, mostly copied by S3", ("300", "1GiB", "0B"), 2, "speed", 5),
    ("200,000 objects of 5 MB, 1 TB", ("200000", "5MB", "1MB"), 1, "speed", 1),
    ("200,000 objects of 5 MB, 1 TB", ("200000", "5MB", "1MB"), 2, "price", 1),
    ("200,000 objects of 5 MB, 1 TB", ("200000", "5MB", "1MB"), 32, "speed", 1),
)


def simulate(objects, nodes, goal, runs):
    """The scenario and the run at the median."""
    count, size, spread = objects
    program = [os.environ["ZIPFLEET"]] if "ZIPFLEET" in os.environ else ["cargo", "run", "--quiet", "-p", "cli", "--"]
    what = ["--objects", count, "--size", size, "--spread", spread, "--goal", goal, "--runs", str(runs)]
    fleet = ["--nodes", str(nodes), "--instance", INSTANCE, *NODE]
    told = subprocess.run([*program, "simulate", "--json", *what, *fleet], check=True, stdout=subprocess.PIPE, text=True)
    study = json.loads(told.stdout)["study"]
    return study["scenario"], study["median"]


def count_of(template, kind):
    return (TEMPLATES / template).read_text().count(f"Type: AWS::CloudWatch::{kind}\n")


def fixed(node_hour):
    """What is there without a single node: the template, dollars a month, and what they are for."""
    address = HOURS * ADDRESS_HOUR
    for template, machine, disk, what, secrets in (
        ("ecs.yaml", HOURS * (FARGATE_CORE_HOUR + 4 * FARGATE_GIB_HOUR), 0, "Fargate, 1 core and 4 GiB", 3),
        ("ec2.yaml", HOURS * COORDINATOR_HOUR, 16 * DISK_GIB_MONTH, "m7g.medium", 2),
    ):
        alarms, dashboards = count_of(template, "Alarm"), count_of(template, "Dashboard")
        parts = (
            (f"coordinator on {what}", machine),
            ("disk", disk),
            ("address", address),
            (f"{METRICS} metrics", METRICS * METRIC_MONTH),
            (f"{alarms} alarms", alarms * ALARM_MONTH),
            ("dashboard", dashboards * DASHBOARD_MONTH),
            ("log groups", COORDINATOR_LOG_GB * LOGS_GB * 1.05),
            (f"{secrets} secrets", secrets * SECRET_MONTH),
            ("zone", ZONE_MONTH),
        )
        told = ", ".join(f"{name} {usd:.2f}" for name, usd in parts if usd)
        yield f"`{template}`", sum(usd for _, usd in parts), told
    machine, disk = HOURS * node_hour, 16 * DISK_GIB_MONTH
    told = f"one {INSTANCE}, always on {machine:.2f}, disk {disk:.2f}, address {address:.2f}"
    yield "`single.yaml`", machine + disk + address, told


def tables():
    rows = [(what, nodes, goal, *simulate(objects, nodes, goal, runs)) for what, objects, nodes, goal, runs in JOBS]
    instance_hour = rows[0][3]["instance"]["usd_per_h"]
    node_hour = instance_hour + ADDRESS_HOUR + NODE_DISK_GIB * DISK_GIB_MONTH / HOURS
    yield f"us-east-1, on demand; prices of instances are those of {INSTANCE_PRICES}."
    yield ""
    yield "| always there | $ a month | for |"
    yield "|---|---|---|"
    yield from (f"| {name} | {month:.2f} | {what} |" for name, month, what in fixed(instance_hour))
    yield ""
    around = (BOOT_S + IDLE_S) / 3600 * node_hour
    yield (
        f"A node ({INSTANCE}, its address and disk) costs ${node_hour:.3f} an hour, from start to end. Around a job that is "
        f"alone, {BOOT_S // 60} minutes to boot and {IDLE_S // 60} without work come to ${around:.3f} for each node."
    )
    yield ""
    yield "| a job | nodes | `--goal` | seconds | requests, $ | nodes while it runs, $ | the job, $ | with boot and idle, $ |"
    yield "|---|---|---|---|---|---|---|---|"
    for what, nodes, goal, _, run in rows:
        requests, busy = run["requests_usd"], nodes * node_hour * run["total_s"] / 3600
        job = requests + busy
        yield (
            f"| {what} | {nodes} | {goal} | {run['total_s']:,.1f} | {requests:.4f} | {busy:.4f} | {job:.4f} "
            f"| {job + nodes * around:.2f} |"
        )


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
