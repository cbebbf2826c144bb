//! Throttles: bytes a second that all bodies of one client share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::allowance::Allowance;
use super::model::parse_bandwidth;

/// Slices of a second in which a budget is spent, so that the flow is even.
const SLICES: f64 = 50.0;

/// Those whose requests share a budget.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// All that comes from one machine.
    Address(IpAddr),
    /// All that is signed with one access key.
    Key(String),
}

/// One client's throttle. As text, `10.0.0.2=5MB/s` or `ACCESS-KEY=5MB/s`, with the units of a
/// [`ModelEntry`](crate::ModelEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleEntry {
    /// Whose bodies are slow.
    pub client: Client,
    /// The budget of all of them together.
    pub bytes_per_second: u64,
}

/// What a text that is no [`ThrottleEntry`] lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseThrottleError {
    /// It has no equals sign, or nothing before it.
    #[error("`{0}` is no throttle: write `10.0.0.2=5MB/s` or `ACCESS-KEY=5MB/s`")]
    Form(String),
    /// Its value is no bandwidth.
    #[error("`{0}` is no bandwidth above 0 (B/s, kB/s, MB/s, GB/s)")]
    Value(String),
}

impl FromStr for ThrottleEntry {
    type Err = ParseThrottleError;

    fn from_str(text: &str) -> Result<Self, ParseThrottleError> {
        // From the right, because an access key may itself end with equals signs.
        let parts = text.rsplit_once('=').filter(|(client, _)| !client.is_empty());
        let (client, value) = parts.ok_or_else(|| ParseThrottleError::Form(text.to_owned()))?;
        let client = client.parse().map_or_else(|_| Client::Key(client.to_owned()), Client::Address);
        let bandwidth = parse_bandwidth(value);
        let bytes_per_second = bandwidth.ok_or_else(|| ParseThrottleError::Value(value.to_owned()))?;
        Ok(Self { client, bytes_per_second })
    }
}

/// Who a request comes from.
#[derive(Debug)]
pub(crate) struct Peer {
    address: Client,
    key: Option<Client>,
}

impl Peer {
    /// The peer at an address, with the access key it says it has.
    pub(crate) fn new(address: IpAddr, key: Option<String>) -> Self {
        Self { address: Client::Address(address.to_canonical()), key: key.map(Client::Key) }
    }
}

/// The budgets in force.
#[derive(Debug, Default)]
pub(crate) struct Throttles(BTreeMap<Client, Budget>);

#[derive(Debug)]
struct Budget {
    slice: f64,
    left: Allowance,
}

impl Throttles {
    /// Gives a client a budget instead of the one it has.
    pub(crate) fn set(&mut self, client: Client, bytes_per_second: u64, now: Instant) {
        let per_second = bytes_per_second as f64;
        let slice = per_second / SLICES;
        self.0.insert(client, Budget { slice, left: Allowance::new(per_second, slice, now) });
    }

    /// Takes a client's budget away; nothing then holds it up.
    pub(crate) fn remove(&mut self, client: &Client) {
        self.0.remove(client);
    }

    /// How many of `wanted` bytes of a peer's body may pass now, or how long it is until some may.
    pub(crate) fn grant(&mut self, peer: &Peer, wanted: u64, now: Instant) -> Result<u64, Duration> {
        let clients = || std::iter::once(&peer.address).chain(&peer.key);
        let mut granted = wanted;
        let mut wait = Duration::ZERO;
        for client in clients() {
            if let Some(budget) = self.0.get_mut(client) {
                granted = granted.min((budget.slice as u64).max(1));
                wait = wait.max(budget.left.wait(0.0, now));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for client in clients() {
            if let Some(budget) = self.0.get_mut(client) {
                budget.left.spend(granted as f64);
            }
        }
        Ok(granted)
    }
}
