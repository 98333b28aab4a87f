//! How a [`Spec`](crate::Spec) and its answers travel between kiln and the process that sets the
//! sandbox up: JSON documents, each after its length, on a socket.
//!
//! JSON strings are Unicode while arguments, paths and file contents are bytes. Every byte becomes the
//! character of the same number, which keeps ASCII readable and is undone exactly.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::SetUpError;
use crate::sandboxed::{ExitStatus, Note};
use crate::spec::Spec;

/// A document larger than this is no document of ours.
const LARGEST_FRAME: u32 = 1 << 30;

/// What kiln asks of the process that it started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run this; the three standard streams come along with the first byte.
    Run(Box<Spec>),
    /// Try what this machine can do and answer with [`Reply::Abilities`].
    Probe,
    /// Send this signal to the sandboxed process.
    Signal(i32),
}

/// What the process answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The program was executed.
    Started(SetUp),
    /// It was not.
    Failed(SetUpError, SetUp),
    /// It ended.
    Exited(ExitStatus),
    /// What was tried and what came of it.
    Abilities(crate::probe::Abilities),
}

/// What setting up left behind.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SetUp {
    #[serde(with = "paths")]
    pub created_mount_points: Vec<PathBuf>,
    pub notes: Vec<Note>,
}

/// Writes one document after its length.
pub(crate) fn send(mut to: impl Write, document: &impl Serialize) -> io::Result<()> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, document)?;
    let length = u32::try_from(frame.len() - 4)
        .ok()
        .filter(|length| *length <= LARGEST_FRAME)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    frame[..4].copy_from_slice(&length.to_ne_bytes());
    to.write_all(&frame)
}

/// Reads one document; `None` when the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(mut from: impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_ne_bytes(length);
    if length > LARGEST_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut document = Vec::new();
    let read = from.take(length.into()).read_to_end(&mut document)?;
    if read < length as usize {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&document)?))
}

/// Bytes as the characters of the same numbers.
fn widen(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes that [`widen`] was given.
fn narrow<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    text.chars()
        .map(|character| u8::try_from(character).map_err(|_| E::custom("not a byte string")))
        .collect()
}

/// Byte strings.
pub(crate) mod bytes {
    use super::{Deserialize, Deserializer, Serializer, narrow, widen};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&widen(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        narrow(&String::deserialize(from)?)
    }
}

/// Byte strings that may be absent.
pub(crate) mod optional_bytes {
    use super::{Deserialize, Deserializer, Serialize, Serializer, narrow, widen};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(widen).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(from)?
            .as_deref()
            .map(narrow)
            .transpose()
    }
}

/// Paths.
pub(crate) mod path {
    use super::{
        Deserialize, Deserializer, OsStrExt, OsString, OsStringExt, PathBuf, Serializer, narrow,
        widen,
    };
    use std::path::Path;

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&widen(path.as_os_str().as_bytes()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(OsString::from_vec(narrow(&String::deserialize(from)?)?).into())
    }
}

/// Paths that may be absent.
pub(crate) mod optional_path {
    use super::{
        Deserialize, Deserializer, OsStrExt, OsString, OsStringExt, PathBuf, Serialize, Serializer,
        narrow, widen,
    };

    pub(crate) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_deref()
            .map(|path| widen(path.as_os_str().as_bytes()))
            .serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| Ok(OsString::from_vec(narrow(&text)?).into()))
            .transpose()
    }
}

/// Lists of paths.
pub(crate) mod paths {
    use super::{Deserializer, OsString, PathBuf, Serializer, os_strings};

    pub(crate) fn serialize<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
        os_strings::serialize(paths, to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        let strings: Vec<OsString> = os_strings::deserialize(from)?;
        Ok(strings.into_iter().map(PathBuf::from).collect())
    }
}

/// Lists of operating system strings.
pub(crate) mod os_strings {
    use super::{
        Deserialize, Deserializer, OsStr, OsStrExt, OsString, OsStringExt, Serializer, narrow,
        widen,
    };

    pub(crate) fn serialize<S: Serializer, T: AsRef<OsStr>>(
        strings: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            strings
                .iter()
                .map(|string| widen(string.as_ref().as_bytes())),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<OsString>, D::Error> {
        let strings = Vec::<String>::deserialize(from)?;
        strings
            .iter()
            .map(|string| Ok(OsString::from_vec(narrow(string)?)))
            .collect()
    }
}

/// Lists of pairs of operating system strings.
pub(crate) mod os_pairs {
    use super::{
        Deserialize, Deserializer, OsStrExt, OsString, OsStringExt, Serializer, narrow, widen,
    };

    pub(crate) fn serialize<S: Serializer>(
        pairs: &[(OsString, OsString)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let texts = pairs
            .iter()
            .map(|(a, b)| (widen(a.as_bytes()), widen(b.as_bytes())));
        to.collect_seq(texts)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(OsString, OsString)>, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(from)?;
        let bytes = pairs.iter().map(|(a, b)| {
            Ok((
                OsString::from_vec(narrow(a)?),
                OsString::from_vec(narrow(b)?),
            ))
        });
        bytes.collect()
    }
}
