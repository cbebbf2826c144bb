//! What this machine's network is taken to carry: it decides whether objects go through it or are copied by S3.

use std::time::Duration;

use proto::limits::{FAR_BYTES_PER_S_DEFAULT, FAR_CONNECT_MS, NETWORK_BYTES_PER_S_DEFAULT};
use proto_s3::S3;

/// Bytes a second each way: as told, or by how far away S3 is. Nothing tells how fast a network is but trying, which
/// takes seconds and bytes that may have to be paid for; but machines in S3's own region are fast, and others are not.
pub(crate) async fn bytes_per_second(s3: &S3, told: Option<u64>) -> u64 {
    if let Some(told) = told {
        return told;
    }
    let far = Duration::from_millis(FAR_CONNECT_MS);
    let connect_time = s3.connect_time().await;
    let bytes_per_second = match connect_time {
        Some(time) if time > far => FAR_BYTES_PER_S_DEFAULT,
        _ => NETWORK_BYTES_PER_S_DEFAULT,
    };
    tracing::debug!(?connect_time, bytes_per_second, "what the network is taken to carry");
    bytes_per_second
}
