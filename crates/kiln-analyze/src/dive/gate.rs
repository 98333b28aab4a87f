//! `.dive-ci`: thresholds for dive's numbers.
//!
//! Facts, from dive 0.13 (`cmd/dive/cli/internal/command/ci/rules.go`): a rule fails when its threshold is
//! crossed, not when it is met; `""`, `disabled`, `off` and `false` switch it off; without a file an efficiency
//! of 0.9 and a user-wasted ratio of 0.1 hold. Keys are written in camel case below `rules:`, and
//! newer ones in kebab case.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::DiveNumbers;

/// The three thresholds. `None` is switched off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiveRules {
    /// The lowest score that is enough, 0 to 1.
    pub lowest_efficiency: Option<f64>,
    /// The most wasted bytes.
    pub highest_wasted_bytes: Option<u64>,
    /// The highest ratio of wasted bytes to those above the lowest layer, 0 to 1.
    pub highest_user_wasted_ratio: Option<f64>,
}

impl Default for DiveRules {
    fn default() -> Self {
        Self {
            lowest_efficiency: Some(0.9),
            highest_wasted_bytes: None,
            highest_user_wasted_ratio: Some(0.1),
        }
    }
}

/// Rules that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDiveRules {
    /// Not YAML, or not of that shape.
    #[error("not a file of dive's rules: {0}")]
    Yaml(String),
    /// A rule that dive does not know. dive itself passes over it, and then nothing is checked.
    #[error(
        "`{key}` is not a rule of dive; there are lowestEfficiency, highestWastedBytes and highestUserWastedPercent"
    )]
    UnknownRule {
        /// What stands there.
        key: String,
    },
    /// A threshold that makes no sense.
    #[error("{rule}: `{value}` is not {wanted}")]
    Threshold {
        /// The rule.
        rule: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        wanted: &'static str,
    },
}

/// How one rule went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rule's key.
    pub rule: &'static str,
    /// Whether it held; nothing if it is switched off.
    pub passed: Option<bool>,
    /// The number and its threshold.
    pub text: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rules: Option<BTreeMap<String, Scalar>>,
    #[serde(flatten)]
    top: BTreeMap<String, Scalar>,
}

/// Thresholds come as numbers and as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Bool(bool),
    Number(f64),
    Text(String),
    Nothing(()),
}

impl FromStr for DiveRules {
    type Err = InvalidDiveRules;

    /// Reads a `.dive-ci`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rules = Self::default();
        if text
            .lines()
            .all(|line| matches!(line.trim().chars().next(), None | Some('#')))
        {
            return Ok(rules);
        }
        let file: File = serde_saphyr::from_str(text)
            .map_err(|error| InvalidDiveRules::Yaml(error.to_string()))?;
        for (key, value) in file.rules.into_iter().flatten().chain(file.top) {
            rules.set(&key, &value.text())?;
        }
        Ok(rules)
    }
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => text,
            Self::Nothing(()) => String::new(),
        }
    }
}

const EFFICIENCY: &str = "lowestEfficiency";
const WASTED: &str = "highestWastedBytes";
const USER_WASTED: &str = "highestUserWastedPercent";

