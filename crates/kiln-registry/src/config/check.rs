//! Whether settings that can be read also make sense together.

use std::fmt;

use super::Config;

/// Something wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which setting, such as `limits.uploads`.
    pub setting: &'static str,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

const LEAST_HEAD: u64 = 8 << 10;

impl Config {
    /// Everything that is wrong with the settings, without touching the disk or the network. A
    /// server does not start with any of it.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = vec![];
        let mut wrong = |setting, message: &str| {
            findings.push(Finding {
                setting,
                message: message.to_owned(),
            });
        };
        if self.listen.is_empty() {
            wrong("listen", "name at least one address");
        }
        if self.open
            && self
                .listen
                .iter()
                .any(|address| !address.ip().is_loopback())
        {
            wrong(
                "open",
                "an open server gives everybody all rights; it listens on loopback addresses only",
            );
        }
        if let Some(message) = wrong_origin(&self.public_url) {
            wrong("public_url", message);
        }
        match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => wrong("tls.key", "a certificate needs its key"),
            (None, Some(_)) => wrong("tls.certificate", "a key needs its certificate"),
            (Some(_), Some(_)) if self.tls.self_signed => {
                wrong("tls.self_signed", "there is a certificate already");
            }
            _ => {}
        }
        if self.limits.head.0 < LEAST_HEAD {
            wrong(
                "limits.head",
                "tokens and ten tags do not fit; at least \"8 KiB\"",
            );
        }
        let counts = [
            ("limits.connections", self.limits.connections),
            ("limits.uploads", self.limits.uploads),
            ("limits.page", self.limits.page),
            ("limits.streams", self.limits.streams as usize),
        ];
        for (setting, count) in counts {
            if count == 0 {
                wrong(setting, "must be at least 1");
            }
        }
        let periods = [
            ("timeouts.head", self.timeouts.head),
            ("timeouts.handshake", self.timeouts.handshake),
            ("timeouts.stall", self.timeouts.stall),
            ("content.blob_lease", self.content.blob_lease),
            ("content.upload_patience", self.content.upload_patience),
            ("content.collect_every", self.content.collect_every),
            ("accounts.keep_logins", self.accounts.keep_logins),
        ];
        for (setting, period) in periods {
            if period.0.is_zero() {
                wrong(setting, "must be longer than nothing");
            }
        }
        self.database.check(&mut findings);
        self.s3.check(&mut findings);
        findings
    }
}

/// An origin (RFC 6454): scheme, host and port, nothing else.
pub(super) fn wrong_origin(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return None;
    }
    let Ok(uri) = text.parse::<hyper::Uri>() else {
        return Some("not a URL");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Some("must begin with http:// or https://");
    }
    // The parser gives every URL without a path the path `/`.
    (uri.path() != "/" || uri.query().is_some() || text.ends_with('/'))
        .then_some("only scheme, host and port, such as https://registry.example.org")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(text: &str) -> Vec<&'static str> {
        let config = Config::parse(text, Path::new("x.toml")).unwrap();
        let findings = config.check();
        findings.iter().map(|finding| finding.setting).collect()
    }

    #[test]
    fn the_defaults_are_right() {
        assert!(settings("").is_empty());
        assert!(settings("public_url = 'https://registry.example.org:8443'").is_empty());
        assert!(settings("open = true\nlisten = ['127.0.0.1:0', '[::1]:0']").is_empty());
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, setting) in [
            ("listen = []", "listen"),
            ("open = true\nlisten = ['0.0.0.0:5000']", "open"),
            ("public_url = 'registry.example.org'", "public_url"),
            ("public_url = 'https://registry.example.org/'", "public_url"),
            (
                "public_url = 'https://registry.example.org/v2'",
                "public_url",
            ),
            ("public_url = 'ftp://registry.example.org'", "public_url"),
            ("[tls]\ncertificate = 'c'", "tls.key"),
            ("[tls]\nkey = 'k'", "tls.certificate"),
            (
                "[tls]\ncertificate = 'c'\nkey = 'k'\nself_signed = true",
                "tls.self_signed",
            ),
            ("[limits]\nhead = 100", "limits.head"),
            ("[limits]\nconnections = 0", "limits.connections"),
            ("[limits]\nuploads = 0", "limits.uploads"),
            ("[limits]\npage = 0", "limits.page"),
            ("[limits]\nstreams = 0", "limits.streams"),
            ("[timeouts]\nhead = '0 s'", "timeouts.head"),
            ("[timeouts]\nhandshake = '0 s'", "timeouts.handshake"),
            ("[timeouts]\nstall = '0 s'", "timeouts.stall"),
            ("[content]\nblob_lease = '0 s'", "content.blob_lease"),
            (
                "[content]\nupload_patience = '0 s'",
                "content.upload_patience",
            ),
            ("[content]\ncollect_every = '0 s'", "content.collect_every"),
            ("[accounts]\nkeep_logins = '0 s'", "accounts.keep_logins"),
        ] {
            assert_eq!(settings(text), [setting], "{text}");
        }
    }
}
