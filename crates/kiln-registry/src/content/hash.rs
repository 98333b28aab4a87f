//! Digests that can be put aside and continued: the state goes into the database with the upload, so
//! that nothing that arrived is ever read again to be hashed.

use kiln_oci::{Algorithm, Digest};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

/// A digest in the making.
#[derive(Clone, Debug)]
pub(crate) enum RunningHash {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl RunningHash {
    /// Of nothing yet.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Which digest it makes.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest.
    pub(crate) fn finish(self) -> Digest {
        let (name, hex) = match self {
            Self::Sha256(state) => {
                return Digest::from_sha256(state.finalize().into());
            }
            Self::Sha512(state) => ("sha512", hex(&state.finalize())),
        };
        let digest = format!("{name}:{hex}").parse();
        digest.expect("because it has the algorithm's length")
    }

    /// All that is needed to go on later.
    pub(crate) fn save(&self) -> Vec<u8> {
        match self {
            Self::Sha256(state) => [&[1], &state.serialize()[..]].concat(),
            Self::Sha512(state) => [&[2], &state.serialize()[..]].concat(),
        }
    }

    /// What was saved; nothing if it was not saved by [`save`](Self::save).
    pub(crate) fn restore(saved: &[u8]) -> Option<Self> {
        match saved {
            [1, state @ ..] => {
                let state = SerializedState::<Sha256>::try_from(state).ok()?;
                Sha256::deserialize(&state).ok().map(Self::Sha256)
            }
            [2, state @ ..] => {
                let state = SerializedState::<Sha512>::try_from(state).ok()?;
                Sha512::deserialize(&state).ok().map(Self::Sha512)
            }
            _ => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_oci::Hasher;

    #[test]
    fn a_digest_is_the_same_whether_or_not_it_was_put_aside() {
        let content: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut whole = Hasher::new(algorithm);
            whole.update(&content);
            let mut running = RunningHash::new(algorithm);
            for piece in content.chunks(777) {
                running.update(piece);
                running = RunningHash::restore(&running.save()).unwrap();
                assert_eq!(running.algorithm(), algorithm);
            }
            assert_eq!(running.finish(), whole.finish());
        }
    }

    #[test]
    fn what_was_not_saved_is_not_restored() {
        assert!(RunningHash::restore(&[]).is_none());
        assert!(RunningHash::restore(&[1, 2, 3]).is_none());
        assert!(RunningHash::restore(&[9; 200]).is_none());
    }
}
