//! The dynamic section: what the dynamic linker is told.

use super::reader::{Reader, Segment};
use super::{Elf, InvalidElf, MAX_NAMES};

const NEEDED: u64 = 1;
const HASH: u64 = 4;
const STRTAB: u64 = 5;
const SYMTAB: u64 = 6;
const SONAME: u64 = 14;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;
const GNU_HASH: u64 = 0x6fff_fef5;
const VERDEF: u64 = 0x6fff_fffc;
const VERDEFNUM: u64 = 0x6fff_fffd;
const VERNEED: u64 = 0x6fff_fffe;
const VERNEEDNUM: u64 = 0x6fff_ffff;

/// Wrong in the same way wherever a table leads nowhere.
const OUT_OF_MEMORY: InvalidElf = InvalidElf::Damaged("an address is in no segment");

/// The entries of the dynamic section.
pub(super) struct Dynamic<'a> {
    reader: &'a Reader<'a>,
    segments: &'a [Segment],
    entries: Vec<(u64, u64)>,
}

impl<'a> Dynamic<'a> {
    pub(super) fn read(
        reader: &'a Reader<'a>,
        segments: &'a [Segment],
        dynamic: &Segment,
    ) -> Result<Self, InvalidElf> {
        let width = reader.word_size();
        let mut entries = vec![];
        let size = dynamic.size.min(reader.len());
        for number in 0..size / (2 * width) {
            let at = dynamic.offset.saturating_add(number * 2 * width);
            let tag = reader.word(at)?;
            if tag == 0 {
                break;
            }
            entries.push((tag, reader.word(at.saturating_add(width))?));
        }
        Ok(Self {
            reader,
            segments,
            entries,
        })
    }

    fn value(&self, tag: u64) -> Option<u64> {
        let mut entries = self.entries.iter();
        entries
            .find(|(found, _)| *found == tag)
            .map(|(_, value)| *value)
    }

    /// Where in the file the byte is that goes to `address`.
    fn offset_of(&self, address: u64) -> Result<u64, InvalidElf> {
        let loaded = self
            .segments
            .iter()
            .filter(|segment| segment.kind == Segment::LOAD);
        let mut offsets = loaded.filter_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.size).then_some(segment.offset.checked_add(inside)?)
        });
        offsets.next().ok_or(OUT_OF_MEMORY)
    }

    /// The table that `tag` names, if there is one.
    fn table(&self, tag: u64) -> Result<Option<u64>, InvalidElf> {
        self.value(tag)
            .map(|address| self.offset_of(address))
            .transpose()
    }

    pub(super) fn fill(&self, elf: &mut Elf) -> Result<(), InvalidElf> {
        let Some(strings) = self.table(STRTAB)? else {
            return Ok(());
        };
        let text = |at: u64| self.reader.string(strings.saturating_add(at));
        for (tag, value) in &self.entries {
            match *tag {
                NEEDED => elf.needed.push(text(*value)?),
                SONAME => elf.soname = Some(text(*value)?),
                RPATH => elf.rpath = folders(&text(*value)?),
                RUNPATH => elf.runpath = folders(&text(*value)?),
                _ => {}
            }
        }
        elf.version_needs = self.version_needs(&text)?;
        elf.version_definitions = self.version_definitions(&text)?;
        elf.imports = self.imports(&text)?;
        Ok(())
    }

    /// `Elfxx_Verneed` and `Elfxx_Vernaux`, which are the same in both widths.
    fn version_needs(
        &self,
        text: &dyn Fn(u64) -> Result<String, InvalidElf>,
    ) -> Result<Vec<(String, Vec<String>)>, InvalidElf> {
        let mut needs = vec![];
        let Some(mut at) = self.table(VERNEED)? else {
            return Ok(needs);
        };
        let count = self.value(VERNEEDNUM).unwrap_or(0);
        for _ in 0..count.min(MAX_NAMES as u64) {
            let names = self.reader.u16(at.saturating_add(2))?;
            let file = text(self.reader.u32(at.saturating_add(4))?.into())?;
            let mut name_at = at.saturating_add(self.reader.u32(at.saturating_add(8))?.into());
            let mut versions = vec![];
            for _ in 0..names {
                versions.push(text(self.reader.u32(name_at.saturating_add(8))?.into())?);
                let next = self.reader.u32(name_at.saturating_add(12))?;
                if next == 0 {
                    break;
                }
                name_at = name_at.saturating_add(next.into());
            }
            needs.push((file, versions));
            let next = self.reader.u32(at.saturating_add(12))?;
            if next == 0 {
                break;
            }
            at = at.saturating_add(next.into());
        }
        Ok(needs)
    }

    /// `Elfxx_Verdef` and the first `Elfxx_Verdaux` of each, its name.
    fn version_definitions(
        &self,
        text: &dyn Fn(u64) -> Result<String, InvalidElf>,
    ) -> Result<Vec<String>, InvalidElf> {
        let mut definitions = vec![];
        let Some(mut at) = self.table(VERDEF)? else {
            return Ok(definitions);
        };
        let count = self.value(VERDEFNUM).unwrap_or(0);
        for _ in 0..count.min(MAX_NAMES as u64) {
            let aux = at.saturating_add(self.reader.u32(at.saturating_add(12))?.into());
            definitions.push(text(self.reader.u32(aux)?.into())?);
            let next = self.reader.u32(at.saturating_add(16))?;
            if next == 0 {
                break;
            }
            at = at.saturating_add(next.into());
        }
        Ok(definitions)
    }

    /// Undefined symbols: those without a section.
    fn imports(
        &self,
        text: &dyn Fn(u64) -> Result<String, InvalidElf>,
    ) -> Result<Vec<String>, InvalidElf> {
        let mut imports = vec![];
        let Some(table) = self.table(SYMTAB)? else {
            return Ok(imports);
        };
        let (entry, section) = match self.reader.is_64 {
            true => (24, 6),
            false => (16, 14),
        };
        for number in 1..self.symbol_count()?.min(MAX_NAMES as u64) {
            let at = table.saturating_add(number * entry);
            if self.reader.u16(at.saturating_add(section))? != 0 {
                continue;
            }
            let name = text(self.reader.u32(at)?.into())?;
            if !name.is_empty() {
                imports.push(name);
            }
        }
        Ok(imports)
    }

    /// How many symbols there are. No header says so: the old hash table has as many chains as symbols; the
    /// GNU one begins with those that it leaves out, and these hold all that are undefined.
    fn symbol_count(&self) -> Result<u64, InvalidElf> {
        if let Some(hash) = self.table(HASH)? {
            return Ok(self.reader.u32(hash.saturating_add(4))?.into());
        }
        match self.table(GNU_HASH)? {
            Some(hash) => Ok(self.reader.u32(hash.saturating_add(4))?.into()),
            None => Ok(0),
        }
    }
}

fn folders(text: &str) -> Vec<String> {
    let folders = text.split(':').filter(|folder| !folder.is_empty());
    folders.map(str::to_owned).collect()
}
