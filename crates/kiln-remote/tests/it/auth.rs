//! Who asks, and who may know.

use std::sync::{Arc, Mutex};

use kiln_oci::{Descriptor, media_type};
use kiln_remote::Remote;
use kiln_remote::credentials::Fixed;
use kiln_remote::{Credential, Name, RemoteError, RemoteOptions, UploadOptions, Uploaded, Warning};
use kiln_testkit::{Auth, Fault, ImageBuilder, Layer, MemoryRegistry, RegistryOptions, Rule};

use super::{options, repository, repository_with, with_password};

fn guarded(auth: Auth) -> MemoryRegistry {
    let registry = MemoryRegistry::with(RegistryOptions {
        auth,
        ..RegistryOptions::default()
    });
    let image = ImageBuilder::new()
        .layer(&Layer::new().file("a", "1").tar())
        .build();
    registry.put_image("a", Some("1"), &image);
    registry
}

#[test]
fn basic_sends_the_password_once_it_is_asked_for() {
    let registry = guarded(Auth::basic());
    let repository = repository_with(&registry, "a", with_password(&registry, "secret"));
    repository.manifest(Name::Tag("1")).unwrap();
    repository.manifest(Name::Tag("1")).unwrap();
    let asked: Vec<_> = registry
        .requests()
        .iter()
        .map(|seen| (seen.header("authorization").is_some(), seen.status))
        .collect();
    assert_eq!(
        asked[1..],
        [(false, 401), (true, 200), (true, 200)],
        "the first is the probe for TLS"
    );
}

#[test]
fn bearer_fetches_a_token_and_keeps_it() {
    let registry = guarded(Auth::bearer());
    let repository = repository_with(&registry, "a", with_password(&registry, "secret"));
    for _ in 0..3 {
        repository.manifest(Name::Tag("1")).unwrap();
    }
    assert_eq!(registry.lines("/token"), ["GET /token"]);
    // Writing needs a token of its own.
    let upload = |bytes: &[u8]| {
        let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, bytes);
        repository.upload(&descriptor, &bytes, &UploadOptions::default(), &|_| {})
    };
    assert_eq!(upload(b"1").unwrap(), Uploaded::Sent);
    assert_eq!(upload(b"2").unwrap(), Uploaded::Sent);
    assert_eq!(registry.lines("/token").len(), 2);
}

#[test]
fn a_token_that_is_not_good_any_more_is_replaced() {
    let registry = guarded(Auth::bearer());
    let repository = repository_with(&registry, "a", with_password(&registry, "secret"));
    repository.manifest(Name::Tag("1")).unwrap();
    registry.revoke_tokens();
    repository.manifest(Name::Tag("1")).unwrap();
    assert_eq!(registry.lines("/token").len(), 2);
}

#[test]
fn anonymous_users_pull_and_do_not_push() {
    let registry = guarded(Auth::bearer());
    let repository = repository(&registry, "a");
    repository.manifest(Name::Tag("1")).unwrap();
    let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, b"new");
    let error = repository
        .upload(
            &descriptor,
            &&b"new"[..],
            &UploadOptions::default(),
            &|_| {},
        )
        .unwrap_err();
    assert!(
        matches!(error, RemoteError::Unauthorized { user: None, .. }),
        "{error:?}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains(&format!("kiln login {}", registry.host()))
    );
}

