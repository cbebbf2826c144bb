//! Certificates: which files are of use, and who is believed.

use std::fs;

use proto_session::{DialError, Dialer, Tls, TlsError, TlsFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::certificates::{Authority, files, long_expired};
use crate::raw;
use crate::world::{Coordinator, hello, within};

fn error(files: &TlsFiles) -> TlsError {
    Tls::load(files).unwrap_err()
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let authority = Authority::new();
    let good = authority.issue(&["blue"], |_| {});
    let other = authority.issue(&["red"], |_| {});
    let path = authority.dir.path().join("odd");
    fs::write(&path, "not PEM").unwrap();
    let missing = authority.dir.path().join("missing");

    for (files, named) in [
        (TlsFiles { ca: missing.clone(), ..good.clone() }, &missing),
        (TlsFiles { cert: missing.clone(), ..good.clone() }, &missing),
        (TlsFiles { key: missing.clone(), ..good.clone() }, &missing),
    ] {
        let error = error(&files);
        assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(&named.display().to_string()), "{error}");
    }
    for (files, expected) in [
        (TlsFiles { ca: path.clone(), ..good.clone() }, "certificate"),
        (TlsFiles { cert: path.clone(), ..good.clone() }, "certificate"),
        (TlsFiles { key: path.clone(), ..good.clone() }, "private key"),
        (TlsFiles { cert: good.key.clone(), ..good.clone() }, "certificate"),
        (TlsFiles { key: good.cert.clone(), ..good.clone() }, "private key"),
    ] {
        let sentence = error(&files).to_string();
        assert!(sentence.contains(&format!("holds no {expected} in PEM")), "{sentence}");
    }
    let mismatch = error(&TlsFiles { key: other.key.clone(), ..good.clone() });
    assert!(matches!(mismatch, TlsError::Mismatch { .. }), "{mismatch}");
    fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for files in [TlsFiles { ca: path.clone(), ..good.clone() }, TlsFiles { cert: path, ..good.clone() }] {
        let error = error(&files);
        assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
    }
    let expired = error(&authority.issue(&["old"], long_expired));
    assert!(matches!(expired, TlsError::NotValidNow { .. }), "{expired}");
    assert!(expired.to_string().contains("2002"), "{expired}");
    assert!(Tls::load(&good).is_ok());
}

/// Dials, which must fail for a reason that may pass and contains these words.
async fn fails(coordinator: &mut Coordinator, dialer: &Dialer, words: &str) {
    let error = coordinator.try_dial(dialer, "blue").await.unwrap_err();
    assert!(matches!(error, DialError::Failed { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    coordinator.is_empty().await;
}

#[tokio::test]
async fn strangers_are_not_believed_on_either_side() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut coordinator = Coordinator::start(Some(ours.tls(&["localhost"])));

    // They believe us, but we do not believe them.
    let mixed = theirs.issue(&["blue"], |_| {});
    let mixed = TlsFiles { ca: ours.dir.path().join("ca.pem"), ..mixed };
    let stranger = coordinator.dialer(Some(Tls::load(&mixed).unwrap()));
    // What is told must not depend on who hears first that the connection ended.
    for _ in 0..20 {
        fails(&mut coordinator, &stranger, "does not accept this node's certificate").await;
    }

    // They do not believe us.
    let doubter = coordinator.dialer(Some(theirs.tls(&["blue"])));
    fails(&mut coordinator, &doubter, "invalid peer certificate").await;

    // The certificate is another machine's.
    let mut elsewhere = Coordinator::start(Some(ours.tls(&["elsewhere"])));
    let dialer = elsewhere.dialer(Some(ours.tls(&["blue"])));
    fails(&mut elsewhere, &dialer, "elsewhere").await;
}

#[tokio::test]
async fn a_node_without_a_certificate_or_with_an_old_one_is_not_let_in() {
    let authority = Authority::new();
    let coordinator = Coordinator::start(Some(authority.tls(&["localhost"])));
    authority.issue(&["old"], long_expired);
    for certificate in [None, Some(files(authority.dir.path(), "old"))] {
        let mut stream =
            raw::tls(coordinator.addr, authority.dir.path(), certificate.as_ref()).await.unwrap();
        let _ = stream.write_all(&raw::greeting(&hello("old"))).await;
        let mut heard = Vec::new();
        let refused = within(stream.read_to_end(&mut heard)).await.unwrap_err().to_string();
        let alert = if certificate.is_some() { "CertificateExpired" } else { "CertificateRequired" };
        assert!(refused.contains(alert), "{refused}");
        coordinator.is_empty().await;
    }
}

#[tokio::test]
async fn who_speaks_tls_and_who_does_not_never_meet() {
    let authority = Authority::new();
    let mut plain = Coordinator::start(None);
    let secret = plain.dialer(Some(authority.tls(&["blue"])));
    fails(&mut plain, &secret, "TLS").await;
    let mut coordinator = Coordinator::start(Some(authority.tls(&["localhost"])));
    let open = coordinator.dialer(None);
    for _ in 0..20 {
        fails(&mut coordinator, &open, "give --tls-ca, --tls-cert and --tls-key").await;
    }
}
