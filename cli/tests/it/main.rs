//! The program end to end, against S3's twin on a free port: what it makes, and what it does when it cannot.

mod bad_input;
mod batches;
mod browser;
mod callers;
mod certs;
mod cluster;
mod config;
mod copies;
mod failures;
mod fleet;
mod help;
mod layouts;
mod logging;
mod manifests;
mod memory;
mod peers;
mod pinning;
mod reaching;
mod readers;
mod reports;
mod service;
mod signals;
mod support;
mod verbs;
mod verifying;
mod watching;
