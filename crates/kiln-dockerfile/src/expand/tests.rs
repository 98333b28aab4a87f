//! What words become.

use super::*;

fn vars() -> BTreeMap<String, String> {
    [
        ("a", "A"),
        ("empty", ""),
        ("two", "one two"),
        ("path", "/usr/local/bin"),
        ("file", "archive.tar.gz"),
        ("star", "a*b"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .collect()
}

#[test]
fn values_quotes_and_escapes() {
    for (word, expected) in [
        ("plain", "plain"),
        ("$a", "A"),
        ("${a}", "A"),
        ("$a$a", "AA"),
        ("x${a}y", "xAy"),
        ("$none", ""),
        ("$", "$"),
        ("$/x", "$/x"),
        ("a$", "a$"),
        ("$1", ""),
        ("$12x", "x"),
        ("$@", ""),
        ("$$a", "a"),
        ("\\$a", "$a"),
        ("'$a'", "$a"),
        ("\"$a\"", "A"),
        ("\"\\$a\"", "$a"),
        ("\"\\n\"", "\\n"),
        ("\"\\\"\"", "\""),
        ("\"\\\\\"", "\\"),
        ("\\n", "n"),
        ("a\\ b", "a b"),
        ("'it'\\''s'", "it's"),
        ("x\\", "x"),
        ("$two", "one two"),
        ("'\\'", "\\"),
        ("ä$a", "äA"),
        ("$äx", ""),
    ] {
        assert_eq!(
            expand(word, '\\', &vars()).unwrap().value,
            expected,
            "{word}"
        );
    }
}

#[test]
fn modifiers() {
    for (word, expected) in [
        ("${a:-x}", "A"),
        ("${empty:-x}", "x"),
        ("${empty-x}", ""),
        ("${none-x}", "x"),
        ("${none:-$a}", "A"),
        ("${none:-${empty:-deep}}", "deep"),
        ("${none:-'q}q'}", "q}q"),
        ("${none:-a\\}b}", "a}b"),
        ("${a:+x}", "x"),
        ("${empty:+x}", ""),
        ("${empty+x}", "x"),
        ("${none+x}", ""),
        ("${a:?no}", "A"),
        ("${empty?no}", ""),
        ("${path#*/}", "usr/local/bin"),
        ("${path##*/}", "bin"),
        ("${path%/*}", "/usr/local"),
        ("${path%%/*}", ""),
        ("${file%.*}", "archive.tar"),
        ("${file%%.*}", "archive"),
        ("${file#arch???.}", "tar.gz"),
        ("${file#none}", "archive.tar.gz"),
        ("${star#a\\*}", "b"),
        ("${path/\\//-}", "-usr/local/bin"),
        ("${path//\\//-}", "-usr-local-bin"),
        ("${file/./}", "archivetar.gz"),
        ("${file//[a]/x}", "archive.tar.gz"),
        ("${none#x}", ""),
        ("${file/$a/x}", "archive.tar.gz"),
        ("${two// /-}", "one-two"),
    ] {
        assert_eq!(
            expand(word, '\\', &vars()).unwrap().value,
            expected,
            "{word}"
        );
    }
}

#[test]
fn errors() {
    for (word, expected) in [
        (
            "'a",
            "unexpected end of statement while looking for matching single-quote",
        ),
        (
            "\"a",
            "unexpected end of statement while looking for matching double-quote",
        ),
        ("${a", "syntax error: missing '}'"),
        ("${", "syntax error: missing '}'"),
        ("${a:-b", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${:x}", "syntax error: bad substitution"),
        ("${{a}}", "syntax error: bad substitution"),
        ("${a;b}", "unsupported modifier (;) in substitution"),
        ("${a:#b}", "unsupported modifier (:#) in substitution"),
        ("${a:%b}", "unsupported modifier (:%) in substitution"),
        ("${a:=b}", "unsupported modifier (:=) in substitution"),
        ("${a:", "unsupported modifier (:) in substitution"),
        ("${none?}", "none: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${none:?say $a}", "none: say A"),
        ("${a/x}", "syntax error: missing '/'"),
        (
            "${a#\\d}",
            "invalid pattern (\\d) in substitution: invalid escape '\\d'",
        ),
    ] {
        assert_eq!(
            expand(word, '\\', &vars()).unwrap_err().to_string(),
            expected,
            "{word}"
        );
    }
    let deep = format!("{}x{}", "${none:-".repeat(5000), "}".repeat(5000));
    assert_eq!(expand(&deep, '\\', &vars()), Err(ExpandError::TooDeep));
    let big = BTreeMap::from([("v".to_string(), "x".repeat(1 << 20))]);
    assert_eq!(
        expand(&"$v".repeat(20), '\\', &big),
        Err(ExpandError::TooLong)
    );
}

#[test]
fn words_split_after_expansion() {
    for (word, expected) in [
        ("a b", vec!["a", "b"]),
        ("  a   b  ", vec!["a", "b"]),
        ("$two", vec!["one", "two"]),
        ("\"$two\"", vec!["one two"]),
        ("x$two", vec!["xone", "two"]),
        ("'a b'c", vec!["a bc"]),
        ("a\\ b", vec!["a b"]),
        ("''", vec![]),
        ("", vec![]),
        ("$none", vec![]),
        ("a << b c", vec!["a", "<< b", "c"]),
        ("a < b<c", vec!["a", "<", "b<c"]),
    ] {
        assert_eq!(
            expand_words(word, '\\', &vars()).unwrap(),
            expected,
            "{word}"
        );
    }
}

#[test]
fn other_escape_character_and_reported_names() {
    let expanded = expand("`$a $a $none $none C:\\dir", '`', &vars()).unwrap();
    assert_eq!(expanded.value, "$a A   C:\\dir");
    assert_eq!(expanded.unset, ["none"]);
    assert_eq!(expanded.used.into_iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn heredocs_keep_quotes() {
    let text = "say \"$a\" and '$a' or \\$a\n";
    let expanded = expand_heredoc(text, &vars()).unwrap().value;
    assert_eq!(expanded, "say \"A\" and 'A' or $a\n");
}
