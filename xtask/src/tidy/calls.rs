//! Libraries do not print, read the environment, exit or panic by `unwrap`, and `unsafe` lives in
//! one crate.
//!
//! Clippy is told most of this too, but a crate can switch a lint off; here it cannot.

use super::source::{code_only, find_word, lines_under_cfg};
use super::tree::{Finding, Tree, crate_of, is_free_code};

const RULE: &str = "forbidden-call";

/// A word that must not occur in code, except in some crates.
struct Forbidden {
    word: &'static str,
    except: &'static [&'static str],
    instead: &'static str,
}

const PRINTS: &str = "only `kiln` prints; return the value or take a writer";
const READS_ENVIRONMENT: &str = "only `kiln` reads the environment; take the value as an argument";

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        word: "println!",
        except: &["kiln"],
        instead: PRINTS,
    },
    Forbidden {
        word: "print!",
        except: &["kiln"],
        instead: PRINTS,
    },
    Forbidden {
        word: "eprintln!",
        except: &["kiln"],
        instead: PRINTS,
    },
    Forbidden {
        word: "eprint!",
        except: &["kiln"],
        instead: PRINTS,
    },
    Forbidden {
        word: "dbg!",
        except: &[],
        instead: "leave no debugging behind",
    },
    Forbidden {
        word: "env::var",
        except: &["kiln"],
        instead: READS_ENVIRONMENT,
    },
    Forbidden {
        word: "env::var_os",
        except: &["kiln"],
        instead: READS_ENVIRONMENT,
    },
    Forbidden {
        word: "env::vars",
        except: &["kiln"],
        instead: READS_ENVIRONMENT,
    },
    Forbidden {
        word: "env::vars_os",
        except: &["kiln"],
        instead: READS_ENVIRONMENT,
    },
    Forbidden {
        word: "env::home_dir",
        except: &["kiln"],
        instead: READS_ENVIRONMENT,
    },
    Forbidden {
        word: "process::exit",
        // The first process in a new pid namespace has nothing to return to.
        except: &["kiln", "kiln-sandbox"],
        instead: "only `kiln` ends the process; return an error",
    },
    Forbidden {
        word: ".unwrap()",
        except: &[],
        instead: "write `expect(\"because …\")`, or return the error",
    },
    Forbidden {
        word: "todo!",
        except: &[],
        instead: "finish it or return a clear error",
    },
    Forbidden {
        word: "unimplemented!",
        except: &[],
        instead: "finish it or return a clear error",
    },
    Forbidden {
        word: "unsafe",
        except: &["kiln-sandbox"],
        instead: "kiln-sandbox is the only crate with `unsafe`",
    },
];

/// Looks for the words in all code that is not a test, an example, a build script or xtask.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust_files().filter(|(path, _)| !is_free_code(path)) {
        let crate_name = crate_of(path).unwrap_or_default();
        let code = code_only(text);
        let in_test = lines_under_cfg(&code, |attribute| attribute.starts_with("cfg(test"));
        for (index, line) in code
            .lines()
            .enumerate()
            .filter(|(index, _)| !in_test[*index])
        {
            for rule in FORBIDDEN
                .iter()
                .filter(|rule| !rule.except.contains(&crate_name))
            {
                if find_word(line, rule.word).is_some() {
                    let message = format!("`{}`: {}", rule.word, rule.instead);
                    findings.push(Finding::new(RULE, path, index + 1, message));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    const LIBRARY: &str = "crates/kiln-oci/src/lib.rs";

    #[test]
    fn each_word_is_found_in_a_library() {
        for rule in FORBIDDEN {
            let value = if rule.word.starts_with('.') { "x" } else { "" };
            let text = format!("fn f() {{\n    {value}{}\n}}\n", rule.word);
            assert_eq!(lines(LIBRARY, &text), [2], "{text}");
        }
    }

    #[test]
    fn kiln_prints_and_the_sandbox_is_unsafe() {
        assert!(lines("crates/kiln/src/ui/mod.rs", "fn f() { println!(\"a\") }").is_empty());
        assert!(lines("crates/kiln-sandbox/src/a.rs", "unsafe { exit() }").is_empty());
        assert_eq!(lines("crates/kiln/src/a.rs", "fn f() { unsafe {} }"), [1]);
        assert_eq!(lines("crates/kiln-sandbox/src/a.rs", "x.unwrap()"), [1]);
    }

    #[test]
    fn tests_comments_and_strings_do_not_count() {
        let text = "// println!\nconst A: &str = \"unsafe\";\n\
                    #[cfg(test)]\nmod tests {\n fn f() { x.unwrap() }\n}\nfn g() { y.unwrap() }\n";
        assert_eq!(lines(LIBRARY, text), [7]);
        assert!(lines("crates/kiln-oci/tests/it/main.rs", "x.unwrap()").is_empty());
        assert!(lines(LIBRARY, "#![deny(unsafe_code)] fn f() { x.unwrap_or(1) }").is_empty());
    }
}
