//! How a cluster is reached: its address, whom to trust there, and the token that says who asks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use proto::failure::Failure;
use proto::limits::CONNECT_DEADLINE_MS;
use proto_session::read_secret;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use super::trouble::root_cause;
use crate::args::ClusterArgs;
use crate::failures::usage;

/// The environment variable with the token: unlike a flag, others on the machine do not see it.
const TOKEN: &str = "ZIPFLEET_TOKEN";

/// A client for the cluster that is meant, and its address.
pub(super) fn client(args: &ClusterArgs) -> Result<(Client, Url), Failure> {
    let url = &args.cluster;
    let is_one = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let base = url.parse().ok().filter(is_one);
    let base: Url = base.ok_or_else(|| {
        usage(format!("`{url}` is no cluster: write http://HOST:PORT or https://HOST:PORT"))
    })?;
    let mut headers = HeaderMap::new();
    if let Some(token) = token(args)? {
        if base.scheme() == "http" && !is_this_machine(&base) {
            tracing::warn!("the token goes to {base} unencrypted: everybody on the way can read and use it");
        }
        headers.insert(AUTHORIZATION, token);
    }
    // A proxy on the way to one's own machine or network would be a surprise, and so would a token that follows a
    // cluster's answer to somewhere else.
    let client = Client::builder().no_proxy().redirect(Policy::none());
    let client = client.connect_timeout(Duration::from_millis(CONNECT_DEADLINE_MS)).default_headers(headers);
    let client = match (base.scheme(), &args.cluster_ca) {
        // A machine that trusts nobody can still speak to itself.
        ("http", _) => client.tls_certs_only([]),
        (_, Some(file)) => client.tls_certs_merge(authorities(file)?),
        (_, None) => client,
    };
    let client = client.build().map_err(|error| {
        usage(format!("no encrypted connection can be made ({}): give --cluster-ca", root_cause(&error)))
    })?;
    Ok((client, base))
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let wrong = |why: &str| usage(format!("--cluster-ca {}: {why}", file.display()));
    let pem = read_secret(file).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if found.is_empty() { Err(wrong("there is no certificate in it: PEM is needed")) } else { Ok(found) }
}

/// The header that carries the token, if there is one.
fn token(args: &ClusterArgs) -> Result<Option<HeaderValue>, Failure> {
    let (token, from) = match &args.token_file {
        Some(file) => {
            let from = format!("--token-file {}", file.display());
            let read = fs::read_to_string(file);
            (read.map_err(|error| usage(format!("{from}: cannot be read: {error}")))?, from)
        }
        None => (std::env::var(TOKEN).unwrap_or_default(), TOKEN.to_owned()),
    };
    let token = token.trim();
    if token.is_empty() {
        return match args.token_file {
            Some(_) => Err(usage(format!("{from}: it is empty"))),
            None => Ok(None),
        };
    }
    // What is wrong with it is not shown: it is a secret.
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut header =
        header.map_err(|_| usage(format!("{from}: this is no token: it has characters none has")))?;
    header.set_sensitive(true);
    Ok(Some(header))
}
