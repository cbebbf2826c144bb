//! The client: where S3 is and who is asking, found as the AWS CLI finds it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::service_config::ServiceConfigKey;
use proto::requests::RequestCounts;

use crate::counts::Counts;

/// S3 closes idle connections after 5-20 s; one that it is just closing must not be used.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Longest time to open a connection: within a region it takes milliseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Longest time to find credentials, a role to be assumed included.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(10);
/// The region of S3 servers that have none; every known one accepts it.
const REGION_ELSEWHERE: &str = "us-east-1";

/// Credentials, region and endpoint as the AWS CLI takes them: what is `None` is looked for in the
/// environment, the shared configuration files and the machine's or task's role.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the S3 server is, for example `http://localhost:9000`.
    pub endpoint_url: Option<String>,
    /// The region of the buckets.
    pub region: Option<String>,
    /// The profile of the shared configuration files. One chosen here must have credentials or name where
    /// they come from.
    pub profile: Option<String>,
    /// Keys to use instead of looking for credentials: for an S3 server within this process.
    pub keys: Option<Keys>,
}

/// An access key.
#[derive(Clone)]
pub struct Keys {
    /// Its public half.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Neither a region nor an endpoint is known.
    #[error("no AWS region is known: give one, set AWS_REGION, or set `region` in the AWS profile")]
    NoRegion,
    /// The endpoint is no URL.
    #[error("`{0}` is no endpoint: write http://HOST:PORT or https://HOST:PORT")]
    Endpoint(String),
}

/// A client of S3. Clones share its connections and its counters.
#[derive(Clone, Debug)]
pub struct S3 {
    pub(crate) client: Client,
    pub(crate) counts: Arc<Counts>,
    /// Where requests go, for error messages.
    pub(crate) endpoint: Arc<str>,
    /// Host and port that requests go to, but for the bucket before it.
    pub(crate) address: Arc<str>,
    pub(crate) region: Arc<str>,
    /// The profile chosen by name, for error messages.
    pub(crate) profile: Option<Arc<str>>,
}

impl S3 {
    /// Finds out where S3 is and who is asking. Sends nothing to S3, so wrong credentials show only in the
    /// first request. Without a region it is us-east-1 when an endpoint is given.
    ///
    /// # Errors
    /// When no region is known or the endpoint is no URL.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let shared = load(options).await;
        let endpoint = options.endpoint_url.clone().or_else(|| configured_endpoint(&shared));
        let region = match (shared.region(), &endpoint) {
            (Some(region), _) => region.clone(),
            (None, Some(_)) => Region::from_static(REGION_ELSEWHERE),
            (None, None) => return Err(ConnectError::NoRegion),
        };
        let (is_aws, address) = match &endpoint {
            Some(url) => (is_aws(&endpoint_host(url)?), endpoint_address(url)?),
            None => (true, format!("s3.{region}.{}:443", aws_domain(region.as_ref()))),
        };
        let mut config = aws_sdk_s3::config::Builder::from(&shared)
            .region(region.clone())
            // Buckets as host names need DNS and certificates that only AWS has.
            .force_path_style(!is_aws)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_LIMIT).build())
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_LIMIT).build())
            // Every body has its own watchdog here; the SDK's would cut slow copies and completions.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Every byte is hashed once, by whoever needs its CRC; the SDK would do it again.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        config.set_endpoint_url(endpoint.clone());
        if let Some(Keys { access_key_id, secret_access_key }) = &options.keys {
            let keys = Credentials::new(access_key_id, secret_access_key, None, None, "given");
            config = config.credentials_provider(keys);
        } else if let Some(profile) = &options.profile {
            config = config.credentials_provider(of_profile(profile, &shared));
        }
        let counts = Arc::<Counts>::default();
        let config = config.interceptor(counts.connections.clone());
        let endpoint = endpoint.unwrap_or_else(|| format!("S3 in {region}"));
        Ok(Self {
            client: Client::from_conf(config.build()),
            counts,
            endpoint: endpoint.into(),
            address: address.into(),
            region: region.as_ref().into(),
            profile: options.profile.as_deref().map(Into::into),
        })
    }

    /// Whether what is sent and received cannot be damaged or read on the way: TLS, that is.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        !self.endpoint.starts_with("http://")
    }

    /// The same client, whose requests are counted for themselves as well, but for the connections they go out on.
    #[must_use]
    pub fn tallied(&self) -> Self {
        Self { counts: Arc::new(Counts::part_of(&self.counts)), ..self.clone() }
    }

    /// What has been sent and received so far, by this client and all its clones.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        self.counts.snapshot()
    }
}

