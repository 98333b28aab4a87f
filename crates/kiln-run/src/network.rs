//! `/etc/hosts` and `/etc/resolv.conf` of a process: made anew for each, never part of a layer.

use std::fs;
use std::path::Path;

/// The two files that tell a process about the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFiles {
    /// Content of `/etc/hosts`.
    pub hosts: Vec<u8>,
    /// Content of `/etc/resolv.conf`; empty without a network.
    pub resolv_conf: Vec<u8>,
}

impl NetworkFiles {
    /// The files for a process that shares the host's network: the host's name servers as they are,
    /// its loopback ones too, because the process reaches them. `extra` are more lines for `/etc/hosts`
    /// as (address, name).
    #[must_use]
    pub fn for_host_network(hostname: &str, extra: &[(String, String)]) -> Self {
        let resolv_conf = fs::read(Path::new("/etc/resolv.conf")).unwrap_or_default();
        Self {
            hosts: hosts(hostname, extra),
            resolv_conf,
        }
    }

    /// The files for a process without a network.
    #[must_use]
    pub fn without_network(hostname: &str, extra: &[(String, String)]) -> Self {
        Self {
            hosts: hosts(hostname, extra),
            resolv_conf: vec![],
        }
    }
}

fn hosts(hostname: &str, extra: &[(String, String)]) -> Vec<u8> {
    let mut text =
        String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    if !hostname.is_empty() {
        text.push_str(&format!("127.0.1.1\t{hostname}\n"));
    }
    for (address, name) in extra {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_hosts_come_last() {
        let files = NetworkFiles::without_network("box", &[("10.0.0.1".into(), "db".into())]);
        let hosts = String::from_utf8(files.hosts).unwrap();
        assert!(hosts.ends_with("127.0.1.1\tbox\n10.0.0.1\tdb\n"));
        assert!(files.resolv_conf.is_empty());
    }
}
