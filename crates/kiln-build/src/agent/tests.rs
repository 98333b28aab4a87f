//! The agent by its protocol, and with OpenSSH's own programs where they are installed.

use std::process::{Command, Output, Stdio};

use kiln_testkit::TempDir;
use ring::signature::{Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::*;

/// An Ed25519 key file as `ssh-keygen` writes it, of this seed.
fn ed25519(seed: [u8; 32], cipher: &str, comment: &str) -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let public = pair.public_key().as_ref();
    let mut blob = vec![];
    string(&mut blob, b"ssh-ed25519");
    string(&mut blob, public);
    let mut secret = vec![1, 2, 3, 4, 1, 2, 3, 4];
    string(&mut secret, b"ssh-ed25519");
    string(&mut secret, public);
    string(&mut secret, &[&seed, public].concat());
    string(&mut secret, comment.as_bytes());
    secret.extend((1..).take((8 - secret.len() % 8) % 8));
    let mut file = b"openssh-key-v1\0".to_vec();
    string(&mut file, cipher.as_bytes());
    string(&mut file, b"none");
    string(&mut file, b"");
    file.extend([0, 0, 0, 1]);
    string(&mut file, &blob);
    string(&mut file, &secret);
    armoured("OPENSSH PRIVATE KEY", &file)
}

fn armoured(label: &str, content: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in content.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for digit in 0..4 {
            match digit <= three.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// What an agent answers to these messages, one after the other.
fn ask(agent: &SshAgent, requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut client, server) = UnixStream::pair().unwrap();
    let agent = agent.clone();
    let serving = std::thread::spawn(move || agent.serve(server));
    let answers = requests.iter().map(|request| {
        send(&mut client, request).unwrap();
        receive(&mut client).unwrap().unwrap()
    });
    let answers = answers.collect();
    drop(client);
    serving.join().unwrap().unwrap();
    answers
}

fn sign_request(public: &[u8], data: &[u8], flags: u32) -> Vec<u8> {
    let mut request = vec![SIGN_REQUEST];
    string(&mut request, public);
    string(&mut request, data);
    request.extend(flags.to_be_bytes());
    request
}

#[test]
fn keys_are_listed_and_sign() {
    let key = SshKey::parse(ed25519([7; 32], "none", "me@here").as_bytes(), "file").unwrap();
    let nameless = SshKey::parse(ed25519([8; 32], "none", "").as_bytes(), "file").unwrap();
    let public = key.public().to_vec();
    assert_eq!((key.comment(), nameless.comment()), ("me@here", "file"));
    let agent = SshAgent::Keys([key, nameless].into());
    let others = [vec![17, 0], vec![19], vec![22], vec![0xff]];
    let mut requests = vec![vec![REQUEST_IDENTITIES], sign_request(&public, b"data", 0)];
    requests.push(sign_request(b"another key", b"data", 0));
    requests.push(vec![SIGN_REQUEST, 0, 0]);
    requests.push([&[EXTENSION][..], b"\0\0\0\x05query"].concat());
    requests.extend(others);
    let answers = ask(&agent, &requests);
    let mut listed = Reader(&answers[0][1..]);
    assert_eq!(
        (answers[0][0], listed.number()),
        (IDENTITIES_ANSWER, Some(2))
    );
    assert_eq!(listed.string(), Some(&public[..]));
    assert_eq!(listed.string(), Some(&b"me@here"[..]));
    let mut signed = Reader(&answers[1][1..]);
    let mut signature = Reader(signed.string().unwrap());
    assert_eq!(signature.string(), Some(&b"ssh-ed25519"[..]));
    let verifier = UnparsedPublicKey::new(&ring::signature::ED25519, &public[public.len() - 32..]);
    verifier
        .verify(b"data", signature.string().unwrap())
        .unwrap();
    let rest: Vec<u8> = answers[2..].iter().map(|answer| answer[0]).collect();
    assert_eq!(
        rest,
        [
            FAILURE,
            FAILURE,
            EXTENSION_FAILURE,
            FAILURE,
            FAILURE,
            FAILURE,
            FAILURE
        ]
    );
}

#[test]
fn the_persons_agent_is_asked_for_keys_and_signatures_alone() {
    let folder = TempDir::new();
    let socket = folder.path().join("agent");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = vec![];
        while let Some(request) = receive(&mut stream).unwrap() {
            seen.push(request[0]);
            send(&mut stream, &[request[0] + 1, 99]).unwrap();
        }
        seen
    });
    let requests = [
        vec![11],
        vec![19],
        vec![13, 1],
        vec![17],
        vec![27, 1],
        vec![22],
    ];
    let answers = ask(&SshAgent::Socket(socket), &requests);
    let expected: [&[u8]; 6] = [
        &[12, 99],
        &[FAILURE],
        &[14, 99],
        &[FAILURE],
        &[28, 99],
        &[FAILURE],
    ];
    assert_eq!(answers, expected);
    assert_eq!(seen.join().unwrap(), [11, 13, 27], "over one connection");
}

