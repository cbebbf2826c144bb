//! What happens to a job, as its cluster tells it (server-sent events).

use proto::api::JobEvent;
use proto::job::JobId;
use proto::limits::CLUSTER_EVENT_BYTES_MAX;

use super::{Body, Cluster, Trouble};

/// The events of a job; after a trouble they go on where they were, if the cluster can still tell.
pub(crate) struct Events<'a> {
    cluster: &'a Cluster,
    job: JobId,
    stream: Option<Body<'a>>,
    last_id: Option<String>,
    pending: Pending,
}

impl<'a> Events<'a> {
    /// All events of a job from now on. Nothing is asked yet.
    pub(crate) fn of(cluster: &'a Cluster, job: JobId) -> Self {
        Self { cluster, job, stream: None, last_id: None, pending: Pending::default() }
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Result<JobEvent, Trouble> {
        let next = self.look().await;
        if next.is_err() {
            self.stream = None;
            self.pending = Pending::default();
        }
        next
    }

    async fn look(&mut self) -> Result<JobEvent, Trouble> {
        loop {
            while let Some(event) = self.pending.take() {
                if event.id.is_some() {
                    self.last_id.clone_from(&event.id);
                }
                if let Some(event) = meant(&event) {
                    return event.map_err(|_| Trouble::of_a_stranger(&self.cluster.base));
                }
            }
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => self.stream.insert(self.cluster.listen(self.job, self.last_id.as_deref()).await?),
            };
            match stream.next().await? {
                Some(bytes) if self.pending.bytes.len() + bytes.len() <= CLUSTER_EVENT_BYTES_MAX => {
                    self.pending.bytes.extend_from_slice(&bytes);
                }
                Some(_) => return Err(Trouble::of_a_stranger(&self.cluster.base)),
                None => return Err(Trouble::cut_off(&self.cluster.base)),
            }
        }
    }
}

/// An event as it is understood; `None` for those that a later version added.
fn meant(sent: &Sent) -> Option<Result<JobEvent, serde_json::Error>> {
    Some(match sent.name.as_str() {
        "progress" => serde_json::from_str(&sent.data).map(JobEvent::Progress),
        "problem" => serde_json::from_str(&sent.data).map(JobEvent::Problem),
        "ended" => serde_json::from_str(&sent.data).map(JobEvent::Ended),
        _ => return None,
    })
}

/// An event as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    name: String,
    data: String,
    id: Option<String>,
}

/// What came and has not been told.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
}

impl Pending {
    /// The next event, if it has come whole.
    fn take(&mut self) -> Option<Sent> {
        let mut sent = Sent::default();
        let mut begin = 0;
        while let Some(length) = self.bytes[begin..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.bytes[begin..begin + length]).into_owned();
            begin += length + 1;
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                self.bytes.drain(..begin);
                return Some(sent);
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut sent.name),
                "id" => sent.id = Some(value.to_owned()),
                "data" if sent.data.is_empty() => value.clone_into(&mut sent.data),
                "data" => sent.data.extend(["\n", value]),
                // A comment, which keeps the connection alive, or what is of no use here.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_any_pieces() {
        let text =
            ": hello\n\nid: 7\r\nevent: progress\r\ndata: {\"a\":\r\ndata:1}\r\nretry: 5\r\n\r\nevent: x\n\n";
        let sent = |name: &str, data: &str, id: Option<&str>| Sent {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.map(ToOwned::to_owned),
        };
        let expected = [sent("", "", None), sent("progress", "{\"a\":\n1}", Some("7")), sent("x", "", None)];
        for piece in 1..=text.len() {
            let (mut pending, mut found) = (Pending::default(), Vec::new());
            for bytes in text.as_bytes().chunks(piece) {
                pending.bytes.extend_from_slice(bytes);
                found.extend(std::iter::from_fn(|| pending.take()));
            }
            assert_eq!(found, expected);
            assert!(pending.bytes.is_empty());
        }
    }
}
