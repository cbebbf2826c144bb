//! Turns at what there is only so much of. No token has more than its share of them, so that none shuts out all
//! others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many turns, of which one token may have so many.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    turns: usize,
    share: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Of each token that has any.
    by_token: BTreeMap<String, usize>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    token: Option<String>,
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTurn {
    /// All are taken.
    #[error("all {0} turns are taken")]
    All(usize),
    /// The token has its share.
    #[error("this token has all {0} turns that one token may have")]
    Share(usize),
}

impl Turns {
    /// As many as `turns`, of which one token may have `share`.
    pub(crate) fn new(turns: usize, share: usize) -> Self {
        Self(Arc::new(Shared { turns, share, taken: Mutex::default() }))
    }

    /// Takes one for the token of this name; callers without one are only bound by what there is.
    pub(crate) fn take(&self, token: Option<&str>) -> Result<Turn, NoTurn> {
        let Shared { turns, share, .. } = *self.0;
        let mut taken = self.taken();
        if token.and_then(|token| taken.by_token.get(token)).is_some_and(|taken| *taken >= share) {
            return Err(NoTurn::Share(share));
        }
        if taken.all >= turns {
            return Err(NoTurn::All(turns));
        }
        taken.all += 1;
        let token = token.map(ToOwned::to_owned);
        if let Some(token) = &token {
            *taken.by_token.entry(token.clone()).or_default() += 1;
        }
        Ok(Turn { turns: self.clone(), token })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken();
        taken.all -= 1;
        if let Some(token) = &self.token
            && let Some(count) = taken.by_token.get_mut(token)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_token.remove(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_has_its_share_leaves_the_rest_to_others() {
        let turns = Turns::new(5, 2);
        let first = turns.take(Some("web")).unwrap();
        let _second = turns.take(Some("web")).unwrap();
        assert_eq!(turns.take(Some("web")).unwrap_err(), NoTurn::Share(2));
        let _others = [Some("ops"), None, None].map(|token| turns.take(token).unwrap());
        for token in [Some("ops"), Some("new"), None] {
            assert_eq!(turns.take(token).unwrap_err(), NoTurn::All(5));
        }
        drop(first);
        drop(turns.take(Some("web")).unwrap());
        assert!(turns.take(None).is_ok(), "what is given back is anyone's");
    }

    #[test]
    fn tokens_that_have_none_are_not_remembered() {
        let turns = Turns::new(5, 2);
        drop((turns.take(Some("web")), turns.take(Some("web"))));
        assert!(turns.taken().by_token.is_empty() && turns.taken().all == 0);
    }
}
