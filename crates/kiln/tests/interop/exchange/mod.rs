//! What one tool writes, the others read.

mod inward;
mod outward;
mod rewritten;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::builders::{Builder, kiln};
use crate::case::Case;
use crate::flatten::{Flat, read_archive};
use crate::peers::{self, Peers};
use crate::{Options, table};

/// An image with something of everything that a reader may stumble over.
const SAMPLE: Case = Case::new(
    "exchange",
    "FROM base:1
COPY tree /tree
RUN rm /tree/gone && ln /tree/a /tree/hard && chmod 4755 /tree/a && chown -R daemon:bin /tree/sub
RUN rm -r /tree/opaque && mkdir /tree/opaque && echo new > /tree/opaque/new
WORKDIR /tree
ENV GREETING=hello
HEALTHCHECK --interval=5s CMD true
LABEL a=b
USER daemon
CMD [\"cat\", \"/tree/opaque/new\"]
",
)
.context("mkdir -p tree/sub tree/opaque; echo a > tree/a; echo b > tree/sub/b; touch tree/gone tree/opaque/old; ln -s a tree/link");

/// Its name in kiln's store, with the domain that every tool would add.
const NAME: &str = "localhost/exchange:1";

/// The compressions that kiln writes, its default first.
const COMPRESSIONS: [&str; 3] = ["zstd", "gzip", "none"];

/// What a check needs: the tools, a folder, and the sample in kiln's store.
struct Lab<'a> {
    peers: &'a Peers,
    folder: PathBuf,
    /// The sample, once for each of [`COMPRESSIONS`].
    samples: Vec<Sample>,
}

/// The sample as kiln wrote it.
struct Sample {
    compression: &'static str,
    oci: PathBuf,
    layout: PathBuf,
    docker: PathBuf,
    flat: Flat,
}

type Check = fn(&Lab, &Sample) -> Result<(), String>;

/// What came of all checks.
pub(crate) struct Outcome {
    rows: Vec<(String, Result<(), String>)>,
}

impl Outcome {
    /// Whether every check passed.
    pub(crate) fn is_well(&self) -> bool {
        self.rows.iter().all(|(_, result)| result.is_ok())
    }
}

/// Runs the checks that `options` selects.
pub(crate) fn run(peers: &Peers, rootfs: &Path, options: &Options) -> Outcome {
    let checks = outward::CHECKS.iter().chain(inward::CHECKS);
    let checks = checks.chain(rewritten::CHECKS);
    let selected: Vec<_> = checks.filter(|(name, _)| options.wants(name)).collect();
    if selected.is_empty() {
        return Outcome { rows: vec![] };
    }
    let lab = match Lab::new(peers, rootfs) {
        Ok(lab) => lab,
        Err(error) => {
            return Outcome {
                rows: vec![("exchange-sample".to_owned(), Err(error))],
            };
        }
    };
    let mut rows = Vec::new();
    for (name, check) in selected {
        for sample in &lab.samples {
            let result = check(&lab, sample);
            let verdict = if result.is_ok() { "ok    " } else { "FAILED" };
            eprintln!("{verdict} {name} {}", sample.compression);
            rows.push((format!("{name}, {}", sample.compression), result));
        }
    }
    Outcome { rows }
}

impl<'a> Lab<'a> {
    fn new(peers: &'a Peers, rootfs: &Path) -> Result<Self, String> {
        let folder = peers.work().join("exchange");
        SAMPLE.write(&folder)?;
        Builder::Kiln.import(peers, rootfs)?;
        let mut build = kiln(peers, &folder);
        build.args([
            "build",
            "--progress",
            "plain",
            "--network",
            "none",
            "--tag",
            NAME,
            SAMPLE.name,
        ]);
        peers::output(&mut build)?;
        let mut lab = Self {
            peers,
            folder,
            samples: vec![],
        };
        for compression in COMPRESSIONS {
            let sample = lab.save(NAME, compression, &lab.folder)?;
            lab.samples.push(sample);
        }
        Ok(lab)
    }

    /// Lets kiln write `name` in all its forms into the folder `place`.
    fn save(&self, name: &str, compression: &'static str, place: &Path) -> Result<Sample, String> {
        let path = |form: &str| place.join(format!("{compression}-{form}"));
        let (oci, layout, docker) = (path("oci.tar"), path("layout"), path("docker.tar"));
        for (format, path) in [("oci", &oci), ("oci-dir", &layout), ("docker", &docker)] {
            let mut save = kiln(self.peers, &self.folder);
            save.args(["save", name, "--format", format, "--output"])
                .arg(path);
            peers::output(save.args(["--compression", compression]))?;
        }
        let flat = read_archive(&oci)?;
        Ok(Sample {
            compression,
            oci,
            layout,
            docker,
            flat,
        })
    }

    /// A file name that is free, as each check may run several times.
    fn fresh(&self, sample: &Sample, name: &str) -> Result<PathBuf, String> {
        let path = self.folder.join(format!("{}-{name}", sample.compression));
        let gone = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => Ok(()),
        };
        gone.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

/// What the sample's command prints.
const PRINTED: &str = "new";

/// The name in front of each file of the sample that a check looks at, whichever tool unpacked it.
fn check_tree(root: &Path) -> Result<(), String> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let look = |path: &str| {
        let path = root.join(path);
        fs::symlink_metadata(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let a = look("tree/a")?;
    let mode = a.permissions().mode() & 0o7777;
    expect("mode of /tree/a", &mode, &0o4755)?;
    expect("links of /tree/a", &look("tree/hard")?.ino(), &a.ino())?;
    let b = look("tree/sub/b")?;
    expect("owner of /tree/sub/b", &(b.uid(), b.gid()), &(1, 2))?;
    for gone in ["tree/gone", "tree/opaque/old"] {
        expect(gone, &look(gone).is_ok(), &false)?;
    }
    let new = fs::read(root.join("tree/opaque/new")).map_err(|error| error.to_string())?;
    expect("content of /tree/opaque/new", &new, &b"new\n".to_vec())
}

fn expect<T: PartialEq + fmt::Debug>(what: &str, got: &T, wanted: &T) -> Result<(), String> {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what} is {got:?}, not {wanted:?}"))
}

fn json(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Digest of the image's config, by which engines name it.
fn config_digest(flat: &Flat) -> Value {
    flat.manifest["config"]["digest"].clone()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, result) in &self.rows {
            if let Err(error) = result {
                writeln!(f, "\n{name}: {error}")?;
            }
        }
        let mut lines = vec![["exchange", "result"].map(str::to_owned)];
        for (name, result) in &self.rows {
            let word = if result.is_ok() { "passed" } else { "FAILED" };
            lines.push([name.clone(), word.to_owned()]);
        }
        if lines.len() > 1 {
            table::write(f, &lines)?;
        }
        Ok(())
    }
}