#[test]
fn nonsense_ends_the_conversation() {
    let agent = SshAgent::Keys([].into());
    for nonsense in [
        &[0, 0, 0, 0][..],
        &[0xff, 0xff, 0xff, 0xff, 11],
        &[0, 0, 0, 9, 11],
        &[0, 0],
    ] {
        let (mut client, server) = UnixStream::pair().unwrap();
        client.write_all(nonsense).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let result = agent.serve(server);
        // Two bytes are a client that hung up before it said anything.
        assert_eq!(result.is_err(), nonsense.len() > 2, "{nonsense:?}");
    }
}

#[test]
fn files_that_are_no_usable_key_say_why() {
    let good = ed25519([7; 32], "none", "x");
    let parse = |text: &str| SshKey::parse(text.as_bytes(), "x").unwrap_err();
    assert_eq!(parse(""), KeyError::NotAKey);
    assert_eq!(parse("ssh-ed25519 AAAA me@here"), KeyError::NotAKey);
    assert_eq!(
        parse(&ed25519([7; 32], "aes256-ctr", "x")),
        KeyError::Encrypted
    );
    let pkcs8 =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nZm9v\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(parse(pkcs8), KeyError::Encrypted);
    for label in [
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "DSA PRIVATE KEY",
    ] {
        let error = parse(&armoured(label, b"nonsense"));
        assert_ne!(error, KeyError::Encrypted, "{label}");
    }
    let content = pem::decode(good.as_bytes()).unwrap().content;
    for length in 0..content.len() - 8 {
        let cut = armoured("OPENSSH PRIVATE KEY", &content[..length]);
        assert!(
            SshKey::parse(cut.as_bytes(), "x").is_err(),
            "{length} bytes"
        );
    }
    for at in 0..content.len() {
        let mut changed = content.clone();
        changed[at] ^= 0x40;
        // Whatever it is: no panic, and never another key's signature.
        if let Ok(key) = SshKey::parse(armoured("OPENSSH PRIVATE KEY", &changed).as_bytes(), "x") {
            assert_eq!(
                key.public(),
                SshKey::parse(good.as_bytes(), "x").unwrap().public(),
                "{at}"
            );
        }
    }
}

/// Runs a program; nothing if it is not installed.
fn run(program: &str, arguments: &[&str], socket: Option<&Path>) -> Option<Output> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("SSH_AUTH_SOCK");
    command.envs(socket.map(|socket| ("SSH_AUTH_SOCK", socket)));
    command.output().ok()
}

