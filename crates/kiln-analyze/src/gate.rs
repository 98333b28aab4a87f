//! Rules that an image must keep, for CI: `KIND=RATIO,SIZE`.
//!
//! A part of a small image is quickly exceeded by nothing much, and a fixed size is too much for one image and
//! nothing for another. So a rule has both, and fails when both are exceeded: `waste=5%,10MB` lets a small
//! image waste more than a twentieth, and a large one more than 10 MB.

use std::str::FromStr;

use serde::Serialize;

use crate::analysis::Analysis;
use crate::cause::Cause;

/// The floor of a rule that names only a ratio, in bytes.
pub const FLOOR: u64 = 1_000_000;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// All that no container sees.
    Waste,
    /// What no container sees because of layers above the base, in proportion to their bytes.
    OwnWaste,
    /// What a container sees and may do without.
    Optional,
    /// One cause.
    Of(Cause),
    /// The compressed layers. Only a size can be given.
    Size,
}

/// A rule. It fails when more than both is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// As it was written.
    pub text: String,
    /// What it is about.
    pub measure: Measure,
    /// The highest part of the bytes stored, 0 to 1.
    pub ratio: Option<f64>,
    /// The most bytes.
    pub bytes: u64,
}

/// A text that is no rule.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a rule: {reason}")]
pub struct InvalidRule {
    text: String,
    reason: String,
}

/// How a rule went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The rule as it was written.
    pub rule: String,
    /// Whether the image keeps it.
    pub passed: bool,
    /// What was found, in bytes.
    pub bytes: u64,
    /// The same as a part of the bytes stored.
    pub ratio: f64,
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: String| InvalidRule {
            text: text.to_owned(),
            reason,
        };
        let (name, limits) = text.split_once('=').ok_or_else(|| {
            invalid("write KIND=RATIO,SIZE, for example waste=5%,10MB".to_owned())
        })?;
        let measure = Measure::named(name.trim()).ok_or_else(|| {
            invalid(format!(
                "there is no `{name}`; there are {}",
                Measure::names()
            ))
        })?;
        let (mut ratio, mut bytes) = (None, None);
        for limit in limits.split(',').map(str::trim) {
            let percent = limit
                .strip_suffix('%')
                .map(|number| number.trim().parse::<f64>());
            match percent {
                Some(Ok(percent)) if (0.0..=100.0).contains(&percent) && ratio.is_none() => {
                    ratio = Some(percent / 100.0);
                }
                None if bytes.is_none() => {
                    let size = parse_size(limit);
                    bytes = Some(size.ok_or_else(|| invalid(format!("`{limit}` is not a size")))?);
                }
                _ => {
                    return Err(invalid(format!(
                        "`{limit}` is one limit too many, or no ratio"
                    )));
                }
            }
        }
        if measure == Measure::Size && ratio.is_some() {
            return Err(invalid("a size cannot be a part of itself".to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            measure,
            ratio,
            bytes: bytes.unwrap_or(FLOOR),
        })
    }
}

impl Measure {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "waste" => Self::Waste,
            "own-waste" => Self::OwnWaste,
            "optional" => Self::Optional,
            "size" => Self::Size,
            name => Self::Of(Cause::ALL.into_iter().find(|cause| cause.key() == name)?),
        })
    }

    fn names() -> String {
        let causes = Cause::ALL.iter().map(|cause| cause.key());
        let all = ["waste", "own-waste", "optional", "size"]
            .into_iter()
            .chain(causes);
        all.collect::<Vec<_>>().join(", ")
    }

    /// What was found, and of how much.
    fn of(self, analysis: &Analysis) -> (u64, u64) {
        let all = analysis.stored.bytes;
        match self {
            Self::Waste => (analysis.waste.bytes, all),
            Self::OwnWaste => match &analysis.parts {
                Some(parts) => (parts.own.waste.bytes, parts.own.stored.bytes),
                None => (analysis.waste.bytes, all),
            },
            Self::Optional => (analysis.optional.bytes, all),
            Self::Of(cause) => (analysis.of(cause).bytes, all),
            Self::Size => (analysis.compressed, analysis.compressed),
        }
    }
}

impl Rule {
    /// Holds the rule against an image.
    #[must_use]
    pub fn evaluate(&self, analysis: &Analysis) -> Outcome {
        let (bytes, all) = self.measure.of(analysis);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio that is held against a threshold"
        )]
        let ratio = if all == 0 {
            0.0
        } else {
            bytes as f64 / all as f64
        };
        let is_exceeded = bytes > self.bytes && self.ratio.is_none_or(|highest| ratio > highest);
        Outcome {
            rule: self.text.clone(),
            passed: !is_exceeded,
            bytes,
            ratio,
        }
    }
}

/// `10MB`, `4 MiB`, `4096`.
fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number has no sign, and a float's cast saturates"
    )]
    Some((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let rule: Rule = "waste=5%,10MB".parse().unwrap();
        assert_eq!(
            (rule.measure, rule.ratio, rule.bytes),
            (Measure::Waste, Some(0.05), 10_000_000)
        );
        let rule: Rule = "package-cache=0".parse().unwrap();
        assert_eq!(
            (rule.measure, rule.ratio, rule.bytes),
            (Measure::Of(Cause::PackageCache), None, 0)
        );
        let rule: Rule = "own-waste=10%".parse().unwrap();
        assert_eq!((rule.ratio, rule.bytes), (Some(0.1), FLOOR));
    }

    #[test]
    fn what_is_no_rule_is_said() {
        for (text, said) in [
            ("waste", "KIND=RATIO,SIZE"),
            ("wast=1%", "there is no `wast`; there are waste, own-waste"),
            ("waste=1%,2%", "one limit too many"),
            ("waste=200%", "one limit too many, or no ratio"),
            ("waste=some", "`some` is not a size"),
            ("waste=", "`` is not a size"),
            ("size=5%", "part of itself"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