impl DiveRules {
    fn set(&mut self, key: &str, value: &str) -> Result<(), InvalidDiveRules> {
        let value = value.trim().to_owned();
        let is_off = matches!(&*value.to_lowercase(), "" | "disabled" | "off" | "false");
        let ratio = |rule, value: String| match value.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
            _ => Err(InvalidDiveRules::Threshold {
                rule,
                value,
                wanted: "a ratio from 0 to 1",
            }),
        };
        let on = (!is_off).then_some(value);
        match key.replace('-', "").to_lowercase().as_str() {
            "lowestefficiency" | "lowestefficiencythreshold" => {
                self.lowest_efficiency = on.map(|value| ratio(EFFICIENCY, value)).transpose()?;
            }
            "highestuserwastedpercent" => {
                self.highest_user_wasted_ratio =
                    on.map(|value| ratio(USER_WASTED, value)).transpose()?;
            }
            "highestwastedbytes" => {
                let size = |value: String| {
                    human_bytes(&value).ok_or(InvalidDiveRules::Threshold {
                        rule: WASTED,
                        value,
                        wanted: "a size such as 20MB",
                    })
                };
                self.highest_wasted_bytes = on.map(size).transpose()?;
            }
            _ => {
                return Err(InvalidDiveRules::UnknownRule {
                    key: key.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Holds the rules against an image's numbers.
    #[must_use]
    pub fn evaluate(&self, numbers: &DiveNumbers) -> Vec<Verdict> {
        let verdict = |rule, outcome: Option<(bool, String)>| match outcome {
            None => Verdict {
                rule,
                passed: None,
                text: "disabled".to_owned(),
            },
            Some((failed, text)) => Verdict {
                rule,
                passed: Some(!failed),
                text,
            },
        };
        let DiveNumbers {
            efficiency,
            wasted_bytes,
            user_wasted_ratio,
            ..
        } = *numbers;
        // A comparison with what is not a number is false, so that the rule holds.
        let of_efficiency = self.lowest_efficiency.map(|lowest| {
            let text = format!("{efficiency:.4}, at least {lowest}");
            (lowest > efficiency, text)
        });
        let of_bytes = self.highest_wasted_bytes.map(|highest| {
            let text = format!("{wasted_bytes} bytes, at most {highest}");
            (wasted_bytes > highest, text)
        });
        let of_users = self.highest_user_wasted_ratio.map(|highest| {
            let text = format!("{user_wasted_ratio:.4}, at most {highest}");
            (user_wasted_ratio > highest, text)
        });
        vec![
            verdict(EFFICIENCY, of_efficiency),
            verdict(WASTED, of_bytes),
            verdict(USER_WASTED, of_users),
        ]
    }
}

/// Bytes as dive's rules have them: `20MB` is decimal, `20MiB` binary; commas are passed over.
fn human_bytes(text: &str) -> Option<u64> {
    let text = text.replace(',', "");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_lowercase();
    let (prefix, base) = match unit.trim_end_matches('b') {
        binary if binary.ends_with('i') => (&binary[..binary.len() - 1], 1024_f64),
        decimal => (decimal, 1000_f64),
    };
    let power = match prefix {
        "" if base < 1024.0 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    let bytes = number * base.powi(power);
    if bytes >= 1.8e19 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number has no sign, and is small enough"
    )]
    Some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_are_read() {
        let text = "# gates\nrules:\n  lowestEfficiency: 0.97\n  highestWastedBytes: 20MB\n  highestUserWastedPercent: off\n";
        let rules: DiveRules = text.parse().unwrap();
        assert_eq!(rules.lowest_efficiency, Some(0.97));
        assert_eq!(rules.highest_wasted_bytes, Some(20_000_000));
        assert_eq!(rules.highest_user_wasted_ratio, None);
        let text = "lowest-efficiency-threshold: \"0.5\"\nhighest-wasted-bytes: 1,024 KiB\n";
        let rules: DiveRules = text.parse().unwrap();
        assert_eq!(rules.lowest_efficiency, Some(0.5));
        assert_eq!(rules.highest_wasted_bytes, Some(1 << 20));
        assert_eq!(rules.highest_user_wasted_ratio, Some(0.1));
        assert_eq!(
            "# nothing\n\n".parse::<DiveRules>().unwrap(),
            DiveRules::default()
        );
        assert_eq!(
            "rules:\n".parse::<DiveRules>().unwrap(),
            DiveRules::default()
        );
    }

    #[test]
    fn wrong_rules_are_errors_that_name_the_rule() {
        for (text, said) in [
            ("rules:\n  lowestEfficiency: 97\n", "lowestEfficiency: `97`"),
            (
                "rules:\n  highestWastedBytes: many\n",
                "highestWastedBytes: `many`",
            ),
            (
                "rules:\n  lowestEficiency: 0.9\n",
                "`lowestEficiency` is not a rule",
            ),
            ("rules: [1, 2]\n", "not a file"),
            ("a: b: c\n", "not a file"),
        ] {
            let error = text.parse::<DiveRules>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_threshold_that_is_met_is_not_crossed() {
        let numbers = DiveNumbers {
            efficiency: 0.9,
            wasted_bytes: 10,
            user_wasted_ratio: f64::NAN,
            size_bytes: 0,
            files: vec![],
        };
        let rules = DiveRules {
            highest_wasted_bytes: Some(10),
            ..DiveRules::default()
        };
        let passed = |rules: DiveRules| {
            let verdicts = rules.evaluate(&numbers);
            verdicts
                .into_iter()
                .map(|verdict| verdict.passed)
                .collect::<Vec<_>>()
        };
        assert_eq!(passed(rules), [Some(true), Some(true), Some(true)]);
        let rules = DiveRules {
            lowest_efficiency: Some(0.91),
            highest_wasted_bytes: Some(9),
            highest_user_wasted_ratio: None,
        };
        assert_eq!(passed(rules), [Some(false), Some(false), None]);
    }
}
