//! `kiln run`: a process in an image.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use kiln_layer::Tree;
use kiln_oci::Image;
use kiln_run::sandbox::{Handle, Mount, Network, Sandboxed, SpawnError, Stdio, Stream};
use kiln_run::{Process, Rootfs, argv, check_platform, effective_env, resolve_user, spawn};
use kiln_store::export;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use super::build::options::{extra_hosts, rlimit};
use super::{Context, find_image, platform};
use crate::ui::report::Report;

/// Run a program in an image
///
/// The program sees the image's files, may change its own copy of them, and shares the network with this
/// machine. What it changed is gone when it ends.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Name or id, and what to run in the place of the image's command. Whatever follows the image is the
    /// program's, options too
    #[arg(required = true, trailing_var_arg = true, value_names = ["IMAGE", "COMMAND"])]
    image: Vec<String>,
    /// Accepted for habit: changes are always thrown away
    #[arg(long)]
    rm: bool,
    /// Variable: NAME=VALUE, or NAME to take it from the environment
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Who runs it: user[:group], names or numbers
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Where it starts
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// Directory or file of this machine to be seen inside: SOURCE:TARGET[:ro]
    #[arg(long, short, value_name = "SPEC")]
    volume: Vec<String>,
    /// Empty directory in memory
    #[arg(long, value_name = "DIR")]
    tmpfs: Vec<String>,
    /// Program in the place of the image's entry point
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// `host` shares this machine's network, so no port needs publishing; `none` is loopback only
    #[arg(long, value_name = "MODE", default_value = "host")]
    network: String,
    /// Further line for /etc/hosts
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Host name inside
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Resource limit: NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT")]
    ulimit: Vec<String>,
    /// Make the image's files read-only
    #[arg(long)]
    read_only: bool,
    /// Accepted for habit: standard input is always connected
    #[arg(long, short)]
    interactive: bool,
    /// Accepted for habit: a terminal is used where standard input is one
    #[arg(long, short)]
    tty: bool,
    /// Ports need no publishing on the host's network; refused with --network none
    #[arg(long, short, value_name = "PORTS")]
    publish: Vec<String>,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<String>,
}

/// Runs the program and gives its exit code.
pub(crate) fn run(context: &Context, args: &RunArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let platform = platform(args.platform.as_deref())?;
    let image = find_image(&store, &args.image[0], &platform)?;
    check_platform(&image.config.platform)?;
    let lease = store.lease()?;
    lease.hold_image(&image)?;
    let tree = export::tree(&store, &image)?;
    let process = process(context, args, &tree, &image)?;
    let lowers = store.snapshot(&lease, &image.config.rootfs.diff_ids)?;
    let upper = store.upper(&lease)?;
    make_workdir(&tree, upper.dir(), &process.cwd)?;
    let rootfs = Rootfs {
        lowers,
        upper: upper.dir().to_owned(),
        work: upper.work().to_owned(),
    };
    // Caught from before the program starts: it may be told to stop as soon as it says that it runs.
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])?;
    let stdio = Stdio {
        stdin: Stream::Inherit,
        stdout: Stream::Inherit,
        stderr: Stream::Inherit,
    };
    let child = match spawn(&process, &rootfs, stdio) {
        Ok(child) => child,
        Err(error) => return Err(not_started(error)),
    };
    wait(child, signals)
}

fn wait(mut child: Sandboxed, signals: Signals) -> Result<ExitCode, Report> {
    forward_signals(signals, child.handle());
    let exit = child.wait()?;
    match u8::try_from(exit.status.code()) {
        Ok(0) => Ok(ExitCode::SUCCESS),
        Ok(code) => Err(Report::exit(code)),
        Err(_) => Err(Report::exit(255)),
    }
}

