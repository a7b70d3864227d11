//! TLS: a certificate and its key, which can be reloaded while the server runs.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        client::verify_server_name,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        server::ParsedCertificate,
    },
    server::TlsStream,
};

use crate::{
    config::{connection::ConnectionConfig, host::HostName, secret_file::warn_if_exposed},
    domain::command_error::CommandError,
    http::listener::deadlines::DeadlineStream,
};

/// The TLS configuration. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    cert: PathBuf,
    key: PathBuf,
    /// Used for new connections; open ones keep the configuration they were accepted with.
    current: Arc<RwLock<Loaded>>,
}

/// What the files hold.
#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// The server's own certificate.
    leaf: CertificateDer<'static>,
}

impl Tls {
    /// Loads the files of `--tls-cert` and `--tls-key`; returns `None` if TLS is not configured.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not match the certificate.
    pub(crate) fn load(config: &ConnectionConfig) -> Result<Option<Self>, CommandError> {
        let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else {
            return Ok(None);
        };
        let (cert, key) = (cert.clone(), key.clone());
        let current = Arc::new(RwLock::new(load(&cert, &key)?));
        Ok(Some(Self { cert, key, current }))
    }

    /// Loads the files again, for new connections.
    ///
    /// # Errors
    /// As for `load`; the current configuration then stays in use.
    pub(crate) fn reload(&self) -> Result<(), CommandError> {
        // Read outside the lock: accepting must not wait for the disk.
        let new = load(&self.cert, &self.key)?;
        *self.current.write() = new;
        Ok(())
    }

    /// Whether the certificate is for this host.
    pub(crate) fn names(&self, host: &HostName) -> bool {
        let name = match host {
            HostName::Ip(address) => Ok(ServerName::from(*address)),
            HostName::Name(name) => ServerName::try_from(name.as_str()),
        };
        let current = self.current.read();
        let certificate = ParsedCertificate::try_from(&current.leaf);
        match (certificate, name) {
            (Ok(certificate), Ok(name)) => verify_server_name(&certificate, &name).is_ok(),
            _ => false,
        }
    }

    /// Performs the handshake of a new connection.
    pub(crate) async fn accept(
        &self,
        stream: DeadlineStream,
    ) -> io::Result<TlsStream<DeadlineStream>> {
        // Cloned, so that no lock is held during the handshake.
        let current = self.current.read().config.clone();
        TlsAcceptor::from(current).accept(stream).await
    }
}

fn load(cert: &Path, key: &Path) -> Result<Loaded, CommandError> {
    let error = |flag, file: &Path, reason: &dyn Display| CommandError::Tls {
        flag,
        file: file.to_owned(),
        reason: reason.to_string(),
    };
    let cert_error = |reason: &dyn Display| error("--tls-cert", cert, reason);
    let key_error = |reason: &dyn Display| error("--tls-key", key, reason);
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| cert_error(&e))?;
    let Some(leaf) = chain.first().cloned() else {
        return Err(cert_error(&"there is no certificate in it"));
    };
    warn_if_exposed(key);
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| key_error(&e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| cert_error(&e))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| key_error(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    Ok(Loaded { config, leaf })
}
