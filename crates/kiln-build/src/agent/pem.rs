//! The text around a key: RFC 7468 for the form, RFC 1421 for the headers that old encrypted keys have.

/// The first private key in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pem {
    /// `OPENSSH PRIVATE KEY`, `RSA PRIVATE KEY` and so on.
    pub(super) label: String,
    /// Whether headers say that it is encrypted.
    pub(super) encrypted: bool,
    /// What is between the lines.
    pub(super) content: Vec<u8>,
}

/// Finds and decodes it. What is before and behind it is of no account: `openssl` writes curve parameters and
/// remarks there.
pub(super) fn decode(text: &[u8]) -> Option<Pem> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().map(str::trim);
    let label = lines.find_map(|line| {
        let label = line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
        label.ends_with("PRIVATE KEY").then(|| label.to_owned())
    })?;
    let end = format!("-----END {label}-----");
    let (mut base64, mut encrypted, mut ended) = (String::new(), false, false);
    for line in lines {
        if line == end {
            ended = true;
            break;
        }
        match line.split_once(':') {
            Some((name, value)) => encrypted |= name == "Proc-Type" && value.contains("ENCRYPTED"),
            None => base64.push_str(line),
        }
    }
    // The body of an encrypted key is of no use.
    let content = match encrypted {
        true => Some(vec![]),
        false => from_base64(&base64),
    };
    let content = content.filter(|_| ended)?;
    Some(Pem {
        label,
        encrypted,
        content,
    })
}

/// Source: RFC 4648, section 4.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("because it was masked"));
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(from_base64(text).as_deref(), Some(bytes));
        }
        for text in ["Zg", "Zg=", "Z===", "Zg==Zg==", "Zm\u{f6}v", "Zm 9"] {
            assert_eq!(from_base64(text), None, "{text}");
        }
    }

    #[test]
    fn the_key_is_found_among_other_things() {
        let text =
            b"remark\r\n-----BEGIN EC PARAMETERS-----\r\nBg==\r\n-----END EC PARAMETERS-----\r\n\
            -----BEGIN EC PRIVATE KEY-----\r\nZm9v\r\nZg==\r\n-----END EC PRIVATE KEY-----\r\n";
        let pem = decode(text).unwrap();
        assert_eq!(
            (&*pem.label, &*pem.content),
            ("EC PRIVATE KEY", &b"foof"[..])
        );
        let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nZm9v\n-----END RSA PRIVATE KEY-----\n";
        assert!(decode(old).unwrap().encrypted);
        for text in [
            "",
            "ssh-ed25519 AAAA",
            "-----BEGIN PRIVATE KEY-----\nZm9v\n",
            "-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PUBLIC KEY-----\n",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
