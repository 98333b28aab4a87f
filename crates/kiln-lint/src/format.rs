//! The formatter: one layout, and never another build.
//!
//! What it changes: the case of keywords, blanks at the ends of lines, the indentation of instructions and
//! of continued lines where blanks mean nothing, blanks in JSON arrays, blank lines, and the line break at
//! the end. What a shell reads (RUN, shell forms) and here-documents stay byte for byte. Each instruction is
//! parsed again after it was formatted; if it does not mean the same, it stays as it was.

use kiln_dockerfile::logical::{self, Logical};
use kiln_dockerfile::{Dockerfile, SourceFile, Span, parse};

/// What continued lines are indented with.
const INDENT: &str = "    ";

/// Formats a file. One that the parser refuses, or with carriage returns, stays as it is.
pub fn format(source: &SourceFile) -> Vec<u8> {
    let parsed = parse(source);
    let Ok(text) = std::str::from_utf8(source.text()) else {
        return source.text().to_vec();
    };
    if parsed.has_errors() || text.contains('\r') {
        return source.text().to_vec();
    }
    let formatted =
        Formatter::new(text, &parsed.file).format(&logical::lines(source, parsed.file.escape()));
    let again = SourceFile::new(source.name.clone(), formatted.clone());
    let same = parse(&again);
    // Each instruction was compared; this is for the file as a whole, its directives above all.
    if !same.has_errors() && meaning(&same.file) == meaning(&parsed.file) {
        formatted.into_bytes()
    } else {
        source.text().to_vec()
    }
}

/// Everything that a build takes from a file: its tree without places, comments and spellings.
pub fn meaning(file: &Dockerfile) -> Vec<String> {
    let mut all = vec![format!("{:?}", directives(file))];
    all.extend(
        file.global_args
            .iter()
            .map(|arg| without_spans(&format!("{:?}", arg.kind))),
    );
    for stage in &file.stages {
        let from = &stage.from;
        let platform = from.platform.as_ref().map(|word| &word.text);
        all.push(format!(
            "FROM {:?} {:?} {:?}",
            platform,
            from.image.text,
            stage.lower_name()
        ));
        all.extend(
            stage
                .instructions
                .iter()
                .map(|one| without_spans(&format!("{:?}", one.kind))),
        );
    }
    all
}

fn directives(file: &Dockerfile) -> [Option<&str>; 3] {
    let directives = &file.directives;
    [&directives.syntax, &directives.escape, &directives.check]
        .map(|word| word.as_ref().map(|word| word.text.as_str()))
}

/// A tree as `Debug` writes it, without its places and spellings of keywords.
fn without_spans(debug: &str) -> String {
    let mut out = String::with_capacity(debug.len());
    let mut rest = debug;
    while let Some(at) = rest.find("Span { start: ") {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        rest = &tail[tail.find('}').map_or(tail.len(), |end| end + 1)..];
    }
    out.push_str(rest);
    // A trigger holds the spelling of its inner instruction; its meaning is in the tree beside it.
    match out.split_once("Onbuild(Onbuild { trigger: ") {
        Some((head, tail)) => {
            let inner = tail.find(", kind: ").map_or(tail, |at| &tail[at..]);
            let inner = inner.rfind(", original: ").map_or(inner, |at| &inner[..at]);
            format!("{head}Onbuild {inner}")
        }
        None => out,
    }
}

struct Formatter<'a> {
    text: &'a str,
    escape: char,
    out: String,
}

