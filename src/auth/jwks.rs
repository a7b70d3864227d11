//! The public keys of an identity provider: fetched at the start, every few minutes, and when a
//! token names an unknown one. A failed fetch leaves the keys of the last successful one, until
//! they are too old.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::Header;
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::{
    auth::{rejection::JWT_KEY_GONE, verifying_key::VerifyingKey},
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
    /// How long keys are good that cannot be fetched anew.
    max_age: Duration,
    fetched: watch::Sender<FetchedKeys>,
    /// Notified when a token names an unknown key.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct FetchedKeys {
    /// `None` as long as the provider has never answered.
    keys: Option<Vec<Arc<VerifyingKey>>>,
    /// When these keys are too old.
    stale_at: Option<Instant>,
    /// When the last fetch ended, successful or not.
    tried_at: Option<Instant>,
}

impl KeySet {
    pub(crate) fn new(url: &JwksUrl, max_age: Duration) -> Result<Self, CommandError> {
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
            max_age,
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
                    self.fetched.send_modify(|fetched| {
                        fetched.keys = Some(keys.into_iter().map(Arc::new).collect());
                        fetched.stale_at = Some(Instant::now() + self.max_age);
                    });
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
            sleep(self.pause(MIN_INTERVAL)).await;
            select! {
                () = sleep(self.pause(interval)) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// A pause between two fetches, of which there are several before keys are too old.
    fn pause(&self, usual: Duration) -> Duration {
        usual.min(self.max_age / 4)
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
    pub(crate) async fn find(&self, header: &Header) -> Result<Vec<Arc<VerifyingKey>>> {
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

    /// Fails where a key is no longer good.
    pub(crate) fn check(&self, key: &VerifyingKey) -> Result<()> {
        self.fetched.borrow().good_until(key).map(drop)
    }

    /// Waits until a key is no longer good, and says why.
    pub(crate) async fn lost(&self, key: &VerifyingKey) -> Error {
        let mut fetched = self.fetched.subscribe();
        loop {
            let good_until = fetched.borrow_and_update().good_until(key);
            match good_until {
                Err(why) => return why,
                Ok(end) => select! {
                    () = sleep_until(end) => {}
                    // The sender is in `self`.
                    _ = fetched.changed() => {}
                },
            }
        }
    }
}

impl FetchedKeys {
    fn find(&self, header: &Header) -> Result<Vec<Arc<VerifyingKey>>> {
        let (keys, _) = self.fresh()?;
        let named = keys.iter().filter(|key| key.may_have_signed(header));
        Ok(named.cloned().collect())
    }

    /// Until when a key is good, unless it is fetched anew.
    fn good_until(&self, key: &VerifyingKey) -> Result<Instant> {
        let (keys, stale_at) = self.fresh()?;
        let is_named = keys.iter().any(|known| known.is_same(key));
        is_named.then_some(stale_at).ok_or(JWT_KEY_GONE)
    }

    /// The keys that are not too old, and when they will be.
    fn fresh(&self) -> Result<(&[Arc<VerifyingKey>], Instant)> {
        let (Some(keys), Some(stale_at)) = (&self.keys, self.stale_at) else {
            return Err(Error::KeysUnavailable);
        };
        if stale_at <= Instant::now() {
            return Err(Error::KeysUnavailable);
        }
        Ok((keys, stale_at))
    }
}

/// Trusts the system's certificates. Reqwest itself would read them for every client, and tests
/// create many.
pub(crate) fn tls_config() -> Result<ClientConfig> {
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
