//! Checksums of what is transferred.

use std::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// A digest that a transfer must have, as `algorithm:hex`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    algorithm: Algorithm,
    /// Lower case.
    hex: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

/// Why a text is no digest to check against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpectedError {
    /// There is no colon.
    #[error("the checksum `{text}` names no algorithm; write `sha256:` before it")]
    NoAlgorithm {
        /// The text as given.
        text: String,
    },
    /// The algorithm is not known here, or too weak to prove anything.
    #[error("checksums by `{algorithm}` are not supported; use sha256, sha384 or sha512")]
    UnknownAlgorithm {
        /// The part before the colon.
        algorithm: String,
    },
    /// The part after the colon has the wrong length or a character that is no hexadecimal digit.
    #[error("`{text}` is no {algorithm} checksum: that has {digits} hexadecimal digits")]
    BadHex {
        /// The text as given.
        text: String,
        /// The part before the colon.
        algorithm: String,
        /// How many digits it should have.
        digits: usize,
    },
}

impl Expected {
    /// Reads `sha256:…`, `sha384:…` or `sha512:…`; the digits may be in either case.
    ///
    /// # Errors
    /// When the algorithm is missing or unknown or the digits are not what it gives.
    pub fn parse(text: &str) -> Result<Self, ExpectedError> {
        let (name, hex) = text
            .split_once(':')
            .ok_or_else(|| ExpectedError::NoAlgorithm {
                text: text.to_owned(),
            })?;
        let (algorithm, digits) = match name {
            "sha256" => (Algorithm::Sha256, 64),
            "sha384" => (Algorithm::Sha384, 96),
            "sha512" => (Algorithm::Sha512, 128),
            _ => {
                return Err(ExpectedError::UnknownAlgorithm {
                    algorithm: name.to_owned(),
                });
            }
        };
        if hex.len() != digits || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ExpectedError::BadHex {
                text: text.to_owned(),
                algorithm: name.to_owned(),
                digits,
            });
        }
        Ok(Self {
            algorithm,
            hex: hex.to_ascii_lowercase(),
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        };
        write!(f, "{name}:{}", self.hex)
    }
}

/// Takes the bytes as they pass. SHA-256 is always made, because that is how content is addressed;
/// a second algorithm only when one is expected.
#[derive(Clone)]
pub(crate) struct Hasher {
    sha256: Sha256,
    second: Option<Second>,
}

#[derive(Clone)]
enum Second {
    Sha384(Sha384),
    // SHA-512's state is the same size; boxing either would gain nothing.
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn new(expected: Option<&Expected>) -> Self {
        let second = match expected.map(|expected| expected.algorithm) {
            Some(Algorithm::Sha384) => Some(Second::Sha384(Sha384::new())),
            Some(Algorithm::Sha512) => Some(Second::Sha512(Sha512::new())),
            Some(Algorithm::Sha256) | None => None,
        };
        Self {
            sha256: Sha256::new(),
            second,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        match &mut self.second {
            Some(Second::Sha384(hasher)) => hasher.update(bytes),
            Some(Second::Sha512(hasher)) => hasher.update(bytes),
            None => {}
        }
    }

    /// The SHA-256 in hexadecimal, and the digest in the algorithm that was expected.
    pub(crate) fn finish(self) -> (String, Expected) {
        let sha256 = hex(&self.sha256.finalize());
        let (algorithm, digits) = match self.second {
            None => (Algorithm::Sha256, sha256.clone()),
            Some(Second::Sha384(hasher)) => (Algorithm::Sha384, hex(&hasher.finalize())),
            Some(Second::Sha512(hasher)) => (Algorithm::Sha512, hex(&hasher.finalize())),
        };
        (
            sha256,
            Expected {
                algorithm,
                hex: digits,
            },
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of "abc" from FIPS 180-4's examples.
    const SHA256: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const SHA384: &str = "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";
    const SHA512: &str = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn digests_are_read_and_made() {
        for text in [SHA256, SHA384, SHA512] {
            let expected = Expected::parse(text).expect("a digest");
            assert_eq!(expected.to_string(), text);
            let mut hasher = Hasher::new(Some(&expected));
            hasher.update(b"a");
            hasher.update(b"bc");
            let (sha256, actual) = hasher.finish();
            assert_eq!(actual, expected);
            assert_eq!(format!("sha256:{sha256}"), SHA256);
        }
        let upper = format!("sha256:{}", SHA256[7..].to_uppercase());
        assert_eq!(
            Expected::parse(&upper).expect("upper case").to_string(),
            SHA256
        );
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        use ExpectedError::{BadHex, NoAlgorithm, UnknownAlgorithm};
        assert!(matches!(
            Expected::parse(&SHA256[7..]),
            Err(NoAlgorithm { .. })
        ));
        assert!(matches!(
            Expected::parse("md5:00"),
            Err(UnknownAlgorithm { .. })
        ));
        assert!(matches!(
            Expected::parse("sha256:00"),
            Err(BadHex { digits: 64, .. })
        ));
        let bad = format!("sha256:{}", "g".repeat(64));
        assert!(matches!(Expected::parse(&bad), Err(BadHex { .. })));
        assert!(Expected::parse("").is_err());
    }
}
