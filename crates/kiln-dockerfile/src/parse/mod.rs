//! The parser: a source file in, a syntax tree and diagnostics out.
//!
//! A bad instruction is reported and left out of the tree; the next line is parsed as if nothing had
//! happened, so one run reports everything that is wrong.

mod directives;
mod files;
mod flags;
pub(crate) mod heredoc;
mod instruction;
mod run;
mod words;

use crate::diagnostic::{Diagnostic, Severity};
use crate::lines::LineReader;
use crate::span::{SourceFile, Span};
use crate::syntax::{Dockerfile, From, Instruction, InstructionKind, Stage};
use instruction::Statement;

/// What came out of a file.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The tree; without the instructions that could not be parsed.
    pub file: Dockerfile,
    /// What is wrong, in source order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether a build must stop here.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Parses a whole Dockerfile.
pub fn parse(source: &SourceFile) -> Parsed {
    let mut diagnostics = Vec::new();
    let directives = directives::read(source, &mut diagnostics);
    let backtick = directives
        .escape
        .as_ref()
        .is_some_and(|escape| escape.text == "`");
    let mut file = Dockerfile {
        directives,
        backtick,
        ..Dockerfile::default()
    };
    let mut reader = LineReader::new(source, file.escape());
    let mut statements = 0;
    while let Some(line) = reader.logical() {
        statements += 1;
        file.empty_continuations.extend(&line.empty_continuations);
        match instruction::statement(&line, &mut reader, file.escape()) {
            Ok(Statement::From(from, span)) => file.stages.push(Stage {
                index: file.stages.len(),
                name: from.1,
                from: from.0,
                instructions: Vec::new(),
                span,
                comments: line.comments,
                original: line.text,
            }),
            Ok(Statement::Instruction(instruction)) => {
                if let Err(diagnostic) = place(&mut file, instruction) {
                    diagnostics.push(diagnostic);
                }
            }
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    diagnostics.append(&mut reader.diagnostics);
    file.comments = reader.comments;
    let end = Span::new(source.text().len(), source.text().len());
    let errors = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    if statements == 0 {
        diagnostics.push(Diagnostic::error(end, "file with no instructions"));
    } else if file.stages.is_empty() && !errors {
        diagnostics.push(
            Diagnostic::error(end, "there is no stage to build").with_help("begin with FROM"),
        );
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    Parsed { file, diagnostics }
}

/// Puts an instruction where it belongs.
fn place(file: &mut Dockerfile, instruction: Instruction) -> Result<(), Diagnostic> {
    match file.stages.last_mut() {
        Some(stage) => stage.instructions.push(instruction),
        None if matches!(instruction.kind, InstructionKind::Arg(_)) => {
            file.global_args.push(instruction);
        }
        None => {
            let message = format!("{} before the first FROM", instruction.kind.name());
            let diagnostic = Diagnostic::error(instruction.keyword.span, message)
                .with_help("only ARG, comments and directives may stand before FROM");
            file.misplaced.push(instruction);
            return Err(diagnostic);
        }
    }
    Ok(())
}

/// A FROM and the name it gives.
type NamedFrom = (From, Option<crate::syntax::Word>);

/// Parses the text of an `ONBUILD` trigger, as an image's config holds it. Every span in the result is
/// `place`, usually the `FROM` that brought the trigger in.
///
/// # Errors
/// The text is not exactly one instruction, or one that a trigger may not hold.
pub fn parse_trigger(text: &str, place: Span) -> Result<Instruction, Diagnostic> {
    let source = SourceFile::new("ONBUILD trigger", text);
    let mut reader = LineReader::new(&source, '\\');
    let broken = |reason: String| {
        Diagnostic::error(
            place,
            format!("the base image's ONBUILD trigger {text:?}: {reason}"),
        )
    };
    let Some(mut line) = reader.logical() else {
        return Err(broken("it is empty".to_string()));
    };
    line.fix(place);
    let statement = instruction::trigger(&line, &mut reader, '\\')
        .map_err(|diagnostic| broken(diagnostic.message))?;
    if reader.logical().is_some() {
        return Err(broken("it is more than one instruction".to_string()));
    }
    if let Some(diagnostic) = reader.diagnostics.first() {
        return Err(broken(diagnostic.message.clone()));
    }
    Ok(Instruction {
        span: place,
        ..statement
    })
}
