//! Modes for `--chmod`: octal, or symbolic as BSD's setmode(3) has it, without a umask.
//!
//! BuildKit took setmode(3), so its answers are the rule: `X` asks the file's mode from before all
//! changes (but `-X` is `-x`), `=` takes set-id bits away but not the sticky bit, and `s` and `t` do
//! nothing for `o` alone.

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
/// What a change without `ugoa` is about.
const EVERYONE: u32 = SETUID | SETGID | 0o777;

/// A change of permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    changes: Vec<Change>,
    octal: Option<u32>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Set(u32),
    Clear(u32),
    /// Only for directories and what somebody may execute.
    SetSearch(u32),
    /// Takes the three bits at the shift and adds them to, removes them from, or makes them the bits
    /// at all places in the mask.
    Copy {
        from: u32,
        to: u32,
        operator: Operator,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
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
                Ok(bits) if bits <= 0o7777 => Ok(Mode {
                    changes: vec![Change::Clear(0o7777), Change::Set(bits)],
                    octal: Some(bits),
                }),
                _ => Err(ModeError::Octal(text.to_string())),
            };
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            parse_clause(clause, &mut changes)
                .ok_or_else(|| ModeError::Symbolic(text.to_string()))?;
        }
        Ok(Mode {
            changes,
            octal: None,
        })
    }

    /// The bits, if the mode is a number.
    pub fn octal(&self) -> Option<u32> {
        self.octal
    }

    /// The new permission bits (07777) of a file that has `old` (other bits are ignored).
    pub fn apply(&self, old: u32, is_dir: bool) -> u32 {
        let search = is_dir || old & 0o111 != 0;
        self.changes
            .iter()
            .fold(old & 0o7777, |mode, change| match *change {
                Change::Set(bits) => mode | bits,
                Change::Clear(bits) => mode & !bits,
                Change::SetSearch(bits) if search => mode | bits,
                Change::SetSearch(_) => mode,
                Change::Copy { from, to, operator } => {
                    let bits = (((mode >> from) & 7) * 0o111) & to;
                    match operator {
                        Operator::Add => mode | bits,
                        Operator::Remove => mode & !bits,
                        Operator::Set => (mode & !to) | bits,
                    }
                }
            })
    }
}

/// `[ugoa…]` and one or more of operator and permissions.
fn parse_clause(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    let actions = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    let mut who = 0;
    for class in clause[..clause.len() - actions.len()].chars() {
        who |= match class {
            'u' => SETUID | 0o700,
            'g' => SETGID | 0o070,
            'o' => 0o007,
            _ => EVERYONE,
        };
    }
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
        Action {
            operator,
            who,
            bits: 0,
            search: false,
            cleared: false,
            changes,
        }
        .parse(&rest[..length])?;
        rest = &rest[length..];
        if rest.is_empty() {
            return Some(());
        }
    }
}

/// An operator with the permissions that were read so far.
struct Action<'a> {
    operator: Operator,
    /// Whom it is about; 0 is everyone.
    who: u32,
    bits: u32,
    search: bool,
    /// Whether `=` has done its clearing.
    cleared: bool,
    changes: &'a mut Vec<Change>,
}

impl Action<'_> {
    fn parse(mut self, letters: &str) -> Option<()> {
        for letter in letters.chars() {
            // `o` alone has neither set-id nor sticky bits.
            let special = self.who == 0 || self.who & !0o007 != 0;
            match letter {
                'r' => self.bits |= 0o444,
                'w' => self.bits |= 0o222,
                'x' => self.bits |= 0o111,
                'X' => self.search = true,
                's' if special => self.bits |= SETUID | SETGID,
                't' if special => {
                    self.who |= STICKY;
                    self.bits |= STICKY;
                }
                's' | 't' => {}
                'u' => self.copy(6),
                'g' => self.copy(3),
                'o' => self.copy(0),
                _ => return None,
            }
        }
        self.flush(self.operator == Operator::Set && !self.cleared);
        Some(())
    }

    /// Turns what was read so far into changes.
    fn flush(&mut self, clear_anyway: bool) {
        let who = if self.who == 0 { EVERYONE } else { self.who };
        let bits = std::mem::take(&mut self.bits) & who;
        if bits != 0 || clear_anyway {
            self.cleared = true;
            match self.operator {
                Operator::Add => self.changes.push(Change::Set(bits)),
                Operator::Remove => self.changes.push(Change::Clear(bits)),
                Operator::Set => self.changes.extend([Change::Clear(who), Change::Set(bits)]),
            }
        }
        if std::mem::take(&mut self.search) {
            self.changes.push(match self.operator {
                Operator::Remove => Change::Clear(0o111 & who),
                Operator::Add | Operator::Set => Change::SetSearch(0o111 & who),
            });
        }
    }

    fn copy(&mut self, from: u32) {
        self.flush(false);
        self.cleared = true;
        let to = if self.who == 0 {
            0o777
        } else {
            self.who & 0o777
        };
        self.changes.push(Change::Copy {
            from,
            to,
            operator: self.operator,
        });
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
            ("+t", 0o640, false, 0o1640),
            ("o+t", 0o640, false, 0o640),
            ("o+s", 0o640, false, 0o640),
            ("=", 0o7755, true, 0o1000),
            ("=u", 0o4755, false, 0o4777),
            ("u=go", 0o4751, false, 0o4151),
            ("go=u-w", 0o640, false, 0o644),
            ("a-x,a+X", 0o755, false, 0o755),
            ("=rwt", 0o644, false, 0o1644),
            ("a=rw", 0o2755, true, 0o666),
            ("u+rw-x", 0o100, false, 0o600),
            ("a=rx", 0o2777, true, 0o555),
            ("ug+w,o-r", 0o444, false, 0o660),
        ] {
            let mode = Mode::parse(text).unwrap();
            assert_eq!(mode.apply(old, is_dir), new, "{text} on {old:o}");
        }
        for text in [
            "", "0888", "10000", "0o755", "u", "u=z", "x+u", "u=rwx,", "++-z",
        ] {
            assert!(Mode::parse(text).is_err(), "{text}");
        }
    }
}
