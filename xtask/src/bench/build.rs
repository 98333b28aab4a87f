//! `cargo xtask bench build-…`: kiln against BuildKit and buildah, and `kiln run` against podman and
//! crun.
//!
//! Each suite has its own question; all contenders answer it from the same input, on the same disk,
//! with the same base image. BuildKit runs in a Docker daemon of our own, and the time it takes to
//! send the context counts. Sizes are those of the aims in `docs/reference/benchmarks.md`;
//! `--scale 0.01` tries everything out in seconds.

pub(super) mod input;
pub(super) mod lab;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::{Contender, Settings, Suite};
use lab::{Builder, Lab};

/// Files of the large context, and how many bytes they have together.
const MANY: (usize, u64) = (50_000, 1 << 30);
/// Files of the context that is edited.
const FEWER: (usize, u64) = (20_000, 400 << 20);
/// Bytes of the tree that is exported.
const EXPORTED: u64 = 520 << 20;
/// Bytes of the largest layer.
const LARGE: u64 = 4 << 30;

const BUILDERS: [Builder; 3] = [Builder::Kiln, Builder::BuildKit, Builder::Buildah];

/// What a multi-stage build does in its steps; alone, it is the time that no builder can save.
const STEPS: [&str; 4] = [
    "mkdir -p /src && for i in $(seq 300); do echo \"line $i\" > /src/$i; done",
    "cat /src/* | sha256sum > /sum && mkdir -p /out/bin && cp /bin/busybox /out/bin/busybox-1",
    "mkdir -p /assets && for i in $(seq 200); do echo \"asset $i\" > /assets/$i; done",
    "gzip -c /bin/busybox > /assets/packed.gz",
];

/// (a) A clean build of several stages with RUN.
pub(crate) fn clean(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Rc::new(Lab::start(root, settings)?);
    let [first, second, third, fourth] = STEPS;
    let context = lab.context("multi-stage")?;
    let dockerfile = format!(
        "FROM base:1 AS code\nRUN {first}\nRUN {second}\nFROM base:1 AS assets\nRUN {third}\n\
         RUN {fourth}\nFROM base:1\nCOPY --from=code /out /\nCOPY --from=assets /assets /assets\n\
         WORKDIR /work\nRUN /bin/busybox-1 echo ready > ready\nCMD [\"cat\", \"ready\"]\n"
    );
    input::write(&context.join("Dockerfile"), &dockerfile)?;
    let mut contenders: Vec<_> = BUILDERS
        .iter()
        .map(|builder| builds(&lab, *builder, &context, &["--no-cache"]))
        .collect();
    let rootfs = lab.rootfs("alone")?;
    contenders.push(Contender::new("the commands alone, in turn", move || {
        let mut command = Command::new("chroot");
        command.arg(&rootfs).args(["/bin/sh", "-ec"]);
        command.arg(format!(
            "{}\n/out/bin/busybox-1 echo ready > ready",
            STEPS.join("\n")
        ));
        command
    }));
    Ok(suite(
        "clean build of several stages with RUN",
        &lab,
        contenders,
    ))
}

/// (b) COPY of many small files, with nothing known of them before.
pub(crate) fn copy(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Rc::new(Lab::start(root, settings)?);
    let context = copy_context(&lab, MANY, settings)?;
    let mut contenders: Vec<_> = BUILDERS
        .iter()
        .map(|builder| builds_anew(&lab, *builder, &context, &[]))
        .collect();
    let files = context.join("files");
    contenders.push(Contender::new("GNU tar alone", move || {
        let mut command = Command::new("sh");
        // tar writes nothing at all when it sees that its output is /dev/null.
        command
            .args(["-c", "tar -c -C \"$0\" . | cat > /dev/null"])
            .arg(&files);
        command
    }));
    let count = count(MANY.0, settings);
    Ok(suite(
        &format!("clean build, COPY of {count} files"),
        &lab,
        contenders,
    ))
}

/// (c) The same again with nothing changed.
pub(crate) fn again(root: &Path, settings: &Settings) -> Result<Suite, String> {
    rebuild(root, settings, MANY)
}

/// (c) The same with fewer files.
pub(crate) fn again_fewer(root: &Path, settings: &Settings) -> Result<Suite, String> {
    rebuild(root, settings, FEWER)
}

fn rebuild(root: &Path, settings: &Settings, files: (usize, u64)) -> Result<Suite, String> {
    let lab = Rc::new(Lab::start(root, settings)?);
    let context = copy_context(&lab, files, settings)?;
    let contenders = BUILDERS
        .iter()
        .map(|builder| builds(&lab, *builder, &context, &[]))
        .collect();
    let count = count(files.0, settings);
    Ok(suite(
        &format!("rebuild with nothing changed, {count} files"),
        &lab,
        contenders,
    ))
}

