//! One public key of an identity provider's set.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde_json::Value;

use crate::auth::signature::rsa_key;

/// A key that verifies signatures.
#[derive(Debug)]
pub(crate) struct VerifyingKey {
    id: Option<String>,
    /// The only algorithm that the key is for, where the provider names one.
    algorithm: Option<Algorithm>,
    params: AlgorithmParameters,
    key: DecodingKey,
}

impl VerifyingKey {
    /// Parses a JWK; `None` where it is not for signatures or its kind is unknown.
    pub(crate) fn from_jwk(jwk: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk.clone()).ok()?;
        let algorithm = match jwk.common.key_algorithm {
            Some(algorithm) => Some(algorithm.try_into().ok()?),
            None => None,
        };
        // A set may have keys for encryption too.
        let key_use = jwk.common.public_key_use.as_ref();
        if key_use.is_some_and(|key_use| *key_use != PublicKeyUse::Signature) {
            return None;
        }
        let key = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => rsa_key(&decode(&rsa.n)?, &decode(&rsa.e)?),
            _ => DecodingKey::from_jwk(&jwk).ok()?,
        };
        Some(Self {
            id: jwk.common.key_id,
            algorithm,
            params: jwk.algorithm,
            key,
        })
    }

    /// Whether a token with this header may be signed with it.
    pub(crate) fn may_have_signed(&self, header: &Header) -> bool {
        let is_named = header.kid.is_none() || header.kid == self.id;
        is_named && self.supports(header.alg)
    }

    /// Whether it is the same key, for the same tokens.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let parts = |key: &Self| (key.id.clone(), key.algorithm, key.params.clone());
        parts(self) == parts(other)
    }

    pub(crate) fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }

    fn supports(&self, algorithm: Algorithm) -> bool {
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
        is_of_kind && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

/// Decodes a number of a JWK.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
