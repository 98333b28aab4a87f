//! Names of signals, for STOPSIGNAL.

/// Linux's signals on the common architectures, by name without `SIG`.
const SIGNALS: [(&str, u8); 36] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("RTMIN", 34),
    ("RTMAX", 64),
];

/// The number of a signal given as a number, `TERM`, `SIGTERM`, `RTMIN+3` or `RTMAX-2`; letter case does
/// not count. `None` if there is no such signal.
pub fn parse(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = SIGNALS.iter().find(|(known, _)| *known == name) {
        return Some(*number);
    }
    let offset = |text: &str| {
        text.parse::<u8>()
            .ok()
            .filter(|offset| (1..=30).contains(offset))
    };
    match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        (Some(above), _) => offset(above).map(|offset| 34 + offset),
        (_, Some(below)) => offset(below).map(|offset| 64 - offset),
        _ => None,
    }
}

/// Names for a suggestion.
pub fn names() -> impl Iterator<Item = &'static str> {
    SIGNALS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_real_time_signals() {
        for (text, expected) in [
            ("9", Some(9)),
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-14", Some(50)),
            ("RTMIN", Some(34)),
            ("0", None),
            ("65", None),
            ("SIGFOO", None),
            ("RTMIN+31", None),
            ("RTMAX-255", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
