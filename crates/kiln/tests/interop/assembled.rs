//! Images from packages, held against what Debian's own tools make of the same packages.
//!
//! Packages come from the mirror that the peers' root was made from. Without it, or without the tool to compare
//! with, a check is not made, and that is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::builders::kiln;
use crate::peers::{self, Peers};
use crate::{Options, not_checked, table};

/// The release that is assembled.
const SUITE: &str = "stable";

/// What differs between the two minbases, by the beginning of its path, and why. All else is equal, byte by
/// byte, dpkg's status and lists included.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "dev/",
        "mmdebstrap makes devices, containers bring their own",
    ),
    ("etc/.pwd.lock", "a lock; kiln removes it"),
    ("etc/fstab", "mmdebstrap writes it"),
    ("etc/group-", "a backup; kiln removes it"),
    ("etc/hostname", "mmdebstrap copies the machine's"),
    ("etc/passwd-", "a backup; kiln removes it"),
    ("etc/resolv.conf", "mmdebstrap copies the machine's"),
    (
        "etc/shadow",
        "the day of the last change; kiln's is that of the release",
    ),
    (
        "var/cache/apt/archives/",
        "apt did the installing for mmdebstrap",
    ),
    (
        "var/cache/debconf/",
        "mmdebstrap leaves backups; the order of two answers",
    ),
    (
        "var/lib/apt/extended_states",
        "apt did the installing for mmdebstrap",
    ),
    (
        "var/lib/apt/lists/",
        "apt did the installing for mmdebstrap",
    ),
    (
        "var/lib/dpkg/arch",
        "mmdebstrap names the only architecture",
    ),
    ("var/lib/dpkg/available", "empty; mmdebstrap removes it"),
    ("var/lib/dpkg/diversions-old", "a backup; kiln removes it"),
    ("var/lib/dpkg/lock", "a lock; kiln removes it"),
    ("var/lib/dpkg/statoverride", "empty; dpkg does without"),
    ("var/lib/dpkg/status-old", "a backup; kiln removes it"),
    ("var/lib/dpkg/triggers/Lock", "a lock; kiln removes it"),
];

/// Programs of the presets, and what they say.
const PROGRAMS: &[(&str, &[&str], &str)] = &[
    ("busybox", &["sh", "-c", "echo $((6 * 7))"], "42"),
    ("python3", &["-c", "print(6 * 7)"], "42"),
    ("nodejs", &["-p", "6 * 7"], "42"),
    // It says it on standard error.
    ("java", &["-version"], ""),
];

/// Why a check did not pass.
enum Problem {
    Failed(String),
    NotMade(String),
}

impl From<String> for Problem {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

/// What came of all checks.
pub(crate) struct Outcome {
    rows: Vec<(&'static str, Result<(), Problem>)>,
}

impl Outcome {
    /// Whether no check failed.
    pub(crate) fn is_well(&self) -> bool {
        !self
            .rows
            .iter()
            .any(|row| matches!(row.1, Err(Problem::Failed(_))))
    }
}

type Check = fn(&Place<'_>) -> Result<(), Problem>;

const CHECKS: &[(&str, Check)] = &[
    ("assemble debian-minbase as mmdebstrap", as_mmdebstrap),
    ("assemble and apt-get install", apt_get_install),
    ("assemble presets and run them", presets_run),
    ("assemble and list packages with syft", as_syft),
];

/// Runs the checks that `options` selects.
pub(crate) fn run(peers: &Peers, root: &Path, options: &Options) -> Outcome {
    let mut rows = vec![];
    for (name, check) in CHECKS {
        if !options.wants(name) {
            continue;
        }
        let result = Place::new(peers, root).and_then(|place| check(&place));
        if let Err(Problem::NotMade(why)) = &result {
            not_checked(name, why);
        }
        rows.push((*name, result));
    }
    Outcome { rows }
}

struct Place<'a> {
    peers: &'a Peers,
    root: &'a Path,
    folder: PathBuf,
    mirror: String,
}

impl<'a> Place<'a> {
    fn new(peers: &'a Peers, root: &'a Path) -> Result<Self, Problem> {
        let sources = root.join("sid/etc/apt/sources.list");
        let text = fs::read_to_string(&sources).map_err(|error| error.to_string())?;
        let mirror = text
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        let mirror =
            mirror.ok_or_else(|| Problem::NotMade("the peers name no mirror".to_owned()))?;
        let folder = peers.work().join("assembled");
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        Ok(Self {
            peers,
            root,
            folder,
            mirror: mirror.to_owned(),
        })
    }

