//! Where packets begin and end, and the numbers in them.
//!
//! Source: RFC 9580 section 4.2 (headers in both formats) and 3.2 (multiprecision integers). Lengths that
//! are only known at the end are for data that is streamed; keys and signatures have none.

use super::Malformed;

/// The most bytes of one packet: keys of 8192 bits and their signatures have a fifth of it.
const MAX_PACKET: usize = 1 << 16;

/// The tags of packets that mean something here (section 5).
pub(super) mod tag {
    pub(in super::super) const SIGNATURE: u8 = 2;
    pub(in super::super) const SECRET_KEY: u8 = 5;
    pub(in super::super) const PUBLIC_KEY: u8 = 6;
    pub(in super::super) const SECRET_SUBKEY: u8 = 7;
    pub(in super::super) const MARKER: u8 = 10;
    pub(in super::super) const TRUST: u8 = 12;
    pub(in super::super) const USER_ID: u8 = 13;
    pub(in super::super) const PUBLIC_SUBKEY: u8 = 14;
    pub(in super::super) const USER_ATTRIBUTE: u8 = 17;
    pub(in super::super) const PADDING: u8 = 21;
    /// From here on, readers pass over what they do not know (section 4.3).
    pub(in super::super) const FIRST_OPTIONAL: u8 = 40;
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// Bytes that are read from their beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

const SHORT: Malformed = Malformed("it ends in the middle of a packet");

impl<'a> Bytes<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(front)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length of four bytes, if it can be one of a packet.
    pub(super) fn length(&mut self) -> Result<usize, Malformed> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        match length <= MAX_PACKET {
            true => Ok(length),
            false => Err(Malformed("a packet is larger than any should be")),
        }
    }

    /// A multiprecision integer: its bytes from the highest down, without leading zeros.
    pub(super) fn integer(&mut self) -> Result<&'a [u8], Malformed> {
        let bits = usize::from(self.u16()?);
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok(&bytes[zeros..])
    }

    /// The next packet; nothing at the end.
    pub(super) fn packet(&mut self) -> Result<Option<Packet<'a>>, Malformed> {
        if self.is_empty() {
            return Ok(None);
        }
        let first = self.u8()?;
        if first & 0x80 == 0 {
            return Err(Malformed("it is not made of OpenPGP packets"));
        }
        const OPEN: Malformed = Malformed("a packet does not say how long it is");
        let (tag, length) = if first & 0x40 != 0 {
            let length = match self.u8()? {
                length @ 0..=191 => usize::from(length),
                high @ 192..=223 => self.two_octets(high)?,
                255 => self.length()?,
                224..=254 => return Err(OPEN),
            };
            (first & 0x3f, length)
        } else {
            let length = match first & 3 {
                0 => usize::from(self.u8()?),
                1 => usize::from(self.u16()?),
                2 => self.length()?,
                _ => return Err(OPEN),
            };
            (first >> 2 & 0x0f, length)
        };
        let body = self.take(length)?;
        Ok(Some(Packet { tag, body }))
    }

    /// The next subpacket of a signature (section 5.2.3.7), with its type in front.
    pub(super) fn subpacket(&mut self) -> Result<&'a [u8], Malformed> {
        let length = match self.u8()? {
            length @ 0..=191 => usize::from(length),
            high @ 192..=254 => self.two_octets(high)?,
            255 => self.length()?,
        };
        self.take(length)
    }

    fn two_octets(&mut self, high: u8) -> Result<usize, Malformed> {
        Ok((usize::from(high) - 192) * 256 + usize::from(self.u8()?) + 192)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u8, usize)>, Malformed> {
        let mut bytes = Bytes(bytes);
        let mut all = vec![];
        while let Some(packet) = bytes.packet()? {
            all.push((packet.tag, packet.body.len()));
        }
        Ok(all)
    }

    #[test]
    fn lengths_are_written_in_seven_ways() {
        let with = |header: &[u8], length: usize| [header, &vec![0; length]].concat();
        for (header, tag, length) in [
            (&[0xc2, 5][..], 2, 5),
            (&[0xc6, 192, 0], 6, 192),
            (&[0xc6, 223, 255], 6, 8383),
            (&[0xcd, 255, 0, 0, 1, 0], 13, 256),
            (&[0x88, 7], 2, 7),
            (&[0x99, 1, 0], 6, 256),
            (&[0x9a, 0, 0, 1, 1], 6, 257),
        ] {
            let bytes = with(header, length);
            assert_eq!(read(&bytes), Ok(vec![(tag, length)]), "{header:x?}");
            for end in 1..bytes.len() {
                assert!(read(&bytes[..end]).is_err(), "{header:x?} cut at {end}");
            }
        }
        assert_eq!(read(&[]), Ok(vec![]));
    }

    #[test]
    fn what_has_no_length_or_too_much_is_refused() {
        for bytes in [
            &[0xc2, 0xe1, 0, 0][..],
            &[0x8b, 1, 2, 3],
            &[0xc2, 255, 0xff, 0xff, 0xff, 0xff],
            &[0x9a, 0x10, 0, 0, 0],
            b"text",
        ] {
            assert!(read(bytes).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn integers_lose_their_leading_zeros() {
        assert_eq!(Bytes(&[0, 9, 1, 0xff]).integer(), Ok(&[1, 0xff][..]));
        assert_eq!(Bytes(&[0, 16, 0, 0xff]).integer(), Ok(&[0xff][..]));
        assert_eq!(Bytes(&[0, 0]).integer(), Ok(&[][..]));
        assert!(Bytes(&[0xff, 0xff, 1]).integer().is_err());
    }
}
