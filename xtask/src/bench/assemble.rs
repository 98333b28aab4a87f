//! `cargo xtask bench assemble-…`: kiln against mmdebstrap and debootstrap.
//!
//! All make Debian's minbase of the same release from the same mirror. `assemble-warm` has every archive on
//! disk already, `assemble-cold` fetches all of them, which measures the mirror more than anybody else. kiln is
//! there twice: with maintainer scripts, as the others, and without, as it makes images that run one program.
//! kiln leaves an image in its store, mmdebstrap a tar archive, debootstrap a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::build::lab::{build_kiln, quietly};
use super::{Contender, Settings, Suite};
use crate::peers;

const SUITE: &str = "stable";

/// The tools, and a folder that is seen at the same path inside and outside of the peers' root.
struct Place {
    kiln: PathBuf,
    peers: PathBuf,
    work: PathBuf,
    mirror: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is in nobody's way.
        let _ = fs::remove_dir_all(&self.work);
    }
}

/// With every archive on disk.
pub(crate) fn warm(root: &Path, settings: &Settings) -> Result<Suite, String> {
    suite(root, settings, true)
}

/// With nothing on disk.
pub(crate) fn cold(root: &Path, settings: &Settings) -> Result<Suite, String> {
    suite(root, settings, false)
}

fn suite(root: &Path, settings: &Settings, is_warm: bool) -> Result<Suite, String> {
    let kiln = match &settings.kiln {
        Some(kiln) => std::path::absolute(kiln).map_err(|error| error.to_string())?,
        None => build_kiln(root)?,
    };
    let peers = peers::folder(None)?;
    peers::prepare(&peers)?;
    let work = std::env::temp_dir().join(format!("kiln-assemble-{}", std::process::id()));
    for folder in ["apt", "debootstrap"] {
        let folder = work.join(folder);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let place = Rc::new(Place {
        mirror: peers::mirror(&peers)?,
        kiln,
        peers,
        work,
    });
    let folder = place.work.clone();
    let contenders = vec![
        kiln_makes(&place, "scripts", is_warm)?,
        kiln_makes(&place, "plain", is_warm)?,
        mmdebstrap(&place, is_warm),
        debootstrap(&place, is_warm),
    ];
    let state = if is_warm {
        "on disk"
    } else {
        "not yet fetched"
    };
    Ok(Suite {
        title: format!("Debian's minbase, archives {state}"),
        folder,
        contenders,
    })
}

/// kiln with a store of its own. What it made is removed before each round; what it fetched only if that is
/// to be measured.
fn kiln_makes(place: &Rc<Place>, kind: &'static str, is_warm: bool) -> Result<Contender, String> {
    let home = place.work.join(format!("home-{kind}"));
    let file = place.work.join(format!("{kind}.toml"));
    let kiln = {
        let (program, home) = (place.kiln.clone(), home.clone());
        move || {
            let mut command = Command::new(&program);
            command.arg("--home").arg(&home);
            command
        }
    };
    let keyring = place
        .peers
        .join("sid/usr/share/keyrings/debian-archive-keyring.gpg");
    quietly(
        kiln()
            .args([
                "assemble",
                "new",
                "--force",
                "--preset=debian-minbase",
                "--mirror",
            ])
            .arg(&place.mirror)
            .args(["--suite", SUITE, "--keyring"])
            .arg(keyring)
            .arg(&file),
    )?;
    if kind == "plain" {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let text = text.replace("scripts = \"run\"\n", "");
        fs::write(&file, text).map_err(|error| error.to_string())?;
    }
    quietly(kiln().args(["assemble", "lock"]).arg(&file))?;
    if is_warm {
        quietly(kiln().args(["assemble"]).arg(&file))?;
    }
    let command = {
        let (place, kiln, file) = (Rc::clone(place), kiln.clone(), file.clone());
        move || {
            let mut command = kiln();
            command.args(["assemble", "-q"]).arg(&file);
            command.current_dir(&place.work);
            command
        }
    };
    let name = match kind {
        "plain" => "kiln without scripts",
        _ => "kiln",
    };
    let contender = Contender::new(name, command);
    Ok(Contender {
        prepare: Box::new(move || forget(&home, is_warm)),
        ..contender
    })
}

/// Removes a store, but for what was fetched if that shall stay.
fn forget(home: &Path, keep_downloads: bool) -> Result<(), String> {
    let entries = match fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", home.display())),
    };
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if keep_downloads && path.ends_with("downloads") {
            continue;
        }
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn tool(place: &Place, program: &str) -> Command {
    let mut command = Command::new(place.peers.join("enter"));
    command.arg("--share").arg(&place.work).arg(program);
    command
}

/// As its manual says how to keep archives between runs.
fn mmdebstrap(place: &Rc<Place>, is_warm: bool) -> Contender {
    let place = Rc::clone(place);
    let cache = place.work.join("apt");
    let archive = place.work.join("mmdebstrap.tar");
    let command = move || {
        let mut command = tool(&place, "mmdebstrap");
        command.args(["--variant=minbase", "--mode=root"]);
        if is_warm {
            let cache = cache.display();
            command.args(["--skip=download/empty", "--skip=essential/unlink"]);
            command.arg("--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives/");
            command.arg(format!(
                "--setup-hook=sync-in {cache} /var/cache/apt/archives/"
            ));
            command.arg(format!(
                "--customize-hook=sync-out /var/cache/apt/archives {cache}"
            ));
        }
        command.arg(SUITE).arg(&archive).arg(&place.mirror);
        command
    };
    Contender::new("mmdebstrap", command)
}

fn debootstrap(place: &Rc<Place>, is_warm: bool) -> Contender {
    let cache = place.work.join("debootstrap");
    let target = place.work.join("debootstrapped");
    let removed = target.clone();
    let place = Rc::clone(place);
    let command = move || {
        let mut command = tool(&place, "debootstrap");
        command.arg("--variant=minbase");
        if is_warm {
            command.arg(format!("--cache-dir={}", cache.display()));
        }
        command.arg(SUITE).arg(&target).arg(&place.mirror);
        command
    };
    let contender = Contender::new("debootstrap", command);
    Contender {
        prepare: Box::new(move || match fs::remove_dir_all(&removed) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", removed.display()))
            }
            _ => Ok(()),
        }),
        ..contender
    }
}
