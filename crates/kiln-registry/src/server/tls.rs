//! Certificates: from files, which can be read again while the server runs, or made here for trying
//! out.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or is no PEM file of the right kind.
    #[error("cannot read {what} in {path}")]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("there is no certificate in {0}")]
    NoCertificate(PathBuf),
    /// The certificate and the key do not belong together, or are of a kind that is not supported.
    #[error("{certificate} and {key} cannot be used")]
    Unusable {
        /// File with the certificate.
        certificate: PathBuf,
        /// File with the key.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// A certificate for trying out could not be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// … or not be kept.
    #[error("cannot write {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A certificate with its key, in two files.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What new connections are encrypted with.
#[derive(Debug)]
pub(crate) struct Tls {
    files: Files,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    pub(crate) fn load(files: Files) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Self { files, current })
    }

    /// The file with the certificate.
    pub(crate) fn certificate(&self) -> &Path {
        &self.files.certificate
    }

    /// For the next connection.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        match self.current.read() {
            Ok(current) => current.clone(),
            // Nobody can have left it half written: it is one pointer.
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// Reads the files again. What is wrong with them changes nothing.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(read(&self.files)?);
        match self.current.write() {
            Ok(mut current) => *current = new,
            Err(poisoned) => *poisoned.into_inner() = new,
        }
        Ok(())
    }
}

/// Reads a certificate and its key, and checks that they belong together.
pub(crate) fn read(files: &Files) -> Result<ServerConfig, TlsError> {
    let pem = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem("a certificate", &files.certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(pem("a private key", &files.key))?;
    let unusable = |source| TlsError::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificate that `config` names.
pub(crate) fn named(config: &config::Config) -> Option<Files> {
    Some(Files {
        certificate: config.tls.certificate.clone()?,
        key: config.tls.key.clone()?,
    })
}

/// The certificate that `config` names, or one for trying out that is made in `data` if there is
/// none yet.
pub(crate) fn files(config: &config::Config, data: &Path) -> Result<Option<Files>, TlsError> {
    let named = named(config);
    if named.is_some() || !config.tls.self_signed {
        return Ok(named);
    }
    let folder = data.join("tls");
    let files = Files {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    };
    // Kept, so that clients that were told to trust it still do after a restart.
    if read(&files).is_err() {
        make(&files, &names(config))?;
    }
    Ok(Some(files))
}

/// What the certificate is for.
fn names(config: &config::Config) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let listeners = config.listen.iter().map(std::net::SocketAddr::ip);
    names.extend(
        listeners
            .filter(|ip| !ip.is_unspecified())
            .map(|ip| ip.to_string()),
    );
    let origin: Option<hyper::Uri> = config.public_url.parse().ok();
    names.extend(origin.as_ref().and_then(hyper::Uri::host).map(|host| {
        host.trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned()
    }));
    names.sort();
    names.dedup();
    names
}

fn make(files: &Files, names: &[String]) -> Result<(), TlsError> {
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
    let folder = files.key.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|source| TlsError::Write {
        path: folder.to_owned(),
        source,
    })?;
    write(&files.key, &made.signing_key.serialize_pem(), true)?;
    write(&files.certificate, &made.cert.pem(), false)
}

/// Replaces a file as a whole, so that a crash leaves no half of one.
fn write(path: &Path, text: &str, is_secret: bool) -> Result<(), TlsError> {
    let wrong = |source| TlsError::Write {
        path: path.to_owned(),
        source,
    };
    let new = path.with_extension("new");
    // Left from a crash, with whatever mode.
    let _ = fs::remove_file(&new);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    if is_secret {
        for_owner_only(&mut options);
    }
    let mut file = options.open(&new).map_err(wrong)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path))
        .map_err(wrong)
}

#[cfg(unix)]
fn for_owner_only(options: &mut fs::OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// Elsewhere the folder's rights decide.
#[cfg(not(unix))]
fn for_owner_only(_: &mut fs::OpenOptions) {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use kiln_testkit::TempDir;

    use super::*;

    fn self_signed() -> config::Config {
        let mut config = config::Config::default();
        config.tls.self_signed = true;
        config
    }

    #[test]
    fn a_made_certificate_is_kept_and_its_key_is_private() {
        let data = TempDir::new();
        let first = files(&self_signed(), data.path()).unwrap().unwrap();
        read(&first).unwrap();
        let mode = fs::metadata(&first.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = fs::read(&first.certificate).unwrap();
        files(&self_signed(), data.path()).unwrap();
        assert_eq!(fs::read(&first.certificate).unwrap(), before);
    }

    #[test]
    fn a_bad_reload_changes_nothing() {
        let data = TempDir::new();
        let made = files(&self_signed(), data.path()).unwrap().unwrap();
        let tls = Tls::load(made.clone()).unwrap();
        let before = tls.current();
        fs::write(&made.certificate, "nonsense").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::NoCertificate(_))));
        assert!(Arc::ptr_eq(&before, &tls.current()));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (TempDir::new(), TempDir::new());
        let one = files(&self_signed(), one.path()).unwrap().unwrap();
        let two = files(&self_signed(), two.path()).unwrap().unwrap();
        let mixed = Files {
            certificate: one.certificate,
            key: two.key,
        };
        assert!(matches!(read(&mixed), Err(TlsError::Unusable { .. })));
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = Files {
            certificate: "/no/such/certificate.pem".into(),
            key: "/no/such/key.pem".into(),
        };
        let error = read(&files).unwrap_err().to_string();
        assert!(error.contains("/no/such/certificate.pem"), "{error}");
    }
}
