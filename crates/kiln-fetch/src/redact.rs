//! URLs without their secrets, for messages and logs.

/// A URL as it may be shown or logged: the password is replaced by `***`, and so are the values of
/// query parameters, because signed URLs of object stores are credentials as a whole.
///
/// Works on anything; text that is no URL comes back with the same replacements made.
#[must_use]
pub fn redact(url: &str) -> String {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (url, None),
    };
    let (scheme, rest) = address.split_once("//").unwrap_or(("", address));
    let slashes = if address.contains("//") { "//" } else { "" };
    let split = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(split);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => authority.to_owned(),
    };
    let mut out = format!("{scheme}{slashes}{authority}{path}");
    if let Some(query) = query {
        let shown: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, _)) => format!("{name}=***"),
                None => pair.to_owned(),
            })
            .collect();
        out.push('?');
        out.push_str(&shown.join("&"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(
            redact("https://u:p@h/a?sig=abc&x"),
            "https://***@h/a?sig=***&x"
        );
        assert_eq!(redact("https://tok@en@h/@a"), "https://***@h/@a");
        assert_eq!(redact("https://h/a"), "https://h/a");
        assert_eq!(redact("u:p@h"), "***@h");
        assert_eq!(redact(""), "");
    }
}
