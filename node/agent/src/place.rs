//! Where a node runs, and what it may use there: an ECS task, an EC2 instance, a control group.

use std::fs;
use std::path::Path;

use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::metadata::{Metadata, client, metadata_url, read};

/// The environment variable with which ECS tells a container where to ask (task metadata endpoint, version 4).
const ECS_URL: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";
/// The control groups of this process.
const OWN_CGROUPS: &str = "/proc/self/cgroup";
/// What the machine has of memory.
const MEMINFO: &str = "/proc/meminfo";

/// Where this process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What the platform calls it: the id of an ECS task, or that of an EC2 instance.
    pub id: Option<String>,
    /// Memory it is allowed, in bytes, if less than the machine has.
    pub memory_bytes: Option<u64>,
}

/// Looks where this process runs: asks ECS if the environment says that it is there; EC2 otherwise, if
/// `asks_instance`, which takes a second where nobody answers; and reads the control group. What cannot be
/// had is left out.
pub async fn look_around(asks_instance: bool) -> Place {
    let cgroup = fs::read_to_string(OWN_CGROUPS).unwrap_or_default();
    let mut place = Place { id: None, memory_bytes: memory_limit(&cgroup, Path::new(CGROUPS)) };
    if let Ok(url) = std::env::var(ECS_URL) {
        let task = ask_ecs(&url).await;
        place.id = task.id;
        // A limit of the whole task is on the group around the container's, which it cannot see.
        place.memory_bytes = place.memory_bytes.into_iter().chain(task.memory_bytes).min();
    } else if asks_instance && let Some(url) = metadata_url() {
        place.id = ask_ec2(&url).await;
    }
    place
}

/// The most memory that this process may use, in bytes: the machine's, or less where its control group has a limit.
/// `None` where Linux does not tell.
#[must_use]
pub fn memory_here() -> Option<u64> {
    let cgroup = fs::read_to_string(OWN_CGROUPS).unwrap_or_default();
    let machine = fs::read_to_string(MEMINFO).ok().and_then(|text| memory_of_machine(&text));
    machine.into_iter().chain(memory_limit(&cgroup, Path::new(CGROUPS))).min()
}

/// What the kernel tells of the machine's memory, in bytes.
fn memory_of_machine(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

async fn ask_ec2(url: &str) -> Option<String> {
    let id = Metadata::open(url).await?.get("instance-id").await.ok()??;
    String::from_utf8(id).ok()
}

/// What ECS tells of a container.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EcsContainer {
    #[serde(default)]
    limits: EcsLimits,
}

/// What ECS tells of a task.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EcsTask {
    #[serde(rename = "TaskARN")]
    arn: String,
    #[serde(default)]
    limits: EcsLimits,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EcsLimits {
    /// In MiB; missing or 0 for none.
    #[serde(default)]
    memory: u64,
}

async fn ask_ecs(url: &str) -> Place {
    let Ok(client) = client() else { return Place::default() };
    let container = ask::<EcsContainer>(&client, url).await;
    let task = ask::<EcsTask>(&client, &format!("{url}/task")).await;
    let id = task.as_ref().and_then(|task| task.arn.rsplit('/').next()).map(ToOwned::to_owned);
    let limits = container.map(|it| it.limits).into_iter().chain(task.map(|it| it.limits));
    let memory_bytes = limits.filter(|it| it.memory > 0).map(|it| it.memory.saturating_mul(1 << 20)).min();
    Place { id, memory_bytes }
}

async fn ask<T: DeserializeOwned>(client: &Client, url: &str) -> Option<T> {
    let answer = client.get(url).send().await.ok()?.error_for_status().ok()?;
    serde_json::from_slice(&read(answer).await.ok()?).ok()
}

/// The least of the limits on the control group that `cgroup`, as the kernel tells it, names, and on those around
/// it. In a container the groups are mounted from its own on, whatever its path is called outside.
fn memory_limit(cgroup: &str, mounted: &Path) -> Option<u64> {
    let limits = cgroup.lines().filter_map(|line| {
        let (_, group) = line.split_once(':')?;
        let (controllers, path) = group.split_once(':')?;
        // Version 2 has one tree for all, without a name.
        let (tree, file) = match controllers {
            "" => (mounted.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (mounted.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let own = Path::new(path.trim_start_matches('/'));
        let read = |group: &Path| fs::read_to_string(tree.join(group).join(file)).ok()?.trim().parse().ok();
        own.ancestors().filter_map(read).min()
    });
    // No limit is `max`, which is no number, in version 2, and the largest number there is in version 1.
    limits.min().filter(|limit| *limit < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of control groups with these limits.
    fn mounted(limits: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, limit) in limits {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, limit).unwrap();
        }
        dir
    }

    #[test]
    fn the_machine_tells_its_memory() {
        assert_eq!(memory_of_machine("MemFree: 1 kB\nMemTotal:       16 kB\n"), Some(16 * 1024));
        assert_eq!(memory_of_machine("nonsense"), None);
    }

    #[test]
    fn the_least_limit_around_a_process_counts() {
        let service = "0::/system.slice/zipfleet-node.service\n";
        let v1 = "5:cpu,cpuacct:/a\n4:memory:/docker/0123\n0::/\n";
        let none = "9223372036854771712\n";
        for (cgroup, limits, expected) in [
            ("", &[("memory.max", "1000\n")][..], None),
            ("0::/\n", &[], None),
            ("0::/\n", &[("memory.max", "max\n")], None),
            ("0::/\n", &[("memory.max", "536870912\n")], Some(536_870_912)),
            (service, &[("system.slice/zipfleet-node.service/memory.max", "700\n")], Some(700)),
            (
                service,
                &[
                    ("system.slice/zipfleet-node.service/memory.max", "max\n"),
                    ("system.slice/memory.max", "600\n"),
                ],
                Some(600),
            ),
            // A container that sees its path outside, and its own group at the top.
            ("0::/ecs/task/container\n", &[("memory.max", "500\n")], Some(500)),
            (v1, &[("memory/docker/0123/memory.limit_in_bytes", "400\n")], Some(400)),
            (v1, &[("memory/memory.limit_in_bytes", "300\n")], Some(300)),
            (v1, &[("memory/docker/0123/memory.limit_in_bytes", none)], None),
            (v1, &[("memory/docker/0123/memory.limit_in_bytes", "nonsense\n")], None),
        ] {
            let dir = mounted(limits);
            assert_eq!(memory_limit(cgroup, dir.path()), expected, "{cgroup} {limits:?}");
        }
    }
}
