//! `kiln key revoke`: the signed list of what is called back.

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_oci::Digest;
use kiln_trust::Time;
use kiln_trust::clock::parse_span;
use kiln_trust::key::{KeyId, Signer};
use kiln_trust::policy::TrustedKey;
use kiln_trust::revocation::{Revocations, RevokedCertificate, RevokedDigest, RevokedKey};

use super::super::Context;
use crate::trust::{self, KeyArgs, PasswordArgs};
use crate::ui::{self, report::Report};

#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// The list; made if it is not there
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// The key that signs the list; may be repeated where a policy wants several
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// A public key that is not believed any more: a file, or its id; may be repeated
    #[arg(long, value_name = "KEY")]
    revoke_key: Vec<String>,
    /// Signatures that a time stamp proves to be older stay good
    #[arg(long, value_name = "TIME", requires = "revoke_key")]
    since: Option<Time>,
    /// The serial number of a certificate; may be repeated
    #[arg(long, value_name = "SERIAL")]
    certificate: Vec<String>,
    /// An image or a signature; may be repeated
    #[arg(long, value_name = "DIGEST")]
    digest: Vec<Digest>,
    /// Why, for those who meet it
    #[arg(long, default_value = "")]
    reason: String,
    /// How long the list is good; after that a newer one is needed
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    expires: String,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Adds to the list, or makes the same list anew with a later end.
pub(super) fn revoke(context: &Context, args: &RevokeArgs) -> Result<ExitCode, Report> {
    let span = parse_span(&args.expires).ok_or_else(|| {
        Report::usage(format!("`{}` is no length of time like 30d", args.expires))
    })?;
    let signers = args.key.iter().map(|key| {
        let key = KeyArgs {
            key: key.clone(),
            password: args.password.clone(),
        };
        trust::signer(context, &key)
    });
    let signers = signers.collect::<Result<Vec<Box<dyn Signer>>, _>>()?;
    let now = Time::now();
    let path = context.environment.absolute(&args.list);
    let mut list = existing(&path, &signers)?;
    list.version += 1;
    list.issued = now;
    list.expires = now.plus(span);
    for name in &args.revoke_key {
        let id = match name.parse::<KeyId>() {
            Ok(id) => id,
            Err(_) => trust::public_key(context, name, &args.password)?.id(),
        };
        list.keys.retain(|key| key.id != id);
        list.keys.push(RevokedKey {
            id,
            since: args.since,
            reason: args.reason.clone(),
        });
    }
    for serial in &args.certificate {
        list.certificates.push(RevokedCertificate {
            serial: serial.clone(),
            reason: args.reason.clone(),
        });
    }
    for digest in &args.digest {
        list.digests.push(RevokedDigest {
            digest: *digest,
            reason: args.reason.clone(),
        });
    }
    let by: Vec<&dyn Signer> = signers.iter().map(|signer| &**signer).collect();
    let signed = list.sign(&by)?;
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, signed)
        .and_then(|()| std::fs::rename(&fresh, &path))
        .map_err(|error| Report::new(format!("cannot write `{}`: {error}", path.display())))?;
    ui::print(&format!(
        "list {} until {}: {} keys, {} certificates, {} digests\n",
        list.version,
        list.expires,
        list.keys.len(),
        list.certificates.len(),
        list.digests.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The list as it is. It must be signed by one of those who sign the new one: nobody else's entries are taken over.
fn existing(path: &std::path::Path, signers: &[Box<dyn Signer>]) -> Result<Revocations, Report> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let empty = Time(0);
            return Ok(Revocations {
                version: 0,
                issued: empty,
                expires: empty,
                keys: vec![],
                certificates: vec![],
                digests: vec![],
            });
        }
        Err(error) => {
            return Err(Report::new(format!(
                "cannot read `{}`: {error}",
                path.display()
            )));
        }
    };
    let keys: Vec<TrustedKey> = signers
        .iter()
        .map(|signer| TrustedKey {
            name: "signer".to_owned(),
            key: signer.public().clone(),
            not_before: None,
            not_after: None,
        })
        .collect();
    let keys: Vec<&TrustedKey> = keys.iter().collect();
    // Its end does not matter here: it is about to be made anew.
    let (list, _) = Revocations::read(&bytes, &keys, 1, Time(i64::MIN), None)
        .map_err(|error| Report::from(error).prefix(&format!("`{}`", path.display())))?;
    Ok(list)
}
