//! Conditions on what a statement says.
//!
//! A path is a JSON Pointer (RFC 6901) in which `*` stands for every element of a list or object. A condition holds if there is something
//! at the path, and all that is there meets it. `exists = false` is for what must not be there.

use serde::Deserialize;
use serde_json::Value;

use super::Pattern;

/// The most values that one path may lead to.
const MAX_VALUES: usize = 100_000;

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    path: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Equals(Value),
    Not(Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    AtMost(f64),
    AtLeast(f64),
    Matches(Pattern),
    Exists(bool),
    CountAtMost(usize),
}

/// A condition that says nothing clear.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Not a pointer.
    #[error("`{0}` is no path: paths begin with `/`")]
    Path(String),
    /// No test, or several.
    #[error(
        "a condition on `{0}` needs exactly one of equals, not, in, not-in, at-most, at-least, matches, exists, count-at-most"
    )]
    Tests(String),
}

/// As it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    path: String,
    equals: Option<toml::Value>,
    not: Option<toml::Value>,
    r#in: Option<Vec<toml::Value>>,
    not_in: Option<Vec<toml::Value>>,
    at_most: Option<f64>,
    at_least: Option<f64>,
    matches: Option<String>,
    exists: Option<bool>,
    count_at_most: Option<usize>,
}

impl TryFrom<Written> for Condition {
    type Error = ConditionError;

    fn try_from(written: Written) -> Result<Self, ConditionError> {
        let path = written.path;
        if !path.is_empty() && !path.starts_with('/') {
            return Err(ConditionError::Path(path));
        }
        let all = |values: Vec<toml::Value>| values.into_iter().map(to_json).collect();
        let tests = [
            written.equals.map(|value| Test::Equals(to_json(value))),
            written.not.map(|value| Test::Not(to_json(value))),
            written.r#in.map(|values| Test::In(all(values))),
            written.not_in.map(|values| Test::NotIn(all(values))),
            written.at_most.map(Test::AtMost),
            written.at_least.map(Test::AtLeast),
            written
                .matches
                .map(|text| Test::Matches(Pattern::new(&text))),
            written.exists.map(Test::Exists),
            written.count_at_most.map(Test::CountAtMost),
        ];
        let mut tests = tests.into_iter().flatten();
        match (tests.next(), tests.next()) {
            (Some(test), None) => Ok(Self { path, test }),
            _ => Err(ConditionError::Tests(path)),
        }
    }
}

fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(truth) => Value::from(truth),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| (key, to_json(value)))
            .collect(),
    }
}

impl Condition {
    /// That at `path` stands `value`.
    #[must_use]
    pub fn equals(path: &str, value: Value) -> Self {
        Self {
            path: path.to_owned(),
            test: Test::Equals(value),
        }
    }

    /// Whether `predicate` meets it; else why not.
    ///
    /// # Errors
    /// The reason, for a person.
    pub fn check(&self, predicate: &Value) -> Result<(), String> {
        let path = &self.path;
        let found =
            values(predicate, path).ok_or_else(|| format!("`{path}` leads to too many values"))?;
        match (&self.test, &found[..]) {
            (Test::Exists(wanted), found) if found.is_empty() == *wanted => Err(match wanted {
                true => format!("there is nothing at `{path}`"),
                false => format!("there is something at `{path}`"),
            }),
            (Test::Exists(_), _) => Ok(()),
            (Test::CountAtMost(most), found) if found.len() > *most => Err(format!(
                "there are {} values at `{path}`, at most {most} are accepted",
                found.len()
            )),
            (Test::CountAtMost(_), _) => Ok(()),
            (_, []) => Err(format!("there is nothing at `{path}`")),
            (test, found) => match found.iter().find(|value| !test.accepts(value)) {
                Some(value) => Err(format!(
                    "`{path}` is {}, which is not {}",
                    brief(value),
                    test.describe()
                )),
                None => Ok(()),
            },
        }
    }
}

