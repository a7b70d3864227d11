//! Why a token is rejected, in words for its owner.

use crate::domain::error::Error;

pub(crate) const SEVERAL_HEADERS: Error =
    Error::BadToken("Authorization: one header is taken, got several");
pub(crate) const OTHER_SCHEME: Error =
    Error::BadToken("Authorization: Bearer and a token are taken, got another scheme");
pub(crate) const NO_TOKEN: Error =
    Error::BadToken("Authorization: Bearer and a token are taken, got no token");
pub(crate) const NOT_TEXT: Error = Error::BadToken("Authorization: a text is needed");
pub(crate) const MALFORMED: Error =
    Error::BadToken("the token is none of this server's: its form is wrong");
pub(crate) const UNKNOWN: Error =
    Error::BadToken("the token is not known here: it is wrong or was revoked");
pub(crate) const REVOKED: Error = Error::BadToken("the token was revoked");
pub(crate) const EXPIRED: Error = Error::BadToken("the token has expired");

pub(crate) const JWT_TOO_LONG: Error = Error::BadToken("the token is too long");
pub(crate) const JWT_MALFORMED: Error = Error::BadToken(
    "the token is neither one of this server's nor a JWT that is signed with RS256, PS256, ES256 or EdDSA",
);
pub(crate) const JWT_UNKNOWN_KEY: Error =
    Error::BadToken("the JWT is signed with a key that the identity provider does not name");
pub(crate) const JWT_KEY_GONE: Error =
    Error::BadToken("the JWT is signed with a key that the identity provider no longer names");
pub(crate) const JWT_OTHER_KIND: Error = Error::BadToken(
    "the JWT is no access token: its typ must be JWT or at+jwt, and it must be no ID token",
);
pub(crate) const JWT_EXPIRED: Error = Error::BadToken("the JWT has expired");
pub(crate) const JWT_NOT_YET_VALID: Error = Error::BadToken("the JWT is not valid yet");
pub(crate) const JWT_OTHER_ISSUER: Error = Error::BadToken("the JWT is of another issuer");
pub(crate) const JWT_OTHER_AUDIENCE: Error = Error::BadToken("the JWT is for another audience");
pub(crate) const JWT_MISSING_CLAIM: Error =
    Error::BadToken("the JWT has not all of exp, iss and aud");
pub(crate) const JWT_UNREADABLE: Error = Error::BadToken("the JWT cannot be read");
