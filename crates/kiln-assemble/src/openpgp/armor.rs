//! Packets as text.
//!
//! Source: RFC 9580 section 6.2. The checksum at the end is not looked at, as section 6.1 asks: signatures
//! say more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Malformed;

/// Decodes the block that begins with the first of `lines`; leaves those behind it. Lines have neither
/// line ends nor blanks behind them.
pub(super) fn block<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    kind: &str,
) -> Result<Vec<u8>, Malformed> {
    let is_frame = |line: &str, word: &str| {
        let inner = line
            .strip_prefix("-----")
            .and_then(|line| line.strip_suffix("-----"));
        inner.and_then(|inner| inner.strip_prefix(word)) == Some(kind)
    };
    if !lines.next().is_some_and(|line| is_frame(line, "BEGIN ")) {
        return Err(Malformed("another armoured block than was expected"));
    }
    // Headers are comments; an empty line ends them.
    if !lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .all(|line| line.contains(": "))
    {
        return Err(Malformed(
            "an armoured block without an empty line behind its headers",
        ));
    }
    let mut text = String::new();
    let mut has_checksum = false;
    for line in lines {
        if is_frame(line, "END ") {
            let decoded = STANDARD.decode(text);
            return decoded.map_err(|_| Malformed("an armoured block is no base64"));
        }
        if has_checksum {
            return Err(Malformed("an armoured block goes on behind its checksum"));
        }
        match line.strip_prefix('=') {
            Some(checksum) if checksum.len() == 4 => has_checksum = true,
            _ => text.push_str(line),
        }
    }
    Err(Malformed("an armoured block without an end"))
}

/// All blocks of a kind in a text; what stands between them is passed over.
pub(super) fn blocks(text: &str, kind: &str) -> Result<Vec<u8>, Malformed> {
    let mut lines = text.lines().map(str::trim_end).peekable();
    let mut bytes = vec![];
    while let Some(line) = lines.peek() {
        match line.starts_with("-----BEGIN ") {
            true => bytes.extend(block(&mut lines, kind)?),
            false => drop(lines.next()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "PGP SIGNATURE";

    #[test]
    fn blocks_are_found_between_other_text() {
        let text = "hello\r\n-----BEGIN PGP SIGNATURE-----\r\nComment: x\r\n\r\naGVs\r\nbG8=\r\n=abcd\r\n\
                    -----END PGP SIGNATURE-----\r\nbye\n-----BEGIN PGP SIGNATURE-----\n\nIQ==\n-----END PGP SIGNATURE-----";
        assert_eq!(blocks(text, KIND), Ok(b"hello!".to_vec()));
        assert_eq!(blocks("nothing", KIND), Ok(vec![]));
    }

    #[test]
    fn damaged_blocks_are_refused() {
        let begin = "-----BEGIN PGP SIGNATURE-----\n";
        let end = "-----END PGP SIGNATURE-----\n";
        for text in [
            format!("{begin}\naGVs\n"),
            format!("{begin}\naGV\n{end}"),
            format!("{begin}aGVs\n{end}"),
            format!("{begin}\naGVs\n=abcd\naGVs\n{end}"),
            format!("{begin}\n-a\n{end}"),
            format!("{begin}\naGVs\n-----END PGP MESSAGE-----\n"),
            "-----BEGIN PGP MESSAGE-----\n\naGVs\n-----END PGP MESSAGE-----\n".to_owned(),
        ] {
            assert!(blocks(&text, KIND).is_err(), "{text}");
        }
    }
}
