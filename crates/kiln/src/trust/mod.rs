//! Trust on the command line: keys from files and variables, policies and revocation lists from files, registries by the client.

mod access;
mod keys;
mod policy;

pub(crate) use access::Access;
pub(crate) use keys::{KeyArgs, PasswordArgs, content, public_key, signer, unseal, write_pair};
pub(crate) use policy::{PolicyArgs, Trust};
