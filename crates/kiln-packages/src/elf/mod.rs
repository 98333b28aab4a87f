//! ELF files: what a program or library needs to be started.
//!
//! Bytes in, values out, like the rest of this crate: nothing here runs or opens anything, so an image's
//! own `ldd` is never needed. Only what the dynamic linker looks at is read: program headers, the dynamic
//! section, symbol versions and the names of undefined symbols. Every offset is checked: files come from
//! images, and images from anywhere.
//!
//! Sources: System V ABI, "Object Files" and "Dynamic Linking"; Linux Standard Base core 5.0, chapter
//! "Symbol Versioning"; `ld.so(8)`.

mod dynamic;
mod reader;

use dynamic::Dynamic;
use reader::{Reader, Segment};

/// The most names of one kind that a file may list: far more than any has.
const MAX_NAMES: usize = 1 << 20;

/// What an ELF file asks of its surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// 64 bits, not 32.
    pub is_64: bool,
    /// Big-endian.
    pub is_big_endian: bool,
    /// The processor, `e_machine`: 62 is x86-64, 183 is AArch64.
    pub machine: u16,
    /// What kind of file it is.
    pub kind: ElfKind,
    /// The dynamic linker, as in the file: `/lib64/ld-linux-x86-64.so.2`. A program without one is static.
    pub interpreter: Option<String>,
    /// Names of the libraries that it needs, in order (`DT_NEEDED`).
    pub needed: Vec<String>,
    /// What it calls itself (`DT_SONAME`).
    pub soname: Option<String>,
    /// Where its libraries and those of its libraries are looked for first (`DT_RPATH`), if it has no
    /// `runpath`.
    pub rpath: Vec<String>,
    /// Where its own libraries are looked for (`DT_RUNPATH`).
    pub runpath: Vec<String>,
    /// The versions that it needs, by library (`DT_VERNEED`): `("libc.so.6", ["GLIBC_2.34"])`.
    pub version_needs: Vec<(String, Vec<String>)>,
    /// The versions that it provides (`DT_VERDEF`).
    pub version_definitions: Vec<String>,
    /// Names of symbols that others must provide.
    pub imports: Vec<String>,
}

/// What kind of file an ELF file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ElfKind {
    /// An object file, a core file or unknown.
    #[default]
    Other,
    /// A program at a fixed place.
    Program,
    /// A library, or a program that can lie anywhere.
    Shared,
}

/// A file that is no ELF file, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidElf {
    /// It does not begin like one.
    #[error("not an ELF file")]
    NotElf,
    /// A number in it leads out of the file, or is no sense.
    #[error("damaged ELF file: {0}")]
    Damaged(&'static str),
}

/// Whether a file with these first bytes is an ELF file.
#[must_use]
pub fn is_elf(begin: &[u8]) -> bool {
    begin.starts_with(b"\x7fELF")
}

impl Elf {
    /// Reads a whole file.
    ///
    /// # Errors
    /// If it is no ELF file, or one whose headers lead nowhere.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidElf> {
        let reader = Reader::new(bytes)?;
        let mut elf = Self {
            is_64: reader.is_64,
            is_big_endian: reader.is_big_endian,
            machine: reader.u16(18)?,
            kind: match reader.u16(16)? {
                2 => ElfKind::Program,
                3 => ElfKind::Shared,
                _ => ElfKind::Other,
            },
            ..Self::default()
        };
        let segments = reader.segments()?;
        if let Some(segment) = segments
            .iter()
            .find(|segment| segment.kind == Segment::INTERP)
        {
            elf.interpreter = Some(reader.string(segment.offset)?);
        }
        if let Some(segment) = segments
            .iter()
            .find(|segment| segment.kind == Segment::DYNAMIC)
        {
            Dynamic::read(&reader, &segments, segment)?.fill(&mut elf)?;
        }
        Ok(elf)
    }

    /// Whether it needs nothing but the kernel.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.interpreter.is_none() && self.needed.is_empty()
    }

    /// Whether it calls a function that others must provide.
    #[must_use]
    pub fn calls(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import == name)
    }
}

/// Names of shared libraries that stand in the file's bytes as text, such as `libnss_dns.so.2`: what a
/// program that calls `dlopen` may ask for without saying so in its headers. A guess that errs on the side
/// of too many.
#[must_use]
pub fn library_names(bytes: &[u8]) -> Vec<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
    let mut names = std::collections::BTreeSet::new();
    for text in bytes.split(|byte| !is_part(byte)) {
        let is_name = text.len() <= 256
            && text.starts_with(b"lib")
            && (text.ends_with(b".so") || text.windows(4).any(|part| part == b".so."));
        if is_name && let Ok(name) = std::str::from_utf8(text) {
            names.insert(name.to_owned());
        }
    }
    names.into_iter().take(MAX_NAMES).collect()
}
