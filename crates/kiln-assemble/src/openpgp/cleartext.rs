//! A text with its signature below it: what `InRelease` is.
//!
//! Source: RFC 9580 section 7. The whole file must be one signed text: a line in front of it, behind it, or
//! between text and signature that the signature does not cover is refused, so that nobody downstream can
//! believe one.

use super::{Malformed, armor};

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "PGP SIGNATURE";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";

/// A text and the packets of its signatures.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cleartext {
    /// The text, with line feeds and without blanks at the end of lines, which no signature covers.
    pub(crate) text: String,
    /// The bytes that were signed: the same with `\r\n` between lines, and none at the end.
    pub(crate) signed: Vec<u8>,
    /// Signature packets.
    pub(crate) signature: Vec<u8>,
}

impl Cleartext {
    pub(crate) fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let message = std::str::from_utf8(message).map_err(|_| Malformed("it is no text"))?;
        let mut lines = message
            .split('\n')
            .map(|line| {
                line.strip_suffix('\r')
                    .unwrap_or(line)
                    .trim_end_matches([' ', '\t'])
            })
            .peekable();
        if lines.next() != Some(BEGIN) {
            return Err(Malformed("it does not begin as a text with a signature"));
        }
        for header in lines.by_ref().take_while(|line| !line.is_empty()) {
            if !header.starts_with("Hash: ") {
                return Err(Malformed("a header that is not covered by the signature"));
            }
        }
        let mut text = vec![];
        while let Some(line) = lines.next_if(|line| *line != BEGIN_SIGNATURE) {
            // Lines that begin with a hyphen are escaped, so that frames cannot be text.
            text.push(match line.strip_prefix('-') {
                None => line,
                Some("") => return Err(Malformed("a line begins with a hyphen")),
                Some(rest) => rest
                    .strip_prefix(' ')
                    .ok_or(Malformed("a line begins with a hyphen"))?,
            });
        }
        let signature = armor::block(&mut lines, SIGNATURE)?;
        if !lines.all(str::is_empty) {
            return Err(Malformed("something stands behind the signature"));
        }
        Ok(Self {
            text: text.iter().flat_map(|line| [*line, "\n"]).collect(),
            signed: text.join("\r\n").into_bytes(),
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "-----BEGIN PGP SIGNATURE-----\n\naGVs\n-----END PGP SIGNATURE-----\n";

    fn parse(text: &str) -> Result<Cleartext, Malformed> {
        Cleartext::parse(text.as_bytes())
    }

    #[test]
    fn text_and_what_was_signed_are_told_apart() {
        let text = format!("{BEGIN}\nHash: SHA512\n\nfirst \t\r\n\n- - second\n{TAIL}");
        let read = parse(&text).unwrap();
        assert_eq!(read.text, "first\n\n- second\n");
        assert_eq!(read.signed, b"first\r\n\r\n- second");
        assert_eq!(read.signature, b"hel");
        let bare = parse(&format!("{BEGIN}\n\n{TAIL}\n \n")).unwrap();
        assert_eq!((bare.text.as_str(), &bare.signed[..]), ("", &b""[..]));
    }

    #[test]
    fn nothing_stands_around_what_is_signed() {
        let good = format!("{BEGIN}\nHash: SHA512\n\ntext\n{TAIL}");
        assert!(parse(&good).is_ok());
        for bad in [
            format!("Suite: evil\n{good}"),
            format!("\n{good}"),
            format!("{good}Suite: evil\n"),
            format!("{good}{good}"),
            good.replace("Hash: SHA512", "Suite: evil"),
            good.replace("Hash: SHA512", "SHA512"),
            good.replace("text", "-text"),
            good.replace("text", "-"),
            good.replace(TAIL, ""),
            good.replace("-----END", "----END"),
            good.replace("aGVs", "aGVs\n-----END PGP SIGNATURE-----\nSuite: evil"),
            String::new(),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
        assert!(Cleartext::parse(&[good.as_bytes(), b"\xff"].concat()).is_err());
    }
}
