//! `zipfleet s3`: the S3 twin as a server.

use std::path::Path;
use std::process::ExitCode;

use proto::failure::{Failure, FailureKind};
use simulations_s3::{PutAttributes, Rope, StoredChecksum, Twin, TwinOptions};
use tokio::net::TcpListener;

use crate::args::{S3Args, Synthetic};
use crate::failures::{internal, usage};
use crate::output::{Voice, count};
use crate::signals::Signals;

/// The key everyone may use.
const KEY: (&str, &str) = ("zipfleet", "zipfleet-secret");
/// A key whose time is over, to see what then happens.
const EXPIRED_KEY: (&str, &str) = ("expired", "expired-secret");

pub(crate) async fn run(args: S3Args, voice: Voice) -> Result<ExitCode, Failure> {
    if !args.listen.ip().is_loopback() && !args.allow_others {
        let message = format!(
            "{} is open to others, and this S3 has keys that everyone knows: listen on 127.0.0.1, or --allow-others",
            args.listen
        );
        return Err(usage(message));
    }
    let owned = |(id, secret): (&str, &str)| (id.to_owned(), secret.to_owned());
    let twin = Twin::new(TwinOptions {
        keys: vec![owned(KEY), owned(EXPIRED_KEY)],
        seed: args.seed,
        copy_returns_checksum: !args.no_copy_checksum,
        ..TwinOptions::default()
    });
    twin.expire_key(EXPIRED_KEY.0);
    fill(&twin, &args, voice)?;
    args.fault.iter().cloned().for_each(|fault| twin.add_fault(fault));
    args.deny.iter().cloned().for_each(|denial| twin.deny(denial));
    twin.set_model(args.model.iter().copied().collect());
    for throttle in &args.throttle {
        twin.throttle(throttle.client.clone(), throttle.bytes_per_second);
    }
    let refused =
        |error| Failure::new(FailureKind::BadRequest, format!("cannot listen on {}: {error}", args.listen));
    let server = twin.serve(TcpListener::bind(args.listen).await.map_err(refused)?).map_err(refused)?;
    let endpoint = server.endpoint();
    let text = format!(
        "S3 in memory at {endpoint}; in another shell:\n  export AWS_ENDPOINT_URL_S3={endpoint} AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}\nCtrl-C ends it and forgets everything.",
        KEY.0, KEY.1
    );
    voice.result(
        &text,
        &serde_json::json!({ "endpoint": endpoint, "access_key_id": KEY.0, "secret_access_key": KEY.1 }),
    );
    Signals::listen().map_err(internal)?.next().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn fill(twin: &Twin, args: &S3Args, voice: Voice) -> Result<(), Failure> {
    for bucket in &args.bucket {
        twin.create_bucket(bucket);
    }
    for data in &args.data {
        let (bucket, dir) = data.split_once('=').unwrap_or(("data", data));
        let loaded = twin
            .load_dir(bucket, Path::new(dir))
            .map_err(|error| usage(format!("cannot load {dir}: {error}")))?;
        voice.say(&format!("s3://{bucket}/: {} from {dir}", count(loaded, "file")));
    }
    for population in &args.synthetic {
        populate(twin, population);
        let Synthetic { bucket, prefix, count: number, .. } = population;
        voice.say(&format!("s3://{bucket}/{prefix}: {} made up", count(*number, "object")));
    }
    Ok(())
}

fn populate(twin: &Twin, population: &Synthetic) {
    for number in 0..population.count {
        let attributes = PutAttributes { checksum: StoredChecksum::Crc32, ..PutAttributes::default() };
        let key = format!("{}{number:08}", population.prefix);
        twin.put_with(&population.bucket, &key, Rope::synthetic(number, population.bytes), attributes);
    }
}
