//! `--output`: where a result goes and in which form.

use std::io::{self, Write};
use std::path::PathBuf;

use kiln_build::Built;
use kiln_layer::Compression;
use kiln_oci::{Image, Reference};
use kiln_store::{Lease, Store, archive, export, layout};

use crate::environment::Environment;
use crate::transfer::partial::Partial;
use crate::ui::report::Report;

/// One place for the result.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// In which form.
    pub(crate) format: Format,
    /// Where to; `-` is standard output, and the store needs none.
    pub(crate) dest: Option<PathBuf>,
    /// What the image is called there, in a registry; what `--tag` says where nothing is given.
    pub(crate) names: Vec<Reference>,
    /// How layers are compressed that are not yet.
    pub(crate) compression: Compression,
}

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A tar archive of an OCI layout.
    Oci,
    /// An OCI layout as a directory.
    OciDirectory,
    /// What `docker load` reads.
    Docker,
    /// The root file system as a tar archive.
    Tar,
    /// The root file system as files.
    Local,
    /// The local store, where every result is anyway.
    Store,
    /// A registry, under the image's names.
    Registry,
}

/// Reads all `--output`s. Images for registries must have a name: their own, or one of `names`.
pub(super) fn parse_all(
    specs: &[String],
    push: bool,
    names: &[Reference],
    environment: &Environment,
) -> Result<Vec<Output>, Report> {
    let specs = specs.iter().map(String::as_str);
    let specs = specs.chain(push.then_some("type=registry"));
    let mut outputs: Vec<Output> = specs
        .map(|spec| parse(spec, environment))
        .collect::<Result<_, _>>()?;
    for output in &mut outputs {
        if output.format != Format::Registry {
            continue;
        }
        if output.names.is_empty() {
            output.names = names.to_vec();
        }
        if output.names.is_empty() {
            return Err(
                Report::usage("what shall the image be called in the registry?")
                    .hint("give it a name with --tag NAME"),
            );
        }
    }
    Ok(outputs)
}

fn parse(spec: &str, environment: &Environment) -> Result<Output, Report> {
    if spec == "-" {
        let compression = Compression::None;
        return Ok(Output {
            format: Format::Tar,
            dest: Some("-".into()),
            names: vec![],
            compression,
        });
    }
    if !spec.contains('=') {
        let dest = Some(environment.absolute(spec));
        return Ok(Output {
            format: Format::Local,
            dest,
            names: vec![],
            compression: Compression::None,
        });
    }
    let mut names = vec![];
    let (mut kind, mut dest, mut compression, mut level, mut tar) = (None, None, None, None, true);
    for field in spec.split(',') {
        let (key, value) = field.split_once('=').ok_or_else(|| {
            Report::usage(format!("--output {spec}: `{field}` should be KEY=VALUE"))
        })?;
        match key {
            "type" => kind = Some(value),
            "dest" => dest = Some(PathBuf::from(value)),
            "compression" => compression = Some(value),
            "compression-level" => {
                level = Some(value.parse().map_err(|_| {
                    Report::usage(format!(
                        "--output {spec}: the level `{value}` is not a number"
                    ))
                })?);
            }
            "tar" => tar = value != "false",
            "name" => names.push(value.parse()?),
            _ => {
                return Err(Report::usage(format!(
                    "--output {spec}: unknown key `{key}`"
                )));
            }
        }
    }
    let format = match kind {
        Some("oci") if tar => Format::Oci,
        Some("oci") => Format::OciDirectory,
        Some("docker") => Format::Docker,
        Some("tar") => Format::Tar,
        Some("local") => Format::Local,
        Some("store" | "image") => Format::Store,
        Some("registry") => Format::Registry,
        other => {
            return Err(Report::usage(format!(
                "--output: type `{}` is none of oci, docker, tar, local, store, registry",
                other.unwrap_or_default()
            )));
        }
    };
    if dest.is_none() && !matches!(format, Format::Store | Format::Registry) {
        return Err(Report::usage(format!(
            "--output {spec}: where to? add dest=PATH"
        )));
    }
    // Docker before version 23 does not read zstd.
    let default = if format == Format::Docker {
        "gzip"
    } else {
        "zstd"
    };
    let compression = Compression::parse(compression.unwrap_or(default), level)?;
    let dest = dest.map(|dest| match dest.as_os_str() == "-" {
        true => dest,
        false => environment.absolute(dest),
    });
    Ok(Output {
        format,
        dest,
        names,
        compression,
    })
}

/// Writes all images of a build.
pub(super) fn write(
    store: &Store,
    built: &Built,
    names: &[Reference],
    output: &Output,
) -> Result<(), Report> {
    let several = built.images.len() > 1;
    if several && matches!(output.format, Format::Oci | Format::OciDirectory) {
        let images: Vec<Image> = built
            .images
            .iter()
            .map(|image| store.image_at(&image.manifest))
            .collect::<Result<_, _>>()?;
        return write_layout(store, &built.lease, &images, names, output);
    }
    for built_image in &built.images {
        let image = store.image_at(&built_image.manifest)?;
        let mut output = output.clone();
        if several {
            let stem = built_image.platform.file_stem();
            output.dest = output.dest.map(|dest| match output.format {
                Format::Local => dest.join(&stem),
                _ => beside(&dest, &stem),
            });
        }
        write_image(store, &image, names, &output)?;
    }
    Ok(())
}

/// `out.tar` for `linux_arm64` is `out.tar.linux_arm64`.
fn beside(dest: &std::path::Path, stem: &str) -> PathBuf {
    let mut name = dest.as_os_str().to_owned();
    name.push(".");
    name.push(stem);
    name.into()
}

/// Writes one image.
pub(crate) fn write_image(
    store: &Store,
    image: &Image,
    names: &[Reference],
    output: &Output,
) -> Result<(), Report> {
    let lease = store.lease()?;
    let dest = output.dest.clone().unwrap_or_default();
    match output.format {
        Format::Store | Format::Registry => {}
        Format::Oci | Format::OciDirectory => {
            write_layout(store, &lease, std::slice::from_ref(image), names, output)?;
        }
        Format::Docker => {
            let image = export::compressed(store, &lease, image, &output.compression)?;
            to_file(&dest, |out| Ok(archive::write_docker(&image, names, out)?))?;
        }
        Format::Tar => to_file(&dest, |out| Ok(export::flat_tar(store, image, out)?))?,
        Format::Local => export::to_directory(store, image, &dest)?,
    }
    Ok(())
}

fn write_layout(
    store: &Store,
    lease: &Lease,
    images: &[Image],
    names: &[Reference],
    output: &Output,
) -> Result<(), Report> {
    let images: Vec<Image> = images
        .iter()
        .map(|image| export::compressed(store, lease, image, &output.compression))
        .collect::<Result<_, _>>()?;
    let dest = output.dest.clone().unwrap_or_default();
    match output.format {
        Format::OciDirectory => layout::write_directory(&dest, &images, names)?,
        _ => to_file(&dest, |out| Ok(layout::write_tar(&images, names, out)?))?,
    }
    Ok(())
}

/// Writes to `dest` by way of a temporary file beside it, so that what was there stays until the new one is
/// whole; `-` is standard output.
fn to_file(
    dest: &std::path::Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Report>,
) -> Result<(), Report> {
    if dest.as_os_str() == "-" {
        let mut out = io::stdout().lock();
        fill(&mut out)?;
        return Ok(out.flush()?);
    }
    let partial = Partial::create(dest)?;
    let mut out = partial.writer()?;
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    partial.publish()
}
