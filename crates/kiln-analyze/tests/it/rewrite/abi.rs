//! Whether programs would still find their libraries on another base.

use std::path::{Path, PathBuf};

use kiln_analyze::rewrite::{AbiFinding, RebaseOptions, RewriteError};
use kiln_oci::Image;
use kiln_packages::elf::Elf;
use kiln_testkit::{ImageBuilder, Layer};

use super::Workbench;

/// A program of this machine that needs the C library.
fn program() -> Vec<u8> {
    let candidates = ["/bin/true", "/usr/bin/env"].map(PathBuf::from);
    let own = std::env::current_exe().unwrap();
    let mut programs = candidates
        .into_iter()
        .chain([own])
        .filter_map(|path| std::fs::read(path).ok());
    let is_dynamic = |bytes: &Vec<u8>| Elf::parse(bytes).is_ok_and(|elf| !elf.needed.is_empty());
    programs
        .find(is_dynamic)
        .expect("because this very test is a dynamic program")
}

/// A library of this machine by its name.
fn library(name: &str) -> Option<Vec<u8>> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().last());
    let path = path
        .map(Path::new)
        .find(|path| path.file_name().is_some_and(|file| file == name))?;
    std::fs::read(path).ok()
}

fn status(packages: &[(&str, &str)]) -> String {
    let stanza = |(name, version): &(&str, &str)| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\n\n"
        )
    };
    packages.iter().map(stanza).collect()
}

fn keep(bench: &Workbench, layers: &[Vec<u8>]) -> Image {
    let builder = ImageBuilder::new();
    let builder = layers
        .iter()
        .fold(builder, |builder, layer| builder.layer(layer));
    bench.keep(&builder.build())
}

fn base(release: &str, packages: &[(&str, &str)], libc: Option<&[u8]>) -> Vec<u8> {
    let release = format!("ID=debian\nVERSION_ID=\"{release}\"\n");
    let mut layer = Layer::new()
        .file("etc/os-release", release)
        .file("var/lib/dpkg/status", status(packages));
    let program = Elf::parse(&program()).unwrap();
    for name in &program.needed {
        let bytes = libc
            .map(<[u8]>::to_vec)
            .or_else(|| library(name))
            .unwrap_or_default();
        layer = layer.file(&format!("usr/lib/{name}"), bytes);
    }
    layer.tar()
}

#[test]
fn a_program_must_find_its_libraries() {
    let (bench, program) = (Workbench::new(), program());
    let own = Layer::new()
        .file_with_mode("usr/bin/app", &program, 0o755)
        .tar();
    let one = base("12", &[("libc6", "2.36-9")], None);
    let app = keep(&bench, &[one.clone(), own]);
    let old = keep(&bench, &[one]);
    let options = RebaseOptions::default();
    let rebase =
        |new: &Image, options: &RebaseOptions| bench.rewriter().rebase(&app, &old, new, options);

    // The same libraries in a newer release: only a word about it.
    let newer = keep(&bench, &[base("13", &[("libc6", "2.41-12")], None)]);
    let rebased = rebase(&newer, &options).unwrap();
    assert_eq!(
        rebased.findings,
        [AbiFinding::Distribution {
            old: "debian 12".to_owned(),
            new: "debian 13".to_owned()
        }]
    );

    // No libraries at all.
    let bare = keep(&bench, &[Layer::new().file("etc/motd", "hello").tar()]);
    let error = rebase(&bare, &options).unwrap_err();
    let RewriteError::Abi(findings) = &error else {
        panic!("{error}")
    };
    assert!(
        findings.iter().any(
            |finding| matches!(finding, AbiFinding::Library { path, .. } if path == "usr/bin/app")
        ),
        "{findings:?}"
    );
    let forced = RebaseOptions {
        force: true,
        ..RebaseOptions::default()
    };
    assert!(
        rebase(&bare, &forced)
            .unwrap()
            .findings
            .iter()
            .any(AbiFinding::is_blocking)
    );
}

#[test]
fn a_library_must_have_the_versions_of_its_symbols() {
    let (bench, program) = (Workbench::new(), program());
    // A library that has versions, but others.
    let Some(other) = library("libgcc_s.so.1") else {
        // This test program is linked statically with it: nothing to compare with.
        return;
    };
    let own = Layer::new()
        .file_with_mode("usr/bin/app", &program, 0o755)
        .tar();
    let one = base("12", &[], None);
    let app = keep(&bench, &[one.clone(), own]);
    let (old, new) = (
        keep(&bench, &[one]),
        keep(&bench, &[base("12", &[], Some(&other))]),
    );
    let error = bench
        .rewriter()
        .rebase(&app, &old, &new, &RebaseOptions::default())
        .unwrap_err();
    let RewriteError::Abi(findings) = &error else {
        panic!("{error}")
    };
    assert!(
        findings
            .iter()
            .all(|finding| matches!(finding, AbiFinding::Symbols { .. })),
        "{findings:?}"
    );
    assert!(error.to_string().contains("GLIBC_2"), "{error}");
}

#[test]
fn packages_that_are_older_or_gone_are_told() {
    let bench = Workbench::new();
    let packages = [
        ("libssl3", "3.0.15"),
        ("libz1", "1.3"),
        ("bash", "5.2"),
        ("python3", "3.13.1"),
    ];
    let one = base("12", &packages, None);
    let app = keep(&bench, &[one.clone(), Layer::new().file("app", "x").tar()]);
    let new = base(
        "12",
        &[("libssl3", "3.0.9"), ("libz1", "1.4"), ("bash", "5.1")],
        None,
    );
    let (old, new) = (keep(&bench, &[one]), keep(&bench, &[new]));
    let rebased = bench
        .rewriter()
        .rebase(&app, &old, &new, &RebaseOptions::default())
        .unwrap();
    let told: Vec<String> = rebased.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "libssl3 is 3.0.9 in the new base, older than 3.0.15",
            "python3 (3.13.1) is not in the new base",
        ]
    );
}

#[test]
fn own_packages_would_hide_those_of_the_base() {
    let bench = Workbench::new();
    let one = base("12", &[("libc6", "2.36")], None);
    let own = Layer::new()
        .file("var/lib/dpkg/status", status(&[("curl", "8")]))
        .tar();
    let app = keep(&bench, &[one.clone(), own]);
    let old = keep(&bench, &[one]);
    let error = bench
        .rewriter()
        .rebase(&app, &old, &old, &RebaseOptions::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("would hide the packages"),
        "{error}"
    );
}
