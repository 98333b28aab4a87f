//! What kiln signs, others verify, and the other way round.

use std::process::Command;

use super::{Check, Lab};
use crate::peers::{output, text};

pub(super) const CHECKS: &[Check] = &[
    ("registry-trust-out", outward),
    ("registry-trust-in", inward),
    ("registry-trust-skopeo", skopeo),
];

const COSIGN: [&str; 2] = ["--allow-insecure-registry", "--allow-http-registry"];

/// kiln with the lab's credentials and keys.
fn kiln(lab: &Lab) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command
        .current_dir(&lab.folder)
        .env("KILN_HOME", lab.folder.join("kiln-home"))
        .env("DOCKER_CONFIG", lab.folder.join("docker"))
        .env("REGISTRY_AUTH_FILE", lab.folder.join("auth.json"))
        .env("COSIGN_PASSWORD", "x");
    command
}

/// Keys of both tools; what each made, the other reads.
fn keys(lab: &Lab) -> Result<(), String> {
    if !lab.folder.join("cosign.key").exists() {
        output(lab.tool("cosign").arg("generate-key-pair"))?;
    }
    if !lab.folder.join("kiln.key").exists() {
        output(kiln(lab).args(["key", "generate"]))?;
    }
    if !lab.folder.join("signing.json").exists() {
        output(
            lab.tool("cosign")
                .args(["signing-config", "create", "--out", "signing.json"]),
        )?;
    }
    let ours =
        std::fs::read_to_string(lab.folder.join("kiln.pub")).map_err(|error| error.to_string())?;
    let theirs = text(lab.tool("cosign").args(["public-key", "--key", "kiln.key"]))?;
    match theirs.trim() == ours.trim() {
        true => Ok(()),
        false => Err(format!("cosign reads another key in kiln.key: {theirs}")),
    }
}

fn cosign_verify(lab: &Lab, key: &str, more: &[&str], subject: &str) -> Result<(), String> {
    let mut verify = lab.tool("cosign");
    verify
        .args(["verify", "--key", key, "--insecure-ignore-tlog"])
        .args(COSIGN)
        .args(more);
    output(verify.arg(subject)).map(drop)
}

/// Signed by kiln with both tools' keys, verified by cosign in both forms; wrong claims and keys fail.
fn outward(lab: &Lab) -> Result<(), String> {
    keys(lab)?;
    let digest = lab.image("trust-out:1")?;
    let subject = lab.name(&format!("trust-out@{digest}"));
    let old = "--new-bundle-format=false";
    for key in ["kiln", "cosign"] {
        let private = format!("{key}.key");
        output(kiln(lab).args(["sign", &subject, "--key", &private, "-a", "team=bank"]))?;
    }
    for key in ["kiln.pub", "cosign.pub"] {
        cosign_verify(lab, key, &["-a", "team=bank"], &subject)?;
        cosign_verify(lab, key, &[old, "-a", "team=bank"], &subject)?;
        for form in [&[][..], &[old]] {
            if cosign_verify(lab, key, &[form, &["-a", "team=other"]].concat(), &subject).is_ok() {
                return Err("cosign verifies a claim that was not made".to_owned());
            }
        }
    }
    std::fs::write(lab.folder.join("scan.json"), "{\"result\":{}}")
        .map_err(|error| error.to_string())?;
    let types = [
        ("scan", "vuln"),
        ("provenance", "slsaprovenance1"),
        ("spdx", "spdxjson"),
        ("vex", "openvex"),
    ];
    for (ours, theirs) in types {
        let args = [
            "attest",
            &subject,
            "--key",
            "kiln.key",
            "--predicate",
            "scan.json",
            "--type",
            ours,
        ];
        output(kiln(lab).args(args))?;
        let mut verify = lab.tool("cosign");
        verify.args([
            "verify-attestation",
            "--key",
            "kiln.pub",
            "--insecure-ignore-tlog",
            "--type",
            theirs,
        ]);
        output(verify.args(COSIGN).arg(&subject))?;
    }
    Ok(())
}

/// Signed by cosign in both forms, verified by kiln.
fn inward(lab: &Lab) -> Result<(), String> {
    keys(lab)?;
    let bundle = ["--signing-config", "signing.json"];
    let tag = [
        "--use-signing-config=false",
        "--new-bundle-format=false",
        "--tlog-upload=false",
    ];
    for (name, form) in [("trust-in-bundle", &bundle[..]), ("trust-in-tag", &tag[..])] {
        let digest = lab.image(&format!("{name}:1"))?;
        let subject = lab.name(&format!("{name}@{digest}"));
        for key in ["cosign.key", "kiln.key"] {
            let mut sign = lab.tool("cosign");
            sign.args(["sign", "--yes", "--key", key, "-a", "team=bank"])
                .args(COSIGN)
                .args(form);
            output(sign.arg(&subject))?;
        }
        for key in ["cosign.pub", "kiln.pub"] {
            let args = [
                "verify",
                &lab.name(&format!("{name}:1")),
                "--key",
                key,
                "-a",
                "team=bank",
            ];
            output(kiln(lab).args(args))?;
        }
    }
    let digest = lab.image("trust-in-attest:1")?;
    let subject = lab.name(&format!("trust-in-attest@{digest}"));
    std::fs::write(lab.folder.join("vex.json"), "{}").map_err(|error| error.to_string())?;
    let mut attest = lab.tool("cosign");
    attest.args([
        "attest",
        "--yes",
        "--key",
        "cosign.key",
        "--type",
        "openvex",
        "--predicate",
        "vex.json",
    ]);
    output(attest.args(COSIGN).args(bundle).arg(&subject))?;
    output(kiln(lab).args(["verify", &subject, "--key", "cosign.pub", "--type", "vex"]))?;
    // cosign takes a statement for a signature; kiln does not.
    match output(kiln(lab).args(["verify", &subject, "--key", "cosign.pub"])) {
        Ok(_) => Err("a statement passed for a signature".to_owned()),
        Err(_) => Ok(()),
    }
}

/// A policy of containers/image takes kiln's signature under its own name.
fn skopeo(lab: &Lab) -> Result<(), String> {
    keys(lab)?;
    lab.image("trust-skopeo:1")?;
    let name = lab.name("trust-skopeo:1");
    output(kiln(lab).args(["sign", &name, "--key", "kiln.key"]))?;
    let policy = serde_json::json!({
        "default": [{"type": "reject"}],
        "transports": {"docker": {lab.registry(): [{"type": "sigstoreSigned", "keyPath": lab.folder.join("kiln.pub")}]}},
    });
    let registries = lab.folder.join("registries.d");
    let write = |path: std::path::PathBuf, text: String| {
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    std::fs::create_dir_all(&registries).map_err(|error| error.to_string())?;
    write(lab.folder.join("policy.json"), policy.to_string())?;
    write(
        registries.join("default.yaml"),
        "default-docker:\n  use-sigstore-attachments: true\n".to_owned(),
    )?;
    let copy = |name: &str, to: &str| {
        let mut copy = lab.tool("skopeo");
        copy.args([
            "--policy",
            "policy.json",
            "--registries.d",
            "registries.d",
            "copy",
            "--src-tls-verify=false",
        ]);
        output(
            copy.arg(format!("docker://{name}"))
                .arg(format!("dir:{to}")),
        )
    };
    copy(&name, "trust-skopeo-good")?;
    lab.image("trust-skopeo-unsigned:1")?;
    match copy(&lab.name("trust-skopeo-unsigned:1"), "trust-skopeo-bad") {
        Ok(_) => Err("skopeo copies an image without a signature".to_owned()),
        Err(_) => Ok(()),
    }
}
