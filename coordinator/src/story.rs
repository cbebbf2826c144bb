//! The story of a job: who did what, and each decision that was more than handing out the next part.

use std::collections::BTreeMap;

use proto::explain::{Decision, Explanation, NodeShare, What};
use proto::job::JobId;
use proto::limits::DECISIONS_MAX;

/// Steals between the same two nodes within this time are told as one, in milliseconds.
const SAME_MS: u64 = 1_000;
/// As long as no more other decisions than this lie between them.
const RECENT: usize = 32;

/// What is remembered of a job for its explanation.
#[derive(Debug, Default)]
pub struct Story {
    shares: BTreeMap<String, NodeShare>,
    decisions: Vec<Decision>,
    /// How many of them are problems, which have room of their own: on a restless fleet steals would use up all.
    problems: usize,
    untold: u64,
}

impl Story {
    /// The share of the node with this name.
    pub fn share(&mut self, node: &str) -> &mut NodeShare {
        if !self.shares.contains_key(node) {
            self.shares.insert(node.to_owned(), NodeShare { name: node.to_owned(), ..NodeShare::default() });
        }
        self.shares.get_mut(node).expect("it was just put there")
    }

    /// Notes a decision made `at_ms` milliseconds after the job was submitted.
    pub fn tell(&mut self, at_ms: u64, what: What) {
        let recent = self.decisions.iter_mut().rev().take(RECENT);
        let mut recent = recent.take_while(|last| at_ms.saturating_sub(last.at_ms) <= SAME_MS);
        if recent.any(|last| is_more_of(&mut last.what, &what)) {
            return;
        }
        let is_problem = what.is_problem();
        let alike = if is_problem { self.problems } else { self.decisions.len() - self.problems };
        if alike < DECISIONS_MAX {
            self.problems += usize::from(is_problem);
            self.decisions.push(Decision { at_ms, what });
        } else {
            self.untold += 1;
        }
    }

    /// All of it.
    #[must_use]
    pub fn explain(&self, job: JobId) -> Explanation {
        Explanation {
            job,
            nodes: self.shares.values().cloned().collect(),
            decisions: self.decisions.clone(),
            untold: self.untold,
        }
    }
}

/// Adds `next` to `last` if both are steals between the same nodes.
fn is_more_of(last: &mut What, next: &What) -> bool {
    let What::Stole { parts, thief, victim, .. } = last else { return false };
    match next {
        What::Stole { parts: more, thief: by, victim: from, .. } if by == thief && from == victim => {
            *parts += more;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stole(victim: &str) -> What {
        What::Stole {
            parts: 1,
            thief: "a".into(),
            victim: victim.into(),
            thief_left_ms: Some(1),
            victim_left_ms: Some(9),
        }
    }

    #[test]
    fn alike_steals_are_told_as_one_and_the_rest_is_counted() {
        let mut story = Story::default();
        for (at, victim) in [(0, "b"), (800, "c"), (900, "b"), (5_000, "c")] {
            story.tell(at, stole(victim));
        }
        let told = story.explain(JobId(1)).decisions;
        assert_eq!(told.iter().map(|decision| decision.at_ms).collect::<Vec<_>>(), [0, 800, 5_000]);
        assert!(matches!(told[0].what, What::Stole { parts: 2, .. }));
        for at in 0..DECISIONS_MAX as u64 {
            story.tell(at, What::Joined { node: "n".into() });
        }
        let explanation = story.explain(JobId(1));
        assert_eq!((explanation.decisions.len(), explanation.untold), (DECISIONS_MAX, 3));
        for _ in 0..=DECISIONS_MAX {
            story.tell(9_000, What::Lost { node: "n".into(), attempts: 1 });
        }
        let explanation = story.explain(JobId(1));
        let problems = explanation.decisions.iter().filter(|decision| decision.what.is_problem()).count();
        assert_eq!((problems, explanation.untold), (DECISIONS_MAX, 4), "problems have room of their own");
    }
}
