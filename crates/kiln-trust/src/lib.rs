//! Trust: keys, signatures and statements about images, policies that say whose count, and the chain of origin.
//!
//! What is written is what others write: cosign's encrypted keys, simple signing under the `.sig` tag, Sigstore bundles with DSSE and
//! in-toto as referrers. What is read is that and Notary Project's signatures. A registry is whatever implements [`Registry`]; nothing here
//! speaks HTTP.
//!
//! Verifying fails closed and says why:
//!
//! ```
//! use kiln_trust::key::{Generate, PrivateKey, Signer as _};
//!
//! let key = PrivateKey::generate(Generate::P256)?;
//! let signature = key.sign(b"message")?;
//! assert!(key.public().verifies(b"message", &signature));
//! assert!(!key.public().verifies(b"another", &signature));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod clock;
mod der;
pub mod format;
pub mod key;
pub mod notary;
pub mod pem;
pub mod policy;
pub mod registry;
pub mod revocation;
pub mod rotation;
pub mod sign;
pub mod timestamp;
pub mod trace;
pub mod verify;
pub mod x509;

pub use clock::Time;
pub use policy::Policy;
pub use registry::Registry;