#[test]
fn wrong_passwords_are_called_so() {
    for auth in [Auth::basic(), Auth::bearer()] {
        let registry = guarded(auth);
        let repository = repository_with(&registry, "a", with_password(&registry, "wrong"));
        let error = repository.manifest(Name::Tag("1")).unwrap_err();
        let RemoteError::Unauthorized { user, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(user.as_deref(), Some("kiln"));
        assert!(error.hint().unwrap().contains("wrong or has expired"));
        assert!(
            !format!("{error:?} {error}").contains("wrong\""),
            "the password is not shown"
        );
    }
}

#[test]
fn identity_tokens_are_posted_and_else_sent_as_a_password() {
    for post in [true, false] {
        let Auth::Bearer {
            user,
            password,
            anonymous_pull,
            expires_in,
            realm,
            ..
        } = Auth::bearer()
        else {
            panic!("bearer is Bearer");
        };
        let registry = guarded(Auth::Bearer {
            user,
            password,
            anonymous_pull,
            expires_in,
            realm,
            post,
        });
        let credential = Credential::IdentityToken {
            username: String::new(),
            token: "secret".to_owned(),
        };
        let options = RemoteOptions {
            credentials: Arc::new(Fixed {
                registry: registry.host(),
                credential,
            }),
            ..options()
        };
        repository_with(&registry, "a", options)
            .manifest(Name::Tag("1"))
            .unwrap();
        let expected: &[&str] = if post {
            &["POST /token"]
        } else {
            &["POST /token", "GET /token"]
        };
        assert_eq!(registry.lines("/token"), expected);
    }
}

#[test]
fn passwords_do_not_go_to_strangers() {
    let Auth::Bearer {
        user,
        password,
        anonymous_pull,
        expires_in,
        post,
        ..
    } = Auth::bearer()
    else {
        panic!("bearer is Bearer");
    };
    let realm = Some("https://token.stranger.example/token".to_owned());
    let registry = guarded(Auth::Bearer {
        user,
        password,
        anonymous_pull,
        expires_in,
        realm,
        post,
    });
    let repository = repository_with(&registry, "a", with_password(&registry, "secret"));
    let error = repository.manifest(Name::Tag("1")).unwrap_err();
    assert!(
        matches!(error, RemoteError::ForeignRealm { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("token.stranger.example"),
        "{error}"
    );
}

#[test]
fn a_redirect_gets_neither_credentials_nor_answers_to_its_challenge() {
    let elsewhere = MemoryRegistry::with(RegistryOptions {
        auth: Auth::basic(),
        ..RegistryOptions::default()
    });
    let registry = guarded(Auth::basic());
    let repository = repository_with(&registry, "a", with_password(&registry, "secret"));
    repository.manifest(Name::Tag("1")).unwrap();
    let target = format!("http://{}/v2/a/blobs/x", elsewhere.host());
    registry.inject(
        Rule::once(
            "GET",
            "/blobs/",
            Fault::with_header(307, "Location", &target),
        )
        .always(),
    );
    let error = repository
        .open(&Descriptor::of("x", b"content"))
        .unwrap_err();
    assert!(
        matches!(error, RemoteError::Unauthorized { .. }),
        "{error:?}"
    );
    let seen = elsewhere.requests();
    assert!(
        !seen.is_empty()
            && seen
                .iter()
                .all(|seen| seen.header("authorization").is_none())
    );
}

#[test]
fn a_mount_asks_for_both_repositories() {
    let registry = guarded(Auth::bearer());
    let digest = registry.put_blob("other", b"shared");
    let repository = repository_with(&registry, "a", with_password(&registry, "secret"));
    assert!(repository.mount(&digest, "other").unwrap());
    let asked = registry.requests().iter().any(|seen| {
        seen.target.starts_with("/token")
            && seen.target.contains("scope=repository%3Aa%3Apull%2Cpush")
            && seen.target.contains("scope=repository%3Aother%3Apull")
    });
    assert!(asked, "{:?}", registry.requests());
}

#[test]
fn threads_share_one_token() {
    let registry = guarded(Auth::bearer());
    let repository = repository(&registry, "a");
    repository.manifest(Name::Tag("1")).unwrap();
    registry.revoke_tokens();
    registry.forget_requests();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| repository.manifest(Name::Tag("1")).unwrap());
        }
    });
    assert!(
        registry.lines("/token").len() < 8,
        "{:?}",
        registry.lines("/token")
    );
}

#[test]
fn warnings_are_passed_on_once() {
    let registry = MemoryRegistry::with(RegistryOptions {
        warning: Some("this tag   expires".to_owned()),
        ..RegistryOptions::default()
    });
    let image = ImageBuilder::new().build();
    registry.put_image("a", Some("1"), &image);
    let heard = Arc::new(Mutex::new(vec![]));
    let ears = Arc::clone(&heard);
    let on_warning = move |warning: &Warning| ears.lock().unwrap().push(warning.clone());
    let options = RemoteOptions {
        on_warning: Some(Arc::new(on_warning)),
        ..options()
    };
    let repository = repository_with(&registry, "a", options);
    repository.manifest(Name::Tag("1")).unwrap();
    repository.manifest(Name::Tag("1")).unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].host, registry.host());
    assert_eq!(heard[0].text, "this tag expires");
}

#[test]
fn a_login_is_tried_before_it_is_kept() {
    for auth in [Auth::basic(), Auth::bearer()] {
        let registry = guarded(auth);
        let check = |password: &str| {
            let remote = Remote::new(with_password(&registry, password)).unwrap();
            remote.check(&registry.host())
        };
        check("secret").unwrap();
        let error = check("wrong").unwrap_err();
        assert!(
            matches!(error, RemoteError::Unauthorized { .. }),
            "{error:?}"
        );
        let error = Remote::new(options())
            .unwrap()
            .check("localhost:1")
            .unwrap_err();
        assert!(matches!(error, RemoteError::Fetch(_)), "{error:?}");
    }
}

#[test]
fn connections_are_used_again() {
    for auth in [Auth::None, Auth::basic(), Auth::bearer()] {
        let registry = guarded(auth);
        let repository = repository_with(&registry, "a", with_password(&registry, "secret"));
        let (_, manifest) = repository.manifest(Name::Tag("1")).unwrap();
        for number in 0..3_u8 {
            let bytes = vec![number; 1000];
            let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, &bytes);
            let options = UploadOptions::default();
            repository
                .upload(&descriptor, &bytes, &options, &|_| {})
                .unwrap();
            repository
                .download(&descriptor, &mut std::io::sink(), &|_| {})
                .unwrap();
            repository
                .put_manifest(Name::Tag("2"), media_type::OCI_MANIFEST, &manifest)
                .unwrap();
            repository.resolve(Name::Tag("2")).unwrap();
            repository.tags(None).count();
        }
        // A machine that is busy for seconds may let one grow too old.
        let (connections, requests) = (registry.connections(), registry.requests().len());
        assert!(connections < 4, "{connections} for {requests} requests");
    }
}
