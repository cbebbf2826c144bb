//! What this machine has to say about a node's settings: what the node is called and the memory it may use.

use std::collections::BTreeMap;
use std::path::Path;

use node_agent::{Place, look_around};
use proto::session::is_node_name;
use proto_session::Identity;

use crate::args::host_name;

/// Settings by their names, as they would be written on the command line; only those that `is_open`. The certificate
/// `cert` says what the node may be called.
pub(crate) fn defaults(is_open: impl Fn(&str) -> bool, cert: Option<&Path>) -> BTreeMap<String, String> {
    let (wants_name, wants_memory) = (is_open("name"), is_open("memory"));
    if !wants_name && !wants_memory {
        return BTreeMap::new();
    }
    let place = look(wants_name);
    let name = wants_name.then(|| name(&place, cert)).flatten().map(|name| ("name", name));
    let memory = wants_memory.then(|| memory(&place)).flatten().map(|memory| ("memory", memory));
    name.into_iter().chain(memory).map(|(setting, value)| (setting.to_owned(), value)).collect()
}

/// Looks around before there is a runtime: what is found decides how the log names this process.
fn look(asks_instance: bool) -> Place {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(look_around(asks_instance))).unwrap_or_default()
}

/// A name that its certificate lets the node have, unless that is the host's name.
fn name(place: &Place, cert: Option<&Path>) -> Option<String> {
    let host = host_name();
    let id = place.id.as_ref().map(|id| id.to_ascii_lowercase()).filter(|id| is_node_name(id));
    let id = id.unwrap_or_else(|| host.clone());
    // A certificate that cannot be read is told of when it is needed.
    let identity = cert.and_then(|cert| Identity::read(cert).ok());
    let name = identity.map_or_else(|| id.clone(), |identity| identity.name_for(&id));
    (is_node_name(&name) && name != host).then_some(name)
}

/// Three quarters of what the process is allowed: the rest is for what the kernel holds for its connections, which counts
/// as well, and whoever goes beyond it is killed.
fn memory(place: &Place) -> Option<String> {
    place.memory_bytes.map(|bytes| format!("{}MiB", (bytes / 4 * 3) >> 20))
}
