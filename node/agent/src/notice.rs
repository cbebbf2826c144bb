//! Notices that the machine is about to be taken away: EC2 gives spot instances two minutes.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::metadata::Metadata;

/// How often to ask (EC2: "Spot Instance interruption notices" recommends every 5 seconds).
const EVERY: Duration = Duration::from_secs(5);

/// Where recommendations to rebalance are.
const REBALANCE: &str = "events/recommendations/rebalance";

/// The machine is about to be taken away.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// What happens to it: `terminate`, `stop` or `hibernate`.
    pub action: String,
    /// When, in UTC as RFC 3339 has it.
    pub time: String,
}

/// The machine is more likely than others to be taken away soon.
#[derive(Deserialize)]
struct Rebalance {
    #[serde(rename = "noticeTime")]
    time: String,
}

/// Waits for the notice that this machine, a spot instance of EC2, will be interrupted. Where there is no
/// metadata service at `url`, and on machines that are never interrupted, it waits for ever.
///
/// A recommendation to rebalance is logged, once, and the machine is used on: it may live for hours yet, and the two
/// minutes of an interruption are several times what leaving takes. Who left now would idle beside work, or be
/// started again only to leave again.
pub async fn interruption(url: &str) -> Notice {
    interruption_asking_every(url, EVERY).await
}

async fn interruption_asking_every(url: &str, every: Duration) -> Notice {
    let Some(mut metadata) = Metadata::open(url).await else {
        tracing::debug!("no metadata service: this is not an EC2 instance, or it may not ask");
        return std::future::pending().await;
    };
    let mut is_warned = false;
    loop {
        if let Some(notice) = look::<Notice>(&mut metadata, "spot/instance-action").await {
            return notice;
        }
        if !is_warned && let Some(rebalance) = look::<Rebalance>(&mut metadata, REBALANCE).await {
            is_warned = true;
            tracing::warn!(
                since = rebalance.time,
                "EC2 recommends to rebalance: this spot instance may be interrupted soon; the node goes on until it is"
            );
        }
        tokio::time::sleep(every).await;
    }
}

/// What the service has at `path`. What cannot be had or read is no notice.
async fn look<T: DeserializeOwned>(metadata: &mut Metadata, path: &str) -> Option<T> {
    let answer = metadata.get(path).await;
    let text = answer.inspect_err(|error| tracing::debug!(%error, "the metadata service does not answer"));
    serde_json::from_slice(&text.ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    /// Answers requests one after the other; gives what they began with.
    async fn serve(listener: TcpListener, answers: &[&str]) -> Vec<String> {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap().into());
            }
            let (status, body) = answer.split_once('|').unwrap();
            let head =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all((head + body).as_bytes()).await.unwrap();
            requests.push(request);
        }
        requests
    }

    #[tokio::test]
    async fn a_notice_is_waited_for_with_a_token() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = [
            "200 OK|first-token",
            "404 Not Found|",
            "404 Not Found|",
            "500 Internal Server Error|",
            r#"200 OK|{"noticeTime": "2026-03-01T08:15:00Z"}"#,
            // From here on, nobody asks for that again.
            "401 Unauthorized|",
            "200 OK|second-token",
            "404 Not Found|",
            "200 OK|no JSON",
            r#"200 OK|{"action": "terminate", "time": "2026-03-01T08:22:00Z"}"#,
        ];
        let (requests, notice) = tokio::join!(
            serve(listener, &answers),
            interruption_asking_every(&url, Duration::from_millis(1))
        );
        assert_eq!((notice.action.as_str(), notice.time.as_str()), ("terminate", "2026-03-01T08:22:00Z"));
        let (action, rebalance) = ("spot/instance-action", "events/recommendations/rebalance");
        let paths = [action, rebalance, action, rebalance, action];
        for (request, path) in requests[1..6].iter().zip(paths) {
            assert!(request.starts_with(&format!("GET /latest/meta-data/{path} ")), "{request}");
        }
        assert!(requests[0].starts_with("PUT /latest/api/token") && requests[6].starts_with("PUT "));
        assert!(requests[1].contains("first-token") && requests[7].contains("second-token"));
        assert!(requests[7..].iter().all(|request| request.contains(action)), "{requests:#?}");
    }

    #[tokio::test]
    async fn elsewhere_nothing_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asking =
            tokio::spawn(async move { interruption_asking_every(&url, Duration::from_millis(1)).await });
        assert_eq!(serve(listener, &["403 Forbidden|"]).await.len(), 1);
        assert!(timeout(Duration::from_millis(50), asking).await.is_err());
    }
}
