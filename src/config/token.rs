//! Settings of the JWTs of an identity provider.

use std::time::Duration;

use clap::{Args, builder::NonEmptyStringValueParser};
use url::{Host, Url};

use crate::config::value::{DAY, whole};

/// Settings of JWTs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub(crate) struct TokenConfig {
    /// Take JWTs that are signed with one of the keys at this URL, the `jwks_uri` of an identity
    /// provider
    #[arg(long, env = "BUILDBOT_GRAPHQL_JWKS_URL")]
    pub(crate) jwks_url: Option<JwksUrl>,
    /// For how many seconds keys are good that cannot be fetched anew; sockets and streams of their
    /// JWTs end then
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_JWKS_MAX_AGE",
        value_name = "SECONDS",
        default_value_t = DAY,
        value_parser = whole::<u64>(1..=30 * DAY),
        hide_short_help = true,
    )]
    pub(crate) jwks_max_age: u64,
    /// The issuer (iss) of these JWTs
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_JWT_ISSUER",
        value_parser = NonEmptyStringValueParser::new(),
    )]
    pub(crate) jwt_issuer: Option<String>,
    /// The audience (aud) that these JWTs are for, or one of it
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_JWT_AUDIENCE",
        value_parser = NonEmptyStringValueParser::new(),
    )]
    pub(crate) jwt_audience: Option<String>,
    /// The claim with what a JWT may do: a text with spaces or a list; a path such as
    /// `realm_access.roles`
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_JWT_SCOPE_CLAIM",
        default_value = "scope",
        value_parser = NonEmptyStringValueParser::new(),
        hide_short_help = true,
    )]
    pub(crate) jwt_scope_claim: String,
    /// What stands in that claim where a JWT may read
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_JWT_READ",
        default_value = "buildbot:read",
        value_parser = NonEmptyStringValueParser::new(),
        hide_short_help = true,
    )]
    pub(crate) jwt_read: String,
    /// What stands in that claim where a JWT may write too
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_JWT_WRITE",
        default_value = "buildbot:write",
        value_parser = NonEmptyStringValueParser::new(),
        hide_short_help = true,
    )]
    pub(crate) jwt_write: String,
}

impl TokenConfig {
    /// How long keys are good that cannot be fetched anew.
    pub(crate) fn jwks_max_age(&self) -> Duration {
        Duration::from_secs(self.jwks_max_age)
    }
}

/// Where an identity provider publishes its keys: over https, or http on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JwksUrl(Url);

impl JwksUrl {
    /// The whole URL.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is https.
    #[must_use]
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl std::str::FromStr for JwksUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text)
            .map_err(|e| format!("a URL such as https://login.example.org/keys: {e}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL without user and password".to_owned());
        }
        let is_local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() == "https" || (url.scheme() == "http" && is_local) {
            return Ok(Self(url));
        }
        Err("an https URL; http is taken for this machine alone, since whoever can change the keys can do everything".to_owned())
    }
}
