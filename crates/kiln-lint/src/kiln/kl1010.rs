//! KL1010: the base should still get security updates.

use crate::facts::{Day, Facts};
use crate::finding::Report;
use crate::hadolint::images;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1010",
    name: "base-past-its-end",
    severity: Severity::Warning,
    summary: "The base should still get security updates",
    why: "The distribution's release is past its end: holes that are found now stay open. What free support there is counts, that for money does not.",
    bad: "FROM debian:10\n",
    good: "FROM debian:13\n",
    example_facts,
    check,
    ..Rule::BLANK
};

/// Image, its releases by tag, and year, month and day.
type Release = (&'static str, &'static [&'static str], (i32, u8, u8));

/// Image, releases by tag, and the last day of free updates. Sources: the distributions' own pages about
/// their releases, read in 2026.
const ENDS: [Release; 33] = [
    ("debian", &["8", "jessie"], (2020, 6, 30)),
    ("debian", &["9", "stretch"], (2022, 6, 30)),
    ("debian", &["10", "buster"], (2024, 6, 30)),
    ("debian", &["11", "bullseye"], (2026, 8, 31)),
    ("debian", &["12", "bookworm"], (2028, 6, 30)),
    ("ubuntu", &["14.04", "trusty"], (2019, 4, 25)),
    ("ubuntu", &["16.04", "xenial"], (2021, 4, 30)),
    ("ubuntu", &["18.04", "bionic"], (2023, 5, 31)),
    ("ubuntu", &["20.04", "focal"], (2025, 5, 31)),
    ("ubuntu", &["22.04", "jammy"], (2027, 4, 30)),
    ("ubuntu", &["22.10", "kinetic"], (2023, 7, 20)),
    ("ubuntu", &["23.04", "lunar"], (2024, 1, 25)),
    ("ubuntu", &["23.10", "mantic"], (2024, 7, 11)),
    ("ubuntu", &["24.04", "noble"], (2029, 4, 30)),
    ("ubuntu", &["24.10", "oracular"], (2025, 7, 10)),
    ("ubuntu", &["25.04", "plucky"], (2026, 1, 15)),
    ("alpine", &["3.10"], (2021, 5, 1)),
    ("alpine", &["3.11"], (2021, 11, 1)),
    ("alpine", &["3.12"], (2022, 5, 1)),
    ("alpine", &["3.13"], (2022, 11, 1)),
    ("alpine", &["3.14"], (2023, 5, 1)),
    ("alpine", &["3.15"], (2023, 11, 1)),
    ("alpine", &["3.16"], (2024, 5, 23)),
    ("alpine", &["3.17"], (2024, 11, 22)),
    ("alpine", &["3.18"], (2025, 5, 9)),
    ("alpine", &["3.19"], (2025, 11, 1)),
    ("alpine", &["3.20"], (2026, 4, 1)),
    ("alpine", &["3.21"], (2026, 11, 1)),
    ("alpine", &["3.22"], (2027, 5, 1)),
    ("centos", &["6", "centos6"], (2020, 11, 30)),
    ("centos", &["7", "centos7"], (2024, 6, 30)),
    ("centos", &["8", "centos8"], (2021, 12, 31)),
    ("centos", &["stream8"], (2024, 5, 31)),
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(today) = subject.facts.today else {
        return;
    };
    for (stage, image) in images::bases(subject) {
        let Some(tag) = image.tag.filter(|_| !image.stage) else {
            continue;
        };
        let name = image.name.strip_prefix("docker.io/").unwrap_or(image.name);
        let name = name.strip_prefix("library/").unwrap_or(name);
        let fits = |release: &&str| {
            let rest = tag.strip_prefix(*release);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        let row = ENDS
            .iter()
            .find(|(image, releases, _)| *image == name && releases.iter().any(&fits));
        let Some((_, _, (year, month, day))) = row else {
            continue;
        };
        let end = Day {
            year: *year,
            month: *month,
            day: *day,
        };
        if end < today {
            report
                .add(
                    stage.from.image.span,
                    format!("{name}:{tag} got its last updates on {year}-{month:02}-{day:02}"),
                )
                .help("take a newer release");
        }
    }
}

fn example_facts() -> Facts {
    Facts {
        today: Some(Day {
            year: 2026,
            month: 11,
            day: 24,
        }),
        ..Facts::default()
    }
}
