//! Credential files, helper programs, logins.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kiln_remote::credentials::{ConfigFiles, Credentials as _, CredentialsError, Keeper};
use kiln_remote::{Credential, Name, RemoteOptions};
use kiln_testkit::{Auth, ImageBuilder, MemoryRegistry, RegistryOptions, TempDir};

use super::{options, repository_with};

fn password(username: &str, password: &str) -> Credential {
    Credential::Password {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

/// A file with this content, and the credentials in it.
fn files(content: &str) -> (TempDir, ConfigFiles) {
    let directory = TempDir::new();
    let path = directory.join("config.json");
    fs::write(&path, content).expect("a file");
    (directory, ConfigFiles::new(vec![path]))
}

/// A helper program that runs `script`, which has the action in `$1`.
#[cfg(unix)]
fn helper(directory: &TempDir, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join(format!("docker-credential-{name}"));
    fs::write(
        &path,
        format!("#!/bin/sh\n[ \"$1\" = probe ] && exit 0\n{script}\n"),
    )
    .expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    // A process that another test forks while the script is written has it open until it runs its own program.
    while let Err(error) = std::process::Command::new(&path).arg("probe").status() {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ExecutableFileBusy,
            "{error}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn keys_are_found_however_they_are_written() {
    // "u:p" and "v:q" in Base64.
    let (_directory, files) = files(
        r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "dTpw"},
            "http://plain.example:5000/v2/": {"auth": "dTpw"},
            "both.example": {"auth": "dTpw"},
            "both.example/team": {"auth": "djpx"},
            "token.example": {"auth": "dTo=", "identitytoken": "refresh"},
            "direct.example": {"registrytoken": "jwt"},
            "apart.example": {"username": "u", "password": "p"},
            "empty.example": {}
        }, "other": [1, 2]}"#,
    );
    let find = |registry: &str, repository: &str| files.find(registry, repository).unwrap();
    assert_eq!(
        find("docker.io", "library/alpine"),
        Some(password("u", "p"))
    );
    assert_eq!(find("plain.example:5000", "a"), Some(password("u", "p")));
    assert_eq!(find("both.example", "a"), Some(password("u", "p")));
    assert_eq!(find("both.example", "team/a/b"), Some(password("v", "q")));
    assert_eq!(find("both.example", "teamster"), Some(password("u", "p")));
    assert_eq!(find("both.example", ""), Some(password("u", "p")));
    assert_eq!(find("apart.example", "a"), Some(password("u", "p")));
    assert_eq!(
        find("direct.example", "a"),
        Some(Credential::RegistryToken("jwt".to_owned()))
    );
    let token = Credential::IdentityToken {
        username: "u".to_owned(),
        token: "refresh".to_owned(),
    };
    assert_eq!(find("token.example", "a"), Some(token));
    assert_eq!(find("empty.example", "a"), None);
    assert_eq!(find("example", "a"), None);
}

#[test]
fn bad_files_are_named_and_missing_ones_passed_over() {
    let (directory, files) = files("{\"auths\": {\"a.example\": {\"auth\": \"%%%\"}}}");
    let error = files.find("a.example", "").unwrap_err();
    assert!(
        matches!(error, CredentialsError::Encoding { .. }),
        "{error}"
    );
    assert!(files.find("b.example", "").unwrap().is_none());
    fs::write(directory.join("config.json"), "{\"auths\": [").unwrap();
    let error = files.find("a.example", "").unwrap_err();
    assert!(
        error.to_string().contains("config.json is not valid"),
        "{error}"
    );
    for path in [
        directory.join("nothing"),
        directory.join("config.json/below"),
    ] {
        assert_eq!(ConfigFiles::new(vec![path]).find("a", "").unwrap(), None);
    }
    fs::write(directory.join("config.json"), "").unwrap();
    assert_eq!(files.find("a.example", "").unwrap(), None);
}

#[cfg(unix)]
#[test]
fn helpers_are_asked() {
    let (directory, files) = files(
        r#"{"credsStore": "store", "credHelpers": {"own.example": "own", "bad.example": "bad"}}"#,
    );
    helper(
        &directory,
        "own",
        r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"$server\",\"Secret\":\"s\"}""#,
    );
    helper(
        &directory,
        "store",
        "echo 'credentials not found in native keychain'; exit 1",
    );
    helper(&directory, "bad", "echo 'the keychain is locked'; exit 1");
    let files = files.helper_path(vec![directory.path().to_owned()]);
    assert_eq!(
        files.find("own.example", "a").unwrap(),
        Some(password("own.example", "s"))
    );
    assert_eq!(files.find("any.example", "a").unwrap(), None);
    let error = files.find("bad.example", "a").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("failed: the keychain is locked"),
        "{error}"
    );

    helper(
        &directory,
        "store",
        r#"read server; echo "{\"Username\":\"<token>\",\"Secret\":\"$server\"}""#,
    );
    let found = files.find("docker.io", "a").unwrap();
    let token = "https://index.docker.io/v1/".to_owned();
    assert_eq!(
        found,
        Some(Credential::IdentityToken {
            username: String::new(),
            token
        })
    );
}

