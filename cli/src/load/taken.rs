//! What coordinator and nodes took of their machines during a load.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::metrics::{Process, Sample};

/// Over how many seconds processors are looked at, at least. Nodes tell twice a second, so over less it would show more of
/// when they told than of what they did.
const STEADY_S: f64 = 2.0;

/// How much a part of the cluster took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Processors kept busy, from first to last look.
    pub(crate) cores_mean: f64,
    /// Processors kept busy, in the busiest seconds.
    pub(crate) cores_max: f64,
    /// Most memory, in bytes.
    pub(crate) bytes_max: f64,
}

/// How much a node took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodeTaken {
    /// Its name.
    pub(crate) name: String,
    /// How much.
    #[serde(flatten)]
    pub(crate) taken: Taken,
}

/// What some processes had taken together at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    /// When, in seconds from the beginning of the load.
    at_s: f64,
    /// Processor time since the first look, in seconds. Never goes back, whatever comes and goes.
    cpu_s: f64,
    /// Memory, in bytes.
    bytes: f64,
}

/// All looks at the coordinator.
pub(crate) fn coordinator(samples: &[Sample]) -> Vec<Look> {
    looks(samples, |sample| sample.coordinator.iter().map(|process| ("", *process)).collect())
}

/// All looks at the nodes together.
pub(crate) fn nodes(samples: &[Sample]) -> Vec<Look> {
    looks(samples, |sample| sample.nodes.iter().map(|(name, process)| (name.as_str(), *process)).collect())
}

/// All looks at each node, by their names.
pub(crate) fn each_node(samples: &[Sample]) -> BTreeMap<&str, Vec<Look>> {
    let names: BTreeSet<&str> =
        samples.iter().flat_map(|sample| sample.nodes.keys()).map(String::as_str).collect();
    let of = |name| {
        looks(samples, |sample| sample.nodes.get(name).map(|process| (name, *process)).into_iter().collect())
    };
    names.into_iter().map(|name| (name, of(name))).collect()
}

fn looks<'a>(
    samples: &'a [Sample],
    processes: impl Fn(&'a Sample) -> BTreeMap<&'a str, Process>,
) -> Vec<Look> {
    let (mut before, mut cpu_s) = (BTreeMap::<&str, Process>::new(), 0.0);
    let mut looks = Vec::new();
    for sample in samples {
        let now = processes(sample);
        if now.is_empty() {
            continue;
        }
        cpu_s += now.iter().filter_map(|(name, now)| Some(spent_s(before.get(name)?, now))).sum::<f64>();
        let bytes = now.values().map(|process| process.bytes).sum();
        looks.push(Look { at_s: sample.at_s, cpu_s, bytes });
        before.extend(now);
    }
    looks
}

/// Processor time between two looks at a process. One that was started again counts from 0.
fn spent_s(before: &Process, now: &Process) -> f64 {
    if now.cpu_s < before.cpu_s { now.cpu_s } else { now.cpu_s - before.cpu_s }
}

/// Processors busy and memory at the last look at which `is_then`, each if it is known.
pub(crate) fn at(looks: &[Look], is_then: impl Fn(f64) -> bool) -> (Option<f64>, Option<f64>) {
    let Some(index) = looks.iter().rposition(|look| is_then(look.at_s)) else { return (None, None) };
    (cores(looks, index), Some(looks[index].bytes))
}

/// Processors busy in the seconds before a look; `None` where there was none long enough before it.
fn cores(looks: &[Look], index: usize) -> Option<f64> {
    let last = looks[index];
    let first = looks[..index].iter().rfind(|look| look.at_s <= last.at_s - STEADY_S)?;
    Some((last.cpu_s - first.cpu_s) / (last.at_s - first.at_s))
}

impl Taken {
    /// What was seen; `None` if that was less than two looks.
    pub(crate) fn of(looks: &[Look]) -> Option<Self> {
        let (first, last) = (looks.first()?, looks.last()?);
        let cores_mean = (last.at_s > first.at_s).then(|| last.cpu_s / (last.at_s - first.at_s))?;
        Some(Self {
            cores_mean,
            // Of a load that is over sooner nothing else is known.
            cores_max: (0..looks.len()).filter_map(|index| cores(looks, index)).fold(cores_mean, f64::max),
            bytes_max: looks.iter().map(|look| look.bytes).fold(0.0, f64::max),
        })
    }

    /// What each node took, the busiest first.
    pub(crate) fn of_each(nodes: &BTreeMap<&str, Vec<Look>>) -> Vec<NodeTaken> {
        let each = nodes.iter().filter_map(|(name, looks)| {
            Some(NodeTaken { name: (*name).to_owned(), taken: Self::of(looks)? })
        });
        let mut each: Vec<NodeTaken> = each.collect();
        each.sort_by(|one, other| other.taken.cores_mean.total_cmp(&one.taken.cores_mean));
        each
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks a second apart at nodes with so much processor time each, and as many bytes of memory as are said.
    fn samples(seen: &[&[(&str, f64, f64)]]) -> Vec<Sample> {
        let sample = |(second, nodes): (usize, &&[(&str, f64, f64)])| Sample {
            at_s: second as f64,
            nodes: nodes
                .iter()
                .map(|(name, cpu_s, bytes)| ((*name).to_owned(), Process { cpu_s: *cpu_s, bytes: *bytes }))
                .collect(),
            ..Sample::default()
        };
        seen.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn nodes_that_come_go_or_start_again_take_nothing_away_and_add_nothing() {
        let samples = samples(&[
            &[("a", 10.0, 5.0)],
            // It may have run for days before it came here.
            &[("a", 11.0, 5.0), ("b", 900.0, 7.0)],
            &[("a", 12.0, 5.0), ("b", 900.5, 7.0)],
            &[("a", 0.5, 1.0), ("b", 901.0, 7.0)],
            &[("a", 1.5, 1.0)],
        ]);
        let all = Taken::of(&nodes(&samples)).expect("they were looked at");
        assert_eq!(all, Taken { cores_mean: 4.5 / 4.0, cores_max: 1.25, bytes_max: 12.0 });
        let each = Taken::of_each(&each_node(&samples));
        let told: Vec<_> = each.iter().map(|one| (one.name.as_str(), one.taken.cores_mean)).collect();
        assert_eq!(told, [("a", 3.5 / 4.0), ("b", 0.5)]);
    }

    #[test]
    fn a_load_of_a_second_has_a_mean_and_no_more() {
        let samples = samples(&[&[("a", 1.0, 5.0)], &[("a", 1.5, 6.0)]]);
        let looks = nodes(&samples);
        assert_eq!(at(&looks, |at_s| at_s < 2.0), (None, Some(6.0)));
        assert_eq!(Taken::of(&looks), Some(Taken { cores_mean: 0.5, cores_max: 0.5, bytes_max: 6.0 }));
        assert_eq!((Taken::of(&looks[..1]), Taken::of(&[])), (None, None));
    }
}
