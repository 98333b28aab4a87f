//! Mirrors, `hosts.toml`, folders of certificates.

use std::fs;
use std::path::PathBuf;

use kiln_oci::{Descriptor, media_type};
use kiln_remote::{
    Hosts, HostsError, Mirror, Name, RemoteError, RemoteOptions, Repository, UploadOptions,
};
use kiln_testkit::{Auth, Fault, ImageBuilder, MemoryRegistry, RegistryOptions, Rule, TempDir};

use super::{options, repository_with};

fn with_image(options: RegistryOptions) -> MemoryRegistry {
    let registry = MemoryRegistry::with(options);
    registry.put_image("a", Some("1"), &ImageBuilder::new().build());
    registry
}

fn mirrored(registry: &MemoryRegistry, mirrors: Vec<Mirror>) -> Repository {
    let hosts = Hosts {
        mirrors,
        ..Hosts::default()
    };
    repository_with(registry, "a", RemoteOptions { hosts, ..options() })
}

fn mirror(url: String, resolve: bool) -> Mirror {
    Mirror {
        registry: None,
        url,
        resolve,
    }
}

/// A folder that has this `hosts.toml` for the registry.
fn folder(registry: &MemoryRegistry, text: &str) -> (TempDir, Repository) {
    let directory = TempDir::new();
    let own = directory.join(registry.host().replace(':', "_") + "_");
    fs::create_dir(&own).expect("a folder");
    fs::write(own.join("hosts.toml"), text).expect("a file");
    let repository = in_folder(registry, directory.path().to_owned());
    (directory, repository)
}

fn in_folder(registry: &MemoryRegistry, folder: PathBuf) -> Repository {
    let hosts = Hosts {
        folders: vec![folder],
        ..Hosts::default()
    };
    repository_with(registry, "a", RemoteOptions { hosts, ..options() })
}

#[test]
fn a_mirror_is_asked_first_and_told_for_whom() {
    let (registry, other) = (
        with_image(RegistryOptions::default()),
        with_image(RegistryOptions::default()),
    );
    let repository = mirrored(
        &registry,
        vec![mirror(format!("http://{}", other.host()), true)],
    );
    repository.manifest(Name::Tag("1")).unwrap();
    assert!(registry.requests().is_empty());
    let seen = other.requests();
    assert_eq!(
        seen[0].target,
        format!("/v2/a/manifests/1?ns={}", registry.host())
    );
}

#[test]
fn a_mirror_that_is_not_believed_about_tags_gives_blobs_only() {
    let (registry, other) = (
        with_image(RegistryOptions::default()),
        with_image(RegistryOptions::default()),
    );
    other.put_blob("a", b"content");
    let repository = mirrored(
        &registry,
        vec![mirror(format!("http://{}", other.host()), false)],
    );
    repository.manifest(Name::Tag("1")).unwrap();
    assert!(other.requests().is_empty());
    let mut bytes = Vec::new();
    repository
        .download(&Descriptor::of("x", b"content"), &mut bytes, &|_| {})
        .unwrap();
    assert_eq!(bytes, b"content");
    assert!(registry.lines("/blobs/").is_empty());
}

#[test]
fn what_a_mirror_does_not_have_comes_from_the_registry() {
    let (registry, empty) = (
        with_image(RegistryOptions::default()),
        MemoryRegistry::start(),
    );
    let broken = with_image(RegistryOptions::default());
    broken.inject(Rule::once("GET", "/manifests/", Fault::status(500)).always());
    let wants_login = with_image(RegistryOptions {
        auth: Auth::basic(),
        ..RegistryOptions::default()
    });
    let lying = with_image(RegistryOptions::default());
    lying.inject(Rule::once("GET", "/manifests/", Fault::WrongByte).always());
    let all = [&empty, &broken, &wants_login, &lying];
    let mut mirrors: Vec<_> = all
        .iter()
        .map(|other| mirror(format!("http://{}", other.host()), true))
        .collect();
    mirrors.push(mirror("http://127.0.0.1:1".to_owned(), true));
    let repository = mirrored(&registry, mirrors);
    repository.manifest(Name::Tag("1")).unwrap();
    repository.manifest(Name::Tag("1")).unwrap();
    assert!(all.iter().all(|other| !other.requests().is_empty()));
    let asked = broken.lines("/manifests/").len();
    assert_eq!(asked, 2, "tried twice, then left alone");
}

