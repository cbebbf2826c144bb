//! Who is who: a private certificate authority, and one certificate for each machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::error::TlsError;
use crate::secret::read_secret;

/// Where certificates are, each in PEM: files, or `env:NAME` (see [`read_secret`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority whose certificates are believed.
    pub ca: PathBuf,
    /// The own certificate, and those between it and the authority if any.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// One side's certificates, and whom it believes.
#[derive(Clone)]
pub struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    valid_until_s: u64,
}

// There is a key in it.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificates.
    ///
    /// # Errors
    /// When a file cannot be read or used, in a sentence that names it.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let roots = Arc::new(roots(&files.ca)?);
        let chain = certificates(&files.cert)?;
        let valid_until_s = check_validity(&files.cert, &chain)?;
        let key = private_key(&files.key)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |reason: String| TlsError::Unusable { path, reason }
        };

        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| unusable(&files.ca)(error.to_string()))?;
        let own = |error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { key: files.key.clone(), cert: files.cert.clone() }
            }
            error => unusable(&files.key)(error.to_string()),
        };
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(own)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(own)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(own)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(own)?;
        // Every connection is checked anew: a certificate that has expired must not live on in a ticket.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        client.resumption = Resumption::disabled();
        server.alpn_protocols = vec![b"h2".to_vec()];
        client.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { server: Arc::new(server), client: Arc::new(client), valid_until_s })
    }

    /// When the first of its own certificates runs out, in seconds since 1970.
    #[must_use]
    pub fn valid_until_s(&self) -> u64 {
        self.valid_until_s
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.client))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    read_secret(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error })
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = || TlsError::NotPem { path: path.to_owned(), expected: "certificate" };
    let bytes = read(path)?;
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|_| not_pem())?;
    if found.is_empty() { Err(not_pem()) } else { Ok(found) }
}

pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let not_pem = |_| TlsError::NotPem { path: path.to_owned(), expected: "private key" };
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(not_pem)
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::Unusable { path: path.to_owned(), reason: error.to_string() })?;
    }
    Ok(roots)
}

/// When the first of these runs out, in seconds since 1970. All must be valid now.
pub(crate) fn check_validity(path: &Path, chain: &[CertificateDer<'_>]) -> Result<u64, TlsError> {
    let mut until_s = u64::MAX;
    for der in chain {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| TlsError::Unusable { path: path.to_owned(), reason: error.to_string() })?;
        let validity = certificate.validity();
        if !validity.is_valid() {
            let (from, until) = (validity.not_before.to_string(), validity.not_after.to_string());
            return Err(TlsError::NotValidNow { path: path.to_owned(), from, until });
        }
        until_s = until_s.min(u64::try_from(validity.not_after.timestamp()).unwrap_or(0));
    }
    Ok(until_s)
}

/// The names in a certificate.
#[derive(Clone, Debug)]
pub struct Identity(Vec<String>);

impl Identity {
    /// The DNS names of the certificate in a file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let chain = certificates(path)?;
        let unusable = |reason| TlsError::Unusable { path: path.to_owned(), reason };
        Self::of(chain.first().expect("a chain has a first certificate")).map_err(unusable)
    }

    /// What a node is to be called that would like to be called `id`: that, or what lies below the certificate's
    /// first name, if it may not.
    #[must_use]
    pub fn name_for(&self, id: &str) -> String {
        match self.0.first() {
            Some(first) if self.may_be_called(id).is_err() => format!("{first}.{id}"),
            _ => id.to_owned(),
        }
    }

    /// The DNS names of the certificate that was shown.
    pub(crate) fn of(shown: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(shown).map_err(|error| error.to_string())?;
        let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
        let dns = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        Ok(Self(dns.collect()))
    }

    /// Whether a node with this certificate may have that name: one of the certificate's, or one below it, so that
    /// a group of machines can share a certificate.
    ///
    /// # Errors
    /// When it may not, with what it may be called.
    pub fn may_be_called(&self, name: &str) -> Result<(), String> {
        let covers = |own: &String| {
            name.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if self.0.iter().any(covers) {
            return Ok(());
        }
        let Some(first) = self.0.first() else {
            return Err(format!(
                "this node calls itself {name}, but its certificate has no DNS name: issue one for {name}"
            ));
        };
        let own = self.0.join(", ");
        Err(format!(
            "this node calls itself {name}, but its certificate is for {own}: \
             call it {first} or {first}.ANYTHING, or issue a certificate for {name}"
        ))
    }
}
