//! TLS: a certificate and its key, which can be read anew while the server runs.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

use crate::{
    config::connection::ConnectionConfig, domain::command_error::CommandError,
    http::listener::deadlines::DeadlineStream,
};

/// What TLS is spoken with. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    cert: PathBuf,
    key: PathBuf,
    /// What new connections are accepted with.
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads what `--tls-cert` and `--tls-key` name; none where TLS is not spoken.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not fit.
    pub(crate) fn load(config: &ConnectionConfig) -> Result<Option<Self>, CommandError> {
        let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else {
            return Ok(None);
        };
        let (cert, key) = (cert.clone(), key.clone());
        let current = Arc::new(RwLock::new(read(&cert, &key)?));
        Ok(Some(Self { cert, key, current }))
    }

    /// Reads the files anew, for connections to come.
    ///
    /// # Errors
    /// As for `load`; then all stays as it was.
    pub(crate) fn reload(&self) -> Result<(), CommandError> {
        let new = read(&self.cert, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    pub(crate) async fn accept(
        &self,
        stream: DeadlineStream,
    ) -> io::Result<TlsStream<DeadlineStream>> {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        TlsAcceptor::from(current).accept(stream).await
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, CommandError> {
    let wrong = |flag, file: &Path, reason: &dyn Display| CommandError::Tls {
        flag,
        file: file.to_owned(),
        reason: reason.to_string(),
    };
    let in_cert = |reason: &dyn Display| wrong("--tls-cert", cert, reason);
    let in_key = |reason: &dyn Display| wrong("--tls-key", key, reason);
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| in_cert(&e))?;
    if chain.is_empty() {
        return Err(in_cert(&"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| in_key(&e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| in_cert(&e))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| in_key(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