/// Says that OpenSSH or OpenSSL are missing, where CI looks for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test tells what it could not check"
)]
fn not_checked(what: &str) {
    if let Some(file) = std::env::var_os("KILN_NOT_CHECKED") {
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(file);
        let line = format!("ssh keys of OpenSSH: {what} is not installed\n");
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

#[test]
fn openssh_takes_what_the_agent_says() {
    let folder = TempDir::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut keys = vec![];
    let kinds = [
        ("ed25519", "256", "RFC4716"),
        ("ecdsa", "256", "RFC4716"),
        ("ecdsa", "384", "RFC4716"),
        ("rsa", "2048", "RFC4716"),
        ("rsa", "3072", "RFC4716"),
        ("rsa", "2048", "PEM"),
        ("ecdsa", "256", "PEM"),
        ("rsa", "2048", "PKCS8"),
        ("ecdsa", "384", "PKCS8"),
    ];
    for (number, (kind, bits, format)) in kinds.iter().enumerate() {
        let file = path(&number.to_string());
        let arguments = [
            "-q", "-t", kind, "-b", bits, "-m", format, "-N", "", "-C", "me", "-f", &file,
        ];
        let Some(made) = run("ssh-keygen", &arguments, None) else {
            return not_checked("ssh-keygen");
        };
        assert!(made.status.success(), "{made:?}");
        let key = SshKey::parse(&std::fs::read(&file).unwrap(), "me");
        keys.push(key.unwrap_or_else(|error| panic!("{kind} {bits} {format}: {error}")));
    }
    let agent = SshAgent::Keys(keys.into());
    let socket = folder.path().join("agent");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let agent = agent.clone();
            std::thread::spawn(move || agent.serve(client?));
        }
        Ok::<_, io::Error>(())
    });
    let listed = run("ssh-add", &["-L"], Some(&socket)).expect("because ssh-keygen is there");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let public = |number: usize| std::fs::read_to_string(path(&format!("{number}.pub"))).unwrap();
    let all: String = (0..kinds.len()).map(public).collect();
    assert_eq!(listed, all);
    for (number, kind) in kinds.iter().enumerate() {
        let (data, signature) = (path("data"), path("data.sig"));
        std::fs::write(&data, format!("data {number}")).unwrap();
        // The private key is out of the way, so the agent must be asked.
        std::fs::rename(path(&number.to_string()), path("hidden")).unwrap();
        let _ = std::fs::remove_file(&signature);
        let file = path(&format!("{number}.pub"));
        let signed = run(
            "ssh-keygen",
            &["-Y", "sign", "-n", "test", "-f", &file, &data],
            Some(&socket),
        )
        .unwrap();
        assert!(signed.status.success(), "{kind:?}: {signed:?}");
        let check = ["-Y", "check-novalidate", "-n", "test", "-s", &signature];
        let checked = Command::new("ssh-keygen")
            .args(check)
            .stdin(std::fs::File::open(&data).unwrap())
            .output();
        let checked = checked.unwrap();
        assert!(checked.status.success(), "{kind:?}: {checked:?}");
    }
}

#[test]
fn openssh_refuses_what_kiln_refuses() {
    let folder = TempDir::new();
    let parse = |name: &str, arguments: &[&str]| {
        let file = folder.path().join(name).display().to_string();
        let made = run(
            "ssh-keygen",
            &[&["-q", "-f", &file], arguments].concat(),
            None,
        )?;
        // A system's own rules may forbid short keys.
        made.status
            .success()
            .then(|| SshKey::parse(&std::fs::read(&file).unwrap(), "x").unwrap_err())
    };
    let locked = parse("locked", &["-t", "ed25519", "-N", "secret"]);
    if locked.is_none() {
        return not_checked("ssh-keygen");
    }
    assert_eq!(locked, Some(KeyError::Encrypted));
    let old = parse(
        "old",
        &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret"],
    );
    assert_eq!(old, Some(KeyError::Encrypted));
    let large = parse("large", &["-t", "ecdsa", "-b", "521", "-N", ""]);
    assert_eq!(
        large,
        Some(KeyError::Type("ecdsa-sha2-nistp521".to_owned()))
    );
    let weak = parse("weak", &["-t", "rsa", "-b", "1024", "-N", ""]);
    assert!(
        matches!(weak, None | Some(KeyError::Damaged(_))),
        "{weak:?}"
    );
}
