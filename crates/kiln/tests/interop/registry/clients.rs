//! The checks, one for each client.

use serde_json::Value;

use super::{Check, Lab};
use crate::peers::{output, text};

pub(super) const CHECKS: &[Check] = &[
    ("registry-crane", crane),
    ("registry-skopeo", skopeo),
    ("registry-oras", oras),
    ("registry-podman", podman),
    ("registry-docker", docker),
    ("registry-containerd", containerd),
    ("registry-cosign", cosign),
    ("registry-cosign-bundle", cosign_bundle),
];

fn expect(what: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what} is {found:?}, not {wanted:?}"))
}

/// What a tool's `login` subcommand takes beside the registry; nothing if there is nothing to log in to.
fn login(lab: &Lab) -> Option<[String; 4]> {
    let (name, password) = lab.served.login()?;
    Some(["--username", name, "--password", password].map(str::to_owned))
}

/// Without credentials nothing can be read, if there are accounts.
fn crane(lab: &Lab) -> Result<(), String> {
    if let Some(login) = login(lab) {
        let before = output(lab.crane().args(["ls", &lab.name("crane")]));
        if before.is_ok() {
            return Err("it can be listed before the login".to_owned());
        }
        let mut command = lab.crane();
        output(command.args(["auth", "login", lab.registry()]).args(login))?;
    }
    let digest = lab.image("crane:1")?;
    output(
        lab.crane()
            .args(["copy", &lab.name("crane:1"), &lab.name("copied:2")]),
    )?;
    let copied = text(lab.crane().args(["digest", &lab.name("copied:2")]))?;
    expect("the copy's digest", &copied, &digest)?;
    output(
        lab.crane()
            .args(["validate", "--remote", &lab.name("copied:2")]),
    )?;
    let tags = text(lab.crane().args(["ls", &lab.name("copied")]))?;
    expect("the list of tags", &tags, "2")?;
    let catalog = text(lab.crane().args(["catalog", lab.registry()]))?;
    for repository in ["team/copied", "team/crane"] {
        if !catalog.lines().any(|line| line == repository) {
            return Err(format!("{repository} is not in the catalog:\n{catalog}"));
        }
    }
    output(lab.crane().args(["delete", &lab.name("copied:2")]))?;
    let tags = text(lab.crane().args(["ls", &lab.name("copied")]))?;
    expect("the list of tags", &tags, "")
}

