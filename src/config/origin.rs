//! Origins whose pages the operator trusts.

use std::str::FromStr;

use url::Url;

/// An origin whose pages may do what this server's own pages may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllowedOrigin {
    /// Every origin.
    Any,
    /// This origin, as a browser writes it.
    Exact(String),
}

impl FromStr for AllowedOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let url = Url::parse(text)
            .map_err(|e| format!("an origin is * or like https://ci.example.org: {e}"))?;
        let origin = url.origin().ascii_serialization();
        // A bare origin parses with the path `/` and nothing after it.
        let is_bare = url.as_str().strip_prefix(&*origin) == Some("/");
        if is_bare && ["http", "https"].contains(&url.scheme()) {
            Ok(Self::Exact(origin))
        } else {
            Err(
                "an origin is * or like https://ci.example.org, without path, user or query"
                    .to_owned(),
            )
        }
    }
}
