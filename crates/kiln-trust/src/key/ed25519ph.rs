//! Ed25519ph, the variant of Ed25519 that hashes first. cosign signs with it; everybody else with the pure one.
//!
//! Source: RFC 8032 section 5.1, with an empty context.

use ed25519_dalek::{Digest as _, Sha512, Signature, VerifyingKey};

/// Whether `signature` is `key`'s of `message`. A key of small order, with which one signature is good for many messages, is
/// refused.
pub(super) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (
        VerifyingKey::from_bytes(key),
        Signature::from_slice(signature),
    ) else {
        return false;
    };
    let hash = Sha512::new().chain_update(message);
    !key.is_weak() && key.verify_prehashed(hash, None, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 8032 section 7.3.
    #[test]
    fn the_vector_of_the_specification() {
        let key = hex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf");
        let signature = hex(
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
        );
        let key: [u8; 32] = key.try_into().unwrap();
        assert!(verify(&key, b"abc", &signature));
        assert!(!verify(&key, b"abd", &signature));
        assert!(!verify(&key, b"abc", &signature[1..]));
        let mut other = signature.clone();
        other[40] ^= 1;
        assert!(!verify(&key, b"abc", &other));
        assert!(!verify(&[1; 32], b"abc", &signature));
    }
}
