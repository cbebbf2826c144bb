//! The only door to OpenTelemetry: what joins the spans of two machines, and how spans reach a collector.

mod export;

pub use export::{Exporter, Unexported};

use std::fmt::Display;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState};
use proto::job::Trace;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A span as others may continue it; `None` when it is not exported. From then on it cannot continue another.
#[must_use]
pub fn context(span: &Span) -> Option<Trace> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| Trace {
        trace: u128::from_be_bytes(context.trace_id().to_bytes()),
        span: u64::from_be_bytes(context.span_id().to_bytes()),
        is_sampled: context.is_sampled(),
    })
}

/// Makes a span that was just made a child of somebody else's, who may be on another machine.
pub fn descend(span: &Span, from: Option<Trace>) {
    let Some(Trace { trace, span: parent, is_sampled }) = from.filter(|_| !span.is_disabled()) else {
        return;
    };
    let parent = SpanContext::new(
        TraceId::from_bytes(trace.to_be_bytes()),
        SpanId::from_bytes(parent.to_be_bytes()),
        TraceFlags::NOT_SAMPLED.with_sampled(is_sampled),
        true,
        TraceState::NONE,
    );
    // Fails when spans are not exported, and then it does not matter whose child this one is.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent));
}

/// Marks what a span stands for as failed.
pub fn failed(span: &Span, why: &impl Display) {
    if !span.is_disabled() {
        span.set_status(Status::error(why.to_string()));
    }
}
