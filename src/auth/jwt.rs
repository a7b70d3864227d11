//! Verifies JWTs of an identity provider, and maps their claims to a scope.

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, Validation, decode, decode_header,
    errors::{Error as JwtError, ErrorKind},
};
use serde_json::{Map, Value};

use crate::{
    auth::{
        caller::{Caller, Identity, Validity},
        jwks::KeySet,
        rejection::{
            JWT_EXPIRED, JWT_MALFORMED, JWT_MISSING_CLAIM, JWT_NOT_YET_VALID, JWT_OTHER_AUDIENCE,
            JWT_OTHER_ISSUER, JWT_OTHER_KIND, JWT_TOO_LONG, JWT_UNKNOWN_KEY, JWT_UNREADABLE,
        },
        scope::Scope,
        signature,
        verifying_key::VerifyingKey,
    },
    clock::Clock,
    config::token::TokenConfig,
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
};

/// How far the provider's clock and this server's may differ, in seconds.
const LEEWAY: u64 = 30;
/// The longest JWT that is read, in bytes.
const MAX_LENGTH: usize = 16_384;

/// Verifies JWTs.
#[derive(Debug)]
pub(crate) struct JwtVerification {
    keys: KeySet,
    issuer: String,
    audience: String,
    scope_claim: String,
    /// The value of that claim that means the scope `read`.
    read: String,
    /// The value of that claim that means the scope `write`.
    write: String,
}

impl JwtVerification {
    /// `None` where no JWTs are to be accepted.
    pub(crate) fn new(config: &TokenConfig) -> Result<Option<Self>, CommandError> {
        let (Some(url), Some(issuer), Some(audience)) =
            (&config.jwks_url, &config.jwt_issuer, &config.jwt_audience)
        else {
            return Ok(None);
        };
        signature::install();
        Ok(Some(Self {
            keys: KeySet::new(url, config.jwks_max_age())?,
            issuer: issuer.clone(),
            audience: audience.clone(),
            scope_claim: config.jwt_scope_claim.clone(),
            read: config.jwt_read.clone(),
            write: config.jwt_write.clone(),
        }))
    }

    /// Fetches the provider's keys in an endless loop.
    pub(crate) async fn keep_fresh(&self) {
        self.keys.keep_fresh().await;
    }

    /// Verifies a token, and returns its caller.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Caller> {
        if token.len() > MAX_LENGTH {
            return Err(JWT_TOO_LONG);
        }
        let header = decode_header(token).map_err(|_| JWT_MALFORMED)?;
        // Extensions that `crit` names must be understood (RFC 7515), and none is here.
        if !signature::ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Err(JWT_MALFORMED);
        }
        if !is_access_token(header.typ.as_deref()) {
            return Err(JWT_OTHER_KIND);
        }
        let validation = self.validation(header.alg);
        // A token without a `kid` may be signed with any key of the right kind.
        for key in self.keys.find(&header).await? {
            match decode::<Map<String, Value>>(token, key.decoding_key(), &validation) {
                Ok(verified) => return self.caller(&verified.claims, key),
                // Another of the keys may have signed it.
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
                Err(error) => return Err(rejection(&error)),
            }
        }
        Err(JWT_UNKNOWN_KEY)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        // By default only `exp` is required: a missing `iss` or `aud` would pass its check.
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // Off by default.
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        validation
    }

    /// Fails where a key is no longer good.
    pub(crate) fn check_key(&self, key: &VerifyingKey) -> Result<()> {
        self.keys.check(key)
    }

    /// Waits until a key is no longer good, and says why.
    pub(crate) async fn key_lost(&self, key: &VerifyingKey) -> Error {
        self.keys.lost(key).await
    }

    fn caller(&self, claims: &Map<String, Value>, key: Arc<VerifyingKey>) -> Result<Caller> {
        check_claims(claims)?;
        let end = end(claims);
        // The library would take it for this second too.
        if end <= Clock::System.now() {
            return Err(JWT_EXPIRED);
        }
        // Tokens without a subject share one identity, and so one bucket of points.
        let subject = claims.get("sub").and_then(Value::as_str);
        Ok(Caller {
            may: self.scope(claims),
            identity: Some(Identity::Subject(subject.unwrap_or_default().into())),
            validity: Validity::Signed { end, key },
        })
    }

    fn scope(&self, claims: &Map<String, Value>) -> Result<Scope> {
        let values: Vec<&str> = match find_claim(claims, &self.scope_claim) {
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if values.contains(&&*self.write) {
            Ok(Scope::Write)
        } else if values.contains(&&*self.read) {
            Ok(Scope::Read)
        } else {
            Err(Error::Forbidden {
                scope: Scope::Read.name(),
                has: "this token has none",
            })
        }
    }
}

/// Whether a token of this `typ` may be an access token (RFC 9068); many providers say no more than
/// JWT, or nothing. Others, such as `id+jwt` and `logout+jwt`, are for somebody else.
fn is_access_token(typ: Option<&str>) -> bool {
    let typ = typ.unwrap_or("JWT").to_ascii_lowercase();
    let name = typ.strip_prefix("application/").unwrap_or(&typ);
    matches!(name, "jwt" | "at+jwt")
}

/// Refuses claims that the library takes: an issuer of several, and an ID token of a provider that
/// says so there (Keycloak, Cognito).
fn check_claims(claims: &Map<String, Value>) -> Result<()> {
    let is = |name: &str, value: &str| {
        let claim = claims.get(name).and_then(Value::as_str);
        claim.is_some_and(|claim| claim.eq_ignore_ascii_case(value))
    };
    if !claims.get("iss").is_some_and(Value::is_string) {
        Err(JWT_OTHER_ISSUER)
    } else if is("typ", "ID") || is("token_use", "id") {
        Err(JWT_OTHER_KIND)
    } else {
        Ok(())
    }
}

/// The second since the epoch from which on the token is no longer accepted.
fn end(claims: &Map<String, Value>) -> i64 {
    // A JWT's NumericDate may have a fraction.
    let exp = claims.get("exp").and_then(Value::as_f64);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast from a float ends at the limits"
    )]
    let exp = exp.unwrap_or_default() as i64;
    exp.saturating_add_unsigned(LEEWAY)
}

/// Finds the claim at a dotted path. A name may itself contain dots, as a URL does.
fn find_claim<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    claims.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| {
            let inner = claims.get(&path[..dot])?.as_object()?;
            find_claim(inner, &path[dot + 1..])
        })
    })
}

fn rejection(error: &JwtError) -> Error {
    match error.kind() {
        ErrorKind::ExpiredSignature => JWT_EXPIRED,
        ErrorKind::ImmatureSignature => JWT_NOT_YET_VALID,
        ErrorKind::InvalidIssuer => JWT_OTHER_ISSUER,
        ErrorKind::InvalidAudience => JWT_OTHER_AUDIENCE,
        ErrorKind::MissingRequiredClaim(_) => JWT_MISSING_CLAIM,
        _ => JWT_UNREADABLE,
    }
}
