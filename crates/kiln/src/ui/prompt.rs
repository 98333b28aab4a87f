//! Questions to a person at a terminal.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a line on the terminal, whatever standard input is.
///
/// # Errors
/// If there is no terminal, or the person ends the input.
pub(crate) fn ask(question: &str) -> io::Result<String> {
    let terminal = terminal()?;
    read(&terminal, question)
}

/// Asks for a line that is not shown.
///
/// # Errors
/// The same.
pub(crate) fn ask_hidden(question: &str) -> io::Result<String> {
    let terminal = terminal()?;
    let before = tcgetattr(&terminal)?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    // The line's end is shown, so that what follows begins on a line of its own.
    quiet.local_modes.insert(LocalModes::ECHONL);
    tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
    let _restore = Restore {
        terminal: &terminal,
        before,
    };
    read(&terminal, question)
}

fn terminal() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

fn read(mut terminal: &File, question: &str) -> io::Result<String> {
    terminal.write_all(question.as_bytes())?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Gives the terminal its modes back, also when reading fails.
struct Restore<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
