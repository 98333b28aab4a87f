//! A `.deb`: an `ar` archive of `debian-binary`, `control.tar` and `data.tar`.
//!
//! Source: `deb(5)`. The parts are handed out as they are stored, in the order in which they come, so
//! that a package is read once and never held in memory. The whole archive must be as long as it says:
//! one that is cut off anywhere ends in an error.

use std::io::{self, Read};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// Reads a `.deb` part by part.
///
/// After [`next_part`](Self::next_part) the reader itself is [`Read`] for the part's bytes; what is not
/// read of them is skipped.
#[derive(Debug)]
pub struct Deb<R> {
    input: R,
    /// Bytes of the current member that were not read yet.
    left: u64,
    padding: u64,
    seen: Seen,
}

/// What went by already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Version,
    Control,
    Data,
}

/// One of the two archives in a `.deb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which of them.
    pub kind: PartKind,
    /// The compression as its name tells: `xz`, `zst`, `gz`, `bz2`, `lzma`, or empty for none.
    pub compression: String,
    /// Length in bytes as stored.
    pub size: u64,
}

/// Which archive a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// `control.tar`: what the package says about itself, and its scripts.
    Control,
    /// `data.tar`: its files.
    Data,
}

/// Why a file cannot be read as a `.deb`.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The bytes could not be had.
    #[error("the package cannot be read")]
    Read(#[source] io::Error),
    /// It ends in the middle of something.
    #[error("the package ends too early: it is damaged, or was not fetched whole")]
    Truncated,
    /// It is something else.
    #[error("not a Debian package: {reason}")]
    NotADeb {
        /// What was found instead.
        reason: &'static str,
    },
    /// A version of the format that is not known.
    #[error("a Debian package of format `{version}`; known is 2")]
    Format {
        /// The version that it says.
        version: String,
    },
    /// A part is missing, doubled or in the wrong place.
    #[error("the package has `{name}` where {expected} should be")]
    Order {
        /// The member that was met, or `its end`.
        name: String,
        /// What should be there.
        expected: &'static str,
    },
}

impl From<io::Error> for DebError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Read(error),
        }
    }
}

struct Member {
    name: String,
    size: u64,
}

