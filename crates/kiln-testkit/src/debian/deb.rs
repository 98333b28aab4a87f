//! A package of a test's own.
//!
//! Source: `deb(5)`.

use std::io::Write as _;

use kiln_layer::{Compression, Entry, Kind, TarWriter, Time, compressor};

/// A package in the making.
#[derive(Clone, Debug)]
pub struct Deb {
    /// Its fields, `Package` first.
    pub control: Vec<(String, String)>,
    /// Its entries, with their content.
    pub entries: Vec<(Entry, Vec<u8>)>,
    /// Further files of its `control.tar`, with their modes.
    pub control_files: Vec<(String, u32, String)>,
}

impl Deb {
    /// A package for amd64 without files.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        let deb = Self {
            control: vec![],
            entries: vec![],
            control_files: vec![],
        };
        deb.field("Package", name)
            .field("Version", version)
            .field("Architecture", "amd64")
            .field("Maintainer", "Nobody <nobody@example.com>")
            .field("Description", "made by a test")
            .directory("")
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.control.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.control.retain(|(known, _)| known != name);
        self.control.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a maintainer script for `sh`: `preinst`, `postinst` …
    #[must_use]
    pub fn script(mut self, name: &str, text: &str) -> Self {
        let text = format!("#!/bin/sh\nset -e\n{text}\n");
        self.control_files.push((name.to_owned(), 0o755, text));
        self
    }

    /// Adds a list to its `control.tar`: `conffiles`, `triggers` …
    #[must_use]
    pub fn list(mut self, name: &str, text: &str) -> Self {
        self.control_files
            .push((name.to_owned(), 0o644, text.to_owned()));
        self
    }

    /// Adds a file with the mode 0755.
    #[must_use]
    pub fn program(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let size = content.len() as u64;
        let entry = Entry {
            mode: 0o755,
            ..Entry::new(path, Kind::File { size })
        };
        self.entry(entry, content)
    }

    /// Adds a directory of root's.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.entry(Entry::directory(path, 0o755), "")
    }

    /// Adds a file with the mode 0644.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let size = content.len() as u64;
        let entry = Entry {
            mode: 0o644,
            ..Entry::new(path, Kind::File { size })
        };
        self.entry(entry, content)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        let target = target.as_bytes().to_vec();
        self.entry(Entry::new(path, Kind::Symlink { target }), "")
    }

    /// Adds any entry, with the time 1,000,000,000 if it has none.
    #[must_use]
    pub fn entry(mut self, mut entry: Entry, content: impl AsRef<[u8]>) -> Self {
        if entry.mtime == Time::default() {
            entry.mtime = Time::from_seconds(1_000_000_000);
        }
        self.entries.push((entry, content.as_ref().to_vec()));
        self
    }

    /// The text of its `control` file.
    #[must_use]
    pub fn control_text(&self) -> String {
        let lines = self
            .control
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"));
        lines.collect()
    }

    /// The archive, with its data compressed with zstd.
    ///
    /// # Panics
    /// If an archive cannot hold an entry.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let control = self.control_text();
        let entry = |path: &str, mode: u32, text: &str| {
            let size = text.len() as u64;
            let kind = Kind::File { size };
            (
                Entry {
                    mode,
                    ..Entry::new(path, kind)
                },
                text.as_bytes().to_vec(),
            )
        };
        let sums = "d41d8cd98f00b204e9800998ecf8427e  usr/share/made/by/test\n";
        let more = self.control_files.iter();
        let more = more.map(|(name, mode, text)| entry(name, *mode, text));
        let own = [
            entry("control", 0o644, &control),
            entry("md5sums", 0o644, sums),
        ];
        let control = tar(&own.into_iter().chain(more).collect::<Vec<_>>());
        ar(&[
            ("debian-binary", b"2.0\n"),
            (
                "control.tar.gz",
                &compressed(&control, &Compression::parse("gzip", None).expect(GOOD)),
            ),
            (
                "data.tar.zst",
                &compressed(&tar(&self.entries), &Compression::zstd(1)),
            ),
        ])
    }
}

const GOOD: &str = "because tests write good archives";

fn tar(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut tar = TarWriter::new(vec![]);
    for (entry, content) in entries {
        match entry.kind {
            Kind::File { .. } => tar.file(entry, &mut &content[..]).expect(GOOD),
            _ => tar.entry(entry).expect(GOOD),
        }
    }
    tar.finish().expect(GOOD)
}

pub(super) fn compressed(bytes: &[u8], compression: &Compression) -> Vec<u8> {
    let mut encoder = compressor(vec![], compression, 1).expect(GOOD);
    encoder.write_all(bytes).expect(GOOD);
    encoder.finish().expect(GOOD)
}

/// An `ar` archive, as `deb(5)` describes it.
#[must_use]
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
            0, 0, 0, "100644"
        );
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}
