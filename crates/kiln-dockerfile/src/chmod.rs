//! Modes for `--chmod`: octal, or symbolic as chmod(1) has it, without a umask.

use std::fmt;

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const STICKY: u32 = 0o1000;

/// A change of permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// These bits, whatever was there.
    Octal(u32),
    /// These changes, one after another.
    Symbolic(Vec<Clause>),
}

/// One action of a symbolic mode: `who`, operator, permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    user: bool,
    group: bool,
    other: bool,
    operator: Operator,
    permissions: Permissions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Permissions {
    /// `rwx` bits, and the letters that need more than bits.
    Letters {
        bits: u32,
        search: bool,
        set_id: bool,
        sticky: bool,
    },
    /// The bits that user (0), group (1) or others (2) have.
    CopyOf(u32),
}

/// Why a text is no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// A number that is not octal or too large.
    #[error(
        "invalid chmod parameter {0:?}: it must be an octal number between 0 and 07777, or symbolic"
    )]
    Octal(String),
    /// Symbolic, but not right.
    #[error("invalid chmod parameter {0:?}: it must look like 0755, +x or u=rwX,go=rX")]
    Symbolic(String),
}

impl Mode {
    /// Parses `0755` or `u=rwX,go=rX`.
    ///
    /// # Errors
    /// See [`ModeError`].
    pub fn parse(text: &str) -> Result<Mode, ModeError> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return match u32::from_str_radix(text, 8) {
                Ok(bits) if bits <= 0o7777 => Ok(Mode::Octal(bits)),
                _ => Err(ModeError::Octal(text.to_string())),
            };
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            group(part, &mut clauses).ok_or_else(|| ModeError::Symbolic(text.to_string()))?;
        }
        Ok(Mode::Symbolic(clauses))
    }

    /// The new permission bits (07777) of a file that has `old` (other bits are ignored).
    pub fn apply(&self, old: u32, is_dir: bool) -> u32 {
        match self {
            Mode::Octal(bits) => *bits,
            Mode::Symbolic(clauses) => clauses
                .iter()
                .fold(old & 0o7777, |mode, clause| clause.apply(mode, is_dir)),
        }
    }
}

/// `[ugoa…]` and one or more of operator and permissions.
fn group(part: &str, clauses: &mut Vec<Clause>) -> Option<()> {
    let actions = part.trim_start_matches(['u', 'g', 'o', 'a']);
    let who = &part[..part.len() - actions.len()];
    let all = who.is_empty() || who.contains('a');
    let mut rest = actions;
    loop {
        let operator = match rest.chars().next()? {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        rest = &rest[1..];
        let length = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let permissions = permissions(&rest[..length])?;
        rest = &rest[length..];
        clauses.push(Clause {
            user: all || who.contains('u'),
            group: all || who.contains('g'),
            other: all || who.contains('o'),
            operator,
            permissions,
        });
        if rest.is_empty() {
            return Some(());
        }
    }
}

fn permissions(text: &str) -> Option<Permissions> {
    match text {
        "u" => return Some(Permissions::CopyOf(0)),
        "g" => return Some(Permissions::CopyOf(1)),
        "o" => return Some(Permissions::CopyOf(2)),
        _ => {}
    }
    let (mut bits, mut search, mut set_id, mut sticky) = (0, false, false, false);
    for letter in text.chars() {
        match letter {
            'r' => bits |= 4,
            'w' => bits |= 2,
            'x' => bits |= 1,
            'X' => search = true,
            's' => set_id = true,
            't' => sticky = true,
            _ => return None,
        }
    }
    Some(Permissions::Letters {
        bits,
        search,
        set_id,
        sticky,
    })
}

impl Clause {
    fn apply(&self, old: u32, is_dir: bool) -> u32 {
        let (bits, set_id, sticky) = match self.permissions {
            Permissions::CopyOf(class) => ((old >> (6 - 3 * class)) & 7, false, false),
            Permissions::Letters {
                bits,
                search,
                set_id,
                sticky,
            } => {
                let search = search && (is_dir || old & 0o111 != 0);
                (bits | u32::from(search), set_id, sticky)
            }
        };
        let mut affected = 0;
        let mut change = 0;
        for (chosen, shift, special) in [
            (self.user, 6, SETUID),
            (self.group, 3, SETGID),
            (self.other, 0, 0),
        ] {
            if chosen {
                affected |= (7 << shift) | special;
                change |= (bits << shift) | if set_id { special } else { 0 };
            }
        }
        if self.user && self.group && self.other {
            affected |= STICKY;
        }
        if sticky {
            change |= STICKY;
        }
        match self.operator {
            Operator::Add => old | change,
            Operator::Remove => old & !change,
            // chmod(1) leaves a directory's set-id bits alone unless they are named.
            Operator::Set if is_dir && !set_id => (old & !(affected & !(SETUID | SETGID))) | change,
            Operator::Set => (old & !affected) | change,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mode::Octal(bits) => write!(f, "{bits:04o}"),
            Mode::Symbolic(clauses) => write!(f, "symbolic mode of {} clauses", clauses.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_symbolic_modes() {
        for (text, old, is_dir, new) in [
            ("0755", 0o644, false, 0o755),
            ("0", 0o777, false, 0),
            ("7777", 0, false, 0o7777),
            ("+x", 0o644, false, 0o755),
            ("a+x", 0o644, false, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("go-rwx", 0o777, false, 0o700),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("g=u", 0o640, false, 0o660),
            ("o=g", 0o750, false, 0o755),
            ("a=", 0o755, false, 0),
            ("u+s", 0o755, false, 0o4755),
            ("g+s", 0o755, true, 0o2755),
            ("+s", 0o755, false, 0o6755),
            ("+t", 0o777, true, 0o1777),
            ("u=rw", 0o4755, false, 0o655),
            ("u+rw-x", 0o100, false, 0o600),
            ("a=rx", 0o2777, true, 0o2555),
            ("ug+w,o-r", 0o444, false, 0o660),
        ] {
            let mode = Mode::parse(text).unwrap();
            assert_eq!(mode.apply(old, is_dir), new, "{text} on {old:o}");
        }
        for text in [
            "", "0888", "10000", "0o755", "u", "u=z", "x+u", "u=rwx,", "u=rwg", "++-z",
        ] {
            assert!(Mode::parse(text).is_err(), "{text}");
        }
    }
}
