//! The public keys of an identity provider: fetched at the start, every few minutes, and when a
//! token names an unknown one. A failed fetch leaves the keys of the last successful one.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{DecodingKey, Header};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::{
    auth::verifying_key::VerifyingKey,
    config::token::JwksUrl,
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
};

/// The pause after a successful fetch, on top of `MIN_INTERVAL`.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// The pause after a failed fetch, on top of `MIN_INTERVAL`.
const RETRY_INTERVAL: Duration = Duration::from_secs(20);
/// The shortest pause between two fetches, however many tokens name unknown keys.
const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// How long one fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest response that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The provider's keys, as far as they are known.
#[derive(Debug)]
pub(crate) struct KeySet {
    url: JwksUrl,
    http: Client,
    fetched: watch::Sender<FetchedKeys>,
    /// Notified when a token names an unknown key.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct FetchedKeys {
    /// `None` as long as the provider has never answered.
    keys: Option<Vec<VerifyingKey>>,
    /// When the last fetch ended, successful or not.
    tried_at: Option<Instant>,
}

impl KeySet {
    pub(crate) fn new(url: &JwksUrl) -> Result<Self, CommandError> {
        let mut http = Client::builder()
            .timeout(PATIENCE)
            // The keys are where the operator says they are, and nowhere else.
            .redirect(Policy::none());
        if url.is_secure() {
            http = http.https_only(true).use_preconfigured_tls(tls_config()?);
        }
        let http = http.build().map_err(Error::internal)?;
        Ok(Self {
            url: url.clone(),
            http,
            fetched: watch::Sender::default(),
            wanted: Notify::new(),
        })
    }

    /// Fetches the keys in an endless loop.
    pub(crate) async fn keep_fresh(&self) {
        loop {
            let interval = match self.fetch().await {
                Ok(keys) => {
                    tracing::debug!(count = keys.len(), "the identity provider's keys are read");
                    self.fetched
                        .send_modify(|fetched| fetched.keys = Some(keys));
                    REFRESH_INTERVAL
                }
                Err(reason) => {
                    tracing::warn!(
                        url = self.url.as_str(),
                        reason,
                        "the identity provider's keys cannot be read"
                    );
                    RETRY_INTERVAL
                }
            };
            // After the keys: `find` waits for a new `tried_at` and must then see them.
            self.fetched
                .send_modify(|fetched| fetched.tried_at = Some(Instant::now()));
            // Unconditional, so that unknown keys cannot cause more fetches than this allows.
            sleep(MIN_INTERVAL).await;
            select! {
                () = sleep(interval) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<VerifyingKey>, String> {
        let response = self.http.get(self.url.as_str()).send().await;
        let mut response = response.map_err(describe)?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut body = Vec::new();
        // In chunks, so that a body of undeclared length is given up at the limit.
        while let Some(chunk) = response.chunk().await.map_err(describe)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(format!("the answer has more than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let set: Value =
            serde_json::from_slice(&body).map_err(|e| format!("the answer is no JSON: {e}"))?;
        let keys = set["keys"]
            .as_array()
            .ok_or("the answer has no list of keys")?;
        // One by one: a key of an unknown kind must not invalidate the others.
        Ok(keys.iter().filter_map(VerifyingKey::from_jwk).collect())
    }

    /// The keys that may have signed a token with this header. If none is known, waits for a new
    /// fetch, at most once per `MIN_INTERVAL`.
    pub(crate) async fn find(&self, header: &Header) -> Result<Vec<Arc<DecodingKey>>> {
        let mut fetched = self.fetched.subscribe();
        let (found, tried_at) = {
            // The borrow locks the channel, so it ends with this block, before the wait.
            let now = fetched.borrow_and_update();
            (now.find(header), now.tried_at)
        };
        if found.as_ref().is_ok_and(|keys| !keys.is_empty()) {
            return found;
        }
        // Anyone can name keys that do not exist, as often as they like.
        if tried_at.is_none_or(|at| at.elapsed() >= MIN_INTERVAL) {
            self.wanted.notify_one();
            // A failed fetch ends the wait too, since it sets `tried_at`.
            let answered = fetched.wait_for(|now| now.tried_at > tried_at);
            let _ = timeout(2 * PATIENCE, answered).await;
        }
        self.fetched.borrow().find(header)
    }
}

impl FetchedKeys {
    fn find(&self, header: &Header) -> Result<Vec<Arc<DecodingKey>>> {
        let keys = self.keys.as_ref().ok_or(Error::KeysUnavailable)?;
        Ok(keys
            .iter()
            .filter_map(|key| key.for_header(header))
            .collect())
    }
}

/// Trusts the system's certificates. Reqwest itself would read them for every client, and tests
/// create many.
fn tls_config() -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let ring = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.map_err(Error::internal)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Describes an error and its causes, without the URL, which the log line has already.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
