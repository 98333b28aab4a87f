//! Differences between kiln and BuildKit that are meant, each with its reason. One that no longer
//! occurs fails, so that this list stays true.

use crate::compare::Difference;

/// Stands for any case.
pub(crate) const EVERY: &str = "*";

/// A difference that is meant.
#[derive(Debug)]
pub(crate) struct Known {
    /// The case, or [`EVERY`].
    pub(crate) case: &'static str,
    /// Where, as in [`Difference::place`]; a `*` at the end stands for anything.
    pub(crate) place: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

/// All of them.
pub(crate) static KNOWN: &[Known] = &[
    Known {
        case: "run-stubs-on-bare-root",
        place: "*",
        reason: "kiln leaves no mount points of /dev, /proc and /sys in a layer",
    },
    Known {
        case: "run-hard-links-across",
        place: "*",
        reason: "kiln writes a link to a file of a lower layer as a link, not as a second copy",
    },
    Known {
        case: "copy-hard-links",
        place: "*",
        reason: "kiln keeps hard links between the sources of one COPY, too",
    },
    Known {
        case: "copy-chown-numbers",
        place: "tree /big",
        reason: "BuildKit takes the user 4294967294 for 0",
    },
    Known {
        case: "copy-chown-unknown",
        place: "outcome",
        reason: "an owner that does not exist is a mistake, and BuildKit takes it for root",
    },
    Known {
        case: "copy-exclude-wildcard",
        place: "*",
        reason: "--exclude holds for what a wildcard finds, as its documentation says and buildah does",
    },
    Known {
        case: "refused-link-owner-by-name",
        place: "outcome",
        reason: "kiln looks the name up in the image below; BuildKit has no image there",
    },
    Known {
        case: "refused-target-by-number",
        place: "outcome",
        reason: "kiln takes a stage's number, too",
    },
    Known {
        case: "config-workdir",
        place: "*",
        reason: "kiln cleans the path everywhere; BuildKit keeps a last slash",
    },
    Known {
        case: "config-workdir-unclean",
        place: "history*",
        reason: "kiln cleans the path everywhere; BuildKit's history shows it as written",
    },
    Known {
        case: "heredoc-run-script",
        place: "history*",
        reason: "kiln's history shows what is run, which is the script and not a shell",
    },
    Known {
        case: "config-healthcheck",
        place: "history*",
        reason: HEALTH_HISTORY,
    },
    Known {
        case: "config-healthcheck-json",
        place: "history*",
        reason: HEALTH_HISTORY,
    },
    Known {
        case: "config-healthcheck-none",
        place: "history*",
        reason: HEALTH_HISTORY,
    },
    Known {
        case: "config-inherits",
        place: "history*",
        reason: HEALTH_HISTORY,
    },
];

const HEALTH_HISTORY: &str = "BuildKit's history shows the check as Go prints a pointer";

/// Why `difference` is meant, if it is.
pub(crate) fn explain(case: &str, difference: &Difference) -> Option<&'static Known> {
    KNOWN.iter().find(|known| {
        let place = match known.place.strip_suffix('*') {
            Some(begin) => difference.place.starts_with(begin),
            None => difference.place == known.place,
        };
        place && (known.case == EVERY || known.case == case)
    })
}