async fn load(options: &Options) -> SdkConfig {
    let http = HttpBuilder::new().build_with_connector_fn(|settings, components| {
        // As the AWS CLI does: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.
        let mut connector =
            Connector::builder().proxy_config(ProxyConfig::from_env()).pool_idle_timeout(POOL_IDLE);
        if let Some(settings) = settings {
            connector = connector.connector_settings(settings.clone());
        }
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
    });
    let mut loader: ConfigLoader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    } else if options.endpoint_url.is_some() || names_endpoint() {
        // The default chain would go on to ask the EC2 metadata service and wait for its silence.
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &options.profile {
            profile = profile.profile_name(name);
        }
        let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new());
        loader = loader.region(chain.or_else(profile.build()).or_else(Region::from_static(REGION_ELSEWHERE)));
    }
    loader.load().await
}

/// Whether the environment names an endpoint that counts.
fn names_endpoint() -> bool {
    let is_ignored = std::env::var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_ok_and(|value| value == "true");
    let is_set = |name: &&str| std::env::var_os(name).is_some();
    !is_ignored && ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().any(is_set)
}

/// The credentials of a profile chosen by name. As with the AWS CLI they count, and not those that happen to
/// be in the environment, which the SDK's own chain would prefer.
fn of_profile(name: &str, shared: &SdkConfig) -> ProfileFileCredentialsProvider {
    let mut config = ProviderConfig::without_region().with_region(shared.region().cloned());
    if let Some(http) = shared.http_client() {
        config = config.with_http_client(http);
    }
    ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build()
}

/// The endpoint that the environment and the profile ask for, looked up just as the SDK's own S3 client does
/// (which does not tell): for S3 alone, then for all services; none if they are to be ignored.
fn configured_endpoint(shared: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let key = key.expect("all three are set");
    let for_s3 = shared.service_config().and_then(|config| config.load_config(key));
    for_s3.or_else(|| shared.endpoint_url().map(ToOwned::to_owned))
}

fn endpoint_host(url: &str) -> Result<String, ConnectError> {
    let refuse = || ConnectError::Endpoint(url.to_owned());
    let uri: http::Uri = url.parse().map_err(|_| refuse())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(host.to_ascii_lowercase()),
        _ => Err(refuse()),
    }
}

fn endpoint_address(url: &str) -> Result<String, ConnectError> {
    let host = endpoint_host(url)?;
    let uri: http::Uri = url.parse().map_err(|_| ConnectError::Endpoint(url.to_owned()))?;
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(usual)))
}

/// Where a region of AWS answers.
fn aws_domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Whether AWS answers at `host`, in any of its partitions (`amazonaws.com`, `amazonaws.com.cn`,
/// `amazonaws.eu`, dual-stack `api.aws`), VPC endpoints included.
fn is_aws(host: &str) -> bool {
    host.split('.').any(|label| label == "amazonaws") || host.ends_with(".api.aws")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws_and_of_others() {
        for (url, aws) in [
            ("https://s3.eu-west-1.amazonaws.com", true),
            ("https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com/", true),
            ("https://s3.cn-north-1.amazonaws.com.cn", true),
            ("https://s3.dualstack.us-west-2.api.aws", true),
            ("http://127.0.0.1:9000", false),
            ("https://minio.example.com/s3", false),
        ] {
            assert_eq!(endpoint_host(url).map(|host| is_aws(&host)), Ok(aws), "{url}");
        }
        for url in ["", "localhost:9000", "ftp://x", "http://", "s3.amazonaws.com"] {
            assert_eq!(endpoint_host(url), Err(ConnectError::Endpoint(url.into())));
        }
        let addresses =
            ["http://127.0.0.1:9000/x", "https://minio.example.com", "http://[::1]"].map(endpoint_address);
        assert_eq!(addresses.map(Result::unwrap), ["127.0.0.1:9000", "minio.example.com:443", "[::1]:80"]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let keys = Keys { access_key_id: "AKIA".into(), secret_access_key: "hush".into() };
        let options = Options { keys: Some(keys), ..Options::default() };
        assert!(!format!("{options:?}").contains("hush"));
    }
}
