//! Who is calling, from where, and what they may do.

pub(crate) mod access;
pub(crate) mod authorization;
pub(crate) mod caller;
pub(crate) mod jwks;
pub(crate) mod jwt;
pub(crate) mod rejection;
pub(crate) mod remembered;
pub(crate) mod request_context;
pub(crate) mod scope;
pub(crate) mod signature;
pub(crate) mod token;
pub(crate) mod token_lease;
pub(crate) mod verifying_key;
