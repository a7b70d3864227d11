//! The public keys of an identity provider: fetched at the start and every few minutes, and when a token names one that is
//! not known. A provider that does not answer, or not with keys, leaves those that it has named before.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::{
    auth::signature::rsa_key,
    config::token::JwksUrl,
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
};

/// How often the keys are fetched …
const EVERY: Duration = Duration::from_mins(5);
/// … and how soon again when that has failed.
const AGAIN: Duration = Duration::from_secs(20);
/// Not more often than this, whoever asks.
const PAUSE: Duration = Duration::from_secs(5);
/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The provider's keys, as far as they are known.
#[derive(Debug)]
pub(crate) struct KeySet {
    url: JwksUrl,
    http: Client,
    fetched: watch::Sender<FetchedKeys>,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct FetchedKeys {
    /// None as long as the provider has never answered.
    keys: Option<Vec<VerifyingKey>>,
    /// When it was tried last.
    tried: Option<Instant>,
}

#[derive(Debug)]
struct VerifyingKey {
    id: Option<String>,
    /// The one that it is for, where it says so.
    only: Option<Algorithm>,
    params: AlgorithmParameters,
    verifying: Arc<DecodingKey>,
}

impl KeySet {
    pub(crate) fn new(url: &JwksUrl) -> Result<Self, CommandError> {
        let mut http = Client::builder()
            .timeout(PATIENCE)
            // The keys are where the operator says they are, and nowhere else.
            .redirect(Policy::none());
        if url.is_secure() {
            http = http.https_only(true).use_preconfigured_tls(tls()?);
        }
        let http = http.build().map_err(Error::internal)?;
        Ok(Self {
            url: url.clone(),
            http,
            fetched: watch::Sender::default(),
            wanted: Notify::new(),
        })
    }

    /// Fetches the keys for as long as it is run.
    pub(crate) async fn keep_fresh(&self) {
        loop {
            let next = match self.fetch().await {
                Ok(keys) => {
                    tracing::debug!(count = keys.len(), "the identity provider's keys are read");
                    self.fetched
                        .send_modify(|fetched| fetched.keys = Some(keys));
                    EVERY
                }
                Err(reason) => {
                    tracing::warn!(
                        url = self.url.as_str(),
                        reason,
                        "the identity provider's keys cannot be read"
                    );
                    AGAIN
                }
            };
            self.fetched
                .send_modify(|fetched| fetched.tried = Some(Instant::now()));
            sleep(PAUSE).await;
            select! {
                () = sleep(next) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<VerifyingKey>, String> {
        let answer = self.http.get(self.url.as_str()).send().await;
        let mut answer = answer.map_err(shown)?;
        if !answer.status().is_success() {
            return Err(format!("the answer is {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(shown)? {
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
        Ok(keys.iter().filter_map(VerifyingKey::read).collect())
    }

    /// The keys that a token with this header may be signed with. Where none is known, the provider may have a new one.
    pub(crate) async fn fitting(&self, header: &Header) -> Result<Vec<Arc<DecodingKey>>> {
        let mut fetched = self.fetched.subscribe();
        let (found, tried) = {
            let now = fetched.borrow_and_update();
            (now.fitting(header), now.tried)
        };
        if found.as_ref().is_ok_and(|keys| !keys.is_empty()) {
            return found;
        }
        // Strangers can name keys that do not exist, as often as they like.
        if tried.is_none_or(|at| at.elapsed() >= PAUSE) {
            self.wanted.notify_one();
            let answered = fetched.wait_for(|now| now.tried > tried);
            let _ = timeout(2 * PATIENCE, answered).await;
        }
        self.fetched.borrow().fitting(header)
    }
}

impl FetchedKeys {
    fn fitting(&self, header: &Header) -> Result<Vec<Arc<DecodingKey>>> {
        let keys = self.keys.as_ref().ok_or(Error::KeysUnavailable)?;
        let fits = |key: &&VerifyingKey| {
            key.takes(header.alg) && (header.kid.is_none() || header.kid == key.id)
        };
        Ok(keys
            .iter()
            .filter(fits)
            .map(|key| key.verifying.clone())
            .collect())
    }
}

impl VerifyingKey {
    /// A key of a set; none where it is for something else than signatures, or of a kind that is not known.
    fn read(key: &Value) -> Option<Self> {
        let key: Jwk = serde_json::from_value(key.clone()).ok()?;
        let only = match key.common.key_algorithm {
            Some(only) => Some(only.try_into().ok()?),
            None => None,
        };
        let signs = key
            .common
            .public_key_use
            .as_ref()
            .is_none_or(|u| *u == PublicKeyUse::Signature);
        signs.then_some(Self {
            verifying: Arc::new(match &key.algorithm {
                AlgorithmParameters::RSA(of) => rsa_key(&number(&of.n)?, &number(&of.e)?),
                _ => DecodingKey::from_jwk(&key).ok()?,
            }),
            id: key.common.key_id,
            only,
            params: key.algorithm,
        })
    }

    fn takes(&self, algorithm: Algorithm) -> bool {
        let is_of_kind = match (&self.params, algorithm) {
            (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
            (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => {
                key.curve == EllipticCurve::P256
            }
            (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => {
                key.curve == EllipticCurve::Ed25519
            }
            _ => false,
        };
        is_of_kind && self.only.is_none_or(|only| only == algorithm)
    }
}

/// Trusts whom the system trusts. Not reqwest's own way, which would read the system's certificates for every client of the tests.
fn tls() -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let ring = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.map_err(Error::internal)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// A number as JWKs have it.
fn number(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// What went wrong and why, without the URL, which the log names already.
fn shown(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
