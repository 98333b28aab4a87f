//! Sets sandboxes up for the tests, as `kiln` does for itself. Given a root file system and a command, it runs
//! the command in it as an ordinary user would, in a user namespace.

#![expect(clippy::print_stderr, reason = "a failed test shows what it says")]

use std::process::ExitCode;

use kiln_sandbox::{IdMap, Root, Spec, Stdio, Stream, enter_user_namespace, spawn};

fn main() -> ExitCode {
    kiln_sandbox::init_if_requested();
    let mut args = std::env::args().skip(1);
    let Some(root) = args.next() else {
        return ExitCode::from(2);
    };
    if kiln_sandbox::user_namespace_needed()
        && let Err(error) = enter_user_namespace(IdMap::Automatic)
    {
        eprintln!("{error}");
        return ExitCode::from(3);
    }
    let mut spec = Spec::new(Root::Directory(root.into()), args);
    spec.env = vec![("PATH".into(), "/bin".into())];
    let stdio = Stdio {
        stdin: Stream::Null,
        stdout: Stream::Inherit,
        stderr: Stream::Inherit,
    };
    match spawn(&spec, stdio).map(|mut process| process.wait()) {
        Ok(Ok(exit)) => ExitCode::from(u8::try_from(exit.status.code()).unwrap_or(255)),
        Ok(Err(error)) => {
            eprintln!("{error}");
            ExitCode::from(4)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(5)
        }
    }
}
