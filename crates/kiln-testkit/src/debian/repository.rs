//! Packages, their indexes, and the signature over those.
//!
//! Source: "DebianRepository/Format" on the Debian wiki.

use std::collections::BTreeMap;

use kiln_layer::Compression;
use kiln_oci::Digest;

use super::deb::{Deb, compressed};
use super::key::SigningKey;

/// Packages, and what their release says.
#[derive(Clone, Debug)]
pub struct DebianRepository {
    /// The packages.
    pub packages: Vec<Deb>,
    /// The suite's name, and its codename.
    pub suite: String,
    /// When it was made, as a release file says it.
    pub date: String,
    /// Until when it holds.
    pub valid_until: Option<String>,
    /// Whether indexes can be had by their digest.
    pub by_hash: bool,
    /// Whether the signature is in a file of its own.
    pub detached: bool,
    /// What its `Contents-amd64` says.
    pub contents: Option<String>,
}

/// The files of a repository, by their paths.
pub type Published = BTreeMap<String, Vec<u8>>;

impl DebianRepository {
    /// A suite `stable` of packages, made in 2024, that holds for ever.
    #[must_use]
    pub fn new(packages: Vec<Deb>) -> Self {
        Self {
            packages,
            suite: "stable".to_owned(),
            date: "Mon, 01 Jan 2024 00:00:00 UTC".to_owned(),
            valid_until: None,
            by_hash: true,
            detached: false,
            contents: None,
        }
    }

    /// All its files. There are indexes for amd64 and arm64 in any case.
    #[must_use]
    pub fn publish(&self, key: &SigningKey) -> Published {
        let mut files = Published::new();
        let mut architectures: Vec<&str> = self
            .packages
            .iter()
            .filter_map(|package| package.get("Architecture"))
            .filter(|architecture| *architecture != "all")
            .chain(["amd64", "arm64"])
            .collect();
        architectures.sort_unstable();
        architectures.dedup();
        let dists = format!("dists/{}", self.suite);
        let mut list = String::new();
        for architecture in &architectures {
            let index = self.index(architecture, &mut files);
            let directory = format!("main/binary-{architecture}");
            let zstd = compressed(index.as_bytes(), &Compression::zstd(1));
            for (name, content) in [("Packages", index.as_bytes()), ("Packages.zst", &zstd)] {
                let digest = Digest::sha256(content);
                let size = content.len();
                list.push_str(&format!(" {} {size} {directory}/{name}\n", digest.hex()));
                let path = match self.by_hash {
                    true => format!("{dists}/{directory}/by-hash/SHA256/{}", digest.hex()),
                    false => format!("{dists}/{directory}/{name}"),
                };
                files.insert(path, content.to_vec());
            }
        }
        if let Some(contents) = &self.contents {
            let zstd = compressed(contents.as_bytes(), &Compression::zstd(1));
            let digest = Digest::sha256(&zstd);
            let name = "main/Contents-amd64.zst";
            list.push_str(&format!(" {} {} {name}\n", digest.hex(), zstd.len()));
            files.insert(format!("{dists}/{name}"), zstd);
        }
        let valid_until = self.valid_until.as_ref();
        let valid_until = valid_until.map(|date| format!("Valid-Until: {date}\n"));
        let release = format!(
            "Origin: Test\nSuite: {}\nCodename: {}\nDate: {}\n{}Acquire-By-Hash: {}\n\
             Architectures: {}\nComponents: main\nSHA256:\n{list}",
            self.suite,
            self.suite,
            self.date,
            valid_until.unwrap_or_default(),
            if self.by_hash { "yes" } else { "no" },
            architectures.join(" "),
        );
        match self.detached {
            false => files.insert(format!("{dists}/InRelease"), key.sign(&release)),
            true => {
                let signature = key.sign_detached(release.as_bytes());
                files.insert(format!("{dists}/Release.gpg"), signature);
                files.insert(format!("{dists}/Release"), release.into_bytes())
            }
        };
        files
    }

    fn index(&self, architecture: &str, files: &mut Published) -> String {
        let mut index = String::new();
        for package in &self.packages {
            let own = package.get("Architecture").unwrap_or_default();
            if ![architecture, "all"].contains(&own) {
                continue;
            }
            let archive = package.build();
            let name = package.get("Package").unwrap_or_default();
            let version = package
                .get("Version")
                .unwrap_or_default()
                .replace(':', "%3a");
            let path = format!("pool/main/{name}_{version}_{own}.deb");
            index.push_str(&package.control_text());
            let digest = Digest::sha256(&archive);
            index.push_str(&format!(
                "Filename: {path}\nSize: {}\nSHA256: {}\n\n",
                archive.len(),
                digest.hex()
            ));
            files.insert(path, archive);
        }
        index
    }
}
