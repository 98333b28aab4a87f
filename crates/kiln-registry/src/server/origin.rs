//! Where a request comes from and what the client calls this server, seen through reverse proxies.
//!
//! `X-Forwarded-*` is believed only from networks that the configuration trusts: everybody can send
//! it, and both the limits on guessing passwords and the place that clients take their tokens from
//! depend on it.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::HOST;

use crate::config::Network;

/// The two ends of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client.
    pub(crate) client: IpAddr,
    /// Whether a trusted proxy handed the request on.
    pub(crate) proxied: bool,
    /// This server as the client knows it: scheme and authority.
    pub(crate) base: String,
}

impl Origin {
    /// `public_url` wins over whatever the request says. `authority` is that of an HTTP/2 request.
    pub(crate) fn of(
        headers: &HeaderMap,
        authority: Option<&str>,
        peer: IpAddr,
        tls: bool,
        public_url: &str,
        trusted: &[Network],
    ) -> Self {
        let peer = peer.to_canonical();
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let proxied = is_trusted(peer);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = |name| header(name).filter(|_| proxied);
        let client = match forwarded("x-forwarded-for") {
            Some(list) => last_untrusted(list, is_trusted).unwrap_or(peer),
            None => peer,
        };
        if !public_url.is_empty() {
            return Self {
                client,
                proxied,
                base: public_url.to_owned(),
            };
        }
        let scheme = match forwarded("x-forwarded-proto") {
            Some("https") => "https",
            Some("http") => "http",
            _ if tls => "https",
            _ => "http",
        };
        let host = forwarded("x-forwarded-host")
            .or(authority)
            .or_else(|| header(HOST.as_str()))
            .filter(|host| is_authority(host))
            .unwrap_or("localhost");
        Self {
            client,
            proxied,
            base: format!("{scheme}://{host}"),
        }
    }
}

/// Each proxy appends whom it got the request from; the last one that is no proxy of ours is the
/// client, whatever the client itself wrote before.
fn last_untrusted(list: &str, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut found = None;
    for text in list.rsplit(',') {
        let Ok(address) = text.trim().parse::<IpAddr>() else {
            break;
        };
        found = Some(address.to_canonical());
        if !is_trusted(address) {
            break;
        }
    }
    found
}

/// Host and port only: it is put between quotes into a header.
fn is_authority(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    !text.is_empty() && text.len() <= 255 && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn origin(peer: &str, public_url: &str, headers: &[(&'static str, &str)]) -> Origin {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = hyper::header::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            })
            .collect();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        Origin::of(
            &headers,
            None,
            peer.parse().unwrap(),
            false,
            public_url,
            &trusted,
        )
    }

    #[test]
    fn without_a_proxy_the_request_says_it() {
        let found = origin("192.0.2.1", "", &[("host", "registry:5000")]);
        assert_eq!(found.base, "http://registry:5000");
        assert_eq!(found.client.to_string(), "192.0.2.1");
    }

    #[test]
    fn strangers_are_not_believed() {
        let headers = [
            ("host", "registry"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ];
        let found = origin("192.0.2.1", "", &headers);
        assert_eq!(
            (found.base.as_str(), found.proxied),
            ("http://registry", false)
        );
        assert_eq!(found.client.to_string(), "192.0.2.1");
    }

    #[test]
    fn proxies_are() {
        let headers = [
            ("host", "backend"),
            ("x-forwarded-for", "203.0.113.9, 192.0.2.7, 10.9.9.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "registry.example.org"),
        ];
        let found = origin(PROXY, "", &headers);
        assert_eq!(found.base, "https://registry.example.org");
        assert_eq!(
            found.client.to_string(),
            "192.0.2.7",
            "not what the client made up"
        );
        let found = origin("::ffff:10.0.0.1", "", &headers);
        assert!(found.proxied, "a dual-stack listener's view of the proxy");
    }

    #[test]
    fn the_public_url_wins() {
        let found = origin(PROXY, "https://r.example:8443", &[("host", "backend")]);
        assert_eq!(found.base, "https://r.example:8443");
    }

    #[test]
    fn a_host_that_would_break_a_header_is_passed_over() {
        for host in ["a\" b", "a,b", "", "a/b"] {
            let found = origin("192.0.2.1", "", &[("host", host)]);
            assert_eq!(found.base, "http://localhost", "{host}");
        }
    }
}