/// (d) One of many source files changed, with a RUN behind the COPY.
pub(crate) fn changed(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Rc::new(Lab::start(root, settings)?);
    let context = copy_context(&lab, FEWER, settings)?;
    let dockerfile = "FROM base:1\nCOPY files /files\nRUN ls /files > /list\n";
    input::write(&context.join("Dockerfile"), dockerfile)?;
    let edited = input::a_file(&context.join("files"))?;
    let contenders = BUILDERS.iter().map(|builder| {
        let edited = edited.clone();
        let mut edits = 0_u32;
        let name = builder.name();
        Contender {
            prepare: Box::new(move || {
                edits += 1;
                input::write(&edited, format!("{name} sees edit {edits}\n"))
            }),
            ..builds(&lab, *builder, &context, &[])
        }
    });
    let contenders = contenders.collect();
    let count = count(FEWER.0, settings);
    Ok(suite(
        &format!("rebuild with one of {count} files changed"),
        &lab,
        contenders,
    ))
}

/// (e) Build and export of a real tree, uncompressed, with gzip and with zstd.
pub(crate) fn export(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Rc::new(Lab::start(root, settings)?);
    let context = lab.context("export")?;
    let bytes = scaled(EXPORTED, settings);
    input::take_from(&lab.peers_usr(), &context.join("files"), bytes)?;
    input::write(
        &context.join("Dockerfile"),
        "FROM base:1\nCOPY files /files\n",
    )?;
    let mut contenders = Vec::new();
    for builder in [Builder::Kiln, Builder::BuildKit] {
        for compression in ["zstd", "gzip", "none"] {
            let archive = lab
                .work()
                .join(format!("{}-{compression}.tar", builder.name()));
            let output = builder.export(&archive, compression);
            // Anew each time: kiln remembers what it has compressed.
            let flags = ["--output", output.as_str()];
            contenders.push(Contender {
                name: format!("{}, {compression}", builder.name()),
                written: Some(archive),
                ..builds_anew(&lab, builder, &context, &flags)
            });
        }
    }
    Ok(suite(
        &format!("build and export of {} MB", bytes >> 20),
        &lab,
        contenders,
    ))
}

/// (f) Memory while a very large file becomes a layer.
pub(crate) fn memory(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Rc::new(Lab::start(root, settings)?);
    let context = lab.context("large")?;
    let bytes = scaled(LARGE, settings);
    input::large_file(&context.join("large"), bytes)?;
    input::write(
        &context.join("Dockerfile"),
        "FROM base:1\nCOPY large /large\n",
    )?;
    let contenders = BUILDERS
        .iter()
        .map(|builder| builds_anew(&lab, *builder, &context, &[]))
        .collect();
    Ok(suite(
        &format!("build with a layer of {} MB", bytes >> 20),
        &lab,
        contenders,
    ))
}

/// (g) A process in a small image.
pub(crate) fn run(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Rc::new(Lab::start(root, settings)?);
    let contenders = run::contenders(&lab)?;
    Ok(suite("a process in a small image", &lab, contenders))
}

fn suite(title: &str, lab: &Lab, contenders: Vec<Contender>) -> Suite {
    Suite {
        title: title.to_owned(),
        folder: lab.work().to_path_buf(),
        contenders,
    }
}

/// `builder` builds `context` with these flags; what it knows from before, it may use.
fn builds(lab: &Rc<Lab>, builder: Builder, context: &Path, flags: &[&str]) -> Contender {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let daemons = if builder == Builder::BuildKit {
        vec![lab.daemon()]
    } else {
        vec![]
    };
    let (lab, context) = (Rc::clone(lab), context.to_path_buf());
    let command = move || {
        let mut command = lab.build(builder);
        command.args(&flags).arg(&context);
        command
    };
    Contender {
        daemons,
        ..Contender::new(builder.name(), command)
    }
}

/// The same, and before each round it forgets all but the base image.
fn builds_anew(lab: &Rc<Lab>, builder: Builder, context: &Path, flags: &[&str]) -> Contender {
    let forgetful = Rc::clone(lab);
    let flags = [&["--no-cache"], flags].concat();
    Contender {
        prepare: Box::new(move || forgetful.forget(builder)),
        ..builds(lab, builder, context, &flags)
    }
}

fn copy_context(
    lab: &Lab,
    (files, bytes): (usize, u64),
    settings: &Settings,
) -> Result<PathBuf, String> {
    let context = lab.context("files")?;
    input::small_files(
        &context.join("files"),
        count(files, settings),
        scaled(bytes, settings),
    )?;
    input::write(
        &context.join("Dockerfile"),
        "FROM base:1\nCOPY files /files\n",
    )?;
    Ok(context)
}

/// At least one file.
fn count(files: usize, settings: &Settings) -> usize {
    ((files as f64 * settings.scale) as usize).max(1)
}

fn scaled(bytes: u64, settings: &Settings) -> u64 {
    (bytes as f64 * settings.scale) as u64
}

/// Removes a file, a folder or nothing.
pub(super) fn remove(path: &Path) -> Result<(), String> {
    let gone = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    gone.map_err(|error| format!("{}: {error}", path.display()))
}
