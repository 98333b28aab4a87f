//! `kiln build`: from a Dockerfile to an image.

mod cache;
mod call;
mod check;
mod finish;
mod git_ssh;
mod inputs;
mod metadata;
pub(crate) mod options;
pub(crate) mod output;
mod remote;
mod reproduce;
pub(crate) mod resolver;
mod shell;
mod ssh;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use kiln_build::{BuildContext, BuildError, Cancel, Event, SelectError, StepError};
use kiln_dockerfile::{Diagnostic, SourceFile};
use kiln_oci::Reference;

use super::Context;
use crate::registries::{self, RegistryArgs};
use crate::signals;
use crate::transfer::moving::Transfers;
use crate::ui::progress::{Display, Progress, display};
use crate::ui::{self, report::Report};

/// Build an image from a Dockerfile
///
/// CONTEXT is a directory, `-` for a tar archive or a Dockerfile on standard input, the URL of an archive or of a
/// Dockerfile, or a git repository: https://HOST/REPO.git#BRANCH:DIRECTORY, git@HOST:REPO, git://HOST/REPO. The
/// image goes to the store unless --output says otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// Where the files come from
    #[arg(default_value = ".")]
    context: String,
    /// The Dockerfile [default: CONTEXT/Dockerfile]; `-` reads it from standard input, a URL from the web. For a
    /// context from the web, a relative path is one within the context
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name of the image; may be repeated
    #[arg(long, short, value_name = "NAME")]
    tag: Vec<String>,
    /// Stage to build [default: the last one]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Value for an ARG; without `=` it is taken from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// A further context, or another image in the place of one that the Dockerfile names:
    /// NAME=DIRECTORY, NAME=URL as for CONTEXT, NAME=docker-image://IMAGE, NAME=oci-layout://PATH[:TAG],
    /// NAME=docker-archive://FILE, NAME=IMAGE.toml for what `kiln assemble` makes of it
    #[arg(long, value_name = "NAME=SOURCE")]
    build_context: Vec<String>,
    /// A secret for RUN --mount=type=secret: id=ID[,src=FILE][,env=VARIABLE]
    #[arg(long, value_name = "SPEC")]
    secret: Vec<String>,
    /// An ssh agent for RUN --mount=type=ssh: `default` or another ID for the one that runs, ID=SOCKET, or
    /// ID=KEYFILE[,KEYFILE]
    #[arg(long, value_name = "SPEC")]
    ssh: Vec<String>,
    /// Label for the image
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Annotation for the manifest
    #[arg(long, value_name = "NAME=VALUE")]
    annotation: Vec<String>,
    /// What to build for, for example linux/amd64,linux/arm64
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<String>,
    /// When to ask registries for base images
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", num_args = 0..=1,
          default_missing_value = "always", require_equals = true)]
    pull: resolver::PullPolicy,
    /// Take results of steps that are kept elsewhere: type=registry,ref=NAME or type=local,src=DIR; a bare NAME is
    /// one of a registry
    #[arg(long, value_name = "SPEC")]
    cache_from: Vec<String>,
    /// Keep results of steps elsewhere: type=registry,ref=NAME or type=local,dest=DIR, with mode=min|max,
    /// compression=zstd|gzip|none, ignore-error=true
    #[arg(long, value_name = "SPEC")]
    cache_to: Vec<String>,
    /// Use no earlier results
    #[arg(long)]
    no_cache: bool,
    /// Use no earlier results of these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Network of RUN steps: `default` and `host` are the host's, `none` is loopback only
    #[arg(long, value_name = "MODE", default_value = "default")]
    network: String,
    /// Further line for /etc/hosts in RUN steps
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Size of /dev/shm in RUN steps
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<ui::size::Size>,
    /// Resource limit of RUN steps: NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT")]
    ulimit: Vec<String>,
    /// What RUN steps may ask for: network.host, security.insecure, device (all of them), device=NAME
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    allow: Vec<String>,
    /// Where devices for RUN --device are described [default: /etc/cdi and /var/run/cdi]
    #[arg(long, value_name = "DIRECTORY")]
    cdi_dir: Vec<PathBuf>,
    /// Accepted with `false`, as docker's; kiln makes no attestations yet
    #[arg(long, value_name = "false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    provenance: Option<String>,
    /// Accepted with `false`, as docker's; kiln makes no attestations yet
    #[arg(long, value_name = "false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sbom: Option<String>,
    /// Accepted with `disabled=true`, as docker's; kiln makes no attestations yet
    #[arg(long, value_name = "SPEC")]
    attest: Vec<String>,
    /// Make one layer of those that this build adds
    #[arg(long)]
    squash: bool,
    /// Steps that work at once [default: the number of processors, at least 2]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Where the result goes: type=oci|docker|tar|local with dest=PATH, type=registry with name=NAME,
    /// type=store; compression=zstd|gzip|none, compression-level=N; a bare path means type=local
    #[arg(long, short, value_name = "SPEC")]
    output: Vec<String>,
    /// Send the image to the registries that its names say; short for --output type=registry
    #[arg(long)]
    push: bool,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Write facts about the result to a file, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Give the same digest for the same input: times come from SOURCE_DATE_EPOCH, else from the base image
    #[arg(long)]
    reproducible: bool,
    /// Build twice without the cache and show the first difference; implies --reproducible
    #[arg(long)]
    check_reproducible: bool,
    /// Only check the Dockerfile: --call=check
    #[arg(long, conflicts_with = "call")]
    check: bool,
    /// Instead of a build: `check` the Dockerfile, list its `targets`, or `outline` what the target asks for;
    /// with `,format=json` for programs
    #[arg(long, value_name = "METHOD[,format=json]")]
    call: Option<String>,
    /// After a failed RUN, start a shell where it failed
    #[arg(long)]
    shell_on_fail: bool,
    /// How to show progress
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    progress: Progress,
    /// Print nothing but the image's id
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Builds, stores and names the image.
pub(crate) fn build(context: &Context, args: &BuildArgs) -> Result<ExitCode, Report> {
    let names: Vec<Reference> = args
        .tag
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let call = call::Call::of(args)?;
    let outputs = output::parse_all(&args.output, args.push, &names, &context.environment)?;
    let kept = cache::Flags::of(args, &context.environment)?;
    let client = inputs::client(&context.environment)?;
    let cancel = Arc::new(Cancel::new());
    // What waits for a person to type is ended by the signal itself.
    if !args.reads_stdin() {
        watch_signals(Arc::clone(&cancel))?;
    }
    let inputs = inputs::read(context, args, &client, &cancel)?;
    if args.reads_stdin() {
        watch_signals(Arc::clone(&cancel))?;
    }
    let (dockerfile, warnings) = check::parse(&inputs.dockerfile)?;
    if let Some(call) = call {
        return call.answer(context, args, &inputs, &dockerfile, warnings);
    }
    let options = options::options(context, args, &inputs)?;
    let store = context.store()?;
    store.stop_waiting_at(cancel.flag());
    let display = args.display(context);
    let steps = AtomicUsize::new(0);
    let resolver = resolver::Resolver::new(resolver::Surroundings {
        context,
        store: &store,
        policy: args.pull,
        registry: &args.registry,
        observer: &*display,
        steps: &steps,
        cancel: &cancel,
    });
    let caches = cache::Caches::open(
        &store,
        &kept,
        || registries::remote(context, &args.registry, cancel.flag()),
        Transfers::new(&*display, &steps),
        &|message| display.event(&Event::Warning { message }),
    )?;
    let git_ssh = git_ssh::command(context);
    let build_context = BuildContext {
        store: &store,
        context: &inputs.context,
        ignore: inputs.ignore.as_deref(),
        named: &inputs.named,
        resolver: &resolver,
        step_cache: Some(&caches),
        client: &client,
        steps: &steps,
        observer: &*display,
        cancel: &cancel,
        git_ssh: git_ssh.as_deref(),
    };
    let result = if args.check_reproducible {
        reproduce::twice(&build_context, &dockerfile, &options)
    } else {
        kiln_build::build(&build_context, &dockerfile, &options)
    };
    let failed_steps = display.finish();
    let built = match result {
        Ok(built) => built,
        Err(error) => {
            for step in failed_steps {
                ui::note(&format!("---- {}\n{}\n----", step.name, step.log));
            }
            return fail(&store, error, &inputs.dockerfile, args);
        }
    };
    let result = finish::Finished {
        context,
        args,
        store: &store,
        built: &built,
        names: &names,
    };
    result.finish(&outputs, &kept, &inputs.context, &cancel)
}

