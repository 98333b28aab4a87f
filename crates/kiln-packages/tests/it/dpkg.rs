//! dpkg itself says which of two versions is later, and makes packages for us to read.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_packages::deb::{Deb, Operator, PartKind, Version};

/// Whether a tool of dpkg's is there.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: no {tool} here");
        not_checked(tool);
    }
    found
}

/// Tells who collects what was not checked.
#[expect(clippy::disallowed_methods, reason = "the harness's own variable")]
fn not_checked(tool: &str) {
    let Some(list) = std::env::var_os("KILN_NOT_CHECKED") else {
        return;
    };
    let file = fs::OpenOptions::new().append(true).create(true).open(list);
    let line = format!("packages against dpkg: {tool} is not installed\n");
    std::io::Write::write_all(&mut file.unwrap(), line.as_bytes()).unwrap();
}

/// Versions around every rule of the order.
const VERSIONS: &[&str] = &[
    "0",
    "00",
    "1",
    "01",
    "1.0",
    "1.00",
    "1.0.0",
    "1.",
    "1a",
    "1.a",
    "1+",
    "1~",
    "1~~",
    "1~a",
    "1~1",
    "1-0",
    "1-1",
    "1-1~",
    "1-1+b1",
    "1-1.1",
    "1.0-1",
    "1.0-1-1",
    "0:1",
    "1:0",
    "2:0",
    "1:0-1",
    "1.2.3",
    "1.2.10",
    "1.2b3",
    "1.2+b3",
    "1.2Z",
    "1.2z",
    "9",
    "10",
    "1.0~rc1-1",
    "1.0~rc1",
    "20240101",
    "1.0+dfsg-3+deb12u1",
    "1.0+git20-1",
    "4294967296",
    "99999999999999999999",
    "a",
    "1:1:1",
];

#[test]
fn versions_compare_as_dpkg_says() {
    if !has("dpkg") {
        return;
    }
    let operators = [
        ("lt", Operator::Before),
        ("eq", Operator::At),
        ("gt", Operator::After),
    ];
    for (at, left) in VERSIONS.iter().enumerate() {
        let [ours, other] = [left, &VERSIONS[(at * 7 + 3) % VERSIONS.len()]];
        for right in [ours, other, VERSIONS.get(at + 1).unwrap_or(other)] {
            let parsed: [Version; 2] = [left, right].map(|text| text.parse().unwrap());
            for (name, operator) in operators {
                let output = Command::new("dpkg")
                    .args(["--compare-versions", left, name, right])
                    .output()
                    .unwrap();
                let admits = operator.admits(&parsed[0], &parsed[1]);
                assert_eq!(admits, output.status.success(), "{left} {name} {right}");
            }
        }
    }
}

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("kiln-packages")
        .join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn what_dpkg_deb_packs_is_read() {
    if !has("dpkg-deb") {
        return;
    }
    let root = scratch("dpkg-deb");
    fs::create_dir_all(root.join("tree/DEBIAN")).unwrap();
    let control = "Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: A B <a@example.com>\nDescription: x\n";
    fs::write(root.join("tree/DEBIAN/control"), control).unwrap();
    fs::write(root.join("tree/file"), "content").unwrap();
    for (compression, extension) in [("none", ""), ("gzip", "gz"), ("xz", "xz")] {
        let file = root.join(format!("{compression}.deb"));
        let output = Command::new("dpkg-deb")
            .arg(format!("-Z{compression}"))
            .args(["--root-owner-group", "-b"])
            .arg(root.join("tree"))
            .arg(&file)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut deb = Deb::open(fs::File::open(&file).unwrap()).unwrap();
        assert_eq!(deb.next_part().unwrap().unwrap().kind, PartKind::Control);
        let data = deb.next_part().unwrap().unwrap();
        assert_eq!(
            (data.kind, data.compression.as_str()),
            (PartKind::Data, extension)
        );
        let mut content = vec![];
        deb.read_to_end(&mut content).unwrap();
        assert_eq!(content.len() as u64, data.size);
        assert_eq!(deb.next_part().unwrap(), None);
    }
}
