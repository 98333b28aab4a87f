//! `kiln attest`: signed statements about images.

use std::io::Read as _;
use std::process::ExitCode;

use kiln_oci::Reference;
use kiln_trust::Time;
use kiln_trust::format::statement::{SHORT_NAMES, SIGNATURE, predicate_type};
use kiln_trust::sign::{SignOptions, Target, attest as put};

use super::Context;
use super::sign::{end, pair, subject};
use crate::registries::{self, RegistryArgs};
use crate::trust::{self, Access, KeyArgs};
use crate::ui::{self, report::Report};

/// The largest predicate: an SBOM of a large image.
const MAX_PREDICATE: u64 = 16 << 20;

/// Sign a statement about an image on a registry
///
/// The statement is an in-toto statement in a DSSE envelope, stored as a bundle that refers to the image: `cosign
/// verify-attestation` reads it.
#[derive(Debug, clap::Args)]
pub(crate) struct AttestArgs {
    /// The image; by digest where it matters which one it is
    image: String,
    #[command(flatten)]
    key: KeyArgs,
    /// What the statement says: a file with JSON, or - for standard input
    #[arg(long, value_name = "FILE")]
    predicate: String,
    /// What kind of statement: a URI, or provenance, spdx, cyclonedx, vex, scan, test, lint, approval …
    #[arg(long, value_name = "TYPE")]
    r#type: String,
    /// A claim beside it that is signed; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = pair)]
    annotation: Vec<(String, String)>,
    /// How long the statement is good, for example 90d
    #[arg(long, value_name = "SPAN")]
    expires: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Signs the statement, and says where it lies.
pub(crate) fn attest(context: &Context, args: &AttestArgs) -> Result<ExitCode, Report> {
    let reference: Reference = args.image.parse()?;
    let kind = predicate_type(&args.r#type).ok_or_else(|| {
        let names: Vec<&str> = SHORT_NAMES.iter().map(|(name, _)| *name).collect();
        Report::usage(format!("`{}` is no type of statement", args.r#type))
            .hint(format!("a URI, or one of {}", names.join(", ")))
    })?;
    if kind == SIGNATURE {
        return Err(
            Report::usage("that is the type of a signature").hint("`kiln sign` makes those")
        );
    }
    let predicate = serde_json::from_slice(&predicate(context, &args.predicate)?)
        .map_err(|error| Report::new(format!("`{}` is not JSON: {error}", args.predicate)))?;
    let at = Time::now();
    let options = SignOptions {
        annotations: args.annotation.iter().cloned().collect(),
        at,
        expires: end(at, args.expires.as_deref())?,
        ..SignOptions::default()
    };
    let signer = trust::signer(context, &args.key)?;
    let remote = registries::remote(context, &args.registry, registries::interruptible()?)?;
    let access = Access(remote.repository(&reference));
    let descriptor = subject(&access, &reference)?;
    let repository = format!("{}/{}", reference.registry(), reference.repository());
    let target = Target {
        descriptor: &descriptor,
        repository: &repository,
        tag: reference.tag(),
    };
    let digest = put(&access, &target, kind, predicate, &*signer, &options)?;
    ui::print(&format!(
        "attested {repository}@{}\nstatement {repository}@{digest}\n",
        descriptor.digest
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn predicate(context: &Context, name: &str) -> Result<Vec<u8>, Report> {
    let mut content = vec![];
    let read = match name {
        "-" => std::io::stdin()
            .lock()
            .take(MAX_PREDICATE + 1)
            .read_to_end(&mut content),
        path => std::fs::File::open(context.environment.absolute(path))
            .and_then(|file| file.take(MAX_PREDICATE + 1).read_to_end(&mut content)),
    };
    read.map_err(|error| Report::new(format!("cannot read `{name}`: {error}")))?;
    match content.len() as u64 > MAX_PREDICATE {
        true => Err(Report::new(format!(
            "`{name}` has more than {MAX_PREDICATE} bytes"
        ))),
        false => Ok(content),
    }
}
