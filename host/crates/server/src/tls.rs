//! TLS: a certificate and its key from PEM files, which are read again when they change, so that a renewed
//! certificate needs no restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and a known authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What connections are encrypted with.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// When the files were changed that it is made of.
    of: [SystemTime; 2],
    looked: Instant,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, holds no PEM of its kind, or they do not belong together; the message names it.
    pub fn read(files: TlsFiles) -> io::Result<Self> {
        let current =
            Current { of: changed(&files)?, config: load(&files)?, looked: Instant::now() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// For a new connection. Files that cannot be used leave the ones before in use.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK_EVERY {
            current.looked = Instant::now();
            match changed(&self.files) {
                Ok(of) if of != current.of => match load(&self.files) {
                    Ok(config) => (current.config, current.of) = (config, of),
                    Err(e) => {
                        let why = format!("{e}; the certificate before stays in use");
                        crate::log::event(&serde_json::json!({ "event": "tls", "why": why }));
                    }
                },
                _ => {}
            }
        }
        TlsAcceptor::from(Arc::clone(&current.config))
    }
}

fn changed(files: &TlsFiles) -> io::Result<[SystemTime; 2]> {
    let of = |path: &Path| {
        fs::metadata(path).and_then(|about| about.modified()).map_err(|e| named(path, &e))
    };
    Ok([of(&files.certificate)?, of(&files.key)?])
}

fn load(files: &TlsFiles) -> io::Result<Arc<ServerConfig>> {
    let TlsFiles { certificate, key } = files;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| named(certificate, &e))?;
    if chain.is_empty() {
        return Err(named(certificate, &"no certificate is in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| named(key, &e))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|e| named(certificate, &format!("with the key of {}: {e}", key.display())))?;
    Ok(Arc::new(config))
}

fn named(path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}
