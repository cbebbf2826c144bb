//! What EC2 and ECS tell a machine and a container about themselves, each at an address that is its own.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode};

/// Where every EC2 instance finds its metadata service.
const METADATA_URL: &str = "http://169.254.169.254";
/// Longest time to wait for an answer, which takes milliseconds: it comes from the same machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Longest time to wait for a connection. Elsewhere than on EC2 nobody may be there to refuse it.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How long a token is valid, in seconds: the longest there is.
const TOKEN_SECONDS: &str = "21600";
/// Longest answer that is read, in bytes: a description of a task with ten containers takes some 10 kB.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where to ask on EC2: what the environment names as it does for the AWS CLI, or the address all instances have;
/// none when the environment says not to ask.
#[must_use]
pub fn metadata_url() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_disabled =
        set("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let url = set("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| METADATA_URL.to_owned());
    (!is_disabled).then(|| url.trim_end_matches('/').to_owned())
}

/// A client for addresses of this machine.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    // Proxies of the environment are for the world outside, and this is the machine itself.
    // It is asked in plain HTTP, so it does not matter whether the machine has certificates to trust.
    let client = Client::builder().no_proxy().tls_certs_only([]);
    client.connect_timeout(CONNECT_LIMIT).timeout(ANSWER_LIMIT).build()
}

/// An answer's body, as far as it is read.
pub(crate) async fn read(mut answer: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut text = Vec::new();
    while let Some(bytes) = answer.chunk().await? {
        text.extend_from_slice(&bytes);
        if text.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(text)
}

/// The metadata service of EC2, asked in its second version (IMDSv2): with a token.
pub(crate) struct Metadata {
    client: Client,
    url: String,
    token: String,
}

impl Metadata {
    /// The service at `url`; `None` where there is none, or none that answers from here: from a container it does
    /// only if it is on the host's network or the instance lets answers take a second hop.
    pub(crate) async fn open(url: &str) -> Option<Self> {
        let client = client().ok()?;
        let token = fetch_token(&client, url).await.ok()?;
        Some(Self { client, url: url.to_owned(), token })
    }

    /// What the service has at `path`, below `latest/meta-data/`; `None` when there is nothing.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, reqwest::Error> {
        let mut answer = self.ask(path).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.token = fetch_token(&self.client, &self.url).await?;
            answer = self.ask(path).await?;
        }
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        read(answer.error_for_status()?).await.map(Some)
    }

    async fn ask(&self, path: &str) -> Result<Response, reqwest::Error> {
        let request = self.client.get(format!("{}/latest/meta-data/{path}", self.url));
        request.header("X-aws-ec2-metadata-token", &self.token).send().await
    }
}

async fn fetch_token(client: &Client, url: &str) -> Result<String, reqwest::Error> {
    let request = client.put(format!("{url}/latest/api/token"));
    let request = request.header("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let token = read(request.send().await?.error_for_status()?).await?;
    Ok(String::from_utf8_lossy(&token).into_owned())
}
