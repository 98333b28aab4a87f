//! X.509: certificates of signers, the authorities behind them, and paths from the one to the other.
//!
//! Source: RFC 5280. What code signing and time stamping need is read and checked; name constraints and policies are not, and a
//! certificate in which they are critical is refused.

mod certificate;
mod path;

pub(crate) use certificate::scheme as scheme_of;
pub use certificate::{Certificate, CertificateError};
pub use path::{Authority, PathError, Purpose};
