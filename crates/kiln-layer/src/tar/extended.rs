//! What headers before an entry say about it: PAX records, and GNU's long names.

use std::collections::BTreeMap;

use super::error::TarErrorKind;
use super::pax;
use crate::entry::{InvalidPath, Time};

/// What headers before an entry say about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) sparse: PaxSparse,
}

/// The `GNU.sparse.*` records.
#[derive(Clone, Debug, Default)]
pub(super) struct PaxSparse {
    pub(super) present: bool,
    pub(super) major: u64,
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Offsets and lengths in turn.
    pub(super) numbers: Vec<u64>,
}

/// GNU's long names; records of an extended header count more.
#[derive(Default)]
pub(super) struct LongNames {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
}

impl LongNames {
    pub(super) fn apply(&mut self, extended: &mut Extended) {
        extended.path = extended.path.take().or(self.path.take());
        extended.link = extended.link.take().or(self.link.take());
    }
}

impl Extended {
    /// Adds the records of an extended header. An empty value takes a record back.
    pub(super) fn take(&mut self, body: &[u8]) -> Result<(), TarErrorKind> {
        for record in pax::records(body) {
            let (key, value) = record?;
            if let Some(name) = key.strip_prefix(pax::XATTR) {
                self.take_xattr(name, value)?;
            } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                self.sparse.take(key, value)?;
            } else {
                self.take_field(key, value)?;
            }
        }
        Ok(())
    }

    fn take_field(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        fn given<T>(
            value: &[u8],
            parse: impl Fn(&[u8]) -> Option<T>,
            field: &'static str,
        ) -> Result<Option<T>, TarErrorKind> {
            if value.is_empty() {
                return Ok(None);
            }
            let parsed = parse(value).ok_or(TarErrorKind::Number { field })?;
            Ok(Some(parsed))
        }
        let id = |value: &[u8]| u32::try_from(pax::parse_decimal(value)?).ok();
        match key {
            b"path" => self.path = name_of(value)?,
            b"linkpath" => self.link = name_of(value)?,
            b"size" => self.size = given(value, pax::parse_decimal, "size")?,
            b"uid" => self.uid = given(value, id, "uid")?,
            b"gid" => self.gid = given(value, id, "gid")?,
            b"mtime" => self.mtime = given(value, pax::parse_time, "mtime")?,
            _ => {}
        }
        Ok(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        if name.is_empty() || name.contains(&0) {
            return Err(TarErrorKind::Pax(
                "an extended attribute has no usable name",
            ));
        }
        // They would steer the overlay file system in which the layer is mounted.
        let steers = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
        if !steers {
            self.xattrs.insert(name.to_vec(), value.to_vec());
        }
        Ok(())
    }

    /// Only what can sensibly hold for many entries.
    pub(super) fn keep_global(&mut self) {
        *self = Self {
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            ..Self::default()
        };
    }
}

fn name_of(value: &[u8]) -> Result<Option<Vec<u8>>, TarErrorKind> {
    if value.contains(&0) {
        return Err(InvalidPath::Nul.into());
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

impl PaxSparse {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        self.present = true;
        let number = || {
            let number = pax::parse_decimal(value);
            number.ok_or(TarErrorKind::Sparse("a record is not a number"))
        };
        match key {
            b"major" => self.major = number()?,
            b"name" => self.name = name_of(value)?,
            b"size" | b"realsize" => self.size = Some(number()?),
            // Format 0.0: one pair of records for each piece.
            b"offset" if self.numbers.len().is_multiple_of(2) => self.numbers.push(number()?),
            b"numbytes" if !self.numbers.len().is_multiple_of(2) => self.numbers.push(number()?),
            b"offset" | b"numbytes" => {
                return Err(TarErrorKind::Sparse("its records are not in pairs"));
            }
            b"map" => {
                self.numbers.clear();
                for part in value
                    .split(|byte| *byte == b',')
                    .filter(|part| !part.is_empty())
                {
                    let number = pax::parse_decimal(part);
                    let number = number.ok_or(TarErrorKind::Sparse("its map has a bad number"))?;
                    self.numbers.push(number);
                }
            }
            // `minor` and `numblocks` say nothing that is needed.
            _ => {}
        }
        Ok(())
    }
}
