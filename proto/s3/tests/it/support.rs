//! Servers to talk to, and shorthands.

use bytes::Bytes;
use proto::location::Location;
use proto_s3::{Error, Fetched, Keys, Options, S3};
use simulations_s3::{Server, Twin, TwinOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The bucket of all tests.
pub(crate) const BUCKET: &str = "bucket";

/// A twin on a socket, with a client of it.
pub(crate) struct World {
    pub(crate) twin: Twin,
    pub(crate) server: Server,
    pub(crate) s3: S3,
}

/// A world with an empty bucket.
pub(crate) async fn world() -> World {
    world_with(TwinOptions::default()).await
}

/// A world of another kind with an empty bucket.
pub(crate) async fn world_with(options: TwinOptions) -> World {
    let twin = Twin::new(options);
    twin.create_bucket(BUCKET);
    let server = twin.serve(listener().await).expect("a bound listener has an address");
    let s3 = client(&server.endpoint()).await;
    World { twin, server, s3 }
}

/// A listener on a free port of this machine.
pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("there is a free port")
}

/// A client with the twin's keys.
pub(crate) async fn client(endpoint: &str) -> S3 {
    client_with(endpoint, "zipfleet", "zipfleet-secret").await
}

/// A client with other keys.
pub(crate) async fn client_with(endpoint: &str, id: &str, secret: &str) -> S3 {
    let keys = Keys { access_key_id: id.into(), secret_access_key: secret.into() };
    let options = Options {
        endpoint_url: Some(endpoint.into()),
        region: Some("us-east-1".into()),
        keys: Some(keys),
        ..Options::default()
    };
    S3::connect(&options).await.expect("the endpoint is a URL")
}

/// A client of a server that answers every request with `answer`, leaves the connection open for
/// `Connection: keep-alive` answers that never end, and otherwise closes it.
pub(crate) async fn canned(answer: impl Into<String>) -> S3 {
    let answer = answer.into();
    let listener = listener().await;
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _read = socket.read(&mut request).await;
            let _written = socket.write_all(answer.as_bytes()).await;
            if answer.contains("keep-alive") {
                silent.push(socket);
            } else {
                let _closed = socket.shutdown().await;
            }
        }
    });
    client(&endpoint).await
}

/// An answer of `status` with a body of its own length.
pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// A place in the bucket.
pub(crate) fn at(key: &str) -> Location {
    Location { bucket: BUCKET.into(), key: key.into() }
}

/// All that is left of a body.
pub(crate) async fn read(mut fetched: Fetched) -> Result<Bytes, Error> {
    let mut all = Vec::new();
    while let Some(frame) = fetched.next().await? {
        all.extend_from_slice(&frame);
    }
    Ok(all.into())
}
