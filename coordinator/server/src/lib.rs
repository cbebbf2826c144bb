//! The coordinator's actor: events in, effects out
