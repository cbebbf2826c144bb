//! Notices that the machine is about to be taken away: EC2 gives spot instances two minutes.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;

/// Where every EC2 instance finds its metadata service.
const METADATA_URL: &str = "http://169.254.169.254";
/// How often to ask (EC2: "Spot Instance interruption notices" recommends every 5 seconds).
const EVERY: Duration = Duration::from_secs(5);
/// Longest time to wait for an answer, which takes milliseconds: it comes from the same machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long a token is valid, in seconds: the longest there is.
const TOKEN_SECONDS: &str = "21600";
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4_096;

/// The machine is about to be taken away.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// What happens to it: `terminate`, `stop` or `hibernate`.
    pub action: String,
    /// When, in UTC as RFC 3339 has it.
    pub time: String,
}

/// Where to ask for notices on EC2; none when the environment says not to ask, as it does for the AWS CLI.
#[must_use]
pub fn metadata_url() -> Option<&'static str> {
    let disabled = std::env::var("AWS_EC2_METADATA_DISABLED");
    let is_disabled = disabled.is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    (!is_disabled).then_some(METADATA_URL)
}

/// Waits for the notice that this machine, a spot instance of EC2, will be interrupted. Where there is no
/// metadata service at `url`, and on machines that are never interrupted, it waits for ever.
pub async fn interruption(url: &str) -> Notice {
    interruption_asking_every(url, EVERY).await
}

async fn interruption_asking_every(url: &str, every: Duration) -> Notice {
    // Proxies of the environment are for the world outside, and this is the machine itself.
    // It is asked in plain HTTP, so it does not matter whether the machine has certificates to trust.
    let client = Client::builder().no_proxy().tls_certs_only([]).timeout(ANSWER_LIMIT).build();
    let Ok(client) = client else { return std::future::pending().await };
    let Ok(mut token) = fetch_token(&client, url).await else {
        tracing::debug!("no metadata service: this is not an EC2 instance, or it may not ask");
        return std::future::pending().await;
    };
    loop {
        match ask(&client, url, &token).await {
            Ok(Answer::Notice(notice)) => return notice,
            Ok(Answer::Nothing) => {}
            Ok(Answer::TokenExpired) => {
                if let Ok(fresh) = fetch_token(&client, url).await {
                    token = fresh;
                    continue;
                }
            }
            Err(error) => tracing::debug!(%error, "the metadata service does not answer"),
        }
        tokio::time::sleep(every).await;
    }
}

enum Answer {
    Nothing,
    TokenExpired,
    Notice(Notice),
}

async fn fetch_token(client: &Client, url: &str) -> Result<String, reqwest::Error> {
    let request = client.put(format!("{url}/latest/api/token"));
    let request = request.header("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let token = read(request.send().await?.error_for_status()?).await?;
    Ok(String::from_utf8_lossy(&token).into_owned())
}

async fn ask(client: &Client, url: &str, token: &str) -> Result<Answer, reqwest::Error> {
    let request = client.get(format!("{url}/latest/meta-data/spot/instance-action"));
    let answer = request.header("X-aws-ec2-metadata-token", token).send().await?;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(Answer::Nothing),
        StatusCode::UNAUTHORIZED => Ok(Answer::TokenExpired),
        _ => {
            let text = read(answer.error_for_status()?).await?;
            // What cannot be read is no notice.
            Ok(serde_json::from_slice(&text).map_or(Answer::Nothing, Answer::Notice))
        }
    }
}

async fn read(mut answer: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut text = Vec::new();
    while let Some(bytes) = answer.chunk().await? {
        text.extend_from_slice(&bytes);
        if text.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(text)
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
        let notice = r#"{"action": "terminate", "time": "2026-03-01T08:22:00Z"}"#;
        let answers = [
            "200 OK|first-token".to_owned(),
            "404 Not Found|".to_owned(),
            "500 Internal Server Error|".to_owned(),
            "401 Unauthorized|".to_owned(),
            "200 OK|second-token".to_owned(),
            "200 OK|no JSON".to_owned(),
            format!("200 OK|{notice}"),
        ];
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        let (requests, notice) = tokio::join!(
            serve(listener, &answers),
            interruption_asking_every(&url, Duration::from_millis(1))
        );
        assert_eq!((notice.action.as_str(), notice.time.as_str()), ("terminate", "2026-03-01T08:22:00Z"));
        assert!(requests[0].starts_with("PUT /latest/api/token"));
        assert!(requests[1].starts_with("GET /latest/meta-data/spot/instance-action"));
        assert!(requests[1].contains("first-token") && requests[6].contains("second-token"));
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
