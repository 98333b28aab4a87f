//! Where keys come from and go to.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kiln_trust::key::{Cost, PrivateKey, PublicKey, SealError, Signer, open, seal};
use zeroize::Zeroizing;

use crate::commands::Context;
use crate::ui::{prompt, report::Report};

/// Longer passwords are none.
const MAX_PASSWORD: u64 = 64 << 10;

/// Larger files hold no key.
const MAX_KEY: u64 = 1 << 20;

/// Variables that a password is taken from, the first that is set.
const VARIABLES: [&str; 2] = ["KILN_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// Schemes of keys that other tools know and kiln does not yet.
const NOT_YET: [&str; 9] = [
    "pkcs11:",
    "hashivault://",
    "openbao://",
    "awskms://",
    "gcpkms://",
    "azurekms://",
    "k8s://",
    "gitlab://",
    "sigstore-kms-",
];

/// Where the password of a key file comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PasswordArgs {
    /// Read the key's password from the first line of this file [default: $KILN_KEY_PASSWORD, $COSIGN_PASSWORD, else it is
    /// asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// The key to sign with.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// The private key: a file, or env://VARIABLE
    #[arg(long, value_name = "KEY")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// A password, and what it is for, for the question.
pub(crate) enum Password {
    /// Of a key that exists.
    Existing,
    /// Of a new key: asked for twice.
    New,
}

impl PasswordArgs {
    /// The password.
    pub(crate) fn read(
        &self,
        context: &Context,
        which: &Password,
    ) -> Result<Zeroizing<Vec<u8>>, Report> {
        if let Some(path) = &self.password_file {
            let path = context.environment.absolute(path);
            let content = Zeroizing::new(read(&path, MAX_PASSWORD)?);
            let line = content
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            return Ok(Zeroizing::new(
                line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
            ));
        }
        let mut variables = VARIABLES
            .iter()
            .filter_map(|name| context.environment.given(name));
        if let Some(password) = variables.next() {
            return Ok(Zeroizing::new(password.into_bytes()));
        }
        let ask = |question: &str| {
            let answer = prompt::ask_hidden(question).map_err(|error| {
                Report::new(format!("the key's password cannot be asked for: {error}"))
                    .hint("give it with --password-file, or in the variable KILN_KEY_PASSWORD")
            });
            answer.map(|text| Zeroizing::new(text.into_bytes()))
        };
        match which {
            Password::Existing => ask("Password of the key: "),
            Password::New => {
                let first = ask("Password for the key: ")?;
                match *first == *ask("Again: ")? {
                    true => Ok(first),
                    false => Err(Report::new("the passwords differ")),
                }
            }
        }
    }
}

/// The private key that `args` name.
pub(crate) fn signer(context: &Context, args: &KeyArgs) -> Result<Box<dyn Signer>, Report> {
    let content = content(context, &args.key)?;
    let key = unseal(context, &content, &args.password);
    let key = key.map_err(|report| about(&args.key, report))?;
    Ok(Box::new(key))
}

/// Opens a private key file.
pub(crate) fn unseal(
    context: &Context,
    content: &[u8],
    password: &PasswordArgs,
) -> Result<PrivateKey, Report> {
    let mut failure = None;
    let key = open(content, || {
        let read = password.read(context, &Password::Existing);
        read.map_err(|report| failure = Some(report)).ok()
    });
    match (key, failure) {
        (_, Some(report)) => Err(report),
        (Ok(key), None) => Ok(key),
        (Err(error), None) => Err(error.into()),
    }
}

/// A public key: a file of one, or of the private key that it belongs to.
pub(crate) fn public_key(
    context: &Context,
    name: &str,
    password: &PasswordArgs,
) -> Result<PublicKey, Report> {
    let content = content(context, name)?;
    match PublicKey::from_pem(&content) {
        Ok(key) => Ok(key),
        Err(kiln_trust::key::InvalidKey::Label(label)) if label.contains("PRIVATE KEY") => {
            let key = unseal(context, &content, password);
            Ok(key.map_err(|report| about(name, report))?.public().clone())
        }
        Err(error) => Err(about(name, error.into())),
    }
}

fn about(name: &str, report: Report) -> Report {
    report.prefix(&format!("the key `{name}`"))
}

/// What a key's name stands for.
pub(crate) fn content(context: &Context, name: &str) -> Result<Zeroizing<Vec<u8>>, Report> {
    if let Some(variable) = name.strip_prefix("env://") {
        let value = context.environment.variable(variable);
        let value =
            value.ok_or_else(|| Report::new(format!("the variable `{variable}` is not set")))?;
        return Ok(Zeroizing::new(value.into_bytes()));
    }
    if let Some(scheme) = NOT_YET.iter().find(|scheme| name.starts_with(**scheme)) {
        return Err(
            Report::new(format!("keys of the kind `{scheme}` cannot be used yet"))
                .hint("kiln signs with keys in files and variables"),
        );
    }
    Ok(Zeroizing::new(read(
        &context.environment.absolute(name),
        MAX_KEY,
    )?))
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Report> {
    let cannot =
        |error: std::io::Error| Report::new(format!("cannot read `{}`: {error}", path.display()));
    let mut content = vec![];
    let file = File::open(path).map_err(cannot)?;
    file.take(most + 1)
        .read_to_end(&mut content)
        .map_err(cannot)?;
    match content.len() as u64 > most {
        true => Err(Report::new(format!(
            "`{}` is too large to be what it should be",
            path.display()
        ))),
        false => Ok(content),
    }
}

/// Writes `NAME.key`, encrypted and for its owner alone, and `NAME.pub`. Nothing that is there is overwritten.
pub(crate) fn write_pair(
    context: &Context,
    key: &PrivateKey,
    name: &str,
    password: &PasswordArgs,
) -> Result<(PathBuf, PathBuf), Report> {
    let path = |suffix: &str| context.environment.absolute(format!("{name}.{suffix}"));
    let (private, public) = (path("key"), path("pub"));
    for path in [&private, &public] {
        if path.exists() {
            return Err(
                Report::new(format!("`{}` is there already", path.display()))
                    .hint("keys are not overwritten; choose another name with --output"),
            );
        }
    }
    let password = password.read(context, &Password::New)?;
    let sealed =
        seal(key, &password, Cost::Standard).map_err(|error: SealError| Report::from(error))?;
    create(&private, sealed.as_bytes(), 0o600)?;
    if let Err(report) = create(&public, key.public().to_pem().as_bytes(), 0o644) {
        // A private key whose public one was never seen is of no use to anybody.
        let _ = std::fs::remove_file(&private);
        return Err(report);
    }
    Ok((private, public))
}

fn create(path: &Path, content: &[u8], mode: u32) -> Result<(), Report> {
    let cannot =
        |error: std::io::Error| Report::new(format!("cannot write `{}`: {error}", path.display()));
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    let mut file = file.map_err(cannot)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = std::fs::remove_file(path);
        cannot(error)
    })
}
