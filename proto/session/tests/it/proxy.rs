//! A network between a node and its coordinator that can be cut, one way or both.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Passes,
    /// Bytes are taken and lost.
    Loses,
    /// Bytes are not even taken.
    Stopped,
}

/// Forwards connections, until told otherwise.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    up: watch::Sender<Way>,
    down: watch::Sender<Way>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (up, upwards) = watch::channel(Way::Passes);
        let (down, downwards) = watch::channel(Way::Passes);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = TcpStream::connect(to).await.unwrap().into_split();
                tokio::spawn(carry(near_read, far_write, upwards.clone()));
                tokio::spawn(carry(far_read, near_write, downwards.clone()));
            }
        });
        Self { addr, up, down }
    }

    /// Loses what goes to the coordinator, or from it.
    pub(crate) fn pass(&self, up: bool, down: bool) {
        let way = |passes| if passes { Way::Passes } else { Way::Loses };
        self.up.send_replace(way(up));
        self.down.send_replace(way(down));
    }

    /// Takes nothing any more from either side, as a process that has been stopped.
    pub(crate) fn stop(&self) {
        self.up.send_replace(Way::Stopped);
        self.down.send_replace(Way::Stopped);
    }
}

/// Never closes anything while bytes are lost: a network that is cut does not say so.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        if way.wait_for(|way| *way != Way::Stopped).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = way.changed() => continue,
        };
        let loses = *way.borrow() == Way::Loses;
        match read {
            Ok(0) | Err(_) if loses => return std::future::pending().await,
            Ok(0) | Err(_) => return,
            Ok(_) if loses => {}
            Ok(bytes) if to.write_all(&buffer[..bytes]).await.is_err() => return,
            Ok(_) => {}
        }
    }
}
