//! PEM: labelled base64 between dashed lines.
//!
//! Source: RFC 7468. Text around the blocks is skipped, as its section 2 allows; headers inside of a block are not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The largest text that is read, in bytes. Bundles of certificates are below a megabyte.
const MAX: usize = 4 << 20;

/// One block. Its content may be a private key, so it is wiped when it is dropped.
#[derive(Clone, Debug)]
pub struct Block {
    /// What stands after `BEGIN`.
    pub label: String,
    /// What the base64 decodes to.
    pub content: Zeroizing<Vec<u8>>,
}

/// A text that is not PEM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// No line with `BEGIN`.
    #[error("there is no PEM block in it")]
    None,
    /// A block without its `END` line.
    #[error("the PEM block `{0}` has no end")]
    Endless(String),
    /// Something between the lines that is not base64.
    #[error("the PEM block `{0}` is not base64")]
    Base64(String),
    /// Larger than any key or bundle.
    #[error("it is too large to be PEM")]
    TooLarge,
}

/// All blocks of a text.
///
/// # Errors
/// If there is none, or one is damaged.
pub fn decode(text: &[u8]) -> Result<Vec<Block>, PemError> {
    if text.len() > MAX {
        return Err(PemError::TooLarge);
    }
    // A character that is not UTF-8 can only stand in the text around the blocks, or makes one invalid.
    let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    let mut lines = text.lines().map(str::trim);
    let mut blocks = vec![];
    while let Some(line) = lines.next() {
        let Some(label) = line
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("-----"))
        else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut body = Zeroizing::new(String::new());
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) => body.push_str(line),
                None => return Err(PemError::Endless(label.to_owned())),
            }
        }
        let content = STANDARD.decode(body.as_bytes());
        let content = content.map_err(|_| PemError::Base64(label.to_owned()))?;
        blocks.push(Block {
            label: label.to_owned(),
            content: Zeroizing::new(content),
        });
    }
    match blocks.is_empty() {
        true => Err(PemError::None),
        false => Ok(blocks),
    }
}

/// One block as text.
#[must_use]
pub fn encode(label: &str, content: &[u8]) -> String {
    let body = STANDARD.encode(content);
    let mut out = format!("-----BEGIN {label}-----\n");
    for start in (0..body.len()).step_by(64) {
        out.push_str(&body[start..body.len().min(start + 64)]);
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_among_other_text() {
        let text = format!(
            "Bag Attributes\n{}\r\n# and\n{}",
            encode("ONE", b"1"),
            encode("TWO", &[2; 100])
        );
        let blocks = decode(text.as_bytes()).unwrap();
        assert_eq!(
            (blocks[0].label.as_str(), &blocks[0].content[..]),
            ("ONE", &b"1"[..])
        );
        assert_eq!(
            (blocks[1].label.as_str(), blocks[1].content.len()),
            ("TWO", 100)
        );
    }

    #[test]
    fn damaged_blocks() {
        assert_eq!(decode(b"hello").unwrap_err(), PemError::None);
        let cut = encode("KEY", b"secret").replace("-----END KEY-----", "");
        assert_eq!(
            decode(cut.as_bytes()).unwrap_err(),
            PemError::Endless("KEY".to_owned())
        );
        let bad = "-----BEGIN KEY-----\nProc-Type: 4\n-----END KEY-----";
        assert_eq!(
            decode(bad.as_bytes()).unwrap_err(),
            PemError::Base64("KEY".to_owned())
        );
        assert_eq!(
            decode(&vec![b' '; MAX + 1]).unwrap_err(),
            PemError::TooLarge
        );
    }

    proptest! {
        #[test]
        fn round_trip(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let blocks = decode(encode("X Y", &content).as_bytes()).unwrap();
            prop_assert_eq!(&blocks[0].content[..], &content[..]);
        }
    }
}
