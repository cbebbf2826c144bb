//! Old and new side by side.

use std::ops::RangeInclusive;

use proto_session::{Caps, DialError};

use crate::world::Coordinator;

async fn meet(node: RangeInclusive<u32>, coordinator: RangeInclusive<u32>) -> Result<(), DialError> {
    let mut coordinator = Coordinator::start_speaking(None, Caps::default(), coordinator);
    let dialer = coordinator.dialer(None).speaking(node);
    let met = coordinator.try_dial(&dialer, "red").await.map(drop);
    coordinator.is_empty().await;
    met
}

#[tokio::test]
async fn versions_that_overlap_meet() {
    for (node, coordinator) in
        [(1..=1, 1..=1), (1..=3, 3..=5), (4..=9, 1..=4), (2..=3, 1..=9), (1..=9, 5..=5)]
    {
        assert_eq!(meet(node.clone(), coordinator.clone()).await, Ok(()), "{node:?} and {coordinator:?}");
    }
}

#[tokio::test]
async fn the_side_that_is_too_old_is_named() {
    let refused = |sentence: &str| Err(DialError::Refused(sentence.to_owned()));
    assert_eq!(
        meet(1..=1, 2..=3).await,
        refused("this node speaks protocol 1 to 1, the coordinator 2 to 3: update the node")
    );
    assert_eq!(
        meet(4..=5, 2..=3).await,
        refused("this node speaks protocol 4 to 5, the coordinator 2 to 3: update the coordinator")
    );
}
