//! kiln reads what other tools wrote: docker, podman, skopeo, in every form and compression.

use std::path::Path;

use super::{Check, Lab, NAME, PRINTED, SAMPLE, Sample, config_digest, expect, json};
use crate::builders::kiln;
use crate::flatten::read_archive;
use crate::peers;

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("kiln-loads-docker-save", docker_save),
    ("kiln-loads-podman-save", podman_save),
    ("kiln-loads-skopeo-copy", skopeo_copy),
    ("kiln-builds-on-layout", build_on_layout),
];

/// Lets kiln load `archive` as `name` and run it: its layers are whole. Gives what it knows of it.
fn load(lab: &Lab, archive: &Path, name: &str) -> Result<serde_json::Value, String> {
    let kiln = || kiln(lab.peers, &lab.folder);
    peers::output(kiln().args(["load", "--input"]).arg(archive))?;
    let facts = json(&peers::output(kiln().args(["inspect", name]))?)?;
    let printed = peers::text(kiln().args(["run", "--rm", "--network", "none", name]))?;
    expect("what the container prints", &printed.as_str(), &PRINTED)?;
    Ok(facts)
}

/// Whatever happened to manifests on the way: the config, and so the layers' content, is the same.
fn same_image(facts: &serde_json::Value, sample: &Sample) -> Result<(), String> {
    expect(
        "the config's digest",
        &facts["manifest"]["config"]["digest"],
        &config_digest(&sample.flat),
    )?;
    expect("the config", &facts["config"], &sample.flat.config)
}

fn docker_save(lab: &Lab, sample: &Sample) -> Result<(), String> {
    let archive = lab.fresh(sample, "from-docker.tar")?;
    let _ = peers::output(lab.peers.docker().args(["rmi", "--force", NAME]));
    peers::output(
        lab.peers
            .docker()
            .args(["load", "--input"])
            .arg(&sample.oci),
    )?;
    let mut save = lab.peers.docker();
    peers::output(save.args(["save", NAME, "--output"]).arg(&archive))?;
    let facts = load(lab, &archive, NAME)?;
    // Its store keeps manifests, and so must we.
    expect(
        "the digest",
        &facts["digest"],
        &sample.flat.digest.as_str().into(),
    )?;
    same_image(&facts, sample)
}

fn podman_save(lab: &Lab, sample: &Sample) -> Result<(), String> {
    let podman = || lab.peers.containers(lab.peers.work(), "podman");
    peers::output(podman().args(["rmi", "--all", "--force"]))?;
    peers::output(podman().args(["load", "--input"]).arg(&sample.oci))?;
    for format in ["docker-archive", "oci-archive"] {
        let archive = lab.fresh(sample, &format!("from-podman-{format}.tar"))?;
        let mut save = podman();
        save.args(["save", "--quiet", "--format", format, "--output"])
            .arg(&archive);
        peers::output(save.arg(NAME))?;
        let facts = load(lab, &archive, NAME)?;
        let diff_ids = &sample.flat.config["rootfs"]["diff_ids"];
        expect(
            "the diff ids",
            &facts["config"]["rootfs"]["diff_ids"],
            diff_ids,
        )?;
    }
    Ok(())
}

/// From kiln's layout through skopeo to every kind of archive with every compression.
fn skopeo_copy(lab: &Lab, sample: &Sample) -> Result<(), String> {
    for compression in ["gzip", "zstd"] {
        let archive = lab.fresh(sample, &format!("from-skopeo-{compression}.tar"))?;
        let mut copy = lab.peers.tool("skopeo");
        copy.args(["copy", "--quiet", "--insecure-policy"]);
        copy.args([
            "--dest-compress-format",
            compression,
            "--dest-force-compress-format",
        ]);
        copy.arg(format!("oci:{}", sample.layout.display()));
        peers::output(copy.arg(format!("oci-archive:{}:{NAME}", archive.display())))?;
        let facts = load(lab, &archive, NAME)?;
        let written = read_archive(&archive)?;
        expect(
            "the digest",
            &facts["digest"],
            &written.digest.as_str().into(),
        )?;
        same_image(&facts, sample)?;
    }
    let archive = lab.fresh(sample, "from-skopeo-docker.tar")?;
    let mut copy = lab.peers.tool("skopeo");
    copy.args(["copy", "--quiet", "--insecure-policy"]);
    copy.arg(format!("docker-archive:{}", sample.docker.display()));
    peers::output(copy.arg(format!("docker-archive:{}:{NAME}", archive.display())))?;
    let facts = load(lab, &archive, NAME)?;
    same_image(&facts, sample)
}

/// A layout that skopeo wrote as a base by `oci-layout://`.
fn build_on_layout(lab: &Lab, sample: &Sample) -> Result<(), String> {
    let layout = lab.fresh(sample, "skopeo-layout")?;
    let mut copy = lab.peers.tool("skopeo");
    copy.args(["copy", "--quiet", "--insecure-policy"]);
    copy.arg(format!("oci-archive:{}", sample.oci.display()));
    peers::output(copy.arg(format!("oci:{}:tag", layout.display())))?;
    let dockerfile = lab.folder.join("on-layout");
    let text = "FROM other\nUSER root\nRUN cat /tree/opaque/new > /seen\nCOPY tree/a /again\n";
    std::fs::write(&dockerfile, text).map_err(|error| error.to_string())?;
    let archive = lab.fresh(sample, "on-layout.tar")?;
    let mut build = kiln(lab.peers, &lab.folder);
    build
        .args([
            "build",
            "--progress",
            "plain",
            "--network",
            "none",
            "--file",
        ])
        .arg(&dockerfile);
    build
        .arg("--build-context")
        .arg(format!("other=oci-layout://{}:tag", layout.display()));
    build
        .arg("--output")
        .arg(format!("type=oci,dest={}", archive.display()));
    peers::output(build.arg(SAMPLE.name))?;
    let built = read_archive(&archive)?;
    let below = sample.flat.layers.iter().zip(&built.layers);
    expect(
        "that its layers are kept",
        &below.clone().all(|(a, b)| a.diff_id == b.diff_id),
        &true,
    )?;
    expect(
        "that the step saw the base",
        &built.tree.contains_key("/seen"),
        &true,
    )
}
