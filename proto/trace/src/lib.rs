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

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_span_goes_on_with_a_trace_from_elsewhere_and_hands_it_on() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let theirs: Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        let unsampled = Trace { is_sampled: false, ..theirs };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for from in [theirs, unsampled] {
                let span = tracing::info_span!("job");
                descend(&span, Some(from));
                let ours = context(&span).unwrap();
                assert_eq!((ours.trace, ours.is_sampled), (from.trace, from.is_sampled));
                assert!(ours.span != from.span && ours.span != 0);
            }
            let root = tracing::info_span!("job");
            descend(&root, None);
            assert!(context(&root).is_some_and(|ours| ours.trace != theirs.trace));
        });
        let span = tracing::info_span!("job");
        descend(&span, Some(theirs));
        assert_eq!(context(&span), None, "nobody exports it");
    }
}
