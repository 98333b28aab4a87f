//! Questions to a person at a terminal. Each has a flag, too: without a terminal nothing is asked.

use std::io::{self, BufRead, IsTerminal as _, Write};

use crate::ui::report::Report;

/// Whether there is somebody to ask.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a yes. Without a terminal the answer is no.
pub(super) fn agrees(question: &str) -> Result<bool, Report> {
    if !is_possible() {
        crate::ui::note(question);
        return Ok(false);
    }
    let answer = answer(&mut io::stdin().lock(), &mut io::stderr(), question, "Y/n")?;
    Ok(matches!(
        answer.to_ascii_lowercase().as_str(),
        "" | "y" | "yes"
    ))
}

/// Asks for a text; an empty answer means `default`.
pub(super) fn text(question: &str, default: &str) -> Result<String, Report> {
    let answer = answer(
        &mut io::stdin().lock(),
        &mut io::stderr(),
        question,
        default,
    )?;
    Ok(match answer.is_empty() {
        true => default.to_owned(),
        false => answer,
    })
}

/// Writes a question and reads a line.
fn answer(
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    question: &str,
    default: &str,
) -> Result<String, Report> {
    let shown = match default.is_empty() {
        true => format!("{question} "),
        false => format!("{question} [{default}] "),
    };
    output.write_all(shown.as_bytes())?;
    output.flush()?;
    let mut line = String::new();
    // Whoever ends the input wants to stop, not to agree.
    match input.read_line(&mut line)? {
        0 => Err(Report::new("there was no answer")),
        _ => Ok(line.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_line_and_no_answer_is_an_error() {
        let mut said = vec![];
        let mut input = &b" cc \nrest"[..];
        let got = answer(&mut input, &mut said, "What kind?", "base").unwrap();
        assert_eq!((got.as_str(), input), ("cc", &b"rest"[..]));
        assert_eq!(said, b"What kind? [base] ");
        assert_eq!(answer(&mut &b"\n"[..], &mut said, "?", "").unwrap(), "");
        assert!(answer(&mut &b""[..], &mut said, "?", "").is_err());
    }
}
