//! The parser, by what it makes of scripts.

use super::ast::{Kind, Part};
use super::{Invocation, ProblemKind, parse};
use proptest::prelude::*;

fn commands(text: &str) -> Vec<String> {
    let (list, problems) = parse(text);
    assert!(problems.is_empty(), "{text}: {problems:?}");
    Invocation::all(&list, text)
        .into_iter()
        .map(|one| {
            let args: Vec<String> = one.args.into_iter().map(|arg| arg.text).collect();
            format!("{} {}", one.name, args.join("|"))
                .trim()
                .to_string()
        })
        .collect()
}

#[test]
fn commands_are_found_wherever_they_stand() {
    for (text, expected) in [
        ("a b 'c d' \"e $f\"", vec!["a b|c d|e $f"]),
        ("a && b || c; d & e", vec!["a", "b", "c", "d", "e"]),
        ("a | b |& c", vec!["a", "b", "c"]),
        ("(a; b) > c", vec!["a", "b"]),
        ("{ a; b; } 2>&1", vec!["a", "b"]),
        ("x=1 y=$(z) a", vec!["z", "a"]),
        (
            "echo $(a `b`) \"$(c)\"",
            vec!["echo $(a `b`)|$(c)", "a `b`", "b", "c"],
        ),
        (
            "if a; then b; elif c; then d; else e; fi",
            vec!["a", "b", "c", "d", "e"],
        ),
        ("while a; do b; done < c", vec!["a", "b"]),
        ("for i in 1 2; do a $i; done", vec!["a $i"]),
        ("for i\ndo a; done", vec!["a"]),
        ("case $x in a|b) c;; *) d ;; esac", vec!["c", "d"]),
        ("f() { a; }; f", vec!["a", "f"]),
        ("function f { a; }", vec!["a"]),
        ("! a; time b; exec c", vec!["a", "b", "c"]),
        ("[[ a == b && -f c ]] && d", vec!["d"]),
        ("((x + 1)); echo $((1 + $y))", vec!["echo $((1 + $y))"]),
        ("a # b\nc", vec!["a", "c"]),
        ("cat <<E\n$(a) ' \"\nE\nb", vec!["cat", "b"]),
        ("a \\\n b", vec!["a b"]),
        (
            "echo ${x:-$(a)} ${#y} ${z[1]}",
            vec!["echo ${x:-$(a)}|${#y}|${z[1]}", "a"],
        ),
        ("diff <(a) <(b)", vec!["diff <(a)|<(b)", "a", "b"]),
        ("a=(b c) d", vec!["d"]),
        ("echo a#b", vec!["echo a#b"]),
    ] {
        assert_eq!(commands(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_and_stepped_over() {
    for (text, kind) in [
        ("echo 'a", ProblemKind::Unclosed),
        ("echo \"a", ProblemKind::Unclosed),
        ("echo $(a", ProblemKind::Unclosed),
        ("echo `a", ProblemKind::Unclosed),
        ("echo ${a", ProblemKind::Unclosed),
        ("(a", ProblemKind::Unclosed),
        ("if a; then b", ProblemKind::Keyword),
        ("fi", ProblemKind::Keyword),
        ("a )", ProblemKind::Operator),
        ("a &; b", ProblemKind::Terminator),
        ("a ; ; b", ProblemKind::Terminator),
        ("f(a) { b; }", ProblemKind::Parameters),
        ("a >", ProblemKind::Operator),
    ] {
        let (_, problems) = parse(text);
        assert!(
            problems.iter().any(|one| one.kind == kind),
            "{text}: {problems:?}"
        );
    }
    let deep = "$(".repeat(10_000);
    let (_, problems) = parse(&deep);
    assert!(problems.iter().any(|one| one.kind == ProblemKind::Depth));
}

#[test]
fn places_are_exact() {
    let text = "a; echo \"x ${yes} z\"";
    let (list, _) = parse(text);
    let Kind::Simple(simple) = &list.items[1].first.commands[0].kind else {
        panic!("a simple command");
    };
    let Part::Double(parts, _) = &simple.words[1].parts[0] else {
        panic!("double quotes");
    };
    let span = parts[1].span();
    assert_eq!(&text[span.start..span.end], "${yes}");
}

fn piece() -> impl Strategy<Value = String> {
    let words = [
        "a", "'", "\"", "`", "$", "$(", ")", "(", "{", "}", "${x", "if", "then", "fi", "do",
        "done", "case", "in", "esac", ";;", ";", "&", "|", "&&", "<<E", "\n", "E", "\\", "#", "[[",
        "]]", "((", "))", "for", "x=", "ä", " ",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_string)
}

proptest! {
    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        parse(&text);
    }

    #[test]
    fn any_pieces_are_taken(pieces in proptest::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        let (list, problems) = parse(&text);
        for command in Invocation::all(&list, &text) {
            prop_assert!(text.get(command.span.start..command.span.end).is_some());
        }
        for problem in problems {
            prop_assert!(problem.span.end <= text.len());
        }
    }
}
