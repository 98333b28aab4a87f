//! Go's own `archive/tar` as the judge of header bytes, where a Go compiler is present: thousands of
//! random entries, each written by both.

#![cfg(unix)]

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use kiln_layer::{Entry, Kind, TarWriter};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::samples::entry;
use crate::tools::{run, scratch};

const ENTRIES: usize = 5000;

/// Entries as in every other test, and more with the ASCII names that ustar may split.
fn entries() -> Vec<Entry> {
    let names = prop::collection::vec("[a-z]{1,90}", 1..6).prop_map(|names| names.join("/"));
    let size = prop_oneof![3 => 0_u64..3000, 1 => 0_u64..1 << 40];
    let any = (entry(), prop::option::of(names), size);
    let any = any.prop_map(|(mut entry, name, large)| {
        if let Some(name) = name {
            entry.path = name.into_bytes();
        }
        if let Kind::File { size } = &mut entry.kind {
            *size = large;
        }
        // Go counts from the year 1, and its zero stands for no time at all.
        entry.mtime.seconds %= 1 << 35;
        entry
    });
    let mut runner = TestRunner::deterministic();
    (0..ENTRIES)
        .map(|_| any.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn line(entry: &Entry) -> String {
    let mut name = entry.path.clone();
    let (mut size, mut link, mut device) = (0, &[][..], (0, 0));
    let flag = match &entry.kind {
        Kind::File { size: bytes } => {
            size = *bytes;
            '0'
        }
        Kind::Hardlink { target } => {
            link = target;
            '1'
        }
        Kind::Symlink { target } => {
            link = target;
            '2'
        }
        Kind::Char { major, minor } => {
            device = (*major, *minor);
            '3'
        }
        Kind::Block { major, minor } => {
            device = (*major, *minor);
            '4'
        }
        Kind::Directory => {
            name.push(b'/');
            '5'
        }
        Kind::Fifo => '6',
        Kind::Whiteout | Kind::Opaque => unreachable!("because `entry` makes none"),
    };
    let Entry { mode, uid, gid, .. } = entry;
    let seconds = entry.mtime.seconds;
    let (major, minor) = device;
    let (name, link) = (hex(&name), hex(link));
    let mut line =
        format!("{flag} x{name} x{link} {mode} {uid} {gid} {size} {seconds} {major} {minor}");
    for (key, value) in &entry.xattrs {
        write!(line, " x{} x{}", hex(key), hex(value)).unwrap();
    }
    line + "\n"
}

fn header(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut tar = TarWriter::new(&mut bytes);
    match entry.kind {
        // The content is not there; by then the header is.
        Kind::File { size: 1.. } => drop(tar.file(entry, &mut io::empty()).unwrap_err()),
        _ => tar.entry(entry).unwrap(),
    }
    bytes
}

#[test]
fn go_writes_the_same_headers() {
    let version = Command::new("go").arg("version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("skipped: no Go here");
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/go_oracle/main.go");
    let cache = scratch("go");
    let mut go = Command::new("go");
    go.arg("run")
        .arg(source)
        .env("GOCACHE", cache.join("cache"));
    go.env("GOPATH", &cache).env("GOFLAGS", "-mod=mod");
    let entries = entries();
    let lines: String = entries.iter().map(line).collect();
    let answers = String::from_utf8(run(&mut go, lines.as_bytes())).unwrap();
    assert_eq!(answers.lines().count(), entries.len());
    for (entry, answer) in entries.iter().zip(answers.lines()) {
        let ours = header(entry);
        if hex(&ours) != answer {
            io::stdout().write_all(&ours).unwrap();
            panic!("Go writes {entry:?} in another way:\n{answer}");
        }
    }
}
