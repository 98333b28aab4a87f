//! `kiln sign`.

use kiln_testkit::{MemoryRegistry, RegistryOptions};

use super::key::with_keys;
use super::pull::{image, put_index};

/// The manifests of a repository that refer to others lie under digests; tags are what one sees.
#[test]
fn under_the_tag_and_as_a_bundle() {
    for referrers in [true, false] {
        let registry = MemoryRegistry::with(RegistryOptions {
            referrers,
            ..RegistryOptions::default()
        });
        let digest = registry.put_image("app", Some("1"), &image(1));
        let world = with_keys(&["a"]);
        let name = format!("{}/app:1", registry.host());
        let said = world
            .kiln([
                "sign",
                &name,
                "--key=a.key",
                "--password-file=pw",
                "-a",
                "team=bank",
            ])
            .ok();
        assert_eq!(said, format!("signed {}/app@{digest}\n", registry.host()));
        let hex = digest.hex();
        let mut expected = vec!["1".to_owned(), format!("sha256-{hex}.sig")];
        if !referrers {
            expected.insert(1, format!("sha256-{hex}"));
        }
        assert_eq!(registry.tags("app"), expected);
        world
            .kiln(["verify", &name, "--key=a.pub", "-a", "team=bank"])
            .ok();
        world
            .kiln(["verify", &name, "--key=a.pub", "-a", "team=other"])
            .fails(1);
    }
}

#[test]
fn an_index_with_all_its_images() {
    let registry = MemoryRegistry::start();
    let index = put_index(&registry, "app", "1");
    let world = with_keys(&["a"]);
    let name = format!("{}/app:1", registry.host());
    let said = world
        .kiln(["sign", "-r", &name, "--key=a.key", "--password-file=pw"])
        .ok();
    assert_eq!(said.lines().count(), 1 + index.manifests.len());
    for child in &index.manifests {
        let name = format!("{}/app@{}", registry.host(), child.digest);
        world.kiln(["verify", &name, "--key=a.pub"]).ok();
    }
}

#[test]
fn what_cannot_be_signed_is_said() {
    let registry = MemoryRegistry::start();
    let world = with_keys(&["a"]);
    let name = format!("{}/none:1", registry.host());
    let sign = |more: &[&str]| {
        let args = ["sign", &name, "--key=a.key", "--password-file=pw"];
        world.kiln(args.iter().chain(more))
    };
    assert!(sign(&[]).fails(1).contains("is not there"));
    sign(&["--expires=soon"]).fails(2);
    sign(&["-a", "nothing"]).fails(2);
    assert!(
        sign(&["--format=notary-jws"])
            .fails(2)
            .contains("--certificate-chain")
    );
}
