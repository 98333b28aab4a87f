//! `kiln attest`.

use kiln_testkit::MemoryRegistry;

use super::key::with_keys;
use super::pull::image;

#[test]
fn a_statement_is_found_by_its_type() {
    let registry = MemoryRegistry::start();
    registry.put_image("app", Some("1"), &image(1));
    let world = with_keys(&["a"]);
    world.write("scan.json", r#"{"result":{"critical":0}}"#);
    let name = format!("{}/app:1", registry.host());
    let attest = |kind: &str, file: &str| {
        let (kind, file) = (format!("--type={kind}"), format!("--predicate={file}"));
        world.kiln([
            "attest",
            &name,
            "--key=a.key",
            "--password-file=pw",
            &kind,
            &file,
        ])
    };
    attest("scan", "scan.json").ok();
    let verify =
        |kind: &str| world.kiln(["verify", &name, "--key=a.pub", &format!("--type={kind}")]);
    verify("vuln").ok();
    verify("spdx").fails(1);
    world.kiln(["verify", &name, "--key=a.pub"]).fails(1);
    assert!(
        attest("nonsense", "scan.json")
            .fails(2)
            .contains("approval")
    );
    assert!(
        attest("https://sigstore.dev/cosign/sign/v1", "scan.json")
            .fails(2)
            .contains("kiln sign")
    );
    assert!(attest("scan", "pw").fails(1).contains("is not JSON"));
    assert!(attest("scan", "none.json").fails(1).contains("cannot read"));
}
