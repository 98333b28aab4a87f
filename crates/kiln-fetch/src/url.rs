//! URLs: which ones are taken, how a redirect's target is resolved, what may be shown.
//!
//! RFC 3986, `http` and `https` only. A host name outside ASCII must be given in its `xn--` form.

use std::fmt;

use ureq::http::Uri;

use crate::base64;
use crate::error::FetchError;
use crate::redact::redact;

/// A URL that can be requested. Its credentials are kept apart from its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    /// Lower case; an IPv6 address without brackets.
    host: String,
    port: u16,
    /// `host` or `host:port` as it goes into the URL.
    authority: String,
    /// Path and query, beginning with `/`.
    path: String,
    /// `user:password`, percent-encoding removed.
    credentials: Option<Vec<u8>>,
}

impl Url {
    /// Reads an absolute `http:` or `https:` URL. A fragment is dropped; characters that a URL may
    /// not hold but that people write (blanks, letters beyond ASCII) are percent-encoded.
    ///
    /// # Errors
    /// [`FetchError::UnsupportedScheme`] for other schemes, [`FetchError::BadUrl`] for the rest.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        let bad = |reason: &str| FetchError::BadUrl {
            url: redact(text),
            reason: reason.to_owned(),
        };
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| bad("it has no scheme"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => {
                return Err(FetchError::UnsupportedScheme {
                    url: redact(text),
                    scheme: scheme.to_owned(),
                });
            }
        };
        let rest = rest
            .strip_prefix("//")
            .ok_or_else(|| bad("`//` must follow the scheme"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(split);
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(percent_decode(credentials)), authority),
            None => (None, authority),
        };
        let mut path = percent_encode(path);
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        let scheme = if secure { "https" } else { "http" };
        let uri: Uri = format!("{scheme}://{authority}{path}")
            .parse()
            .map_err(|error: ureq::http::uri::InvalidUri| bad(&error.to_string()))?;
        let host = uri.host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        // `Uri` takes "host:" and "host:99999" and then knows no port.
        let written = authority
            .rsplit_once(':')
            .filter(|(_, port)| !port.contains(']'));
        let port = match (uri.port_u16(), written) {
            (Some(port), _) => port,
            (None, Some((_, port))) if !port.is_empty() => return Err(bad("the port is no port")),
            (None, _) => default_port(secure),
        };
        let shown = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let authority = if port == default_port(secure) {
            shown
        } else {
            format!("{shown}:{port}")
        };
        Ok(Self {
            secure,
            host,
            port,
            authority,
            path,
            credentials,
        })
    }

    /// The URL that `location` means when it stands in an answer to `self` (RFC 3986 section 5.2).
    ///
    /// Credentials go along only if the reference is relative and so stays on the same host.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn join(&self, location: &str) -> Result<Self, FetchError> {
        let location = location.trim();
        let scheme = if self.secure { "https" } else { "http" };
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        if has_scheme(location) {
            return Self::parse(location);
        }
        let reference = location.split('#').next().unwrap_or_default();
        let (base_path, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let target = if reference.is_empty() {
            self.path.clone()
        } else if reference.starts_with('?') {
            format!("{base_path}{reference}")
        } else {
            let (path, query) = match reference.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (reference, None),
            };
            let folder = &base_path[..=base_path.rfind('/').unwrap_or(0)];
            let whole = if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("{folder}{path}")
            };
            let whole = without_dot_segments(&whole);
            query.map_or_else(|| whole.clone(), |query| format!("{whole}?{query}"))
        };
        let mut joined = Self::parse(&format!("{scheme}://{}{target}", self.authority))?;
        joined.credentials.clone_from(&self.credentials);
        Ok(joined)
    }

    /// Whether both mean the same scheme, host and port: then credentials may go from one to the
    /// other.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host == other.host && self.port == other.port
    }

    /// The path and the query, beginning with `/`.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, in lower case and without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own if none was written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of an `Authorization` header made from the URL's credentials.
    pub(crate) fn basic_authorization(&self) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        let mut whole = credentials.clone();
        if !whole.contains(&b':') {
            whole.push(b':');
        }
        Some(format!("Basic {}", base64::encode(&whole)))
    }
}

