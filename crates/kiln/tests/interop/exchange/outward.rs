//! Other tools read what kiln wrote: skopeo, umoci, podman, docker, buildah.

use std::path::Path;

use super::{Check, Lab, NAME, PRINTED, Sample, check_tree, config_digest, expect, json};
use crate::flatten::read_archive;
use crate::peers;

pub(super) const CHECKS: &[(&str, Check)] = &[
    ("skopeo-inspect-layout", skopeo_inspect_layout),
    ("skopeo-inspect-archive", skopeo_inspect_archive),
    ("skopeo-inspect-docker", skopeo_inspect_docker),
    ("skopeo-copy-keeps-digests", skopeo_copy),
    ("umoci-unpack", umoci_unpack),
    ("podman-load-oci", podman_load_oci),
    ("podman-load-docker", podman_load_docker),
    ("docker-load-oci", docker_load_oci),
    ("docker-load-docker", docker_load_docker),
    ("buildah-from", buildah_from),
];

/// `oci:DIR:TAG` wants the tag alone; the layout holds one image, so none is needed.
fn layout(path: &Path) -> String {
    format!("oci:{}", path.display())
}

fn skopeo_inspect(lab: &Lab, sample: &Sample, from: &str, whole: bool) -> Result<(), String> {
    let said = peers::output(lab.peers.tool("skopeo").args(["inspect", from]))?;
    let said = json(&said)?;
    let layers = sample.flat.layers.len();
    let seen = said["Layers"].as_array().map_or(0, Vec::len);
    expect("number of layers", &seen, &layers)?;
    expect("the label", &said["Labels"]["a"], &"b".into())?;
    if whole {
        expect(
            "the digest",
            &said["Digest"],
            &sample.flat.digest.as_str().into(),
        )?;
    }
    let mut config = lab.peers.tool("skopeo");
    let config = peers::output(config.args(["inspect", "--config", "--raw", from]))?;
    expect(
        "the config",
        &json(&config)?["config"],
        &sample.flat.config["config"],
    )
}

fn skopeo_inspect_layout(lab: &Lab, sample: &Sample) -> Result<(), String> {
    skopeo_inspect(lab, sample, &layout(&sample.layout), true)
}

fn skopeo_inspect_archive(lab: &Lab, sample: &Sample) -> Result<(), String> {
    skopeo_inspect(
        lab,
        sample,
        &format!("oci-archive:{}", sample.oci.display()),
        true,
    )
}

fn skopeo_inspect_docker(lab: &Lab, sample: &Sample) -> Result<(), String> {
    // A docker archive has no manifest of its own: skopeo makes one up.
    skopeo_inspect(
        lab,
        sample,
        &format!("docker-archive:{}", sample.docker.display()),
        false,
    )
}

fn skopeo_copy(lab: &Lab, sample: &Sample) -> Result<(), String> {
    let to = lab.fresh(sample, "skopeo.tar")?;
    let mut copy = lab.peers.tool("skopeo");
    copy.args(["copy", "--quiet", "--insecure-policy", "--preserve-digests"]);
    copy.args([
        layout(&sample.layout),
        format!("oci-archive:{}", to.display()),
    ]);
    peers::output(&mut copy)?;
    let copied = read_archive(&to)?;
    expect("the digest", &copied.digest, &sample.flat.digest)?;
    // Docker's schema cannot name zstd layers.
    if sample.compression != "zstd" {
        let to = lab.fresh(sample, "skopeo-docker.tar")?;
        let mut copy = lab.peers.tool("skopeo");
        copy.args(["copy", "--quiet", "--insecure-policy"]);
        copy.arg(format!("oci-archive:{}", sample.oci.display()));
        peers::output(copy.arg(format!("docker-archive:{}:x:1", to.display())))?;
    }
    Ok(())
}