#[test]
fn a_mirror_with_wrong_content_is_not_asked_again_at_once() {
    let (registry, lying) = (MemoryRegistry::start(), MemoryRegistry::start());
    registry.put_blob("a", b"content");
    lying.put_blob("a", b"content");
    lying.inject(Rule::once("GET", "/blobs/", Fault::WrongByte).always());
    let repository = mirrored(
        &registry,
        vec![mirror(format!("http://{}", lying.host()), true)],
    );
    let descriptor = Descriptor::of("x", b"content");
    let get = || repository.download(&descriptor, &mut std::io::sink(), &|_| {});
    assert!(matches!(get(), Err(RemoteError::DigestMismatch { .. })));
    get().unwrap();
}

#[test]
fn nothing_is_pushed_to_a_mirror() {
    let (registry, other) = (MemoryRegistry::start(), MemoryRegistry::start());
    let repository = mirrored(
        &registry,
        vec![mirror(format!("http://{}", other.host()), true)],
    );
    let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, b"new");
    repository
        .upload(
            &descriptor,
            &&b"new"[..],
            &UploadOptions::default(),
            &|_| {},
        )
        .unwrap();
    assert!(other.requests().is_empty());
    assert!(registry.blob("a", &descriptor.digest).is_some());
}

#[test]
fn a_file_names_hosts_in_their_order() {
    let registry = with_image(RegistryOptions::default());
    let (first, second) = (
        MemoryRegistry::start(),
        with_image(RegistryOptions::default()),
    );
    // In alphabetical order they would be the other way round.
    let text = format!(
        r#"
        [host."http://{}/sub"]
        skip_verify = true
        [host."http://{}/v2/other/path"]
        override_path = true
        capabilities = ["pull", "resolve"]
        [host."http://{}/v2/other/path".header]
        x-key = ["one", "two"]
        "#,
        first.host(),
        second.host().replace("127.0.0.1", "localhost"),
        second.host().replace("127.0.0.1", "localhost"),
    );
    let (_directory, repository) = folder(&registry, &text);
    repository.manifest(Name::Tag("1")).unwrap();
    assert!(
        first.requests()[0]
            .target
            .starts_with("/sub/v2/a/manifests/1?ns="),
        "{:?}",
        first.requests()
    );
    let seen = second.requests();
    assert!(
        seen[0]
            .target
            .starts_with("/v2/other/path/a/manifests/1?ns="),
        "{seen:?}"
    );
    assert_eq!(seen[0].header("x-key"), Some("one"));
    assert!(!registry.requests().is_empty());
}

#[test]
fn a_file_says_where_the_registry_itself_is() {
    let (name, real) = (
        MemoryRegistry::start(),
        with_image(RegistryOptions::default()),
    );
    let (_directory, repository) = folder(&name, &format!("server = \"http://{}\"", real.host()));
    repository.manifest(Name::Tag("1")).unwrap();
    assert!(name.requests().is_empty());
    assert!(!real.requests()[0].target.contains("ns="));
}

