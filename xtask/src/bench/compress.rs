//! `cargo xtask bench compress`: gzip, pigz and zstd against kiln on the same tar.
//!
//! The tar is this machine's `/usr`, or its beginning: programs, libraries and texts, as images hold. kiln
//! does more than the others: it reads the layer from its store, syncs what it wrote, names the new image
//! and writes it out as an archive, so its time is an upper bound.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use super::{Contender, Settings, Suite, registry};

/// Bytes of tar at scale 1.
const SIZE: f64 = 400e6;

/// The scratch folder; gone with the last contender.
struct Lab {
    work: PathBuf,
    kiln: PathBuf,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.work);
    }
}

impl Lab {
    fn kiln(&self) -> Command {
        let mut command = Command::new(&self.kiln);
        command.env("KILN_HOME", self.work.join("home"));
        command
    }

    /// An empty store with the tar as an image.
    fn import(&self) -> Result<(), String> {
        let home = self.work.join("home");
        if home.exists() {
            fs::remove_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
        }
        let mut import = self.kiln();
        import.arg("import").arg(self.tar()).args(["-t", "tar"]);
        run(&mut import)
    }

    fn tar(&self) -> PathBuf {
        self.work.join("input.tar")
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// All of them.
pub(super) fn suite(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let kiln = match &settings.kiln {
        Some(kiln) => std::path::absolute(kiln).map_err(|error| error.to_string())?,
        None => registry::compile(root, &["--package", "kiln"])?.join("kiln"),
    };
    let work = std::env::temp_dir().join(format!("kiln-compress-{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let lab = Rc::new(Lab { work, kiln });
    let size = write_input(&lab, settings.scale)?;
    let mut contenders = vec![];
    let programs: &[(&str, &[&str])] = &[
        ("gzip", &["-6"]),
        ("pigz", &["-6"]),
        ("zstd", &["-3", "-T0"]),
        ("zstd", &["-6", "-T0", "--long=26"]),
        ("zstd", &["-9", "-T0", "--long=27"]),
    ];
    for (program, args) in programs {
        let name = format!("{program} {}", args.join(" "));
        if run(Command::new(program).arg("--version")).is_err() {
            eprintln!("{name}: not on this machine");
            continue;
        }
        contenders.push(stream(&lab, &name, program, args));
    }
    for args in [
        &["--to=gzip"][..],
        &["--level=3"],
        &["--level=6"],
        &["--level=9", "--window=27"],
    ] {
        contenders.push(recompress(&lab, args));
    }
    Ok(Suite {
        title: format!("compressing a tar of {:.0} MB", size as f64 / 1e6),
        folder: lab.work.clone(),
        contenders,
    })
}

/// The beginning of a tar of `/usr`, cut at the end of a member by reading it as a stream of whole files.
fn write_input(lab: &Lab, scale: f64) -> Result<u64, String> {
    let limit = (SIZE * scale) as u64;
    let mut list = Command::new("find");
    list.args([
        "/usr/bin",
        "/usr/lib",
        "/usr/share",
        "-xdev",
        "-type",
        "f",
        "-printf",
        "%s %p\\n",
    ]);
    let output = list.output().map_err(|error| format!("find: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut files: Vec<(u64, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(size, path)| Some((size.parse().ok()?, path)))
        .collect();
    files.sort_by_key(|(_, path)| *path);
    let mut sum = 0;
    let mut names = String::new();
    // Every so many files, so that all kinds of them are in it.
    let total: u64 = files.iter().map(|(size, _)| size).sum();
    let step = (total / limit.max(1)).max(1) as usize;
    for (size, path) in files.iter().step_by(step) {
        sum += size;
        names.push_str(path);
        names.push('\0');
        if sum > limit {
            break;
        }
    }
    let from = lab.work.join("names");
    fs::write(&from, names).map_err(|error| error.to_string())?;
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--null",
        "--no-recursion",
        "--numeric-owner",
        "--file",
    ]);
    tar.arg(lab.tar()).arg("--files-from").arg(&from);
    run(&mut tar)?;
    let facts = fs::metadata(lab.tar()).map_err(|error| error.to_string())?;
    Ok(facts.len())
}

/// A program that compresses a file to standard output.
fn stream(lab: &Rc<Lab>, name: &str, program: &'static str, args: &'static [&str]) -> Contender {
    let out = lab.work.join("out");
    let (lab, written) = (Rc::clone(lab), out.clone());
    Contender {
        written: Some(written),
        ..Contender::new(name, move || {
            let script = format!(
                "{program} {} -c {} > {}",
                args.join(" "),
                lab.tar().display(),
                out.display()
            );
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            command
        })
    }
}

fn recompress(lab: &Rc<Lab>, args: &'static [&str]) -> Contender {
    let out = lab.work.join("out.tar");
    let (importing, lab, written) = (Rc::clone(lab), Rc::clone(lab), out.clone());
    Contender {
        prepare: Box::new(move || importing.import()),
        written: Some(written),
        ..Contender::new(&format!("kiln recompress {}", args.join(" ")), move || {
            let kiln = lab.kiln.display();
            let script = format!(
                "{kiln} recompress tar {} -q -t out && {kiln} save out --format oci -o {}",
                args.join(" "),
                out.display()
            );
            let mut command = Command::new("sh");
            command
                .args(["-c", &script])
                .env("KILN_HOME", lab.work.join("home"));
            command
        })
    }
}