/// Without credentials, so that it can stand in messages and on the wire. A query stays: see
/// [`redact`] for what is shown to people.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.to_string()))
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// RFC 3986 section 3.1: a letter, then letters, digits, `+`, `-`, `.`, then `:`.
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// RFC 3986 section 5.2.4, for a path that begins with `/`.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." => {}
            ".." => {
                kept.pop();
            }
            part => {
                kept.push(part);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| {
            bytes
                .get(at + offset)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Encodes only what may not stand in a URL at all; what is encoded already stays.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The last part of a URL's path, decoded: what a file fetched from there is called.
///
/// `None` when the path ends in a slash or its last part cannot be a file's name (empty, `.`,
/// `..`, with a slash or a zero byte once decoded, or not UTF-8).
#[must_use]
pub fn filename_from_url(url: &str) -> Option<String> {
    let url = url.split(['#', '?']).next()?;
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    let (_, path) = rest.split_once('/')?;
    let last = path.rsplit('/').next()?;
    let name = String::from_utf8(percent_decode(last)).ok()?;
    let usable = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']);
    usable.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn urls_are_read() {
        let read = url("HTTPS://user:p%40ss@Example.COM:8443/a b/ü?q=1#part");
        assert_eq!(
            read.to_string(),
            "https://example.com:8443/a%20b/%C3%BC?q=1"
        );
        assert_eq!(
            (read.host(), read.port(), read.is_secure()),
            ("example.com", 8443, true)
        );
        let basic = base64::encode(b"user:p@ss");
        assert_eq!(read.basic_authorization(), Some(format!("Basic {basic}")));
        assert_eq!(url("http://h").to_string(), "http://h/");
        assert_eq!(url("http://h:80?x").to_string(), "http://h/?x");
        assert_eq!(url("http://[::1]:5000/v2/").host(), "::1");
        assert_eq!(url("http://[::1]/").to_string(), "http://[::1]/");
    }

    #[test]
    fn only_http_is_taken() {
        for text in ["file:///etc/passwd", "ftp://h/f", "unix:///s", "data:,x"] {
            let error = Url::parse(text).expect_err(text);
            assert!(
                matches!(error, FetchError::UnsupportedScheme { .. }),
                "{text}: {error}"
            );
        }
        for text in [
            "",
            "h/path",
            "http:",
            "http:/h",
            "http://",
            "http:///p",
            "http://h:x/",
        ] {
            let error = Url::parse(text).expect_err(text);
            assert!(
                matches!(error, FetchError::BadUrl { .. }),
                "{text}: {error}"
            );
        }
        assert!(Url::parse("http://h:99999/").is_err());
        assert!(Url::parse("http://h h/").is_err());
        assert!(Url::parse("http://h\r\nX: y/").is_err());
    }

    #[test]
    fn locations_are_resolved() {
        let base = url("http://u:p@h:81/a/b?q");
        for (location, target) in [
            ("https://other/x", "https://other/x"),
            ("//other/x", "http://other/x"),
            ("/x?y", "http://h:81/x?y"),
            ("c", "http://h:81/a/c"),
            ("../c/./d", "http://h:81/c/d"),
            ("../../../c/..", "http://h:81/"),
            ("?z", "http://h:81/a/b?z"),
            ("", "http://h:81/a/b?q"),
            ("#f", "http://h:81/a/b?q"),
            ("c?u=http://x/../y", "http://h:81/a/c?u=http://x/../y"),
        ] {
            assert_eq!(
                base.join(location).expect(location).to_string(),
                target,
                "{location}"
            );
        }
        assert!(base.join("/x").expect("relative").credentials.is_some());
        assert!(
            base.join("http://h:81/x")
                .expect("absolute")
                .credentials
                .is_none()
        );
        assert!(base.join("file:///etc/passwd").is_err());
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        assert!(url("http://h/a").same_origin(&url("http://H:80/b")));
        assert!(!url("http://h/a").same_origin(&url("https://h/a")));
        assert!(!url("http://h/a").same_origin(&url("http://h:81/a")));
        assert!(!url("http://h/a").same_origin(&url("http://h.evil/a")));
    }

    #[test]
    fn secrets_are_not_shown_in_debug_output() {
        assert!(!format!("{:?}", url("http://u:secret@h/?k=secret")).contains("secret"));
    }

    #[test]
    fn files_are_named_after_the_path() {
        let name = |url| filename_from_url(url);
        assert_eq!(
            name("https://h/a/tool-1.0.tgz?x=/y#z").as_deref(),
            Some("tool-1.0.tgz")
        );
        assert_eq!(name("https://h/a%20b").as_deref(), Some("a b"));
        for none in [
            "https://h",
            "https://h/",
            "https://h/a/",
            "http://h/..",
            "http://h/%2e%2e",
        ] {
            assert_eq!(name(none), None, "{none}");
        }
        assert_eq!(name("http://h/a%2fb"), None);
        assert_eq!(name("http://h/a%00"), None);
        assert_eq!(name("http://h/%ff"), None);
    }
}