impl<'a> Formatter<'a> {
    fn new(text: &'a str, file: &Dockerfile) -> Formatter<'a> {
        Formatter {
            text,
            escape: file.escape(),
            out: String::with_capacity(text.len()),
        }
    }

    fn format(mut self, lines: &[Logical]) -> String {
        let mut at = 0;
        for (number, line) in lines.iter().enumerate() {
            let start = line_start(self.text, line.line.span.start);
            let first = number == 0;
            self.between(
                &self.text[at.min(start)..start],
                first,
                line.keyword() == "FROM",
            );
            at = self.instruction(line);
        }
        let rest = self.text.get(at..).unwrap_or_default();
        self.between(rest, lines.is_empty(), false);
        while self.out.ends_with("\n\n") {
            self.out.pop();
        }
        self.out
    }

    /// Comments and blank lines: at most one blank line together, one before each stage, none at the top.
    fn between(&mut self, gap: &str, first: bool, stage: bool) {
        let mut lines: Vec<&str> = gap.lines().map(str::trim).collect();
        lines.dedup_by(|next, before| next.is_empty() && before.is_empty());
        if self.out.is_empty() {
            while lines.first().is_some_and(|line| line.is_empty()) {
                // A blank line ends the directives; above everything it means nothing.
                lines.remove(0);
            }
        }
        let spaced = lines.first().is_some_and(|line| line.is_empty());
        if stage
            && !first
            && !spaced
            && !self.out.is_empty()
            && lines
                .iter()
                .all(|line| line.is_empty() || line.starts_with('#'))
        {
            self.out.push('\n');
        }
        for line in lines {
            self.out.push_str(line);
            self.out.push('\n');
        }
    }

    /// Writes an instruction; gives the offset of the line behind it.
    fn instruction(&mut self, line: &Logical) -> usize {
        let span = line.line.span;
        let end = line_end(self.text, span.end.max(span.start));
        let written = &self.text[span.start..end];
        let tidy = self.tidy(written, &line.keyword());
        let keeps = means_the_same(written, &tidy, self.escape);
        self.out.push_str(if keeps { &tidy } else { written });
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        let after = line_end(self.text, line.span.end.max(end)).max(end);
        let bodies = Span::new(end.min(self.text.len()), after.min(self.text.len()));
        if line.span.end > end {
            let body = &self.text[bodies.start..line.span.end.min(self.text.len())];
            self.out.push_str(body);
            if !self.out.ends_with('\n') {
                self.out.push('\n');
            }
            return line_end(self.text, line.span.end);
        }
        end
    }

    fn tidy(&self, written: &str, keyword: &str) -> String {
        let shell = matches!(
            keyword,
            "RUN" | "CMD" | "ENTRYPOINT" | "HEALTHCHECK" | "ONBUILD"
        );
        let mut lines: Vec<String> = Vec::new();
        for (number, line) in written.lines().enumerate() {
            let ended = line.trim_end_matches([' ', '\t']);
            let continued = ended.ends_with(self.escape);
            let line = if continued || !shell { ended } else { line };
            lines.push(match number {
                0 => head(line, keyword),
                _ if line.trim_start().starts_with('#') => format!("{INDENT}{}", line.trim()),
                _ if shell => line.to_string(),
                _ => format!("{INDENT}{}", line.trim_start()),
            });
        }
        if let Some(last) = lines.last_mut() {
            last.truncate(last.trim_end().len());
        }
        let mut text = lines.join("\n");
        if let Some(array) = spaced_array(&text) {
            text = array;
        }
        text.push('\n');
        text
    }
}

/// The first line, its keyword in capitals and one blank behind it.
fn head(line: &str, keyword: &str) -> String {
    let trimmed = line.trim_start();
    let rest = trimmed.get(keyword.len()..).unwrap_or_default();
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = match keyword {
        "FROM" => rest
            .split_whitespace()
            .map(|word| {
                if word.eq_ignore_ascii_case("as") {
                    "AS"
                } else {
                    word
                }
            })
            .collect::<Vec<_>>()
            .join(" "),
        "ONBUILD" => {
            let inner: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
            head(rest, &inner.to_ascii_uppercase())
        }
        _ => rest.to_string(),
    };
    format!("{keyword} {rest}").trim_end().to_string()
}

/// `["a","b"]` at the end of a single line as `["a", "b"]`.
fn spaced_array(text: &str) -> Option<String> {
    let open = text.find('[').filter(|_| !text.contains('\n'))?;
    let values: Vec<String> = serde_json::from_str(&text[open..]).ok()?;
    let values: Vec<String> = values
        .iter()
        .map(|value| serde_json::Value::from(value.as_str()).to_string())
        .collect();
    Some(format!("{}[{}]", &text[..open], values.join(", ")))
}

/// Whether two spellings of one instruction without its here-documents mean the same.
fn means_the_same(one: &str, other: &str, escape: char) -> bool {
    let directive = format!("# escape={escape}\n");
    let read = |text: &str| {
        // Bodies of here-documents are not part of the text: give each an empty one.
        let from = if text
            .trim_start()
            .get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case("from"))
        {
            ""
        } else {
            "FROM x\n"
        };
        let source = SourceFile::new("", format!("{directive}{from}{text}"));
        let joined = logical::lines(&source, escape);
        let parsed = parse(&source);
        (
            parsed.has_errors(),
            meaning(&parsed.file),
            joined.last().map(|line| rest_of(&line.line.text)),
        )
    };
    let (broken, meaning, text) = read(one);
    let (still_broken, new_meaning, new_text) = read(other);
    if broken {
        // An instruction with here-documents, which cannot be parsed alone: its text must be the same.
        return still_broken && text == new_text;
    }
    !still_broken && meaning == new_meaning
}

/// A line without its keyword.
fn rest_of(line: &str) -> String {
    let keyword = line.find(char::is_whitespace).unwrap_or(line.len());
    line[keyword..].trim_start().to_string()
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |before| before + 1)
}

/// The offset behind the line break of the line that `at` is in, or is the end of.
fn line_end(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    if at > 0 && text.as_bytes()[at - 1] == b'\n' {
        return at;
    }
    text[at..]
        .find('\n')
        .map_or(text.len(), |found| at + found + 1)
}
