//! Where the endpoint, the region and the credentials come from.
//!
//! The environment belongs to the whole process, so each case runs in a process of its own: this test binary
//! again, told to run only [`child`].

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use proto_s3::{Options, S3};

use crate::support::BUCKET;

/// What [`child`] says of its first request, with `variables` as its only environment.
fn said(options: &[&str], variables: &[(&str, &str)]) -> String {
    let executable = std::env::current_exe().expect("a test has an executable");
    let mut command = Command::new(executable);
    command.args(["--exact", "connecting::child", "--ignored", "--nocapture"]).env_clear();
    // Nothing of this machine may leak in, its metadata service least of all.
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", "/nonexistent");
    command.env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent").env("OPTIONS", options.join(" "));
    let output = command.envs(variables.iter().copied()).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
#[ignore = "run by the other tests, in an environment made for it"]
async fn child() {
    let options = std::env::var("OPTIONS").unwrap_or_default();
    let option = |name: &str| {
        let words = options.split(' ').filter_map(|word| word.split_once('='));
        words.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
    };
    let options = Options {
        endpoint_url: option("endpoint"),
        region: option("region"),
        profile: option("profile"),
        keys: None,
    };
    match S3::connect(&options).await {
        Err(error) => println!("{error}"),
        Ok(s3) => match s3.list_page(0, BUCKET, "", None).await {
            Err(error) => println!("{:?} {error}", error.kind()),
            Ok(_) => println!("listed"),
        },
    }
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "zipfleet"), ("AWS_SECRET_ACCESS_KEY", "zipfleet-secret")];
/// Ports nobody listens at, told apart by the error that names them.
const FIRST: &str = "http://127.0.0.1:1";
const SECOND: &str = "http://127.0.0.1:2";

fn with_keys<'a>(variables: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().copied().chain(KEYS).collect()
}

#[test]
fn missing_credentials_are_told_clearly() {
    let said = said(&["endpoint=http://127.0.0.1:1"], &[]);
    assert!(
        said.contains("Denied cannot list s3://bucket/: no AWS credentials found; set AWS_ACCESS_KEY_ID"),
        "{said}"
    );
}

#[test]
fn a_profile_that_does_not_exist_is_told_clearly() {
    // Keys of the environment must not be taken for those of the profile.
    let path = written("other", "[profile somebody]\nregion = eu-west-1\n");
    let variables = with_keys(&[("AWS_CONFIG_FILE", &path)]);
    let said = said(&["endpoint=http://127.0.0.1:1", "profile=nobody"], &variables);
    assert!(
        said.contains("Denied cannot list s3://bucket/: profile `nobody` gives no AWS credentials"),
        "{said}"
    );
}

#[test]
fn a_broken_profile_is_told_clearly() {
    let path = written("broken", "[profile p]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = nobody\n");
    let said = said(&["endpoint=http://127.0.0.1:1", "profile=p"], &[("AWS_CONFIG_FILE", &path)]);
    assert!(said.contains("Denied cannot list s3://bucket/: "), "{said}");
    assert!(said.contains("nobody"), "{said}");
}

#[test]
fn a_missing_region_is_told_clearly() {
    let said = said(&[], &KEYS);
    assert!(said.contains("no AWS region is known: give one, set AWS_REGION"), "{said}");
}

#[test]
fn no_url() {
    let said = said(&["endpoint=localhost:9000"], &KEYS);
    assert!(said.contains("`localhost:9000` is no endpoint"), "{said}");
}

#[test]
fn the_endpoint_comes_from_the_flag_then_the_environment() {
    let named = |said: String, endpoint: &str| {
        assert!(
            said.contains(&format!("Transient cannot list s3://bucket/: connection to {endpoint} failed: ")),
            "{said}"
        );
    };
    let flag = format!("endpoint={FIRST}");
    named(said(&[&flag], &with_keys(&[("AWS_ENDPOINT_URL_S3", SECOND)])), FIRST);
    let ignored =
        with_keys(&[("AWS_ENDPOINT_URL_S3", SECOND), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]);
    named(said(&[&flag], &ignored), FIRST);
    assert!(said(&[], &ignored).contains("no AWS region is known"));
    named(said(&[], &with_keys(&[("AWS_ENDPOINT_URL_S3", FIRST), ("AWS_ENDPOINT_URL", SECOND)])), FIRST);
    named(said(&[], &with_keys(&[("AWS_ENDPOINT_URL", SECOND)])), SECOND);
}

#[test]
fn the_endpoint_comes_from_the_profile() {
    let keys = "aws_access_key_id = zipfleet\naws_secret_access_key = zipfleet-secret\nregion = eu-west-1\n";
    let text = format!(
        "[profile all]\n{keys}endpoint_url = {FIRST}\n\
         [profile one]\n{keys}services = ours\nendpoint_url = {FIRST}\n\
         [services ours]\ns3 =\n  endpoint_url = {SECOND}\n"
    );
    let path = written("endpoints", &text);
    for (profile, endpoint) in [("all", FIRST), ("one", SECOND)] {
        let chosen = format!("profile={profile}");
        let by_option = said(&[&chosen], &[("AWS_CONFIG_FILE", &path)]);
        let by_variable = said(&[], &[("AWS_CONFIG_FILE", &path), ("AWS_PROFILE", profile)]);
        for said in [by_option, by_variable] {
            assert!(said.contains(&format!("connection to {endpoint} failed: ")), "{said}");
        }
    }
}

/// The path of a configuration file with this text.
fn written(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("connecting-{name}"));
    std::fs::write(&path, text).expect("the target directory can be written");
    path.to_str().expect("the target directory is UTF-8").to_owned()
}

#[test]
fn proxies_of_the_environment_are_used() {
    for (variable, endpoint, asked) in [
        ("HTTP_PROXY", "http://s3.example.invalid:9000", "GET http://s3.example.invalid:9000/"),
        ("HTTPS_PROXY", "https://s3.example.invalid", "CONNECT s3.example.invalid:443 "),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let first = thread::spawn(move || {
            let (mut connection, _) = listener.accept().expect("someone comes");
            let mut bytes = [0; 300];
            let count = connection.read(&mut bytes).unwrap_or(0);
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        });
        said(&[&format!("endpoint={endpoint}")], &with_keys(&[(variable, &format!("http://{address}"))]));
        // If nobody asked the proxy, this ends the waiting, with nothing said.
        drop(TcpStream::connect(address));
        let first = first.join().expect("it does not panic");
        assert!(first.starts_with(asked), "{variable}: {first}");
    }
}
