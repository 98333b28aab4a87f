//! Where a redirect leads, and what goes along.

/// Headers that prove who the sender is.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Whether an answer with this status and a `Location` is to be followed for a request that only
/// reads (RFC 9110 section 15.4).
pub(crate) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether a header must stay with the host that it was meant for.
pub(crate) fn is_credential(name: &str) -> bool {
    CREDENTIALS
        .iter()
        .any(|credential| name.eq_ignore_ascii_case(credential))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_in_any_case() {
        assert!(is_credential("Authorization") && is_credential("COOKIE"));
        assert!(!is_credential("accept"));
    }

    #[test]
    fn not_every_300_is_a_redirect() {
        assert!(is_redirect(302) && is_redirect(308));
        assert!(!is_redirect(300) && !is_redirect(304) && !is_redirect(200));
    }
}
