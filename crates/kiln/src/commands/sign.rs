//! `kiln sign`: signatures of images on registries.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use kiln_oci::{Descriptor, Reference};
use kiln_trust::Time;
use kiln_trust::clock::parse_span;
use kiln_trust::key::Signer;
use kiln_trust::notary::{self, NotaryOptions};
use kiln_trust::sign::{SignError, SignOptions, Target, children, sign as put};
use kiln_trust::verify::resolve;
use kiln_trust::x509::Certificate;

use super::Context;
use crate::registries::{self, RegistryArgs};
use crate::trust::{self, Access, KeyArgs};
use crate::ui::{self, report::Report};

/// Sign an image on a registry
///
/// By default the signature is stored twice: under the tag that cosign 1 and 2, skopeo, podman and Kyverno read, and as the bundle that
/// cosign 3 reads. Nothing but the registry is asked, and no log is written to.
#[derive(Debug, clap::Args)]
pub(crate) struct SignArgs {
    /// The image; by digest where it matters which one it is
    image: String,
    #[command(flatten)]
    key: KeyArgs,
    /// A claim that is signed; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = pair)]
    annotation: Vec<(String, String)>,
    /// Sign the images in an index too, not only the index
    #[arg(long, short)]
    recursive: bool,
    /// In which form; may be repeated [default: tag and bundle]
    #[arg(long, value_enum)]
    format: Vec<Format>,
    /// The certificates of the key, from its own to the root, for the forms notary-jws and notary-cose
    #[arg(long, value_name = "FILE")]
    certificate_chain: Option<PathBuf>,
    /// How long the signature is good, for example 90d
    #[arg(long, value_name = "SPAN")]
    expires: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Forms of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// cosign's `.sig` tag, with a simple signing payload
    Tag,
    /// A Sigstore bundle that refers to the image
    Bundle,
    /// A Notary Project signature as JWS
    NotaryJws,
    /// A Notary Project signature as COSE
    NotaryCose,
}

/// Reads `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// The end of a span that begins now.
pub(super) fn end(at: Time, span: Option<&str>) -> Result<Option<Time>, Report> {
    span.map(|span| {
        let seconds = parse_span(span)
            .ok_or_else(|| Report::usage(format!("`{span}` is no length of time like 90d")));
        seconds.map(|seconds| at.plus(seconds))
    })
    .transpose()
}

/// Signs, and says what.
pub(crate) fn sign(context: &Context, args: &SignArgs) -> Result<ExitCode, Report> {
    let reference: Reference = args.image.parse()?;
    let formats = match &args.format[..] {
        [] => &[Format::Tag, Format::Bundle],
        chosen => chosen,
    };
    let chain = chain(context, args, formats)?;
    let at = Time::now();
    let options = SignOptions {
        tag: formats.contains(&Format::Tag),
        bundle: formats.contains(&Format::Bundle),
        annotations: args.annotation.iter().cloned().collect(),
        at,
        expires: end(at, args.expires.as_deref())?,
        ..SignOptions::default()
    };
    let signer = trust::signer(context, &args.key)?;
    let remote = registries::remote(context, &args.registry, registries::interruptible()?)?;
    let access = Access(remote.repository(&reference));
    let (descriptor, bytes) = resolve(&access, &reference)?;
    let mut subjects = vec![descriptor];
    if args.recursive {
        subjects.extend(children(&access, &bytes)?);
    }
    let repository = format!("{}/{}", reference.registry(), reference.repository());
    for (number, subject) in subjects.iter().enumerate() {
        let target = Target {
            descriptor: subject,
            repository: &repository,
            // The images in an index have no tag of their own.
            tag: reference.tag().filter(|_| number == 0),
        };
        one(&access, &target, &*signer, &options, formats, &chain)?;
        ui::print(&format!("signed {repository}@{}\n", subject.digest))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn one(
    access: &Access,
    target: &Target<'_>,
    signer: &dyn Signer,
    options: &SignOptions,
    formats: &[Format],
    chain: &[Certificate],
) -> Result<(), Report> {
    put(access, target, signer, options).map_err(|error| {
        let is_tag = matches!(&error, SignError::Access(access) if access.what.contains("the tag"));
        let report = Report::from(error);
        match is_tag {
            true => report.hint("a registry with immutable tags takes no second signature under the tag: sign with --format=bundle"),
            false => report,
        }
    })?;
    for (format, cose) in [(Format::NotaryJws, false), (Format::NotaryCose, true)] {
        if formats.contains(&format) {
            let notary = NotaryOptions {
                chain: chain.to_vec(),
                cose,
            };
            notary::put(access, target, signer, options, &notary)?;
        }
    }
    Ok(())
}

fn chain(
    context: &Context,
    args: &SignArgs,
    formats: &[Format],
) -> Result<Vec<Certificate>, Report> {
    let needs = formats
        .iter()
        .any(|one| matches!(one, Format::NotaryJws | Format::NotaryCose));
    match &args.certificate_chain {
        Some(path) => {
            let path = context.environment.absolute(path);
            let pem = std::fs::read(&path).map_err(|error| {
                Report::new(format!("cannot read `{}`: {error}", path.display()))
            })?;
            let read = Certificate::from_pem(&pem);
            read.map_err(|error| Report::from(error).prefix(&format!("`{}`", path.display())))
        }
        None if needs => Err(Report::usage(
            "a Notary Project signature needs --certificate-chain",
        )),
        None => Ok(vec![]),
    }
}

/// The descriptor of what `reference` stands for, as the commands that sign need it.
pub(super) fn subject(access: &Access, reference: &Reference) -> Result<Descriptor, Report> {
    Ok(resolve(access, reference)?.0)
}
