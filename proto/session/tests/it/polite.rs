//! A client that keeps to HTTP/2 and gRPC, and says what it wants.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status, Streaming};

/// Sends these messages to that method, after these headers; gives the answers, and a way to send more that keeps
/// the stream open.
pub(crate) async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    method: &'static str,
    headers: &[(&'static str, &str)],
    messages: Vec<Vec<u8>>,
) -> Result<(Streaming<Vec<u8>>, mpsc::Sender<Vec<u8>>), Status> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    tokio::spawn(connection);
    let origin = http::Uri::from_static("http://coordinator");
    let mut grpc = tonic::client::Grpc::with_origin(Stub(sender), origin);
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let (more, waiting) = mpsc::channel(16);
    for message in messages {
        more.try_send(message).unwrap();
    }
    let mut request = Request::new(ReceiverStream::new(waiting));
    for (key, value) in headers {
        request.metadata_mut().insert(*key, value.parse().unwrap());
    }
    let answered = grpc.streaming(request, PathAndQuery::from_static(method), Bytes).await?;
    Ok((answered.into_inner(), more))
}

/// Messages as they are.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, stream: &mut EncodeBuf<'_>) -> Result<(), Status> {
        stream.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, stream: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(stream.copy_to_bytes(stream.remaining()).to_vec()))
    }
}

struct Stub(http2::SendRequest<Body>);

impl tower_service::Service<http::Request<Body>> for Stub {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
