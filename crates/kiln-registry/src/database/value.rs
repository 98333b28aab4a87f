//! What goes into the database and comes out of it: four kinds of values that SQLite and PostgreSQL
//! share.

use super::DatabaseError;

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A `BIGINT`. PostgreSQL's smaller integers and booleans (0, 1) come out as this, too.
    Integer(i64),
    /// A `TEXT`.
    Text(String),
    /// A `BYTEA` or `BLOB`.
    Bytes(Vec<u8>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "an integer",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

macro_rules! into_value {
    ($($from:ty => |$value:ident| $into:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

into_value! {
    i64 => |value| Self::Integer(value);
    bool => |value| Self::Integer(i64::from(value));
    &str => |value| Self::Text(value.to_owned());
    &String => |value| Self::Text(value.clone());
    String => |value| Self::Text(value);
    Vec<u8> => |value| Self::Bytes(value);
    &[u8] => |value| Self::Bytes(value.to_vec());
    kiln_oci::Digest => |value| Self::Text(value.to_string());
    &kiln_oci::Digest => |value| Self::Text(value.to_string());
    &crate::name::RepositoryName => |value| Self::Text(value.to_string());
    &crate::name::Tag => |value| Self::Text(value.to_string());
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// What it is called in an error.
    const EXPECTED: &'static str;

    /// The value as this, or the value back.
    ///
    /// # Errors
    /// The value itself, where it is of another kind.
    fn from_value(value: Value) -> Result<Self, Value>;
}

impl FromValue for i64 {
    const EXPECTED: &'static str = "an integer";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Integer(number) => Ok(number),
            other => Err(other),
        }
    }
}

impl FromValue for u64 {
    const EXPECTED: &'static str = "an integer of at least 0";

    fn from_value(value: Value) -> Result<Self, Value> {
        let number = i64::from_value(value)?;
        Self::try_from(number).map_err(|_| Value::Integer(number))
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "0 or 1";

    fn from_value(value: Value) -> Result<Self, Value> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "text";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(other),
        }
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(other),
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// Text that has a grammar of its own: digests, names, tags.
macro_rules! parsed {
    ($($type:ty, $expected:literal;)*) => {
        $(impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: Value) -> Result<Self, Value> {
                let text = String::from_value(value)?;
                text.parse().map_err(|_| Value::Text(text))
            }
        })*
    };
}

parsed! {
    kiln_oci::Digest, "a digest";
    crate::name::RepositoryName, "a repository's name";
    crate::name::Tag, "a tag";
}

/// A row of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Value>);

impl Row {
    /// A row of these columns.
    pub(crate) fn new(columns: Vec<Value>) -> Self {
        Self(columns)
    }

    /// The column at `index`, from 0.
    ///
    /// # Errors
    /// [`DatabaseError::Unexpected`] when there is no such column or it is of another kind.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, DatabaseError> {
        convert(index, self.0.get(index).cloned())
    }

    /// The column at `index` without a copy; null stays in its place.
    ///
    /// # Errors
    /// The same as [`Row::get`].
    pub fn take<T: FromValue>(&mut self, index: usize) -> Result<T, DatabaseError> {
        let column = self.0.get_mut(index);
        convert(
            index,
            column.map(|value| std::mem::replace(value, Value::Null)),
        )
    }
}

fn convert<T: FromValue>(index: usize, value: Option<Value>) -> Result<T, DatabaseError> {
    let unexpected = |found| DatabaseError::Unexpected {
        column: index,
        expected: T::EXPECTED,
        found,
    };
    let value = value.ok_or_else(|| unexpected("nothing"))?;
    T::from_value(value).map_err(|value| unexpected(value.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_out_as_what_they_are_and_nothing_else() {
        let digest = kiln_oci::Digest::sha256(b"x");
        let columns = vec![7.into(), "x".into(), Value::Null, digest.into()];
        let mut row = Row::new(columns);
        assert_eq!(row.get::<i64>(0).unwrap(), 7);
        assert_eq!(row.get::<u64>(0).unwrap(), 7);
        assert_eq!(row.get::<Option<String>>(1).unwrap().as_deref(), Some("x"));
        assert_eq!(row.get::<Option<i64>>(2).unwrap(), None);
        assert_eq!(row.get::<kiln_oci::Digest>(3).unwrap(), digest);
        assert!(row.get::<i64>(1).is_err());
        assert!(row.get::<kiln_oci::Digest>(1).is_err());
        assert!(row.get::<i64>(4).is_err());
        assert_eq!(row.take::<String>(1).unwrap(), "x");
        assert!(row.get::<String>(1).is_err());
    }
}
