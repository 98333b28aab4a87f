//! `kiln assemble new`: a preset's image file, as a beginning.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use kiln_assemble::{Architecture, PRESETS, Preset, PresetSource};

use super::inputs::own_architecture;
use super::{ask, sources};
use crate::commands::Context;
use crate::ui::{self, report::Report};

/// Where a preset's packages come from.
#[derive(Debug, Default, clap::Args)]
pub(super) struct SourceArgs {
    /// The mirror to take packages from [default: the configuration's, else this machine's if it is a Debian]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// The release [default: the configuration's, else stable]
    #[arg(long)]
    suite: Option<String>,
    /// The mirror's keys [default: the configuration's, else /usr/share/keyrings/debian-archive-keyring.gpg]
    #[arg(long, value_name = "FILE")]
    keyring: Option<String>,
}

/// The same when all of it is known.
#[derive(Clone, Debug)]
pub(super) struct SourceOf {
    pub(super) mirror: String,
    pub(super) suite: String,
    pub(super) keyring: String,
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

impl SourceArgs {
    /// Fills in what was not said.
    pub(super) fn resolved(&self, context: &Context) -> Result<SourceOf, Report> {
        let configured = &context.configuration.assemble;
        let first = |a: &Option<String>, b: &Option<String>| a.clone().or_else(|| b.clone());
        let mirror = first(&self.mirror, &configured.mirror).or_else(sources::own_mirror);
        let mirror = mirror.ok_or_else(|| {
            Report::usage("a preset needs --mirror, the address of a Debian mirror")
                .hint("or name one in the configuration: [assemble] mirror = \"http://…/debian\"")
        })?;
        Ok(SourceOf {
            mirror,
            suite: first(&self.suite, &configured.suite).unwrap_or_else(|| "stable".to_owned()),
            keyring: first(&self.keyring, &configured.keyring)
                .unwrap_or_else(|| KEYRING.to_owned()),
        })
    }
}

/// Write an image file to begin with
///
/// Presets: static, busybox, base, cc, python3, nodejs, java, debian-minbase.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// Where to write it
    #[arg(default_value = "image.toml")]
    file: PathBuf,
    /// What kind of image [default: base]; at a terminal, what is not said is asked
    #[arg(long)]
    preset: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

/// The image file of a preset.
pub(super) fn text(
    preset: &str,
    source: &SourceOf,
    architectures: &[Architecture],
) -> Result<String, Report> {
    let preset = Preset::find(preset).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        Report::usage(format!("there is no preset `{preset}`"))
            .hint(format!("there are {}", names.join(", ")))
    })?;
    let source = PresetSource {
        mirror: &source.mirror,
        suite: &source.suite,
        keyring: &source.keyring,
    };
    Ok(preset.text(source, architectures))
}

/// The image file that a person describes by answering.
fn asked(context: &Context, given: &SourceArgs) -> Result<String, Report> {
    for preset in PRESETS {
        ui::note(&format!("  {:<15} {}", preset.name, preset.about));
    }
    let preset = ask::text("What kind of image?", "base")?;
    if Preset::find(&preset).is_none() {
        // Told now, and not after further questions.
        let unknown = SourceOf {
            mirror: String::new(),
            suite: String::new(),
            keyring: String::new(),
        };
        text(&preset, &unknown, &[])?;
    }
    let own = given.resolved(context).ok();
    let own = |field: fn(&SourceOf) -> &String, default: &str| {
        own.as_ref()
            .map_or_else(|| default.to_owned(), |own| field(own).clone())
    };
    let suite = ask::text("Which release of Debian?", &own(|own| &own.suite, "stable"))?;
    let mirror = ask::text("From which mirror?", &own(|own| &own.mirror, ""))?;
    let keyring = ask::text("With which keys?", &own(|own| &own.keyring, KEYRING))?;
    let architectures = ask::text("For which processors?", own_architecture()?.debian())?;
    let architectures: Vec<Architecture> = architectures
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .map(|name| name.parse().map_err(|error: String| Report::usage(error)))
        .collect::<Result<_, _>>()?;
    let source = SourceOf {
        mirror,
        suite,
        keyring,
    };
    text(&preset, &source, &architectures)
}

/// Writes the file.
pub(super) fn new(context: &Context, args: &NewArgs) -> Result<ExitCode, Report> {
    let text = match (&args.preset, ask::is_possible()) {
        (None, true) => asked(context, &args.source)?,
        (preset, _) => {
            let source = args.source.resolved(context)?;
            let preset = preset.as_deref().unwrap_or("base");
            text(preset, &source, &[own_architecture()?])?
        }
    };
    let path = context.environment.absolute(&args.file);
    let file = match args.force {
        true => File::create(&path),
        false => File::create_new(&path),
    };
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let report = Report::new(format!("cannot write `{}`: {error}", args.file.display()));
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => report.hint("--force replaces it"),
            _ => report,
        }
    })?;
    ui::note(&format!(
        "wrote {}; next: kiln assemble lock",
        args.file.display()
    ));
    Ok(ExitCode::SUCCESS)
}
