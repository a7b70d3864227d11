//! The tokens that this server issues. A token's text is shown once; only its hash is stored.

use std::{fmt, str::FromStr};

use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;

/// How many random bytes a token has.
const LENGTH: usize = 32;

/// A token's text: `bbg_` and 64 hexadecimal digits. It is neither logged nor stored.
pub struct PlainToken(String);

impl PlainToken {
    /// How every token begins, so that people and secret scanners recognize one.
    pub(crate) const PREFIX: &str = "bbg_";

    /// A new token of 256 random bits; `None` where the system has no randomness.
    #[must_use]
    pub fn generate() -> Option<Self> {
        let mut bytes = [0; LENGTH];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(format!("{}{}", Self::PREFIX, hex::encode(bytes))))
    }

    /// The text, for its new owner alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The hash to store.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(hex::encode(digest(&SHA256, self.0.as_bytes())))
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainToken({}…)", Self::PREFIX)
    }
}

impl FromStr for PlainToken {
    type Err = ();

    /// Accepts any text of the right form, whether it is a token of this server or not.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(())?;
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() == 2 * LENGTH && digits.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

/// The SHA-256 of a token's text, in hexadecimal. A comparison takes the same time wherever the two
/// differ, so its duration reveals nothing.
#[derive(Clone, Debug, Eq)]
pub struct TokenHash(String);

impl TokenHash {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TokenHash {
    fn from(hash: String) -> Self {
        Self(hash)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

// By hand, since clippy rejects a derived `Hash` beside a manual `PartialEq`.
impl std::hash::Hash for TokenHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
