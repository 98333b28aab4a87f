//! Numbers and strings as ssh writes them. Source: RFC 4251, section 5.

/// Reads fields from the front; `None` wherever there is too little.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// A positive number without leading zeros.
    pub(super) fn mpint(&mut self) -> Option<&'a [u8]> {
        self.string().map(without_zeros)
    }
}

/// Adds a string.
pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length =
        u32::try_from(bytes.len()).expect("because no key, message or file name is that long");
    out.extend(length.to_be_bytes());
    out.extend(bytes);
}

/// Adds a positive number: shortest form, and a zero in front if it would look negative.
pub(super) fn mpint(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = without_zeros(bytes);
    let zero: &[u8] = match bytes.first() {
        Some(first) if first & 0x80 != 0 => &[0],
        _ => &[],
    };
    string(out, &[zero, bytes].concat());
}

/// A number without its leading zeros.
pub(super) fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    &bytes[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (number, written) in [
            (&[0][..], &[0, 0, 0, 0][..]),
            (&[0x80], &[0, 0, 0, 2, 0, 0x80]),
            (&[9, 0xa3, 0x78], &[0, 0, 0, 3, 9, 0xa3, 0x78]),
        ] {
            let mut out = vec![];
            mpint(&mut out, number);
            assert_eq!(out, written);
            assert_eq!(Reader(&out).mpint(), Some(without_zeros(number)));
        }
    }

    #[test]
    fn too_little_is_nothing() {
        assert_eq!(Reader(&[0, 0, 0, 2, 1]).string(), None);
        assert_eq!(Reader(&[0xff; 8]).string(), None);
        assert_eq!(Reader(&[0, 0]).number(), None);
    }
}
