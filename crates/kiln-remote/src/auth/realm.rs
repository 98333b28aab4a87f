//! Whether a token server belongs to the registry that named it.
//!
//! A registry says where its tokens come from, and the user's password goes there. It must not be able to have it sent in
//! the clear, or to a stranger.

use kiln_fetch::Url;

/// Labels that stand before a country's in public suffixes: `co.uk`, `com.au`.
const SECOND_LEVEL: [&str; 10] = [
    "ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org",
];

/// Whether tokens may be asked of `realm` at all: encrypted if the registry is.
pub(crate) fn is_as_safe(registry: &Url, realm: &Url) -> bool {
    realm.is_secure() || !registry.is_secure()
}

/// Whether passwords for `registry` may go to `realm`: the same host, a host of the same domain, or one of `trusted`.
pub(crate) fn is_related(registry: &Url, realm: &Url, trusted: &[String]) -> bool {
    let (home, other) = (registry.host(), realm.host());
    home == other
        || trusted.iter().any(|host| host.eq_ignore_ascii_case(other))
        || (is_loopback(home) && is_loopback(other))
        || domain(home).is_some_and(|domain| Some(domain) == self::domain(other))
}

/// Whether the host can only be this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The part of a host's name that one owner has: `docker.io` of `auth.docker.io`. Not for addresses and bare names.
///
/// The list of public suffixes would know better; with it left out, a few foreign hosts count as related that are not,
/// but only such as share a hosting company's domain with the registry, which chose to send us there.
fn domain(host: &str) -> Option<&str> {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let labels: Vec<&str> = host.rsplit('.').collect();
    let under_country =
        labels.len() >= 2 && labels[0].len() == 2 && SECOND_LEVEL.contains(&labels[1]);
    let count = if under_country { 3 } else { 2 };
    if labels.len() < count {
        return None;
    }
    let length: usize = labels[..count].iter().map(|label| label.len() + 1).sum();
    Some(&host[host.len() + 1 - length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn related(registry: &str, realm: &str) -> bool {
        let url = |text: &str| Url::parse(text).expect(text);
        is_related(
            &url(registry),
            &url(realm),
            &["token.elsewhere.example".to_owned()],
        )
    }

    #[test]
    fn a_domain_has_one_owner() {
        for (registry, realm) in [
            (
                "https://registry-1.docker.io",
                "https://auth.docker.io/token",
            ),
            ("https://ghcr.io", "https://ghcr.io/token"),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("https://r.example.co.uk", "https://auth.example.co.uk/"),
            ("http://127.0.0.1:5000", "http://localhost:6000/t"),
            ("https://10.0.0.1:5000", "https://10.0.0.1/t"),
            ("https://reg", "https://reg:8443/t"),
            ("https://reg.example", "https://token.elsewhere.example/t"),
        ] {
            assert!(related(registry, realm), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("https://registry-1.docker.io", "https://auth.evil.io/"),
            ("https://docker.io.evil.example", "https://docker.io/"),
            ("https://a.co.uk", "https://b.co.uk/"),
            ("https://10.0.0.1", "https://10.0.0.2/"),
            ("https://reg", "https://other/"),
            ("https://reg.io", "https://io/"),
        ] {
            assert!(!related(registry, realm), "{registry} {realm}");
        }
    }
}
