//! Reading what registries answer: bounded bodies, errors, warnings, links.

use std::io::Read;

use kiln_fetch::{FetchError, Response, retry_after};
use serde::Deserialize;

use crate::error::{Reason, RemoteError};

/// The most that is read of an answer that explains a refusal, in bytes.
const MAX_REASON: u64 = 64 << 10;

/// The longest message that is shown, in characters.
const MAX_MESSAGE: usize = 400;

/// Whom an answer came from, and to which question.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// What was asked for, for a person.
    pub(crate) what: &'a str,
    /// The host that was asked, as `kiln login` takes it.
    pub(crate) host: &'a str,
    /// The user whose credentials went along.
    pub(crate) user: Option<&'a str>,
}

impl Question<'_> {
    /// The error that a status means.
    pub(crate) fn refused(&self, response: &mut Response) -> RemoteError {
        let reason = Box::new(reason(response));
        let (what, host) = (self.what.to_owned(), self.host.to_owned());
        let user = self.user.map(str::to_owned);
        match response.status {
            401 => RemoteError::Unauthorized {
                what,
                host,
                user,
                reason,
            },
            403 => RemoteError::Denied {
                what,
                host,
                user,
                reason,
            },
            404 => RemoteError::NotFound { what, reason },
            429 => RemoteError::RateLimited {
                what,
                host,
                retry_after: retry_after(&response.headers),
                reason,
            },
            status => RemoteError::Status {
                what,
                host,
                status,
                reason,
            },
        }
    }

    /// The answer makes no sense.
    pub(crate) fn nonsense(&self, problem: impl Into<String>) -> RemoteError {
        RemoteError::Protocol {
            what: self.what.to_owned(),
            host: self.host.to_owned(),
            problem: problem.into(),
        }
    }

    /// The whole body, if it has at most `limit` bytes.
    pub(crate) fn body(&self, response: &mut Response, limit: u64) -> Result<Vec<u8>, RemoteError> {
        let too_long = || self.nonsense(format!("the answer is longer than {limit} bytes"));
        if response
            .headers
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        let mut body = (&mut response.body).take(limit + 1);
        body.read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 > limit {
            return Err(too_long());
        }
        Ok(bytes)
    }
}

/// The typed error of a body that broke.
pub(crate) fn broken(error: std::io::Error) -> RemoteError {
    let fetch = error
        .downcast()
        .unwrap_or_else(|error| FetchError::Interrupted {
            url: "the answer".to_owned(),
            source: error.into(),
        });
    RemoteError::Fetch(fetch)
}

pub(crate) fn reason(response: &mut Response) -> Reason {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    #[derive(Deserialize)]
    struct Details {
        #[serde(alias = "message", alias = "error_description", alias = "error")]
        details: String,
    }
    let mut bytes = Vec::new();
    // What came before a break may still say something.
    let _ = (&mut response.body)
        .take(MAX_REASON)
        .read_to_end(&mut bytes);
    if let Ok(body) = serde_json::from_slice::<Body>(&bytes)
        && let Some(first) = body.errors.first()
    {
        return Reason {
            code: Some(clean(&first.code)).filter(|code| !code.is_empty()),
            message: clean(&first.message),
        };
    }
    if let Ok(body) = serde_json::from_slice::<Details>(&bytes) {
        return Reason {
            code: None,
            message: clean(&body.details),
        };
    }
    let is_text = response
        .headers
        .get("content-type")
        .is_some_and(|kind| kind.starts_with("text/plain"));
    let message = if is_text {
        clean(&String::from_utf8_lossy(&bytes))
    } else {
        String::new()
    };
    Reason {
        code: None,
        message,
    }
}

/// One line without control characters: what a stranger sends may end up on a terminal.
pub(crate) fn clean(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(MAX_MESSAGE).collect()
}

/// The texts of `Warning: 299 - "text"` fields (distribution specification, "Warnings"; RFC 7234 section 5.5).
pub(crate) fn warnings(response: &Response) -> impl Iterator<Item = String> {
    response
        .headers
        .all("warning")
        .filter_map(|value| {
            let quoted = value.trim().strip_prefix("299 - \"")?;
            let text = quoted.strip_suffix('"')?;
            Some(clean(&text.replace("\\\"", "\"").replace("\\\\", "\\")))
        })
        .filter(|text| !text.is_empty())
        .take(20)
}

/// The target of `Link: <target>; rel="next"`, as it stands there.
pub(crate) fn next_link(response: &Response) -> Option<String> {
    response.headers.all("link").find_map(link_target)
}

/// The target of the next page in a field (RFC 8288 section 3).
pub(crate) fn link_target(field: &str) -> Option<String> {
    field.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let next = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim().to_ascii_lowercase();
            parameter == "rel=\"next\"" || parameter == "rel=next"
        });
        next.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_readable_line() {
        assert_eq!(clean("a\r\n\tb\u{1b}[31mc"), "a b [31mc");
        assert_eq!(clean(&"x".repeat(10_000)).len(), MAX_MESSAGE);
    }
}
