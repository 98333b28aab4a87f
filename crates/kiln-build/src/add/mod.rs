//! What ADD can do beyond COPY: unpack archives and fetch repositories.

pub(crate) mod archive;
pub(crate) mod git;
