//! Sizes for people: powers of 1,000, as disks and registries count.

use std::fmt;
use std::str::FromStr;

/// A number of bytes that shows itself as `12.3 MB` and reads `10GB`, `512MiB` or `4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

const UNITS: &[&str] = &["B", "kB", "MB", "GB", "TB", "PB", "EB"];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// A text that is not a size.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a size; write for example 512MB, 10GB or 4GiB")]
pub(crate) struct InvalidSize(String);

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSize(text.to_owned());
        let digits = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let number: f64 = text[..digits].parse().map_err(|_| invalid())?;
        let factor: f64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "k" | "kb" => 1e3,
            "m" | "mb" => 1e6,
            "g" | "gb" => 1e9,
            "t" | "tb" => 1e12,
            "kib" => 1024.0,
            "mib" => 1024.0 * 1024.0,
            "gib" => 1024.0 * 1024.0 * 1024.0,
            "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
            _ => return Err(invalid()),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number has no sign, and a float's cast saturates"
        )]
        Ok(Self((number * factor) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_340_000, "12.3 MB"),
            (999_900_000, "1.0 GB"),
            (123_000_000, "123 MB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn sizes_are_read_in_both_systems() {
        assert_eq!("10GB".parse::<Size>().unwrap(), Size(10_000_000_000));
        assert_eq!("1.5 MiB".parse::<Size>().unwrap(), Size(1_572_864));
        assert_eq!("4096".parse::<Size>().unwrap(), Size(4096));
        for text in ["", "GB", "1.2.3GB", "-1", "10 parsecs"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
