//! The command line: global options, and one variant for each verb.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cap;
use crate::commands;
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::rootless;
use crate::ui::report::Report;

/// Build, keep and run container images: no daemon, no root, one binary.
#[derive(Debug, Parser)]
#[command(
    name = "kiln",
    version,
    about,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    /// Where images and the build cache are kept [default: $KILN_HOME, else
    /// $XDG_DATA_HOME/kiln, as root /var/lib/kiln]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<commands::build::BuildArgs>),
    Lint(Box<commands::lint::LintArgs>),
    Fmt(commands::fmt::FmtArgs),
    Run(Box<commands::run::RunArgs>),
    Assemble(commands::assemble::AssembleArgs),
    Images(commands::images::ImagesArgs),
    Inspect(commands::inspect::InspectArgs),
    History(commands::history::HistoryArgs),
    Analyze(Box<commands::analyze::AnalyzeArgs>),
    Explore(commands::explore::ExploreArgs),
    Diff(commands::diff::DiffArgs),
    Tag(commands::tag::TagArgs),
    Rmi(commands::rmi::RmiArgs),
    Save(commands::save::SaveArgs),
    Load(commands::load::LoadArgs),
    Import(commands::import::ImportArgs),
    Pull(commands::pull::PullArgs),
    Push(commands::push::PushArgs),
    Tags(commands::tags::TagsArgs),
    Login(commands::login::LoginArgs),
    Logout(commands::logout::LogoutArgs),
    Copy(commands::copy::CopyArgs),
    Squash(commands::squash::SquashArgs),
    Flatten(commands::flatten::FlattenArgs),
    Rebase(commands::rebase::RebaseArgs),
    Recompress(commands::recompress::RecompressArgs),
    Trim(commands::trim::TrimArgs),
    Slim(Box<commands::slim::SlimArgs>),
    Export(commands::export::ExportArgs),
    Df(commands::df::DfArgs),
    Prune(commands::prune::PruneArgs),
    Scrub(commands::scrub::ScrubArgs),
    Key(commands::key::KeyArgs),
    Sign(commands::sign::SignArgs),
    Attest(commands::attest::AttestArgs),
    Verify(commands::verify::VerifyArgs),
    Trace(Box<commands::trace::TraceArgs>),
    Serve(commands::serve::ServeArgs),
    Admin(Box<commands::admin::AdminArgs>),
    Doctor(commands::doctor::DoctorArgs),
    Completions(commands::completions::CompletionsArgs),
}

impl Command {
    /// Whether the command needs to own files of other users, as unpacking layers does, and so must
    /// have a user namespace when it is not run by root. It must be entered before any thread starts.
    fn needs_namespace(&self) -> bool {
        match self {
            Self::Build(args) => !args.only_looks(),
            Self::Assemble(args) => args.runs_scripts(),
            Self::Run(_) | Self::Prune(_) | Self::Slim(_) => true,
            _ => false,
        }
    }

    /// Whether the store may be larger afterwards, or have more that can go, so that its cap must be
    /// looked after. So it is with every command that does not say otherwise here.
    fn changes_store(&self) -> bool {
        match self {
            Self::Build(args) => !args.only_looks(),
            Self::Lint(_) | Self::Fmt(_) => false,
            Self::Images(_)
            | Self::Inspect(_)
            | Self::History(_)
            | Self::Analyze(_)
            | Self::Explore(_)
            | Self::Diff(_)
            | Self::Df(_)
            | Self::Prune(_) => false,
            Self::Tags(_) | Self::Login(_) | Self::Logout(_) | Self::Admin(_) => false,
            Self::Key(_) | Self::Sign(_) | Self::Attest(_) | Self::Verify(_) | Self::Trace(_) => {
                false
            }
            Self::Scrub(_) | Self::Serve(_) | Self::Doctor(_) | Self::Completions(_) => false,
            _ => true,
        }
    }
}

/// The structure behind `--help`, for completions.
pub(crate) fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> Result<ExitCode, Report> {
    let cli = Cli::parse();
    let environment = Environment::read(cli.home)?;
    let configuration = Configuration::read(&environment)?;
    let has_cap = configuration.store.keep.is_some() && cli.command.changes_store();
    let namespace = if cli.command.needs_namespace() {
        rootless::enter()?
    } else if has_cap {
        // Snapshots of other owners can only be removed from inside. All else goes without.
        rootless::enter().unwrap_or_default()
    } else {
        None
    };
    let context = commands::Context {
        environment,
        configuration,
        namespace,
    };
    let result = dispatch(&context, cli.command);
    let is_interrupted = matches!(&result, Err(report) if report.is_interrupted());
    if has_cap && !is_interrupted {
        cap::hold(&context);
    }
    result
}

fn dispatch(context: &commands::Context, command: Command) -> Result<ExitCode, Report> {
    match command {
        Command::Build(args) => commands::build::build(context, &args),
        Command::Lint(args) => commands::lint::lint(context, &args),
        Command::Fmt(args) => commands::fmt::fmt(context, &args),
        Command::Assemble(args) => commands::assemble::assemble(context, &args),
        Command::Run(args) => commands::run::run(context, &args),
        Command::Images(args) => commands::images::images(context, &args),
        Command::Inspect(args) => commands::inspect::inspect(context, &args),
        Command::History(args) => commands::history::history(context, &args),
        Command::Analyze(args) => commands::analyze::analyze(context, &args),
        Command::Explore(args) => commands::explore::explore(context, &args),
        Command::Diff(args) => commands::diff::diff(context, &args),
        Command::Tag(args) => commands::tag::tag(context, &args),
        Command::Rmi(args) => commands::rmi::rmi(context, &args),
        Command::Save(args) => commands::save::save(context, &args),
        Command::Load(args) => commands::load::load(context, &args),
        Command::Import(args) => commands::import::import(context, &args),
        Command::Pull(args) => commands::pull::pull(context, &args),
        Command::Copy(args) => commands::copy::copy(context, &args),
        Command::Squash(args) => commands::squash::squash(context, &args),
        Command::Flatten(args) => commands::flatten::flatten(context, &args),
        Command::Rebase(args) => commands::rebase::rebase(context, &args),
        Command::Recompress(args) => commands::recompress::recompress(context, &args),
        Command::Trim(args) => commands::trim::trim(context, &args),
        Command::Slim(args) => commands::slim::slim(context, &args),
        Command::Export(args) => commands::export::export(context, &args),
        Command::Tags(args) => commands::tags::tags(context, &args),
        Command::Login(args) => commands::login::login(context, &args),
        Command::Logout(args) => commands::logout::logout(context, &args),
        Command::Push(args) => commands::push::push(context, &args),
        Command::Df(args) => commands::df::df(context, &args),
        Command::Prune(args) => commands::prune::prune(context, &args),
        Command::Scrub(args) => commands::scrub::scrub(context, &args),
        Command::Key(args) => commands::key::key(context, &args),
        Command::Sign(args) => commands::sign::sign(context, &args),
        Command::Attest(args) => commands::attest::attest(context, &args),
        Command::Verify(args) => commands::verify::verify(context, &args),
        Command::Trace(args) => commands::trace::trace(context, &args),
        Command::Serve(args) => commands::serve::serve(context, &args),
        Command::Admin(args) => commands::admin::admin(context, &args),
        Command::Doctor(args) => commands::doctor::doctor(context, &args),
        Command::Completions(args) => commands::completions::completions(&args),
    }
}
