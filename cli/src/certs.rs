//! A private authority and the certificates it signs, for fleets that have none of their own.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use proto_session::read_secret;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use time::{Duration, OffsetDateTime};
use x509_parser::parse_x509_certificate;
use x509_parser::pem::parse_x509_pem;

use crate::args::CertRole;

/// A certificate is good from this long before it was made, for clocks that lag behind.
const BEFORE: Duration = Duration::hours(1);
/// What the authority is called in its own files.
const AUTHORITY: &str = "ca";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertsError {
    /// Nothing is ever overwritten.
    #[error("{} is there already: remove it first, or choose another --dir or --name", .0.display())]
    Exists(PathBuf),
    /// A file that could not be written.
    #[error("cannot write {}: {}", .0.display(), .1)]
    Write(PathBuf, std::io::Error),
    /// A file of the authority that could not be read.
    #[error("cannot read {}: {}; `zipfleet certs init` makes an authority", .0.display(), .1)]
    Read(PathBuf, std::io::Error),
    /// A file of the authority that does not hold what it should.
    #[error("{} holds no {} in PEM", .0.display(), .1)]
    Damaged(PathBuf, &'static str),
    /// The authority's two files are not of one authority.
    #[error("{} is not the key of the certificate beside it", .0.display())]
    OtherKey(PathBuf),
    /// The authority's certificate is no longer good.
    #[error("the authority {} has expired: make another with `zipfleet certs init`", .0.display())]
    Expired(PathBuf),
    /// The authority's own name.
    #[error("`{AUTHORITY}` is the authority's own name: choose another --name")]
    Reserved,
    /// A host that is neither a DNS name nor an IP address.
    #[error("`{0}` is neither a DNS name nor an IP address")]
    Host(String),
    /// The library refused.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// What a certificate may be used as.
pub(crate) enum Use<'a> {
    /// To be dialled at its name and these hosts.
    Coordinator(&'a [String]),
    /// To dial.
    Node,
}

/// A certificate and its private key.
pub(crate) struct Made {
    /// The certificate's file.
    pub(crate) cert: PathBuf,
    /// Its private key's file, which its owner alone may read.
    pub(crate) key: PathBuf,
}

/// Makes an authority in `dir` that is good for `days` days.
pub(crate) fn init(dir: &Path, days: u32) -> Result<Made, CertsError> {
    let made = nothing_there(dir, AUTHORITY)?;
    // A name of its own, or what another authority has signed would look like its own, and damaged.
    let name = format!("zipfleet authority {:016x}", rand::random::<u64>());
    let mut params = params(Vec::new(), &name, days)?;
    // It signs for machines, never for another authority.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    fs::create_dir_all(dir).map_err(|error| CertsError::Write(dir.to_owned(), error))?;
    made.save(&cert.pem(), &key)?;
    Ok(made)
}

/// Makes a certificate for `name` that the authority in `dir` signs and that is good for `days` days.
pub(crate) fn issue(dir: &Path, name: &str, used_as: &Use<'_>, days: u32) -> Result<Made, CertsError> {
    if name == AUTHORITY {
        return Err(CertsError::Reserved);
    }
    let made = nothing_there(dir, name)?;
    let authority = authority(dir)?;
    let (hosts, purpose) = match used_as {
        Use::Coordinator(hosts) => (*hosts, ExtendedKeyUsagePurpose::ServerAuth),
        Use::Node => (&[][..], ExtendedKeyUsagePurpose::ClientAuth),
    };
    let names = std::iter::once(name.to_owned()).chain(hosts.iter().cloned()).collect();
    let mut params = params(names, name, days)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, &authority)?;
    made.save(&cert.pem(), &key)?;
    Ok(made)
}

fn params(hosts: Vec<String>, name: &str, days: u32) -> Result<CertificateParams, CertsError> {
    for host in &hosts {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        if host.is_empty() || !(is_address || host.chars().all(legal)) {
            return Err(CertsError::Host(host.clone()));
        }
    }
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BEFORE;
    params.not_after = now + Duration::days(days.into());
    Ok(params)
}

/// Whether the certificate in this file may be used as this role; one that does not say may be used as any.
pub(crate) fn may_be_used_as(cert: &Path, role: CertRole) -> bool {
    let Ok(text) = read_secret(cert) else { return true };
    let Ok((_, pem)) = parse_x509_pem(&text) else { return true };
    let Ok((_, parsed)) = parse_x509_certificate(&pem.contents) else { return true };
    let Ok(Some(usage)) = parsed.extended_key_usage() else { return true };
    usage.value.any
        || match role {
            CertRole::Coordinator => usage.value.server_auth,
            CertRole::Node => usage.value.client_auth,
        }
}

/// The authority in `dir`, if its two files belong together and are still good.
fn authority(dir: &Path) -> Result<Issuer<'static, KeyPair>, CertsError> {
    let Made { cert, key } = files(dir, AUTHORITY);
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|error| CertsError::Read(path.to_owned(), error));
    let (cert_pem, key_pem) = (read(&cert)?, read(&key)?);
    let damaged = || CertsError::Damaged(cert.clone(), "certificate");
    let (_, pem) = parse_x509_pem(cert_pem.as_bytes()).map_err(|_| damaged())?;
    let (_, parsed) = parse_x509_certificate(&pem.contents).map_err(|_| damaged())?;
    let pair = KeyPair::from_pem(&key_pem).map_err(|_| CertsError::Damaged(key.clone(), "private key"))?;
    if parsed.public_key().raw != pair.subject_public_key_info() {
        return Err(CertsError::OtherKey(key));
    }
    if !parsed.validity().is_valid() {
        return Err(CertsError::Expired(cert));
    }
    Issuer::from_ca_cert_pem(&cert_pem, pair).map_err(|_| damaged())
}

fn files(dir: &Path, name: &str) -> Made {
    // Names may hold dots, so `with_extension` would not do.
    Made { cert: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) }
}

fn nothing_there(dir: &Path, name: &str) -> Result<Made, CertsError> {
    let made = files(dir, name);
    let Made { cert, key } = &made;
    match (cert.exists(), key.exists()) {
        (true, _) => Err(CertsError::Exists(made.cert)),
        (_, true) => Err(CertsError::Exists(made.key)),
        _ => Ok(made),
    }
}

impl Made {
    fn save(&self, cert: &str, key: &KeyPair) -> Result<(), CertsError> {
        write_new(&self.key, 0o600, &key.serialize_pem())?;
        write_new(&self.cert, 0o644, cert)
    }
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), CertsError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| CertsError::Write(path.to_owned(), error))
}
