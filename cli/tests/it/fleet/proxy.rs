//! A wire between a node and its coordinator: it can be cut in either direction without either side being told,
//! and it can be long and thin.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Most bytes passed on at once.
const CHUNK: usize = 4 << 10;
/// Most chunks on their way in one direction.
const CHUNKS: usize = 256;
/// How often it is looked whether a wire is whole again.
const LOOK: Duration = Duration::from_millis(5);

/// One direction of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the node to the coordinator.
    Up,
    /// From the coordinator to the node.
    Down,
}

/// A listener that passes everything on to somewhere else; everything is closed when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: Vec<Way>,
    /// How long each chunk takes, and how many bytes a second pass.
    slow: Option<(Duration, u64)>,
    ends: Vec<TcpStream>,
    is_over: bool,
}

impl Proxy {
    /// A whole wire to `to`.
    pub(crate) fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { continue };
                if lock(&shared).is_over {
                    return;
                }
                // A coordinator that is not there: the node sees its connection closed.
                let Ok(far) = TcpStream::connect(to) else { continue };
                carry(&shared, &near, &far, Way::Up);
                carry(&shared, &far, &near, Way::Down);
                lock(&shared).ends.extend([near, far]);
            }
        });
        Self { address, state }
    }

    /// From now on nothing passes these ways, and nobody is told; with none, all that was held up passes.
    pub(crate) fn cut(&self, ways: &[Way]) {
        lock(&self.state).cut = ways.to_vec();
    }

    /// From now on everything takes so long, and only so many bytes a second pass each way.
    pub(crate) fn slow(&self, latency: Duration, bytes_per_second: u64) {
        lock(&self.state).slow = Some((latency, bytes_per_second));
    }

    /// Breaks all connections there are; new ones can be made.
    pub(crate) fn sever(&self) {
        for end in lock(&self.state).ends.drain(..) {
            // It fails when the other side has closed it already.
            let _closed = end.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.is_over = true;
        for end in &state.ends {
            // It fails when the other side has closed it already.
            let _closed = end.shutdown(Shutdown::Both);
        }
        drop(state);
        // So that the listener sees that it is over.
        let _woken = TcpStream::connect(self.address);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what comes from one end to the other.
fn carry(state: &Arc<Mutex<State>>, from: &TcpStream, to: &TcpStream, way: Way) {
    let clone = |end: &TcpStream| end.try_clone().expect("there are descriptors left");
    let (mut from, to, state) = (clone(from), clone(to), Arc::clone(state));
    let (sender, chunks) = sync_channel(CHUNKS);
    spawn(move || {
        let mut buffer = [0; CHUNK];
        while let Ok(read @ 1..) = from.read(&mut buffer)
            && sender.send((Instant::now(), buffer[..read].to_vec())).is_ok()
        {}
    });
    spawn(move || pass_on(&state, &chunks, to, way));
}

fn pass_on(state: &Mutex<State>, chunks: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream, way: Way) {
    let mut free_at = Instant::now();
    let mut rest = chunks.iter();
    loop {
        let chunk = rest.next();
        if let (Some((sent, bytes)), Some((latency, bytes_per_second))) = (&chunk, lock(state).slow) {
            let takes = Duration::from_secs_f64(bytes.len() as f64 / bytes_per_second as f64);
            free_at = free_at.max(*sent) + takes;
            sleep((free_at + latency).saturating_duration_since(Instant::now()));
        }
        // The end of a connection does not pass either.
        while lock(state).cut.contains(&way) && !lock(state).is_over {
            sleep(LOOK);
        }
        let Some((_, bytes)) = chunk else { break };
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // Fails when it is closed already.
    let _closed = to.shutdown(Shutdown::Write);
}