#[cfg(unix)]
#[test]
fn helpers_that_cannot_be_run_or_hang_are_named() {
    let (directory, files) = files(
        r#"{"credHelpers": {"none.example": "not-there", "path.example": "../../bin/sh", "hang.example": "hang"}}"#,
    );
    helper(&directory, "hang", "exec sleep 600");
    let files = files.helper_path(vec![directory.path().to_owned()]);
    let error = files.find("none.example", "").unwrap_err();
    assert!(
        matches!(error, CredentialsError::HelperStart { .. }),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("docker-credential-not-there")
    );
    assert!(matches!(
        files.find("path.example", ""),
        Err(CredentialsError::HelperName { .. })
    ));
    let files = files.helper_timeout(Duration::from_millis(50));
    assert!(matches!(
        files.find("hang.example", ""),
        Err(CredentialsError::HelperTimeout { .. })
    ));
}

#[test]
fn a_login_is_kept_and_forgotten_and_nothing_else_is_touched() {
    let (directory, files) = files(
        r#"{"auths": {"http://a.example/v1/": {"auth": "dTpw"}, "b.example": {"auth": "dTpw"}}, "proxies": {"x": 1}}"#,
    );
    let path = directory.join("config.json");
    let new = password("user", "pass:word");
    assert_eq!(
        files.store("a.example", &new).unwrap(),
        Keeper::File(path.clone())
    );
    assert_eq!(files.find("a.example", "r").unwrap(), Some(new.clone()));
    files.store("docker.io", &new).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["proxies"]["x"], 1);
    assert_eq!(
        value["auths"].as_object().unwrap().len(),
        3,
        "the old key is gone: {text}"
    );
    assert!(value["auths"].get("https://index.docker.io/v1/").is_some());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert!(files.erase("a.example").unwrap());
    assert!(!files.erase("a.example").unwrap());
    assert_eq!(files.find("a.example", "r").unwrap(), None);
    assert_eq!(
        files.find("b.example", "r").unwrap(),
        Some(password("u", "p"))
    );
    let token = Credential::IdentityToken {
        username: "u".to_owned(),
        token: "t".to_owned(),
    };
    files.store("t.example", &token).unwrap();
    assert_eq!(files.find("t.example", "").unwrap(), Some(token));
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file stays");
}

#[test]
fn a_first_login_makes_the_file() {
    let directory = TempDir::new();
    let files = ConfigFiles::new(vec![directory.join("new/config.json")]);
    assert!(!files.erase("a.example").unwrap());
    files.store("a.example", &password("u", "p")).unwrap();
    assert_eq!(
        files.find("a.example", "").unwrap(),
        Some(password("u", "p"))
    );
    assert!(matches!(
        ConfigFiles::new(vec![]).store("a", &password("u", "p")),
        Err(CredentialsError::NoFile)
    ));
    let below_a_file = directory.join("new/config.json/x");
    let error = ConfigFiles::new(vec![below_a_file])
        .store("a", &password("u", "p"))
        .unwrap_err();
    assert!(matches!(error, CredentialsError::Write { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_helpers_keep_logins() {
    let (directory, files) = files(r#"{"credsStore": "store"}"#);
    let log = directory.join("log");
    let script = format!("{{ echo \"$1\"; cat; echo; }} >> '{}'", log.display());
    helper(&directory, "store", &script);
    let link = directory.join("link.json");
    std::os::unix::fs::symlink(directory.join("config.json"), &link).unwrap();
    let linked =
        ConfigFiles::new(vec![PathBuf::from(&link)]).helper_path(vec![directory.path().to_owned()]);
    let keeper = linked.store("a.example", &password("u", "p")).unwrap();
    assert_eq!(keeper, Keeper::Helper("docker-credential-store".to_owned()));
    assert!(
        fs::symlink_metadata(&link)
            .unwrap()
            .file_type()
            .is_symlink()
    );
    let text = fs::read_to_string(directory.join("config.json")).unwrap();
    assert!(
        text.contains("a.example") && !text.contains("auth\""),
        "{text}"
    );
    assert!(linked.erase("a.example").unwrap());
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(
        log,
        "store\n{\"ServerURL\":\"a.example\",\"Username\":\"u\",\"Secret\":\"p\"}\nerase\na.example\n"
    );
    drop(files);
}

#[test]
fn a_pull_uses_what_is_in_the_file() {
    let registry = MemoryRegistry::with(RegistryOptions {
        auth: Auth::basic(),
        ..RegistryOptions::default()
    });
    registry.put_image("a", Some("1"), &ImageBuilder::new().build());
    let (_directory, files) = files("{}");
    files
        .store(&registry.host(), &password("kiln", "secret"))
        .unwrap();
    let options = RemoteOptions {
        credentials: std::sync::Arc::new(files),
        ..options()
    };
    repository_with(&registry, "a", options)
        .manifest(Name::Tag("1"))
        .unwrap();
}
