//! Images that kiln made of others: umoci and podman see the same files in them.

use super::{Check, Lab, NAME, PRINTED, Sample, check_tree, expect};
use crate::builders::kiln;
use crate::peers;

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("rewritten-squash", squash),
    ("rewritten-flatten", flatten),
    ("rewritten-rebase", rebase),
    ("rewritten-recompress", recompress),
    ("rewritten-trim", trim),
    ("rewritten-export", export),
];

fn squash(lab: &Lab, sample: &Sample) -> Result<(), String> {
    rewritten(lab, sample, "squash", &["--layers", "2-"])
}

fn flatten(lab: &Lab, sample: &Sample) -> Result<(), String> {
    rewritten(lab, sample, "flatten", &[])
}

/// Onto the same base: the files must stay as they are.
fn rebase(lab: &Lab, sample: &Sample) -> Result<(), String> {
    rewritten(
        lab,
        sample,
        "rebase",
        &["--from", "base:1", "--onto", "base:1"],
    )
}

fn recompress(lab: &Lab, sample: &Sample) -> Result<(), String> {
    rewritten(
        lab,
        sample,
        "recompress",
        &["--level", "9", "--window", "27"],
    )
}

/// What it drops is not there; the layers above are rewritten all the same, because a rule of its own asks.
fn trim(lab: &Lab, sample: &Sample) -> Result<(), String> {
    rewritten(
        lab,
        sample,
        "trim",
        &["--rule", "none", "--drop", "tree/link"],
    )
}

/// Out as a tar archive and back.
fn export(lab: &Lab, sample: &Sample) -> Result<(), String> {
    let tar = lab.fresh(sample, "rootfs.tar")?;
    let mut out = kiln(lab.peers, &lab.folder);
    peers::output(out.args(["export", NAME, "-o"]).arg(&tar))?;
    let name = "localhost/rewritten-export:1";
    let mut back = kiln(lab.peers, &lab.folder);
    back.arg("import").arg(&tar);
    peers::output(back.args(["-t", name, "--config-of", NAME]))?;
    look(lab, sample, name, &[])
}

/// Rewrites the sample and lets others look at what came of it.
fn rewritten(lab: &Lab, sample: &Sample, verb: &str, args: &[&str]) -> Result<(), String> {
    let name = format!("localhost/rewritten-{verb}:1");
    let mut command = kiln(lab.peers, &lab.folder);
    command.args([verb, NAME, "-t", &name, "-q"]);
    peers::output(command.args(args))?;
    let gone: &[&str] = if verb == "trim" { &["/tree/link"] } else { &[] };
    look(lab, sample, &name, gone)
}

fn look(lab: &Lab, sample: &Sample, name: &str, gone: &[&str]) -> Result<(), String> {
    let place = lab.fresh(sample, "rewritten")?;
    std::fs::create_dir(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let new = lab.save(name, sample.compression, &place)?;
    let mut expected = sample.flat.tree.clone();
    for path in gone {
        expected.remove(*path);
    }
    expect("the merged tree", &new.flat.tree, &expected)?;
    expect(
        "the config",
        &new.flat.config["config"],
        &sample.flat.config["config"],
    )?;
    // umoci unpacks layer by layer, as runtimes do.
    let bundle = lab.fresh(sample, "rewritten-bundle")?;
    let mut list = lab.peers.tool("umoci");
    let tags = peers::text(list.args(["ls", "--layout"]).arg(&new.layout))?;
    let tag = tags
        .lines()
        .next()
        .ok_or("umoci sees no tag in the layout")?;
    let mut unpack = lab.peers.tool("umoci");
    unpack.arg("unpack").arg("--image");
    unpack
        .arg(format!("{}:{tag}", new.layout.display()))
        .arg(&bundle);
    peers::output(&mut unpack)?;
    if gone.is_empty() {
        check_tree(&bundle.join("rootfs"))?;
    }
    let podman = || lab.peers.containers(lab.peers.work(), "podman");
    peers::output(podman().args(["rmi", "--all", "--force"]))?;
    peers::output(podman().args(["load", "--input"]).arg(&new.oci))?;
    let mut run = podman();
    run.args([
        "run",
        "--rm",
        "--network",
        "none",
        "--cgroups",
        "disabled",
        "--log-driver",
        "none",
    ]);
    let printed = peers::text(run.args(peers::ulimits()).arg(name))?;
    expect("what the container prints", &printed.as_str(), &PRINTED)
}
