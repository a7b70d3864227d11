//! An identity provider in this process: it signs JWTs and serves configurable keys.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use buildbot_graphql::testing::Clock;
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) const ISSUER: &str = "https://login.example.org/";
pub(crate) const AUDIENCE: &str = "buildbot-graphql";

/// The clock skew that the server tolerates, in seconds.
pub(crate) const LEEWAY: i64 = 30;

#[derive(Clone, Default)]
struct Shown {
    answer: Arc<Mutex<(StatusCode, String)>>,
    request_count: Arc<AtomicUsize>,
}

/// The provider, which stops when dropped.
pub(crate) struct Provider {
    shown: Shown,
    address: std::net::SocketAddr,
    serving: JoinHandle<()>,
}

impl Provider {
    /// A provider that serves these keys.
    pub(crate) async fn start(keys: &[&Key]) -> Self {
        let shown = Shown::default();
        let answer = async |State(shown): State<Shown>| {
            shown.request_count.fetch_add(1, SeqCst);
            let (status, body) = shown.answer.lock().unwrap().clone();
            let elsewhere = [(header::LOCATION, "/keys")];
            (status, elsewhere, body).into_response()
        };
        let routes = Router::new()
            .route("/", get(answer))
            .with_state(shown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let provider = Self {
            shown,
            address,
            serving,
        };
        provider.serve_keys(keys);
        provider
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn serve_keys(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        self.respond_with(200, json!({ "keys": keys }).to_string());
    }

    /// Sets the response from now on.
    pub(crate) fn respond_with(&self, status: u16, body: impl Into<String>) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.shown.answer.lock().unwrap() = (status, body.into());
    }

    /// How many requests it has received.
    pub(crate) fn request_count(&self) -> usize {
        self.shown.request_count.load(SeqCst)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A signing key.
pub(crate) struct Key {
    pub(crate) id: &'static str,
    pub(crate) algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

pub(crate) fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub(crate) fn new(id: &'static str, algorithm: &'static str) -> Self {
        let random = SystemRandom::new();
        let pair = match algorithm {
            "EdDSA" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Pair::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
            }
            "ES256" => {
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let key = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
                Pair::Ec(EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random).unwrap())
            }
            // No library here generates RSA keys. This one has signed nothing but tests.
            _ => {
                let key = include_bytes!("../../data/rsa-for-tests.der");
                Pair::Rsa(RsaKeyPair::from_der(key).unwrap())
            }
        };
        Self {
            id,
            algorithm,
            pair,
        }
    }

    /// The public key as a JWK.
    pub(crate) fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": text(public.n), "e": text(public.e) })
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            Pair::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key()) })
            }
        };
        key["kid"] = self.id.into();
        key["use"] = "sig".into();
        key
    }

    /// A JWT with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(
            &json!({ "typ": "JWT", "alg": self.algorithm, "kid": self.id }),
            claims,
        )
    }

    /// A JWT with this header and these claims.
    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_texts(&header.to_string(), &claims.to_string())
    }

    /// The same of texts that need not be JSON.
    pub(crate) fn sign_texts(&self, header: &str, claims: &str) -> String {
        let random = SystemRandom::new();
        let message = format!("{}.{}", text(header), text(claims));
        let bytes = message.as_bytes();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let padding: &dyn ring::signature::RsaEncoding = match self.algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(padding, &random, bytes, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(bytes).as_ref().to_vec(),
        };
        format!("{message}.{}", text(signature))
    }
}

pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", text(header.to_string()), text(claims.to_string()))
}

/// A JWT without a signature.
pub(crate) fn none(claims: &Value) -> String {
    format!("{}.", unsigned(&json!({ "alg": "none" }), claims))
}

/// A JWT signed with a secret that everybody knows.
pub(crate) fn hs256(id: &str, secret: &[u8], claims: &Value) -> String {
    let message = unsigned(&json!({ "alg": "HS256", "kid": id }), claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", text(signature))
}

/// Now, in seconds since the epoch.
pub(crate) fn now() -> i64 {
    Clock::System.now()
}

/// The claims of a valid JWT.
pub(crate) fn claims(scope: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "scope": scope,
        "exp": now() + 600, "nbf": now() - 5, "iat": now() - 5,
    })
}

/// Valid claims with one changed, or removed if the value is null.
pub(crate) fn claims_with(name: &str, value: impl Into<Value>) -> Value {
    let mut all = claims("buildbot:read");
    match value.into() {
        Value::Null => {
            all.as_object_mut().unwrap().remove(name);
        }
        value => all[name] = value,
    }
    all
}
