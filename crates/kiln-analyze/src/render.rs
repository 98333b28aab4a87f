//! Reports as people read them: text for a terminal, Markdown for a merge request, HTML for a browser.

mod columns;
pub mod html;
pub mod markdown;
pub mod text;

use std::fmt;

pub(crate) use columns::Columns;

/// Bytes as `12.3 MB`, in powers of 1,000 as disks and registries count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: &[&str] = &["B", "kB", "MB", "GB", "TB", "PB", "EB"];
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
        f.pad(&format!("{value:.digits$} {}", UNITS[unit]))
    }
}

/// A part as `12.3 %`. What is there is never shown as nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    match percent {
        percent if part > 0 && percent < 0.1 => "<0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// One line without control characters, at most `characters` long.
pub(crate) fn line(text: &str, characters: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = clean.clone().take(characters).collect();
    if clean.count() > characters {
        line.pop();
        line.push('…');
    }
    line
}

/// `1 file`, `1,234 files`.
pub(crate) fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{} files", thousands(count)),
    }
}

/// `1 layer`, `12 layers`.
pub(crate) fn layers(count: usize) -> String {
    match count {
        1 => "1 layer".to_owned(),
        count => format!("{count} layers"),
    }
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(Bytes(12_340_000).to_string(), "12.3 MB");
        assert_eq!(Bytes(999_900_000).to_string(), "1.0 GB");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(123), "123");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(1, 100_000), "<0.1 %");
        assert_eq!(percent(0, 0), "0.0 %");
        assert_eq!(line("a\nb\u{1b}c", 10), "a b c");
        assert_eq!(line("abcdef", 4), "abc…");
    }
}