impl<R: Read> Deb<R> {
    /// Reads the beginning of `input`, which should be buffered.
    ///
    /// # Errors
    /// When that is no Debian package's.
    pub fn open(mut input: R) -> Result<Self, DebError> {
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        if magic != MAGIC {
            let reason = "it does not begin as an `ar` archive";
            return Err(DebError::NotADeb { reason });
        }
        let mut deb = Self {
            input,
            left: 0,
            padding: 0,
            seen: Seen::Nothing,
        };
        let member = deb.next_member()?;
        match member {
            Some(Member { name, size }) if name == "debian-binary" && size <= 64 => {}
            _ => {
                let reason = "its first member is not `debian-binary`";
                return Err(DebError::NotADeb { reason });
            }
        }
        let mut version = String::new();
        let read = deb.by_ref().read_to_string(&mut version);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => DebError::NotADeb {
                reason: "`debian-binary` is no text",
            },
            _ => error.into(),
        })?;
        let version = version.lines().next().unwrap_or_default();
        if !version.starts_with("2.") {
            let version = version.chars().take(20).collect();
            return Err(DebError::Format { version });
        }
        deb.seen = Seen::Version;
        Ok(deb)
    }

    /// The next part, or nothing after the last.
    ///
    /// # Errors
    /// When the archive is damaged or cut off, or a part is missing.
    pub fn next_part(&mut self) -> Result<Option<Part>, DebError> {
        loop {
            let Some(Member { name, size }) = self.next_member()? else {
                let expected = match self.seen {
                    Seen::Data => return Ok(None),
                    Seen::Control => "`data.tar`",
                    Seen::Nothing | Seen::Version => "`control.tar`",
                };
                let name = "its end".to_owned();
                return Err(DebError::Order { name, expected });
            };
            // What comes behind is for others, as `deb(5)` says.
            if self.seen == Seen::Data || name.starts_with('_') {
                continue;
            }
            let (stem, kind, seen) = match self.seen {
                Seen::Control => ("data.tar", PartKind::Data, Seen::Data),
                _ => ("control.tar", PartKind::Control, Seen::Control),
            };
            let compression = match name.strip_prefix(stem) {
                Some("") => String::new(),
                Some(rest) if rest.starts_with('.') => rest[1..].to_owned(),
                _ => {
                    let expected = match kind {
                        PartKind::Control => "`control.tar`",
                        PartKind::Data => "`data.tar`",
                    };
                    return Err(DebError::Order { name, expected });
                }
            };
            self.seen = seen;
            return Ok(Some(Part {
                kind,
                compression,
                size,
            }));
        }
    }

    /// Gives the input back. What was not read of it stays unread.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn next_member(&mut self) -> Result<Option<Member>, DebError> {
        self.skip(self.left)?;
        self.left = 0;
        // The last member's padding may be missing.
        let mut pad = [0; 1];
        if self.padding > 0 && self.input.read(&mut pad)? == 0 {
            return Ok(None);
        }
        self.padding = 0;
        let mut header = [0; HEADER];
        let mut filled = 0;
        while filled < HEADER {
            match self.input.read(&mut header[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(DebError::Truncated),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let member = parse_header(&header)?;
        self.left = member.size;
        self.padding = member.size % 2;
        Ok(Some(member))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), DebError> {
        let skipped = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        match skipped == bytes {
            true => Ok(()),
            false => Err(DebError::Truncated),
        }
    }
}

/// Name in 16 bytes, time 12, owner 6, group 6, mode 8, size 10, and an end mark of 2.
fn parse_header(header: &[u8; HEADER]) -> Result<Member, DebError> {
    let damaged = |reason| DebError::NotADeb { reason };
    if &header[58..] != b"`\n" {
        return Err(damaged("a member's header is damaged"));
    }
    let text = |range: std::ops::Range<usize>| {
        let text = std::str::from_utf8(&header[range]).map(str::trim_end);
        text.map_err(|_| damaged("a member's header is no text"))
    };
    let size = text(48..58)?;
    let only_digits = size.bytes().all(|byte| byte.is_ascii_digit());
    let size = size.parse().ok().filter(|_| only_digits);
    let name = text(0..16)?;
    Ok(Member {
        // GNU ar ends names with a slash.
        name: name.strip_suffix('/').unwrap_or(name).to_owned(),
        size: size.ok_or_else(|| damaged("a member's size is no number"))?,
    })
}

impl<R: Read> Read for Deb<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..room])?;
        if read == 0 {
            let message = "the package ends too early";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let size = content.len();
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
            0, 0, 0, "100644"
        );
        let mut bytes = [header.as_bytes(), content].concat();
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
        bytes
    }

    fn deb(members: &[(&str, &[u8])]) -> Vec<u8> {
        let members = members
            .iter()
            .flat_map(|(name, content)| member(name, content));
        MAGIC.iter().copied().chain(members).collect()
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Part, Vec<u8>)>, DebError> {
        let mut deb = Deb::open(bytes)?;
        let mut parts = vec![];
        while let Some(part) = deb.next_part()? {
            let mut content = vec![];
            deb.read_to_end(&mut content)?;
            parts.push((part, content));
        }
        Ok(parts)
    }

    const VERSION: (&str, &[u8]) = ("debian-binary", b"2.0\n");

    #[test]
    fn parts_come_in_order() {
        let bytes = deb(&[
            VERSION,
            ("_gpgorigin", b"ignored"),
            ("control.tar.xz/", b"con"),
            ("data.tar", b"data!"),
            ("_more", b"x"),
        ]);
        let parts = read(&bytes).unwrap();
        let shown: Vec<_> = parts
            .iter()
            .map(|(part, content)| {
                (
                    part.kind,
                    part.compression.as_str(),
                    part.size,
                    &content[..],
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (PartKind::Control, "xz", 3, &b"con"[..]),
                (PartKind::Data, "", 5, &b"data!"[..]),
            ]
        );
        let mut skipping = Deb::open(&bytes[..]).unwrap();
        skipping.next_part().unwrap();
        assert_eq!(skipping.next_part().unwrap().unwrap().kind, PartKind::Data);
        assert_eq!(skipping.next_part().unwrap(), None);
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = deb(&[VERSION, ("control.tar", b"con"), ("data.tar", b"data")]);
        assert_eq!(read(&bytes).unwrap().len(), 2);
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let order = |members: &[(&str, &[u8])]| read(&deb(members)).unwrap_err().to_string();
        type Members<'a> = &'a [(&'a str, &'a [u8])];
        let cases: [(Members<'_>, &str); 8] = [
            (
                &[VERSION, ("data.tar", b"")][..],
                "where `control.tar` should be",
            ),
            (
                &[VERSION, ("control.tar", b"")][..],
                "`its end` where `data.tar`",
            ),
            (
                &[VERSION, ("control.tar", b""), ("control.tar", b"")][..],
                "where `data.tar`",
            ),
            (&[VERSION, ("control.tarx", b"")], "where `control.tar`"),
            (&[VERSION], "`its end` where `control.tar`"),
            (&[("debian-binary", b"3.0\n")], "format `3.0`"),
            (&[("control.tar", b"")], "first member"),
            (&[("debian-binary", &[0xff; 3])], "no text"),
        ];
        for (members, words) in cases {
            let error = order(members);
            assert!(error.contains(words), "{error}");
        }
        assert!(matches!(
            read(b"PK\x03\x04 a zip "),
            Err(DebError::NotADeb { .. })
        ));
        let mut huge = deb(&[VERSION, ("control.tar", b"x")]);
        let at = huge.len() - 2 - 12;
        huge[at..at + 10].copy_from_slice(b"9999999999");
        assert!(matches!(read(&huge), Err(DebError::Truncated)));
        huge[at..at + 10].copy_from_slice(b"-1        ");
        assert!(matches!(read(&huge), Err(DebError::NotADeb { .. })));
    }
}
