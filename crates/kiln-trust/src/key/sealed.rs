//! cosign's encrypted private key files, both ways: scrypt makes a key of the password, NaCl's secretbox encrypts PKCS #8.
//!
//! Source: the files that cosign 3.1.1 writes and reads. The labels are `ENCRYPTED SIGSTORE PRIVATE KEY` and, older,
//! `ENCRYPTED COSIGN PRIVATE KEY`; the body is base64 of JSON:
//! `{"kdf":{"name":"scrypt","params":{"N","r","p"},"salt"},"cipher":{"name":"nacl/secretbox","nonce"},"ciphertext"}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, Nonce, XSalsa20Poly1305};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{PrivateKey, PrivateKeyError};
use crate::pem;

const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";

/// The most memory that a file may make scrypt use, in bytes. Its parameters are anybody's who can write the file.
const MAX_MEMORY: u64 = 1 << 30;

/// How much work a guess of the password is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    /// What cosign uses: N = 2^16, 64 MiB.
    #[default]
    Standard,
    /// N = 2^10: for tests, which seal many keys.
    Cheap,
}

impl Cost {
    fn log_n(self) -> u8 {
        match self {
            Self::Standard => 16,
            Self::Cheap => 10,
        }
    }
}

/// A key file that cannot be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The password does not open it, or it was changed.
    #[error("the password is wrong, or the key file is damaged")]
    Password,
    /// It is encrypted, and no password was given.
    #[error("the key file is encrypted and needs a password")]
    NoPassword,
    /// JSON that is not cosign's.
    #[error("the encrypted key file is damaged")]
    Format(#[source] serde_json::Error),
    /// Names or lengths that cosign does not write.
    #[error("the encrypted key file cannot be read: {0}")]
    Unsupported(&'static str),
    /// Parameters that would take too much.
    #[error("the key file asks for scrypt with N={n}, r={r}, p={p}, which is too much")]
    Excessive {
        /// The cost.
        n: u64,
        /// The block size.
        r: u64,
        /// The parallelism.
        p: u64,
    },
    /// Not a private key in another way.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

#[derive(Serialize, Deserialize)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Encrypts a key under a password, as a file that cosign reads.
///
/// # Errors
/// [`SealError::Random`] if the system gives no random numbers.
pub fn seal(key: &PrivateKey, password: &[u8], cost: Cost) -> Result<String, SealError> {
    let random = SystemRandom::new();
    let (mut salt, mut nonce) = ([0; 32], [0; 24]);
    random.fill(&mut salt).map_err(|_| SealError::Random)?;
    random.fill(&mut nonce).map_err(|_| SealError::Random)?;
    let params =
        scrypt::Params::new(cost.log_n(), 8, 1, 32).expect("because these parameters are valid");
    let derived = derive(password, &salt, &params)?;
    let ciphertext = XSalsa20Poly1305::new((&*derived).into())
        .encrypt(&Nonce::from(nonce), key.pkcs8())
        .expect("because a buffer in memory grows");
    let file = File {
        kdf: Kdf {
            name: "scrypt".to_owned(),
            params: Params {
                n: 1 << cost.log_n(),
                r: 8,
                p: 1,
            },
            salt: STANDARD.encode(salt),
        },
        cipher: Cipher {
            name: "nacl/secretbox".to_owned(),
            nonce: STANDARD.encode(nonce),
        },
        ciphertext: STANDARD.encode(ciphertext),
    };
    let json = serde_json::to_vec(&file).expect("because it has a JSON form");
    Ok(pem::encode(LABEL, &json))
}

/// Opens a private key file: cosign's encrypted form with the password, or PEM that is not encrypted. `password` is asked for only
/// where one is needed.
///
/// # Errors
/// See [`SealError`].
pub fn open(
    file: &[u8],
    password: impl FnOnce() -> Option<Zeroizing<Vec<u8>>>,
) -> Result<PrivateKey, SealError> {
    let blocks = pem::decode(file).map_err(PrivateKeyError::Pem)?;
    let sealed = blocks
        .iter()
        .find(|block| matches!(block.label.as_str(), LABEL | OLD_LABEL));
    let Some(block) = sealed else {
        return Ok(PrivateKey::from_pem(file)?);
    };
    let file: File = serde_json::from_slice(&block.content).map_err(SealError::Format)?;
    if file.kdf.name != "scrypt" || file.cipher.name != "nacl/secretbox" {
        return Err(SealError::Unsupported(
            "it is not scrypt and nacl/secretbox",
        ));
    }
    let params = checked(&file.kdf.params)?;
    let decode = |text: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| SealError::Unsupported("a part is not base64"))
    };
    let salt = decode(&file.kdf.salt)?;
    let nonce: [u8; 24] = decode(&file.cipher.nonce)?
        .try_into()
        .map_err(|_| SealError::Unsupported("the nonce does not have 24 bytes"))?;
    let ciphertext = decode(&file.ciphertext)?;
    let password = password().ok_or(SealError::NoPassword)?;
    let derived = derive(&password, &salt, &params)?;
    let pkcs8 = XSalsa20Poly1305::new((&*derived).into())
        .decrypt(&Nonce::from(nonce), &ciphertext[..])
        .map(Zeroizing::new)
        .map_err(|_| SealError::Password)?;
    Ok(PrivateKey::from_pkcs8(&pkcs8)?)
}

fn checked(params: &Params) -> Result<scrypt::Params, SealError> {
    let Params { n, r, p } = *params;
    let excessive = SealError::Excessive { n, r, p };
    let memory = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
    if !n.is_power_of_two()
        || memory.is_none_or(|memory| memory > MAX_MEMORY)
        || r.saturating_mul(p) > 1024
    {
        return Err(excessive);
    }
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    scrypt::Params::new(log_n, small(r), small(p), 32).map_err(|_| excessive)
}

fn derive(
    password: &[u8],
    salt: &[u8],
    params: &scrypt::Params,
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, params, &mut *key)
        .map_err(|_| SealError::Unsupported("scrypt's length"))?;
    Ok(key)
}
