//! The ids of this user namespace, for a word about those that it lacks.

use std::fs;

/// The ids that exist in this namespace, as text: `0-65535`, from the kernel's map. `kind` is `user`
/// or `group`.
pub(super) fn ranges(kind: &str) -> String {
    let map = match kind {
        "group" => "/proc/self/gid_map",
        _ => "/proc/self/uid_map",
    };
    let text = fs::read_to_string(map).unwrap_or_default();
    let ranges: Vec<String> = text.lines().filter_map(range).collect();
    if ranges.is_empty() {
        return "an unknown set of ids".to_owned();
    }
    ranges.join(", ")
}

/// One line of a map: first id inside, first id outside, how many (user_namespaces(7)).
fn range(line: &str) -> Option<String> {
    let mut numbers = line
        .split_whitespace()
        .map(|number| number.parse::<u64>().ok());
    let first = numbers.next()??;
    let len = numbers.nth(1)??;
    Some(match len {
        0 | 1 => first.to_string(),
        len => format!("{first}-{}", first + len - 1),
    })
}

/// Whether `id` is in the namespace.
pub(super) fn is_mapped(kind: &str, id: u32) -> bool {
    let map = match kind {
        "group" => "/proc/self/gid_map",
        _ => "/proc/self/uid_map",
    };
    let text = fs::read_to_string(map).unwrap_or_default();
    text.lines().any(|line| {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        matches!(numbers[..], [first, _, len] if (first..first + len).contains(&id.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_shown_as_ranges() {
        assert_eq!(range("         0       1000          1").unwrap(), "0");
        assert_eq!(
            range("         1     100000      65536").unwrap(),
            "1-65536"
        );
        assert_eq!(range("nonsense"), None);
    }

    #[test]
    fn the_own_id_is_mapped() {
        assert!(is_mapped("user", rustix::process::getuid().as_raw()));
        assert!(!is_mapped("user", u32::MAX));
    }
}
