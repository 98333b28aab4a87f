//! Package formats: bytes in, values out.
//!
//! Pure: nothing here opens a file, decompresses or knows a repository's address. Who has the bytes
//! of a member of an archive, or of an index, hands them in decompressed.
//!
//! - [`elf`]: what a program or library needs to be started;
//! - [`deb`]: Debian's versions, relations, stanzas, repository indexes, archives and database.
//!
//! ```
//! use kiln_packages::deb::{Relations, Version};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let relations: Relations = "default-mta | mail-transport-agent, libc6 (>= 2.36)".parse()?;
//! let libc = &relations.0[1].0[0];
//! assert!(libc.admits(&"2.36-9+deb12u4".parse::<Version>()?));
//! assert!(!libc.admits(&"2.36~rc1-1".parse::<Version>()?));
//! # Ok(())
//! # }
//! ```

pub mod deb;
pub mod elf;