    fn kiln(&self) -> Command {
        kiln(self.peers, &self.folder)
    }

    fn tool(&self, name: &str) -> Result<Command, Problem> {
        let is_there = ["usr/bin", "usr/sbin", "usr/local/bin"]
            .iter()
            .any(|directory| self.root.join("sid").join(directory).join(name).exists());
        match is_there {
            true => Ok(self.peers.tool_in(&self.folder, name)),
            false => Err(Problem::NotMade(format!(
                "there is no {name} among the peers"
            ))),
        }
    }

    /// Makes the image `preset` of the preset, with more arguments.
    fn assemble(&self, preset: &str, more: &[&str]) -> Result<(), Problem> {
        let keyring = self
            .root
            .join("sid/usr/share/keyrings/debian-archive-keyring.gpg");
        let mut command = self.kiln();
        command.args(["assemble", "-q", "--suite", SUITE, "--mirror", &self.mirror]);
        command.arg("--keyring").arg(keyring);
        command.args(["--preset", preset, "-t", preset]).args(more);
        match peers::output(&mut command) {
            Ok(_) => Ok(()),
            Err(error) if error.contains("cannot fetch") => Err(Problem::NotMade(error)),
            Err(error) => Err(Problem::Failed(error)),
        }
    }

    /// A directory with an image's files, owners included.
    fn unpacked(&self, image: &str) -> Result<PathBuf, Problem> {
        let folder = self.folder.join(format!("files-{image}"));
        let dockerfile = format!("FROM {image}\n");
        fs::write(self.folder.join("Dockerfile"), dockerfile).map_err(|error| error.to_string())?;
        let archive = self.folder.join(format!("{image}.tar"));
        let output = format!("type=tar,dest={}", archive.display());
        peers::output(self.kiln().args(["build", "-q", "-o", &output, "."]))?;
        unpack(&archive, &folder)?;
        Ok(folder)
    }
}

fn unpack(archive: &Path, folder: &Path) -> Result<(), Problem> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "-xpf"])
        .arg(archive)
        .arg("-C")
        .arg(folder);
    peers::output(&mut tar)?;
    Ok(())
}

/// What dpkg sees is the same, and files differ only where that is known.
fn as_mmdebstrap(place: &Place<'_>) -> Result<(), Problem> {
    let archive = place.folder.join("mmdebstrap.tar");
    let mut mmdebstrap = place.tool("mmdebstrap")?;
    mmdebstrap.args(["--variant=minbase", "--mode=root", SUITE]);
    place.assemble("debian-minbase", &[])?;
    peers::output(mmdebstrap.arg(&archive).arg(&place.mirror))?;
    let theirs = place.folder.join("files-mmdebstrap");
    unpack(&archive, &theirs)?;
    let ours = place.unpacked("debian-minbase")?;
    for arguments in [&["-l"][..], &["--verify"]] {
        let of = |folder: &Path| {
            let mut dpkg = place.peers.tool_in(&place.folder, "dpkg");
            peers::text(
                dpkg.arg(format!("--root={}", folder.display()))
                    .args(arguments),
            )
        };
        let (ours, theirs) = (of(&ours)?, of(&theirs)?);
        if ours != theirs {
            return Err(Problem::Failed(format!(
                "dpkg {}: ours\n{ours}\ntheirs\n{theirs}",
                arguments.join(" ")
            )));
        }
    }
    let mut wrong = vec![];
    let (ours, theirs) = (listing(&ours)?, listing(&theirs)?);
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for path in paths {
        let known = DIFFERENCES.iter().any(|(start, _)| path.starts_with(start));
        if ours.get(path) != theirs.get(path) && !known {
            wrong.push(format!(
                "{path}: {:?} {:?}",
                ours.get(path),
                theirs.get(path)
            ));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Problem::Failed(format!(
            "ours and theirs differ:\n{}",
            wrong.join("\n")
        ))),
    }
}

