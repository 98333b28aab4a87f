//! Where registries are really reached: mirrors, certificates, plain HTTP.

/// The settings of registries cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {}

/// How hosts are reached. `Default` is: HTTPS with the machine's certificates, plain HTTP for this machine only, no
/// mirrors.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Registries (`host` or `host:port`) that are reached by plain HTTP.
    pub plain_http: Vec<String>,
}
