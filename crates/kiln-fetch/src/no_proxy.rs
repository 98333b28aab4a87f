//! Which hosts are reached without the proxy.
//!
//! `NO_PROXY` has no standard; this follows what most tools agree on and what Go programs (Docker,
//! BuildKit) do: suffixes on label borders, networks in CIDR notation, an optional port, `*`.

use std::net::IpAddr;

/// The parsed list.
#[derive(Debug, Clone, Default)]
pub(crate) struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone)]
enum Target {
    All,
    Network {
        address: IpAddr,
        prefix: u32,
    },
    /// Lower case, without a leading dot.
    Domain {
        name: String,
        itself: bool,
    },
}

impl NoProxy {
    /// Reads a list separated by commas or blanks. Entries that make no sense match nothing.
    pub(crate) fn parse(list: &str) -> Self {
        let words = list.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        Self {
            entries: words.filter_map(Entry::parse).collect(),
        }
    }

    /// Whether `host` (a name, or an address without brackets) on `port` is reached directly.
    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        here || self.entries.iter().any(|entry| {
            entry.port.is_none_or(|wanted| wanted == port) && entry.target.covers(&host, address)
        })
    }
}

impl Entry {
    fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        if word == "*" {
            return Some(Self {
                target: Target::All,
                port: None,
            });
        }
        if let Some((address, prefix)) = word.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u32 = prefix.parse().ok()?;
            return Some(Self {
                target: Target::Network { address, prefix },
                port: None,
            });
        }
        let (host, port) = split_port(&word)?;
        let target = match host.parse::<IpAddr>() {
            Ok(address) => Target::Network {
                address,
                prefix: 128,
            },
            Err(_) => {
                let bare = host.strip_prefix('*').unwrap_or(host);
                let name = bare.trim_matches('.').to_owned();
                if name.is_empty() {
                    return None;
                }
                Target::Domain {
                    name,
                    itself: !bare.starts_with('.'),
                }
            }
        };
        Some(Self { target, port })
    }
}

/// Splits `host:port`, `[v6]:port` and `[v6]`; a bare IPv6 address has no port.
fn split_port(word: &str) -> Option<(&str, Option<u16>)> {
    if word.parse::<IpAddr>().is_ok() {
        return Some((word, None));
    }
    if let Some(rest) = word.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match word.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((word, None)),
    }
}

impl Target {
    fn covers(&self, host: &str, host_address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Network { address, prefix } => {
                host_address.is_some_and(|host| same_network(*address, host, *prefix))
            }
            Self::Domain { name, itself } => match host.strip_suffix(name.as_str()) {
                Some("") => *itself,
                Some(front) => front.ends_with('.'),
                None => false,
            },
        }
    }
}

/// Whether the first `prefix` bits agree. A prefix longer than the address means all of it.
fn same_network(network: IpAddr, host: IpAddr, prefix: u32) -> bool {
    let (one, other, width) = match (network, host) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(u32::from(one)), u128::from(u32::from(other)), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one), u128::from(other), 128),
        _ => return false,
    };
    let dropped = width - prefix.min(width);
    (one ^ other).checked_shr(dropped).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, host: &str) -> bool {
        NoProxy::parse(list).covers(host, 443)
    }

    #[test]
    fn domains_match_on_label_borders() {
        assert!(covers("example.com", "example.com"));
        assert!(covers("example.com", "API.Example.com."));
        assert!(!covers("example.com", "badexample.com"));
        assert!(!covers(".example.com", "example.com"));
        assert!(covers(".example.com", "a.b.example.com"));
        assert!(covers("a, *.example.com", "x.example.com"));
        assert!(!covers("*.example.com", "example.com"));
    }

    #[test]
    fn networks_and_addresses_match_addresses() {
        assert!(covers("10.0.0.0/8", "10.255.1.2"));
        assert!(!covers("10.0.0.0/8", "11.0.0.1"));
        assert!(!covers("10.0.0.0/8", "10.example.com"));
        assert!(covers("0.0.0.0/0", "9.9.9.9"));
        assert!(covers("192.168.1.7", "192.168.1.7"));
        assert!(!covers("192.168.1.7", "192.168.1.8"));
        assert!(covers("fd00::/8", "fd12::1"));
        assert!(!covers("fd00::/8", "10.0.0.1"));
        assert!(covers("[fd00::1]", "fd00::1"));
    }

    #[test]
    fn a_port_narrows_an_entry() {
        let list = NoProxy::parse("example.com:8443,[fd00::1]:80");
        assert!(list.covers("example.com", 8443));
        assert!(!list.covers("example.com", 443));
        assert!(list.covers("fd00::1", 80));
        assert!(!list.covers("fd00::1", 81));
    }

    #[test]
    fn this_machine_never_goes_through_the_proxy() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(covers("", host), "{host}");
        }
        assert!(!covers("", "example.com"));
        assert!(covers("*", "example.com"));
    }

    #[test]
    fn nonsense_matches_nothing() {
        for list in [".", "*.", "1.2.3.4/x", "x/8", "h:port", "[::1", ",,  ,"] {
            assert!(!covers(list, "example.com"), "{list}");
        }
        assert!(covers("10.0.0.1/99", "10.0.0.1"));
        assert!(!covers("10.0.0.1/99", "10.0.0.2"));
    }
}
