//! Which version of the protocol both sides speak: agreed in gRPC metadata, because what bincode reads depends
//! on it.

use std::ops::RangeInclusive;

use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

const OLDEST: &str = "zipfleet-oldest";
const NEWEST: &str = "zipfleet-newest";
const AGREED: &str = "zipfleet-version";

/// Says which versions this node speaks.
pub(crate) fn propose(metadata: &mut MetadataMap, node: &RangeInclusive<u32>) {
    metadata.insert(OLDEST, MetadataValue::from(*node.start()));
    metadata.insert(NEWEST, MetadataValue::from(*node.end()));
}

/// The newest version that the node and this coordinator both speak.
pub(crate) fn agree(metadata: &MetadataMap, coordinator: &RangeInclusive<u32>) -> Result<u32, Status> {
    let (Some(oldest), Some(newest)) = (number(metadata, OLDEST), number(metadata, NEWEST)) else {
        return Err(Status::failed_precondition("whoever this is does not say which protocol it speaks"));
    };
    let version = newest.min(*coordinator.end());
    if version >= oldest.max(*coordinator.start()) {
        return Ok(version);
    }
    let outdated = if newest < *coordinator.start() { "node" } else { "coordinator" };
    Err(Status::failed_precondition(format!(
        "this node speaks protocol {oldest} to {newest}, the coordinator {} to {}: update the {outdated}",
        coordinator.start(),
        coordinator.end(),
    )))
}

/// Says which version was agreed on.
pub(crate) fn confirm(metadata: &mut MetadataMap, version: u32) {
    metadata.insert(AGREED, MetadataValue::from(version));
}

/// Whether the coordinator chose a version this node speaks.
pub(crate) fn is_confirmed(metadata: &MetadataMap, node: &RangeInclusive<u32>) -> bool {
    number(metadata, AGREED).is_some_and(|version| node.contains(&version))
}

fn number(metadata: &MetadataMap, key: &str) -> Option<u32> {
    metadata.get(key)?.to_str().ok()?.parse().ok()
}