/// Each path below a directory with its kind, mode, owner, target and the digest of its content.
fn listing(folder: &Path) -> Result<BTreeMap<String, String>, Problem> {
    let script = "cd \"$0\" && find . -mindepth 1 \\( -type f -printf '%P\\t%y %m %U:%G ' \
                  -exec sh -c 'sha256sum < \"$1\"' sh {} \\; -o -printf '%P\\t%y %m %U:%G %l\\n' \\)";
    let text = peers::text(Command::new("sh").args(["-c", script]).arg(folder))?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines
        .map(|(path, facts)| (path.to_owned(), facts.trim().to_owned()))
        .collect())
}

/// A package can be installed into a running container.
fn apt_get_install(place: &Place<'_>) -> Result<(), Problem> {
    place.assemble("debian-minbase", &[])?;
    let script = "apt-get update -q && apt-get install -q -y --no-install-recommends hello && hello && \
                  dpkg --verify";
    let said = peers::text(
        place
            .kiln()
            .args(["run", "debian-minbase", "sh", "-ec", script]),
    )?;
    match said.lines().last() {
        Some("Hello, world!") => Ok(()),
        _ => Err(Problem::Failed(said)),
    }
}

/// The program of each preset starts as the user that is not root.
fn presets_run(place: &Place<'_>) -> Result<(), Problem> {
    for (preset, arguments, expected) in PROGRAMS {
        place.assemble(preset, &[])?;
        let run = ["run", "--network=none", preset].into_iter();
        let said = peers::text(place.kiln().args(run.chain(arguments.iter().copied())))?;
        if said.trim() != *expected {
            return Err(Problem::Failed(format!("{preset} said `{said}`")));
        }
    }
    for preset in ["static", "base", "cc"] {
        place.assemble(preset, &[])?;
    }
    Ok(())
}

/// syft finds in the image what the bill of materials lists.
fn as_syft(place: &Place<'_>) -> Result<(), Problem> {
    let mut syft = place.tool("syft")?;
    for preset in ["base", "debian-minbase"] {
        let bill = place.folder.join(format!("{preset}.json"));
        place.assemble(preset, &["--sbom", &bill.display().to_string()])?;
        let archive = place.folder.join(format!("{preset}-oci.tar"));
        let save = ["save", preset, "--format=oci", "--compression=gzip", "-o"];
        peers::output(place.kiln().args(save).arg(&archive))?;
        syft.env("SYFT_CHECK_FOR_APP_UPDATE", "false");
        syft.args(["-q", "-o", "json"])
            .arg(format!("oci-archive:{}", archive.display()));
        let theirs = json(&peers::output(&mut syft)?)?;
        syft = place.tool("syft")?;
        let theirs: BTreeSet<String> = list(&theirs["artifacts"])
            .filter(|artifact| artifact["type"] == "deb")
            .map(|artifact| format!("{} {}", text(&artifact["name"]), text(&artifact["version"])))
            .collect();
        let bytes = fs::read(&bill).map_err(|error| error.to_string())?;
        let ours = json(&bytes)?;
        let ours: BTreeSet<String> = list(&ours["packages"])
            .filter(|package| package["externalRefs"].is_array())
            .map(|package| {
                format!(
                    "{} {}",
                    text(&package["name"]),
                    text(&package["versionInfo"])
                )
            })
            .collect();
        if ours != theirs || ours.is_empty() {
            return Err(Problem::Failed(format!("{preset}: {ours:?}\n{theirs:?}")));
        }
    }
    Ok(())
}

fn json(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::Failed(error.to_string()))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let head = ["images from packages".to_owned(), "".to_owned()];
        let rows = self.rows.iter().map(|(name, result)| {
            let came = match result {
                Ok(()) => "ok".to_owned(),
                Err(Problem::NotMade(_)) => "not made".to_owned(),
                Err(Problem::Failed(_)) => "FAILED".to_owned(),
            };
            [(*name).to_owned(), came]
        });
        let lines: Vec<[String; 2]> = std::iter::once(head).chain(rows).collect();
        table::write(f, &lines)?;
        for (name, result) in &self.rows {
            if let Err(Problem::Failed(why)) = result {
                writeln!(f, "\n{name}: {why}")?;
            }
        }
        Ok(())
    }
}
