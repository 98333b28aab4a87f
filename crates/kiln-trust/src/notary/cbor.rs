//! CBOR, as far as COSE envelopes need it: definite lengths, a bound on depth.
//!
//! Source: RFC 8949.

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 8;

/// The most elements of one list or map.
const MAX_ELEMENTS: u64 = 256;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// An integer.
    Integer(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map, in its order.
    Map(Vec<(Value, Value)>),
    /// A tagged value.
    Tagged(u64, Box<Value>),
    /// `null`.
    Null,
}

/// Reads one value and nothing after it.
pub(super) fn read(bytes: &[u8]) -> Result<Value, &'static str> {
    let mut rest = bytes;
    let value = next(&mut rest, 0)?;
    match rest {
        [] => Ok(value),
        _ => Err("there is something after its end"),
    }
}

fn next(rest: &mut &[u8], depth: usize) -> Result<Value, &'static str> {
    if depth > MAX_DEPTH {
        return Err("it is nested too deeply");
    }
    let (first, after) = rest.split_first().ok_or("it is cut short")?;
    *rest = after;
    let (major, info) = (first >> 5, first & 0x1f);
    if major == 7 {
        return match info {
            22 => Ok(Value::Null),
            _ => Err("it has a value that envelopes do not have"),
        };
    }
    let number = argument(rest, info)?;
    let signed = i64::try_from(number).map_err(|_| "a number is too large");
    match major {
        0 => Ok(Value::Integer(signed?)),
        1 => Ok(Value::Integer(-1 - signed?)),
        2 => Ok(Value::Bytes(take(rest, number)?.to_vec())),
        3 => {
            let text =
                std::str::from_utf8(take(rest, number)?).map_err(|_| "a text is not UTF-8")?;
            Ok(Value::Text(text.to_owned()))
        }
        4 | 5 if number > MAX_ELEMENTS => Err("a list is too long"),
        4 => (0..number)
            .map(|_| next(rest, depth + 1))
            .collect::<Result<_, _>>()
            .map(Value::List),
        5 => {
            let pairs = (0..number).map(|_| Ok((next(rest, depth + 1)?, next(rest, depth + 1)?)));
            let pairs: Vec<(Value, Value)> = pairs.collect::<Result<_, &'static str>>()?;
            let is_twice = |(at, (key, _)): (usize, &(Value, Value))| {
                pairs[..at].iter().any(|(other, _)| other == key)
            };
            match pairs.iter().enumerate().any(is_twice) {
                true => Err("a map has a key twice"),
                false => Ok(Value::Map(pairs)),
            }
        }
        _ => Ok(Value::Tagged(number, Box::new(next(rest, depth + 1)?))),
    }
}

fn argument(rest: &mut &[u8], info: u8) -> Result<u64, &'static str> {
    let size = match info {
        0..=23 => return Ok(u64::from(info)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return Err("it has an indefinite length"),
    };
    let digits = take(rest, size)?;
    Ok(digits
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], &'static str> {
    let length = usize::try_from(length).map_err(|_| "it is cut short")?;
    let (taken, after) = rest.split_at_checked(length).ok_or("it is cut short")?;
    *rest = after;
    Ok(taken)
}

/// Writes a value in the shortest form.
pub(super) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) => head(0, number, out),
            Err(_) => head(1, number.unsigned_abs() - 1, out),
        },
        Value::Bytes(bytes) => {
            head(2, bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
        Value::Text(text) => {
            head(3, text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::List(values) => {
            head(4, values.len() as u64, out);
            values.iter().for_each(|value| write(value, out));
        }
        Value::Map(pairs) => {
            head(5, pairs.len() as u64, out);
            for (key, value) in pairs {
                write(key, out);
                write(value, out);
            }
        }
        Value::Tagged(tag, value) => {
            head(6, *tag, out);
            write(value, out);
        }
        Value::Null => out.push(0xf6),
    }
}

fn head(major: u8, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (info, digits): (u8, &[u8]) = match number {
        0..24 => (bytes[7], &[]),
        24..0x100 => (24, &bytes[7..]),
        0x100..0x1_0000 => (25, &bytes[6..]),
        0x1_0000..0x1_0000_0000 => (26, &bytes[4..]),
        _ => (27, &bytes),
    };
    out.push(major << 5 | info);
    out.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let value = Value::Tagged(
            18,
            Box::new(Value::List(vec![
                Value::Integer(-39),
                Value::Integer(70_000),
                Value::Integer(i64::MIN),
                Value::Bytes(vec![1; 300]),
                Value::Map(vec![(Value::Text("a".to_owned()), Value::Null)]),
            ])),
        );
        let mut bytes = vec![];
        write(&value, &mut bytes);
        assert_eq!(read(&bytes), Ok(value));
    }

    #[test]
    fn hostile_documents() {
        for (bytes, why) in [
            (&[][..], "empty"),
            (&[0x81; 100], "deep"),
            (
                &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                "long",
            ),
            (&[0x9b, 0, 0, 0, 1, 0, 0, 0, 0], "many"),
            (&[0x9f, 0xff], "indefinite"),
            (&[0xa2, 1, 1, 1, 2], "twice"),
            (&[0, 0], "trailing"),
            (&[0x61, 0xff], "not text"),
        ] {
            assert!(read(bytes).is_err(), "{why}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&bytes);
        }
    }
}
