//! The rules of shells that hadolint passes on from ShellCheck, as far as a tree of the script can tell them.
//! Written from what each code is documented to mean. One file each.

mod posix;
mod sc1000;
mod sc1001;
mod sc1007;
mod sc1010;
mod sc1012;
mod sc1018;
mod sc1035;
mod sc1045;
mod sc1065;
mod sc1066;
mod sc1068;
mod sc1072;
mod sc1077;
mod sc1078;
mod sc1079;
mod sc1081;
mod sc1083;
mod sc1086;
mod sc1087;
mod sc1091;
mod sc1095;
mod sc1097;
mod sc1098;
mod sc1099;
mod sc1110;
mod sc2002;
mod sc2005;
mod sc2006;
mod sc2010;
mod sc2015;
mod sc2016;
mod sc2024;
mod sc2026;
mod sc2028;
mod sc2034;
mod sc2035;
mod sc2038;
mod sc2039;
mod sc2045;
mod sc2046;
mod sc2068;
mod sc2086;
mod sc2088;
mod sc2113;
mod sc2140;
mod sc2154;
mod sc2155;
mod sc2162;
mod sc2164;
mod sc2181;
mod sc2283;
mod sc3001;
mod sc3003;
mod sc3006;
mod sc3009;
mod sc3010;
mod sc3011;
mod sc3014;
mod sc3020;
mod sc3029;
mod sc3030;
mod sc3037;
mod sc3040;
mod sc3043;
mod sc3044;
mod sc3046;
mod sc3054;
mod sc3057;
mod sc3060;
mod variables;

use crate::rule::Rule;
use crate::shell::ast::{Command, Kind, Part, Redirect, Simple, Word};
use crate::shell::{Dialect, ShellRun, Visitor, walk};
use crate::subject::Subject;

/// All of them, by code.
pub(crate) static RULES: &[&Rule] = &[
    &sc1000::RULE,
    &sc1001::RULE,
    &sc1007::RULE,
    &sc1010::RULE,
    &sc1012::RULE,
    &sc1018::RULE,
    &sc1035::RULE,
    &sc1045::RULE,
    &sc1065::RULE,
    &sc1066::RULE,
    &sc1068::RULE,
    &sc1072::RULE,
    &sc1077::RULE,
    &sc1078::RULE,
    &sc1079::RULE,
    &sc1081::RULE,
    &sc1083::RULE,
    &sc1086::RULE,
    &sc1087::RULE,
    &sc1091::RULE,
    &sc1095::RULE,
    &sc1097::RULE,
    &sc1098::RULE,
    &sc1099::RULE,
    &sc1110::RULE,
    &sc2002::RULE,
    &sc2005::RULE,
    &sc2006::RULE,
    &sc2010::RULE,
    &sc2015::RULE,
    &sc2016::RULE,
    &sc2024::RULE,
    &sc2026::RULE,
    &sc2028::RULE,
    &sc2034::RULE,
    &sc2035::RULE,
    &sc2038::RULE,
    &sc2039::RULE,
    &sc2045::RULE,
    &sc2046::RULE,
    &sc2068::RULE,
    &sc2086::RULE,
    &sc2088::RULE,
    &sc2113::RULE,
    &sc2140::RULE,
    &sc2154::RULE,
    &sc2155::RULE,
    &sc2162::RULE,
    &sc2164::RULE,
    &sc2181::RULE,
    &sc2283::RULE,
    &sc3001::RULE,
    &sc3003::RULE,
    &sc3006::RULE,
    &sc3009::RULE,
    &sc3010::RULE,
    &sc3011::RULE,
    &sc3014::RULE,
    &sc3020::RULE,
    &sc3029::RULE,
    &sc3030::RULE,
    &sc3037::RULE,
    &sc3040::RULE,
    &sc3043::RULE,
    &sc3044::RULE,
    &sc3046::RULE,
    &sc3054::RULE,
    &sc3057::RULE,
    &sc3060::RULE,
];

/// The scripts that a POSIX shell reads.
fn scripts<'s, 'a>(subject: &'s Subject<'a>) -> impl Iterator<Item = &'s ShellRun<'a>> {
    let parsed = |run: &&ShellRun<'_>| run.dialect != Dialect::Other && !run.text.is_empty();
    subject.runs().iter().filter(parsed)
}

/// Calls `seen` for every simple command.
fn each_simple(run: &ShellRun<'_>, seen: impl FnMut(&Simple, &Command)) {
    struct Each<F>(F);
    impl<F: FnMut(&Simple, &Command)> Visitor for Each<F> {
        fn simple(&mut self, simple: &Simple, command: &Command) {
            (self.0)(simple, command);
        }
    }
    walk(&run.script, &mut Each(seen));
}

/// Calls `seen` for every word.
fn each_word(run: &ShellRun<'_>, seen: impl FnMut(&Word)) {
    struct Each<F>(F);
    impl<F: FnMut(&Word)> Visitor for Each<F> {
        fn word(&mut self, word: &Word) {
            (self.0)(word);
        }
    }
    walk(&run.script, &mut Each(seen));
}

/// Calls `seen` for every part of every word, and whether it is in double quotes.
fn each_part(run: &ShellRun<'_>, seen: impl FnMut(&Part, bool)) {
    struct Each<F>(F);
    impl<F: FnMut(&Part, bool)> Visitor for Each<F> {
        fn part(&mut self, part: &Part, quoted: bool) {
            (self.0)(part, quoted);
        }
    }
    walk(&run.script, &mut Each(seen));
}

/// Calls `seen` for every part whose value the shell splits into words: outside quotes, in the arguments of
/// commands and the targets of redirections.
fn each_split_part(run: &ShellRun<'_>, seen: impl FnMut(&Part)) {
    struct Each<F>(F);
    impl<F: FnMut(&Part)> Visitor for Each<F> {
        fn command(&mut self, command: &Command) {
            if let Kind::Simple(simple) = &command.kind {
                simple
                    .words
                    .iter()
                    .flat_map(Word::unquoted)
                    .for_each(&mut self.0);
            }
        }

        fn redirect(&mut self, redirect: &Redirect) {
            if !redirect.operator.starts_with("<<") {
                redirect.target.unquoted().for_each(&mut self.0);
            }
        }
    }
    walk(&run.script, &mut Each(seen));
}

/// The parts of a word, and those inside its double quotes.
fn text_parts(word: &Word) -> impl Iterator<Item = &Part> {
    word.parts.iter().flat_map(|part| match part {
        Part::Double(inner, _) => inner.as_slice(),
        other => std::slice::from_ref(other),
    })
}

/// Whether a command is the program of that name.
fn named(command: &Command, name: &str) -> bool {
    matches!(&command.kind, Kind::Simple(simple) if simple.name().as_deref() == Some(name))
}
