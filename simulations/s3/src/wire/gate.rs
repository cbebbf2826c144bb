//! The way of a request through the twin: counted, struck by a fault or not, answered by s3s, delayed.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use s3s::service::S3Service;
use s3s::{Body, HttpError, HttpRequest, HttpResponse, S3Error, S3ErrorCode};

use super::dialect;
use super::shaped::{Ending, Leftover, Shape, Shaped, drain};
use super::toll::Toll;
use crate::behaviour::fault::{FaultKind, Strike};
use crate::behaviour::model::Timing;
use crate::behaviour::throttle::Peer;
use crate::op::{Op, Target, access_key};
use crate::ops::Copied;
use crate::twin::{Arrival, Twin};

/// How much of an unread request body is read before it is answered, in bytes.
const DRAINED: u64 = 1 << 30;

/// Answers requests from the wire for a twin.
#[derive(Clone)]
pub(super) struct Gate {
    twin: Twin,
    service: S3Service,
}

impl Gate {
    /// A gate before a twin's operations.
    pub(super) fn new(twin: Twin, service: S3Service) -> Self {
        Self { twin, service }
    }

    /// Notes a connection, and says how long it takes to set up.
    pub(super) fn connected(&self) -> Duration {
        self.twin.connected()
    }

    /// Answers one request from an address. An error closes the connection without an answer.
    pub(super) async fn answer(
        self,
        address: IpAddr,
        request: Request<Incoming>,
    ) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let target = Target::of(&head);
        let peer = Arc::new(Peer::new(address, access_key(&head)));
        let arrival = self.twin.arrived(&target);
        let Arrival { strike, timing, .. } = arrival;
        let op = target.op;
        let fault = strike.map(|strike| strike.kind);
        if fault == Some(FaultKind::ResetBefore) {
            return Err(closed());
        }
        let length = body.size_hint().exact();
        let leftover = Leftover::default();
        let shape = if op.is_upload() { shape(strike, timing, length) } else { Shape::default() };
        let toll = op.is_upload().then(|| Toll::new(self.twin.clone(), peer.clone()));
        let body = Shaped::new(body.into(), shape, toll, leftover.clone());
        let response = match refused(op, fault) {
            Some(refusal) => {
                drop(body);
                refusal?
            }
            None => self.carry_out(HttpRequest::from_parts(head, Body::http_body(body))).await?,
        };
        if fault == Some(FaultKind::LostAnswer) || (op.is_upload() && fault == Some(FaultKind::ResetDuring)) {
            return Err(closed());
        }
        let unread = leftover.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(unread) = unread {
            drain(unread, DRAINED).await;
        }
        let toll = (op == Op::GetObject).then(|| Toll::new(self.twin, peer));
        Ok(finished(response, op, arrival, toll).await)
    }

    /// Boxed because the future of an operation is large and most of the gate's life is spent outside it.
    async fn carry_out(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Box::pin(self.service.call(request)).await
    }
}

/// Corrects, delays and shapes an answer.
async fn finished(mut response: HttpResponse, op: Op, arrival: Arrival, toll: Option<Toll>) -> HttpResponse {
    let Arrival { number, strike, timing } = arrival;
    dialect::correct(op, number, &mut response);
    let copied = response.extensions_mut().remove::<Copied>();
    let copying = match (copied, timing.bandwidth) {
        (Some(Copied(bytes)), Some(bandwidth)) => Duration::from_secs_f64(bytes as f64 / bandwidth as f64),
        _ => Duration::ZERO,
    };
    let delay = timing.latency + copying;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    // The body of an answer to HEAD is never sent, that of an upload or a copy is no content.
    let whole = op == Op::HeadObject || op.is_upload() || copied.is_some();
    let shape =
        if whole { Shape::default() } else { shape(strike, timing, response.body().size_hint().exact()) };
    if shape == Shape::default() && toll.is_none() {
        return response;
    }
    response.map(|body| Body::http_body(Shaped::new(body, shape, toll, Leftover::default())))
}

/// The answer of a fault that takes the place of the operation.
fn refused(op: Op, fault: Option<FaultKind>) -> Option<Result<HttpResponse, HttpError>> {
    let internal = || S3Error::with_message(S3ErrorCode::InternalError, "We encountered an internal error.");
    let answer = match fault? {
        FaultKind::InternalError => internal().to_http_response(),
        FaultKind::SlowDown => {
            S3Error::with_message(S3ErrorCode::SlowDown, "Please reduce your request rate.")
                .to_http_response()
        }
        FaultKind::ErrorIn200 if matches!(op, Op::CompleteMultipartUpload | Op::UploadPartCopy) => {
            internal().to_http_response().map(|mut response| {
                *response.status_mut() = http::StatusCode::OK;
                response
            })
        }
        _ => return None,
    };
    Some(answer.map_err(|error| HttpError::new(Box::new(error))))
}

/// What a fault and the model do to the body that carries the content. Without a known length the place of a
/// fault is its first byte.
fn shape(strike: Option<Strike>, timing: Timing, length: Option<u64>) -> Shape {
    let mut shape = Shape { bandwidth: timing.bandwidth, ..Shape::default() };
    if let Some(Strike { kind, place }) = strike {
        let at = (length.unwrap_or(0) as f64 * place) as u64;
        match kind {
            FaultKind::ResetDuring => shape.cut = Some((at, Ending::Broken)),
            FaultKind::Truncate => shape.cut = Some((at, Ending::Short)),
            FaultKind::Corrupt => shape.flip = Some(at),
            _ => {}
        }
    }
    shape
}

fn closed() -> HttpError {
    HttpError::new("closed by a fault".into())
}