fn skopeo(lab: &Lab) -> Result<(), String> {
    let digest = lab.image("for-skopeo:1")?;
    if let Some(login) = login(lab) {
        let mut command = lab.tool("skopeo");
        command.args(["login", "--tls-verify=false"]).args(login);
        output(command.arg(lab.registry()))?;
    }
    let from = format!("docker://{}", lab.name("for-skopeo:1"));
    let to = format!("docker://{}", lab.name("skopeo:1"));
    let mut pull = lab.tool("skopeo");
    output(pull.args([
        "copy",
        "--src-tls-verify=false",
        &from,
        "oci:skopeo-layout:1",
    ]))?;
    let mut push = lab.tool("skopeo");
    output(push.args([
        "copy",
        "--dest-tls-verify=false",
        "oci:skopeo-layout:1",
        &to,
    ]))?;
    let mut inspect = lab.tool("skopeo");
    let said = output(inspect.args(["inspect", "--tls-verify=false", &to]))?;
    let said: Value = serde_json::from_slice(&said).map_err(|error| error.to_string())?;
    expect("the digest", said["Digest"].as_str().unwrap_or(""), &digest)?;
    // A manifest of another kind, with zstd layers.
    let mut convert = lab.tool("skopeo");
    convert.args(["copy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    convert.args(["--format", "v2s2", "--dest-compress-format", "gzip"]);
    output(
        convert
            .arg(&to)
            .arg(format!("docker://{}", lab.name("skopeo:docker"))),
    )?;
    let mut delete = lab.tool("skopeo");
    output(delete.args(["delete", "--tls-verify=false", &to]))?;
    let mut list = lab.tool("skopeo");
    let repository = format!("docker://{}", lab.name("skopeo"));
    let tags = text(list.args(["list-tags", "--tls-verify=false", &repository]))?;
    if tags.contains("\"1\"") || !tags.contains("\"docker\"") {
        return Err(format!("after the deletion: {tags}"));
    }
    Ok(())
}

fn oras(lab: &Lab) -> Result<(), String> {
    let oras = |arguments: &[&str]| {
        let mut command = lab.tool("oras");
        text(command.args(arguments))
    };
    if let Some(login) = login(lab) {
        let mut command = lab.tool("oras");
        command.args(["login", "--plain-http"]).args(login);
        output(command.arg(lab.registry()))?;
    }
    let kind = "application/vnd.example.note";
    let (artifact, image) = (lab.name("oras:1"), lab.name("oras-image:1"));
    oras(&[
        "push",
        "--plain-http",
        "--artifact-type",
        kind,
        &artifact,
        "note.txt",
    ])?;
    oras(&["pull", "--plain-http", "--output", "oras-pulled", &artifact])?;
    let pulled = std::fs::read_to_string(lab.folder.join("oras-pulled/note.txt"));
    expect("what was pulled", &pulled.unwrap_or_default(), "a note\n")?;
    lab.image("oras-image:1")?;
    oras(&[
        "attach",
        "--plain-http",
        "--artifact-type",
        kind,
        &image,
        "note.txt",
    ])?;
    let copy = lab.name("oras-copy:1");
    let plain = ["--from-plain-http", "--to-plain-http", "--recursive"];
    oras(&[&["copy"], &plain[..], &[&image, &copy]].concat())?;
    for name in [&image, &copy] {
        let found = oras(&["discover", "--plain-http", "--artifact-type", kind, name])?;
        if !found.contains(kind) {
            return Err(format!("{name} has no referrer: {found}"));
        }
    }
    oras(&["manifest", "delete", "--plain-http", "--force", &artifact]).map(drop)
}

fn podman(lab: &Lab) -> Result<(), String> {
    lab.image("for-podman:1")?;
    if let Some(login) = login(lab) {
        let mut command = lab.podman();
        command.args(["login", "--tls-verify=false"]).args(login);
        output(command.arg(lab.registry()))?;
    }
    let (from, to) = (lab.name("for-podman:1"), lab.name("podman:1"));
    output(lab.podman().args(["pull", "--tls-verify=false", &from]))?;
    output(
        lab.podman()
            .args(["push", "--tls-verify=false", &from, &to]),
    )?;
    output(lab.podman().args(["rmi", "--force", &from]))?;
    output(lab.podman().args(["pull", "--tls-verify=false", &to]))?;
    output(lab.crane().args(["validate", "--remote", &to])).map(drop)
}

fn docker(lab: &Lab) -> Result<(), String> {
    lab.image("for-docker:1")?;
    let docker = |arguments: &[&str]| output(lab.tool("docker").args(arguments)).map(drop);
    if let Some(login) = login(lab) {
        let mut command = lab.tool("docker");
        output(command.arg("login").args(login).arg(lab.registry()))?;
    }
    let (from, to) = (lab.name("for-docker:1"), lab.name("docker:1"));
    docker(&["pull", &from])?;
    docker(&["tag", &from, &to])?;
    docker(&["push", &to])?;
    docker(&["rmi", "--force", &from, &to])?;
    docker(&["pull", &to])?;
    output(lab.crane().args(["validate", "--remote", &to])).map(drop)
}

/// The containerd that docker's daemon started.
fn containerd(lab: &Lab) -> Result<(), String> {
    lab.image("for-containerd:1")?;
    let socket = lab
        .peers
        .work()
        .join("docker-exec/containerd/containerd.sock");
    let ctr = |arguments: &[&str]| {
        let mut command = lab.tool("ctr");
        command.arg("--address").arg(&socket);
        command.args(["--namespace", "interop", "images"]);
        command.args(arguments).arg("--plain-http");
        command
    };
    let user = lab
        .served
        .login()
        .map(|(name, password)| format!("{name}:{password}"));
    let credentials: Vec<&str> = user.iter().flat_map(|user| ["--user", user]).collect();
    let (from, to) = (lab.name("for-containerd:1"), lab.name("containerd:1"));
    output(ctr(&["pull", "--local"]).args(&credentials).arg(&from))?;
    output(
        ctr(&["push", "--local"])
            .args(&credentials)
            .args([&to, &from]),
    )?;
    output(lab.crane().args(["validate", "--remote", &to])).map(drop)
}

/// Whether registries without TLS are fine, and no transparency log is asked.
const COSIGN: [&str; 2] = ["--allow-insecure-registry", "--allow-http-registry"];

fn cosign_keys(lab: &Lab) -> Result<(), String> {
    if lab.folder.join("cosign.key").exists() {
        return Ok(());
    }
    output(lab.tool("cosign").arg("generate-key-pair")).map(drop)
}

/// Signatures as tags, which everything understands, and a copy of an image with them.
fn cosign(lab: &Lab) -> Result<(), String> {
    cosign_keys(lab)?;
    let digest = lab.image("cosign:1")?;
    let subject = lab.name(&format!("cosign@{digest}"));
    let mut sign = lab.tool("cosign");
    sign.args(["sign", "--yes", "--key", "cosign.key"])
        .args(COSIGN);
    sign.args(["--use-signing-config=false", "--new-bundle-format=false"]);
    output(sign.args(["--tlog-upload=false", &subject]))?;
    let copy = lab.name("cosign-copy:1");
    let mut command = lab.tool("cosign");
    output(
        command
            .arg("copy")
            .args(COSIGN)
            .args([&lab.name("cosign:1"), &copy]),
    )?;
    for name in [subject, lab.name(&format!("cosign-copy@{digest}"))] {
        let mut verify = lab.tool("cosign");
        verify.args(["verify", "--key", "cosign.pub", "--insecure-ignore-tlog"]);
        output(
            verify
                .arg("--new-bundle-format=false")
                .args(COSIGN)
                .arg(name),
        )?;
    }
    Ok(())
}

/// Signatures as referrers.
fn cosign_bundle(lab: &Lab) -> Result<(), String> {
    cosign_keys(lab)?;
    let digest = lab.image("bundle:1")?;
    let subject = lab.name(&format!("bundle@{digest}"));
    let mut config = lab.tool("cosign");
    output(config.args(["signing-config", "create", "--out", "signing.json"]))?;
    let mut sign = lab.tool("cosign");
    sign.args(["sign", "--yes", "--key", "cosign.key"])
        .args(COSIGN);
    output(sign.args(["--signing-config", "signing.json", &subject]))?;
    let mut verify = lab.tool("cosign");
    verify.args(["verify", "--key", "cosign.pub", "--insecure-ignore-tlog"]);
    output(verify.args(COSIGN).arg(subject)).map(drop)
}
