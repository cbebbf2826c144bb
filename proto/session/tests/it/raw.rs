//! HTTP/2 by hand, for those who do not keep to it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use proto::session::{FromNode, Hello};
use proto::wire;
use proto_session::TlsFiles;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::VERSION;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

pub(crate) fn client_config(dir: &Path, certificate: Option<&TlsFiles>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match certificate {
        None => config.with_no_client_auth(),
        Some(files) => {
            let chain = vec![CertificateDer::from_pem_file(&files.cert).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// A TLS connection with whatever certificate.
pub(crate) async fn tls(
    addr: SocketAddr,
    dir: &Path,
    certificate: Option<&TlsFiles>,
) -> io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(client_config(dir, certificate)));
    connector.connect(ServerName::try_from("localhost").unwrap(), TcpStream::connect(addr).await?).await
}

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What every HTTP/2 connection begins with.
pub(crate) fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat()
}

/// A header, neither indexed nor compressed.
pub(crate) fn header(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        if text.len() < 127 {
            bytes.push(text.len() as u8);
        } else {
            bytes.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                bytes.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            bytes.push(rest as u8);
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The headers of a session.
pub(crate) fn headers() -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/zipfleet.Session/Exchange"),
        (":authority", "coordinator"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("zipfleet-oldest", VERSION),
        ("zipfleet-newest", VERSION),
    ]
    .iter()
    .flat_map(|(name, value)| header(name, value))
    .collect()
}

/// What opens a session's stream.
pub(crate) fn opening(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &headers())
}

/// A gRPC message that claims a length.
pub(crate) fn claiming(length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[0], length.to_be_bytes().as_slice(), bytes].concat()
}

/// Bytes of a stream as frames of the usual size.
pub(crate) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(16 << 10).flat_map(|piece| frame(DATA, 0, stream, piece)).collect()
}

/// A message on a stream.
pub(crate) fn message(stream: u32, bytes: &[u8]) -> Vec<u8> {
    data(stream, &claiming(bytes.len() as u32, bytes))
}

/// All a node sends until it is welcomed.
pub(crate) fn greeting(hello: &Hello) -> Vec<u8> {
    let hello = wire::encode::<100_000>(&FromNode::Hello(hello.clone())).unwrap();
    [preface(), opening(1), message(1, &hello)].concat()
}

/// Reads frames until one carries data, which a coordinator's first does when the node is welcome; accepts its
/// settings, because they hold only then.
pub(crate) async fn is_welcomed(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
        if head[3] == DATA {
            stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await.unwrap();
            return;
        }
    }
}