#[test]
fn files_that_are_wrong_are_named() {
    let registry = with_image(RegistryOptions::default());
    type Check = fn(&HostsError) -> bool;
    let cases: [(&str, Check); 6] = [
        ("server = ", |error| {
            matches!(error, HostsError::Parse { .. })
        }),
        ("[host.\"ftp://x\"]", |error| {
            matches!(error, HostsError::Address { .. })
        }),
        ("[host.\"http://x/?y\"]", |error| {
            matches!(error, HostsError::Address { .. })
        }),
        ("[host.\"x\"]\ncapabilities = [\"fly\"]", |error| {
            matches!(error, HostsError::Capability { .. })
        }),
        ("[host.\"x\"]\nca = \"none.pem\"", |error| {
            matches!(error, HostsError::Read { .. })
        }),
        (
            "[host.\"x\"]\nclient = [[\"none.cert\", \"none.key\"]]",
            |error| matches!(error, HostsError::Read { .. }),
        ),
    ];
    for (text, check) in cases {
        let (_directory, repository) = folder(&registry, text);
        match repository.manifest(Name::Tag("1")) {
            Err(RemoteError::Hosts(error)) if check(&error) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    let bad = mirrored(&registry, vec![mirror("no address".to_owned(), true)]);
    assert!(matches!(
        bad.manifest(Name::Tag("1")),
        Err(RemoteError::Hosts(_))
    ));
}

#[test]
fn a_folder_of_certificates_is_read() {
    let registry = with_image(RegistryOptions::default());
    let directory = TempDir::new();
    let own = directory.join(registry.host());
    fs::create_dir(&own).unwrap();
    // Nothing in it: nothing is said about the registry.
    in_folder(&registry, directory.path().to_owned())
        .manifest(Name::Tag("1"))
        .unwrap();
    fs::write(own.join("ca.crt"), "no certificate").unwrap();
    let error = in_folder(&registry, directory.path().to_owned())
        .manifest(Name::Tag("1"))
        .unwrap_err();
    assert!(matches!(error, RemoteError::Client { .. }), "{error:?}");
    fs::remove_file(own.join("ca.crt")).unwrap();
    fs::write(own.join("client.cert"), "no certificate").unwrap();
    let error = in_folder(&registry, directory.path().to_owned())
        .manifest(Name::Tag("1"))
        .unwrap_err();
    assert!(
        matches!(error, RemoteError::Hosts(_)),
        "its key is missing: {error:?}"
    );
}

#[test]
fn a_file_for_all_registries_is_the_last_resort() {
    let (registry, other) = (
        with_image(RegistryOptions::default()),
        with_image(RegistryOptions::default()),
    );
    let directory = TempDir::new();
    fs::create_dir(directory.join("_default")).unwrap();
    fs::write(
        directory.join("_default/hosts.toml"),
        format!("[host.\"http://{}\"]", other.host()),
    )
    .unwrap();
    in_folder(&registry, directory.path().to_owned())
        .manifest(Name::Tag("1"))
        .unwrap();
    assert!(registry.requests().is_empty() && !other.requests().is_empty());
    // A mirror is not its own mirror.
    in_folder(&other, directory.path().to_owned())
        .manifest(Name::Tag("1"))
        .unwrap();
    assert!(
        other
            .requests()
            .iter()
            .any(|seen| !seen.target.contains("ns="))
    );
}

#[test]
fn other_hosts_than_this_machine_are_not_asked_in_the_clear() {
    let remote = kiln_remote::Remote::new(RemoteOptions {
        client: kiln_fetch::ClientOptions {
            // A proxy that nobody is behind: no name leaves this machine.
            proxies: kiln_fetch::Proxies {
                http: Some("http://127.0.0.1:1".to_owned()),
                https: Some("http://127.0.0.1:1".to_owned()),
                no_proxy: None,
            },
            retries: kiln_fetch::Retries {
                max: 0,
                ..kiln_fetch::Retries::default()
            },
            ..kiln_fetch::ClientOptions::default()
        },
        hosts: Hosts {
            plain_http: vec!["plain.example".to_owned()],
            ..Hosts::default()
        },
        ..RemoteOptions::default()
    })
    .unwrap();
    for (host, scheme) in [
        ("secure.example", "https"),
        ("plain.example", "http"),
        ("plain.example:5000", "http"),
    ] {
        let reference = format!("{host}/a:1").parse().unwrap();
        let error = remote
            .repository(&reference)
            .resolve(&reference)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("{scheme}://{host}/")),
            "{error}"
        );
    }
}
