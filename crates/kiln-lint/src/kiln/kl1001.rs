//! KL1001: an image should not have more layers than it needs.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1001",
    name: "many-layers",
    severity: Severity::Info,
    summary: "An image should not have more layers than it needs",
    why: "Each RUN, COPY and ADD is a layer, with its own files and its own round trip on every pull. What one layer leaves, another cannot take out. The limit is `max-layers` of kiln-lint.toml, 10 without.",
    bad: "FROM debian:12\nRUN make one\nRUN make two\nRUN make three\nRUN make four\nRUN make five\nRUN make six\nRUN make seven\nRUN make eight\nRUN make nine\nRUN make ten\nRUN make eleven\n",
    good: "FROM debian:12\nRUN make one && make two && make three && make four && make five && make six \\\n    && make seven && make eight && make nine && make ten && make eleven\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(last) = subject.views.last() else {
        return;
    };
    let chain = subject.chain(last.position);
    let layers: Vec<_> = chain
        .iter()
        .rev()
        .flat_map(|view| view.instructions)
        .filter(|one| makes_layer(one))
        .collect();
    if layers.len() <= subject.options.max_layers {
        return;
    }
    let line = |one: &kiln_dockerfile::Instruction| subject.source.position(one.span.start).line;
    // RUNs that follow each other without anything between.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for view in chain.iter().rev() {
        let mut before = false;
        for one in view.instructions {
            let run = matches!(one.kind, InstructionKind::Run(_));
            match groups.last_mut() {
                Some(group) if run && before => group.push(line(one)),
                _ if run => groups.push(vec![line(one)]),
                _ => {}
            }
            before = run;
        }
    }
    let joined: Vec<String> = groups
        .iter()
        .filter(|group| group.len() > 1)
        .map(|group| format!("{} to {}", group[0], group[group.len() - 1]))
        .collect();
    let message = format!(
        "{} layers, more than {}",
        layers.len(),
        subject.options.max_layers
    );
    let finding = report.add(last.span(), message);
    match joined.as_slice() {
        [] => finding.help("copy with fewer instructions, or prepare files in another stage"),
        lines => finding.help(format!(
            "join the RUNs of lines {}",
            lines.join(", of lines ")
        )),
    };
}

fn makes_layer(instruction: &kiln_dockerfile::Instruction) -> bool {
    matches!(
        instruction.kind,
        InstructionKind::Run(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Workdir(_)
    )
}
