//! Verifies the signatures of JWTs with ring, the only cryptography in this program.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::ErrorKind,
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use signature::{Error, Verifier};

/// The accepted algorithms: public keys only, so neither shared secrets nor `none`.
pub(crate) const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
];

static RING: CryptoProvider = CryptoProvider {
    // This server verifies and never signs.
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(RingVerifier {
            algorithm: *algorithm,
            key: key.clone(),
        }))
    },
    // Used only to turn keys into JWKs, which this server never does.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes jsonwebtoken verify with ring.
pub(crate) fn install() {
    // The provider is global, so a second server in the process finds it installed.
    let _ = RING.install_default();
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        let algorithm: &dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
            // FIXED: a JWT has r and s side by side (RFC 7518), not in ASN.1.
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDSA => &ED25519,
            _ => return Err(Error::new()),
        };
        let key = self.key.try_get_as_bytes().map_err(Error::from_source)?;
        UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .map_err(|_| Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// An RSA key as ring reads it: the `RSAPublicKey` of PKCS #1 in DER. `DecodingKey::from_jwk` would
/// keep modulus and exponent in a form that `try_get_as_bytes` cannot read.
pub(crate) fn rsa_key(modulus: &[u8], exponent: &[u8]) -> DecodingKey {
    let numbers = [der_integer(modulus), der_integer(exponent)].concat();
    DecodingKey::from_rsa_der(&der_value(0x30, &numbers))
}

/// A positive integer in DER: the first bit is clear, with no more leading zeros than that needs.
fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut number = vec![0];
    number.extend_from_slice(&bytes[zeros..]);
    let is_positive = number.get(1).is_some_and(|first| *first < 0x80);
    der_value(0x02, &number[usize::from(is_positive)..])
}

fn der_value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match (content.len(), u8::try_from(length.len())) {
        // A `Result` extends by its value or by nothing, and here it is never an error.
        (0..0x80, _) => der.extend(u8::try_from(content.len())),
        (_, many) => {
            der.extend(many.map(|many| 0x80 | many));
            der.extend(length);
        }
    }
    der.extend_from_slice(content);
    der
}