fn umoci_unpack(lab: &Lab, sample: &Sample) -> Result<(), String> {
    let bundle = lab.fresh(sample, "bundle")?;
    let mut list = lab.peers.tool("umoci");
    let tags = peers::text(list.args(["ls", "--layout"]).arg(&sample.layout))?;
    let tag = tags
        .lines()
        .next()
        .ok_or("umoci sees no tag in the layout")?;
    let mut unpack = lab.peers.tool("umoci");
    unpack.arg("unpack").arg("--image");
    unpack
        .arg(format!("{}:{tag}", sample.layout.display()))
        .arg(&bundle);
    peers::output(&mut unpack)?;
    check_tree(&bundle.join("rootfs"))
}

/// Loads into podman, and looks at the image, its files, and a container.
fn podman_load(lab: &Lab, sample: &Sample, archive: &Path) -> Result<(), String> {
    let podman = || lab.peers.containers(lab.peers.work(), "podman");
    // What an earlier check loaded would hide what this one cannot.
    peers::output(podman().args(["rmi", "--all", "--force"]))?;
    let said = peers::text(podman().args(["load", "--input"]).arg(archive))?;
    let name = said
        .rsplit_once("Loaded image: ")
        .map(|(_, name)| name.trim());
    expect("the loaded name", &name, &Some(NAME))?;
    let id = peers::text(podman().args(["image", "inspect", "--format", "{{.Id}}", NAME]))?;
    expect(
        "the image's id",
        &format!("sha256:{id}").into(),
        &config_digest(&sample.flat),
    )?;
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
    let printed = peers::text(run.args(peers::ulimits()).arg(NAME))?;
    expect("what the container prints", &printed.as_str(), &PRINTED)
}

fn podman_load_oci(lab: &Lab, sample: &Sample) -> Result<(), String> {
    podman_load(lab, sample, &sample.oci)
}

fn podman_load_docker(lab: &Lab, sample: &Sample) -> Result<(), String> {
    podman_load(lab, sample, &sample.docker)
}

/// Loads into Docker, and looks at the image and a container.
fn docker_load(lab: &Lab, sample: &Sample, archive: &Path) -> Result<(), String> {
    let docker = || lab.peers.docker();
    // It may not be there.
    let _ = peers::output(docker().args(["rmi", "--force", NAME]));
    let said = peers::text(docker().args(["load", "--input"]).arg(archive))?;
    expect("that docker names it", &said.contains(NAME), &true)?;
    let facts = peers::output(docker().args(["image", "inspect", NAME]))?;
    let facts = &json(&facts)?[0];
    expect(
        "the health check",
        &facts["Config"]["Healthcheck"],
        &sample.flat.config["config"]["Healthcheck"],
    )?;
    expect("the user", &facts["Config"]["User"], &"daemon".into())?;
    expect(
        "the diff ids",
        &facts["RootFS"]["Layers"],
        &sample.flat.config["rootfs"]["diff_ids"],
    )?;
    let mut run = docker();
    let printed = peers::text(run.args(["run", "--rm", "--network", "none", NAME]))?;
    expect("what the container prints", &printed.as_str(), &PRINTED)
}

fn docker_load_oci(lab: &Lab, sample: &Sample) -> Result<(), String> {
    docker_load(lab, sample, &sample.oci)
}

fn docker_load_docker(lab: &Lab, sample: &Sample) -> Result<(), String> {
    docker_load(lab, sample, &sample.docker)
}

/// buildah takes the archive as a base and shows its files.
fn buildah_from(lab: &Lab, sample: &Sample) -> Result<(), String> {
    let from = format!("oci-archive:{}", sample.oci.display());
    let buildah = || lab.peers.containers(lab.peers.work(), "buildah");
    let mut create = buildah();
    create
        .args(["from", "--quiet", "--pull-never"])
        .args(peers::ulimits());
    let container = peers::text(create.arg(&from))?;
    let mut run = buildah();
    run.args([
        "run",
        "--isolation",
        "chroot",
        &container,
        "--",
        "cat",
        "opaque/new",
    ]);
    let printed = peers::text(&mut run);
    peers::output(buildah().args(["rm", &container]))?;
    expect("what the container prints", &printed?.as_str(), &PRINTED)
}