/// A program that is not there ends with 127, one that cannot be run with 126, as everywhere.
fn not_started(error: SpawnError) -> Report {
    let code = error.exit_code().and_then(|code| u8::try_from(code).ok());
    let hint = error.hint().map(str::to_owned);
    let mut report = Report::from(error);
    if let Some(code) = code {
        report = report.with_code(code);
    }
    match hint {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

fn process(
    context: &Context,
    args: &RunArgs,
    tree: &Tree,
    image: &Image,
) -> Result<Process, Report> {
    let config = &image.config.config;
    let user = resolve_user(tree, args.user.as_deref().unwrap_or(&config.user))?;
    let entrypoint = args
        .entrypoint
        .as_ref()
        .map(|program| match program.as_str() {
            "" => vec![],
            program => vec![program.to_owned()],
        });
    let argv = argv(config, entrypoint.as_deref(), &args.image[1..]);
    if argv.is_empty() {
        return Err(
            Report::new(format!("`{}` does not say what to run", args.image[0]))
                .hint("name a program after the image"),
        );
    }
    let mut extra = vec![];
    for spec in &args.env {
        match spec.split_once('=') {
            Some((name, value)) => extra.push((name.to_owned(), value.to_owned())),
            None => {
                let value = context.environment.variable(spec);
                extra.extend(value.map(|value| (spec.clone(), value)));
            }
        }
    }
    if std::io::stdin().is_terminal() && !extra.iter().any(|(name, _)| name == "TERM") {
        let term = context
            .environment
            .variable("TERM")
            .unwrap_or_else(|| "xterm".to_owned());
        extra.push(("TERM".to_owned(), term));
    }
    let mut process = Process::new(argv);
    process.env = effective_env(config, &user.home, &extra);
    process.cwd = workdir(args.workdir.as_deref(), &config.working_dir)?;
    process.user = user;
    process.network = match args.network.as_str() {
        "host" | "default" => Network::Host,
        "none" if args.publish.is_empty() => Network::None,
        "none" => {
            return Err(Report::usage(
                "--publish makes no sense with --network none",
            ));
        }
        other => {
            return Err(Report::usage(format!(
                "--network {other}: expected host or none"
            )));
        }
    };
    process.hostname = args
        .hostname
        .clone()
        .unwrap_or_else(|| image.manifest.digest().short());
    process.extra_hosts = extra_hosts(&args.add_host)?;
    process.rlimits = args
        .ulimit
        .iter()
        .map(|spec| rlimit(spec))
        .collect::<Result<_, _>>()?;
    process.read_only = args.read_only;
    process.mounts = mounts(context, args)?;
    Ok(process)
}

fn workdir(given: Option<&str>, own: &str) -> Result<String, Report> {
    let directory = given.unwrap_or(own);
    match directory {
        "" => Ok("/".to_owned()),
        directory if directory.starts_with('/') => Ok(directory.to_owned()),
        directory => Err(Report::usage(format!(
            "--workdir {directory}: expected an absolute path"
        ))),
    }
}

/// A working directory that the image does not have is made for this run, as Docker does.
fn make_workdir(tree: &Tree, upper: &std::path::Path, cwd: &str) -> Result<(), Report> {
    let resolved = tree.resolve(cwd.as_bytes(), true)?;
    if resolved.node.is_none() && !resolved.path.is_empty() {
        use std::os::unix::ffi::OsStrExt as _;
        std::fs::create_dir_all(upper.join(std::ffi::OsStr::from_bytes(&resolved.path)))?;
    }
    Ok(())
}

fn mounts(context: &Context, args: &RunArgs) -> Result<Vec<Mount>, Report> {
    let mut mounts = vec![];
    for spec in &args.volume {
        let mut parts = spec.splitn(3, ':');
        let (source, target) = (parts.next().unwrap_or_default(), parts.next());
        let target = target
            .filter(|target| target.starts_with('/'))
            .ok_or_else(|| {
                Report::usage(format!("--volume {spec}: expected SOURCE:/TARGET[:ro]"))
            })?;
        let read_only = match parts.next() {
            None | Some("rw") => false,
            Some("ro") => true,
            Some(other) => {
                return Err(Report::usage(format!(
                    "--volume {spec}: unknown option `{other}`"
                )));
            }
        };
        let source = context.environment.absolute(source);
        if !source.exists() {
            return Err(Report::new(format!(
                "--volume: `{}` does not exist",
                source.display()
            )));
        }
        mounts.push(Mount::Bind {
            source,
            target: target.into(),
            read_only,
            recursive: true,
        });
    }
    for target in &args.tmpfs {
        mounts.push(Mount::Tmpfs {
            target: PathBuf::from(target),
            size: None,
            mode: 0o1777,
        });
    }
    Ok(mounts)
}

/// Signals for kiln are meant for the program. Ctrl-C on a terminal reaches it without help.
fn forward_signals(mut signals: Signals, handle: Handle) {
    std::thread::spawn(move || {
        let mut polite = 0;
        for signal in signals.forever() {
            handle.signal(signal);
            // A first process without handlers ignores polite signals; the third time is meant.
            polite += u32::from(matches!(signal, SIGINT | SIGTERM));
            if polite >= 3 {
                handle.kill();
            }
        }
    });
}
