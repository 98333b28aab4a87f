//! The output of processes, made safe and short enough to show.

use unicode_width::UnicodeWidthChar;

/// The most that is kept of one step's output. A log beyond this keeps its end, where failures show,
/// and says how much is gone.
const CAP: usize = 64 << 20;

/// Collects what a process writes and cuts it into lines.
#[derive(Debug, Default)]
pub(crate) struct Log {
    bytes: Vec<u8>,
    dropped: u64,
    /// Start of the line that has no end yet.
    open_line: usize,
}

impl Log {
    /// Takes a chunk; returns the lines that it completed.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<String> {
        self.bytes.extend_from_slice(chunk);
        let mut lines = vec![];
        while let Some(length) = self.bytes[self.open_line..]
            .iter()
            .position(|&b| b == b'\n')
        {
            let end = self.open_line + length;
            lines.push(clean(&self.bytes[self.open_line..end]));
            self.open_line = end + 1;
        }
        self.trim();
        lines
    }

    /// The line that the process has begun and not ended, if there is one.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let rest = &self.bytes[self.open_line..];
        (!rest.is_empty()).then(|| clean(rest))
    }

    /// All that was kept, for the report of a failure.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.dropped > 0 {
            text = format!(
                "[the first {} bytes of this log were dropped]\n",
                self.dropped
            );
        }
        for line in self.bytes.split(|&byte| byte == b'\n') {
            text.push_str(&clean(line));
            text.push('\n');
        }
        text.trim_end().to_owned()
    }

    fn trim(&mut self) {
        if self.bytes.len() > CAP {
            let cut = self.bytes.len() - CAP / 2;
            self.bytes.drain(..cut);
            self.dropped += cut as u64;
            self.open_line = self.open_line.saturating_sub(cut);
        }
    }
}

/// One line without what would move the cursor: escape sequences and control characters go, a tab
/// becomes blanks, and of a line that was drawn over with carriage returns the last drawing stays.
fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => skip_escape(&mut characters),
            '\t' => out.push_str("    "),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Skips what follows an escape character. Source: ECMA-48, sections 5.4 (control sequences) and 5.6
/// (control strings, which end with BEL or ST).
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            for character in characters.by_ref() {
                if ('\x40'..='\x7e').contains(&character) {
                    return;
                }
            }
        }
        Some(']' | 'P' | '^' | '_' | 'X') => {
            while let Some(character) = characters.next() {
                if character == '\x07' || (character == '\x1b' && characters.next() == Some('\\')) {
                    return;
                }
            }
        }
        _ => {}
    }
}

/// `text` cut to `columns` of a terminal, with an ellipsis if anything went.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let mut width = 0;
    for (at, character) in text.char_indices() {
        let wide = character.width().unwrap_or(0);
        if width + wide > columns.saturating_sub(1) && at + character.len_utf8() < text.len()
            || width + wide > columns
        {
            return format!("{}…", &text[..at]);
        }
        width += wide;
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_whatever_the_chunks() {
        let mut log = Log::default();
        assert!(log.push(b"one\ntw").len() == 1);
        assert_eq!(log.unfinished().as_deref(), Some("tw"));
        assert_eq!(log.push(b"o\n\nthree"), ["two", ""]);
        assert_eq!(log.text(), "one\ntwo\n\nthree");
    }

    #[test]
    fn nothing_that_moves_the_cursor_gets_through() {
        assert_eq!(clean(b"\x1b[31mred\x1b[0m\x07"), "red");
        assert_eq!(clean(b"10%\r50%\r100%\r"), "100%");
        assert_eq!(clean(b"\x1b]0;title\x07text\tend"), "text    end");
        assert_eq!(clean(b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"), "link");
        assert_eq!(clean(b"bad \xff utf"), "bad \u{fffd} utf");
    }

    #[test]
    fn a_long_log_keeps_its_end_and_says_so() {
        let mut log = Log::default();
        let line = [b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<u8>>();
        for _ in 0..(CAP / 1024 + 1) {
            log.push(&line);
        }
        log.push(b"the end");
        let text = log.text();
        assert!(text.starts_with("[the first ") && text.ends_with("the end"));
        assert!(text.len() <= CAP);
    }

    #[test]
    fn text_fits_its_columns() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("镜像仓库", 5), "镜像…");
        assert_eq!(fit("", 0), "");
    }
}
