//! JWTs of an identity provider: whether one is good, and which scope its claims mean.

use jsonwebtoken::{
    Algorithm, Validation, decode, decode_header,
    errors::{Error as Cause, ErrorKind},
};
use serde_json::{Map, Value};

use crate::{
    auth::{
        access::EXPIRED,
        caller::{Caller, Identity, Validity},
        jwks::KeySet,
        scope::Scope,
        signature,
    },
    config::token::TokenConfig,
    domain::{
        command_error::CommandError,
        error::{Error, Result},
    },
};

/// How far the clocks of the provider and of this server may be apart, in seconds.
const LEEWAY: u64 = 30;
/// The longest that is read, in bytes.
const MAX_LENGTH: usize = 16_384;

const TOO_LONG: Error = Error::BadToken("the token is too long");
const NO_JWT: Error = Error::BadToken(
    "the token is neither one of this server's nor a JWT that is signed with RS256, PS256, ES256 or EdDSA",
);
const NO_KEY: Error =
    Error::BadToken("the JWT is signed with a key that the identity provider does not name");

/// What is expected of JWTs.
#[derive(Debug)]
pub(crate) struct JwtVerification {
    keys: KeySet,
    issuer: String,
    audience: String,
    scope_claim: String,
    read: String,
    write: String,
}

impl JwtVerification {
    /// None where none are to be taken.
    pub(crate) fn new(config: &TokenConfig) -> Result<Option<Self>, CommandError> {
        let (Some(url), Some(issuer), Some(audience)) =
            (&config.jwks_url, &config.jwt_issuer, &config.jwt_audience)
        else {
            return Ok(None);
        };
        signature::install();
        Ok(Some(Self {
            keys: KeySet::new(url)?,
            issuer: issuer.clone(),
            audience: audience.clone(),
            scope_claim: config.jwt_scope_claim.clone(),
            read: config.jwt_read.clone(),
            write: config.jwt_write.clone(),
        }))
    }

    /// Fetches the provider's keys, again and again.
    pub(crate) async fn keep_fresh(&self) {
        self.keys.keep_fresh().await;
    }

    /// Who has shown this.
    pub(crate) async fn caller(&self, token: &str) -> Result<Caller> {
        if token.len() > MAX_LENGTH {
            return Err(TOO_LONG);
        }
        let header = decode_header(token).map_err(|_| NO_JWT)?;
        // What `crit` names must be understood, and nothing is.
        if !signature::ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Err(NO_JWT);
        }
        let expected = self.expected(header.alg);
        // Without a key's id it may be any of those that fit.
        for key in self.keys.fitting(&header).await? {
            match decode::<Map<String, Value>>(token, &key, &expected) {
                Ok(good) => return Ok(self.known(&good.claims)),
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
                Err(error) => return Err(why(&error)),
            }
        }
        Err(NO_KEY)
    }

    fn expected(&self, algorithm: Algorithm) -> Validation {
        let mut expected = Validation::new(algorithm);
        expected.set_required_spec_claims(&["exp", "iss", "aud"]);
        expected.set_issuer(&[&self.issuer]);
        expected.set_audience(&[&self.audience]);
        expected.validate_nbf = true;
        expected.leeway = LEEWAY;
        expected
    }

    fn known(&self, claims: &Map<String, Value>) -> Caller {
        let values: Vec<&str> = match find(claims, &self.scope_claim) {
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let may = if values.contains(&&*self.write) {
            Ok(Scope::Write)
        } else if values.contains(&&*self.read) {
            Ok(Scope::Read)
        } else {
            Err(Error::Forbidden {
                scope: Scope::Read.name(),
                has: "this token has none",
            })
        };
        let subject = claims.get("sub").and_then(Value::as_str);
        let end = claims
            .get("exp")
            .and_then(Value::as_f64)
            .unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast from a float ends at the limits"
        )]
        let end = (end as i64).saturating_add_unsigned(LEEWAY);
        Caller {
            may,
            identity: Some(Identity::Subject(subject.unwrap_or_default().into())),
            validity: Validity::Until(end),
        }
    }
}

/// The claim at this path. A name may itself have dots, as those that are URLs do.
fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    claims.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| {
            let inner = claims.get(&path[..dot])?.as_object()?;
            find(inner, &path[dot + 1..])
        })
    })
}

fn why(error: &Cause) -> Error {
    Error::BadToken(match error.kind() {
        ErrorKind::ExpiredSignature => return EXPIRED,
        ErrorKind::ImmatureSignature => "the JWT is not valid yet",
        ErrorKind::InvalidIssuer => "the JWT is of another issuer",
        ErrorKind::InvalidAudience => "the JWT is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the JWT has not all of exp, iss and aud",
        _ => "the JWT cannot be read",
    })
}
