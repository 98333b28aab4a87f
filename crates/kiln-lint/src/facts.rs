//! What is known beside the file. All of it may be missing; a rule that lacks a fact says nothing.

use crate::directive::CheckOptions;
use kiln_dockerfile::PlanOptions;
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::platform::PlatformParts;
use kiln_dockerfile::scope::BaseConfig;
use std::collections::BTreeMap;

/// Facts about a build that might be made of the file.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How the file would be built. The target does not count: all stages are checked.
    pub plan: PlanOptions,
    /// Options that replace the file's own `# check=` directive (`BUILDKIT_DOCKERFILE_CHECK`).
    pub options: Option<CheckOptions>,
    /// The context's ignore file, if the context is a local directory that has one.
    pub ignore: Option<IgnoreFile>,
    /// Base images and named contexts, by the name as it stands in `FROM` after expansion.
    pub images: BTreeMap<String, ImageFacts>,
    /// The build context, if it is a local directory.
    pub context: Option<ContextFacts>,
    /// The day on which the file is looked at, for bases that are past their end.
    pub today: Option<Day>,
}

/// What is known of a base image.
#[derive(Clone, Debug, Default)]
pub struct ImageFacts {
    /// Its config.
    pub config: BaseConfig,
    /// Its own platform.
    pub platform: Option<PlatformParts>,
    /// The digest that its tag stands for now, as `sha256:…`.
    pub digest: Option<String>,
}

/// What is known of a local build context.
#[derive(Clone, Debug, Default)]
pub struct ContextFacts {
    /// The text of the ignore file; nothing if there is none.
    pub ignore: Option<String>,
    /// What lies in the context's root: names, and `/` behind those of directories.
    pub entries: Vec<String>,
    /// The size in bytes of what would be sent, as far as it was counted.
    pub bytes: u64,
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// As in 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Day {
    /// The day on which a moment lies, in UTC.
    pub fn of_unix_time(seconds: i64) -> Day {
        // Howard Hinnant's civil_from_days: eras of 400 years that begin on the first of March.
        let days = seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year + era * 400 + i64::from(month <= 2);
        Day {
            year: i32::try_from(year).unwrap_or(i32::MAX),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_moments() {
        for (seconds, year, month, day) in [
            (0, 1970, 1, 1),
            (951_782_400, 2000, 2, 29),
            (1_793_491_200, 2026, 11, 1),
            (-1, 1969, 12, 31),
        ] {
            assert_eq!(Day::of_unix_time(seconds), Day { year, month, day });
        }
    }
}