impl Test {
    fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Equals(wanted) => same(value, wanted),
            Self::Not(unwanted) => !same(value, unwanted),
            Self::In(wanted) => wanted.iter().any(|one| same(value, one)),
            Self::NotIn(unwanted) => !unwanted.iter().any(|one| same(value, one)),
            Self::AtMost(most) => value.as_f64().is_some_and(|number| number <= *most),
            Self::AtLeast(least) => value.as_f64().is_some_and(|number| number >= *least),
            Self::Matches(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Self::Exists(_) | Self::CountAtMost(_) => true,
        }
    }

    fn describe(&self) -> String {
        let list = |values: &[Value]| values.iter().map(brief).collect::<Vec<_>>().join(", ");
        match self {
            Self::Equals(value) => brief(value),
            Self::Not(value) => format!("anything but {}", brief(value)),
            Self::In(values) => format!("one of {}", list(values)),
            Self::NotIn(values) => format!("anything but {}", list(values)),
            Self::AtMost(number) => format!("at most {number}"),
            Self::AtLeast(number) => format!("at least {number}"),
            Self::Matches(pattern) => format!("like `{pattern}`"),
            Self::Exists(_) | Self::CountAtMost(_) => String::new(),
        }
    }
}

/// Numbers are compared by value: 1 and 1.0 are one number.
fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right).is_eq(),
        _ => left == right,
    }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Everything that `path` leads to; `None` if it is too much.
fn values<'a>(root: &'a Value, path: &str) -> Option<Vec<&'a Value>> {
    let mut found = vec![root];
    for part in path.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        let mut next = vec![];
        for value in found {
            match value {
                Value::Array(all) if part == "*" => next.extend(all),
                Value::Object(all) if part == "*" => next.extend(all.values()),
                Value::Array(all) => {
                    next.extend(name.parse::<usize>().ok().and_then(|at| all.get(at)));
                }
                Value::Object(all) => next.extend(all.get(&name)),
                _ => {}
            }
            if next.len() > MAX_VALUES {
                return None;
            }
        }
        found = next;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, predicate: &Value) -> Result<(), String> {
        let written: Written = toml::from_str(text).unwrap();
        Condition::try_from(written).unwrap().check(predicate)
    }

    #[test]
    fn each_test() {
        let scan =
            json!({"result": {"critical": 0, "list": [{"s": "low"}, {"s": "high"}]}, "a/b": true});
        for (text, expected) in [
            ("path = '/result/critical'\nat-most = 0", true),
            ("path = '/result/critical'\nat-least = 1", false),
            ("path = '/result/critical'\nequals = 0", true),
            ("path = '/result/list/*/s'\nin = ['low', 'high']", true),
            ("path = '/result/list/*/s'\nnot-in = ['high']", false),
            ("path = '/result/list/*'\ncount-at-most = 1", false),
            ("path = '/result/list/0/s'\nmatches = 'l*'", true),
            ("path = '/result/list/0/s'\nnot = 'low'", false),
            ("path = '/a~1b'\nequals = true", true),
            ("path = '/gone'\nexists = false", true),
            ("path = '/gone'\nexists = true", false),
            ("path = '/gone'\nnot = 1", false),
            ("path = '/a~1b'\nat-most = 5", false),
        ] {
            assert_eq!(check(text, &scan).is_ok(), expected, "{text}");
        }
        let why = check("path = '/result/critical'\nat-least = 1", &scan).unwrap_err();
        assert_eq!(why, "`/result/critical` is 0, which is not at least 1");
    }

    #[test]
    fn what_says_nothing_clear_is_refused() {
        for text in [
            "path = 'x'\nequals = 1",
            "path = '/x'",
            "path = '/x'\nequals = 1\nnot = 2",
        ] {
            let written: Written = toml::from_str(text).unwrap();
            assert!(Condition::try_from(written).is_err(), "{text}");
        }
        assert!(toml::from_str::<Written>("path = '/x'\natmost = 1").is_err());
    }
}