impl BuildArgs {
    /// Whether nothing is built: the Dockerfile is only looked at.
    pub(crate) fn only_looks(&self) -> bool {
        self.check || self.call.as_ref().is_some_and(|call| call != "build")
    }

    /// Whether something comes from standard input.
    fn reads_stdin(&self) -> bool {
        self.context == "-"
            || self
                .file
                .as_ref()
                .is_some_and(|file| file.as_os_str() == "-")
    }

    /// How this build shows what it does.
    fn display(&self, context: &Context) -> Box<dyn Display> {
        let progress = if self.quiet {
            Progress::Quiet
        } else {
            self.progress
        };
        display(progress, context.environment.color)
    }
}

/// Tells what went wrong, with the place in the Dockerfile where there is one.
fn fail(
    store: &kiln_store::Store,
    error: BuildError,
    source: &SourceFile,
    args: &BuildArgs,
) -> Result<ExitCode, Report> {
    match error {
        BuildError::Dockerfile(diagnostics) => {
            for diagnostic in &diagnostics {
                ui::note(&diagnostic.render(source));
            }
            Err(Report::new("the Dockerfile has errors"))
        }
        BuildError::Cancelled => Err(Report::interrupted()),
        BuildError::Step {
            step,
            span,
            source: cause,
        } => {
            ui::note(&Diagnostic::error(span, cause.to_string()).render(source));
            let failed_command = matches!(*cause, StepError::Exit { .. });
            if let Some(kept) = cause.kept() {
                shell::shell(store, kept)?;
            }
            let hints = hints(&cause);
            let mut report = Report::from(BuildError::Step {
                step,
                span,
                source: cause,
            });
            if failed_command && !args.shell_on_fail {
                report = report.hint("`kiln build --shell-on-fail` starts a shell at that point");
            }
            Err(hints.into_iter().fold(report, Report::hint))
        }
        other => Err(other.into()),
    }
}

/// Advice that the cause of a failed step brings along.
fn hints(cause: &StepError) -> Vec<String> {
    match cause {
        StepError::Spawn(error) => error.hint().map(str::to_owned).into_iter().collect(),
        StepError::Download(error) => error.hint().map(ToString::to_string).into_iter().collect(),
        StepError::Select(SelectError::NotFound {
            similar: Some(similar),
            ..
        }) => {
            vec![format!("did you mean `{similar}`?")]
        }
        StepError::Select(SelectError::NotFound { place, .. }) if place == "the build context" => {
            vec!["it may not exist, or .dockerignore may leave it out".to_owned()]
        }
        StepError::Base(kiln_oci::SourceError::NotFound { .. }) => {
            vec!["with --pull=never only the store is looked into".to_owned()]
        }
        _ => vec![],
    }
}

/// Makes Ctrl-C and a polite kill stop the build.
fn watch_signals(cancel: Arc<Cancel>) -> Result<(), Report> {
    signals::watch(move || {
        let is_first = !cancel.is_cancelled();
        cancel.cancel();
        is_first
    })
}
