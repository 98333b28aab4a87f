//! MD5, which dpkg's database has of files. It proves nothing to anybody; it tells whether a file was edited.
//!
//! Source: RFC 1321. Written here because nothing else in kiln may use it.

/// A digest in the making.
#[derive(Clone, Debug)]
pub struct Md5 {
    state: [u32; 4],
    /// What does not fill a block yet.
    pending: Vec<u8>,
    /// Bytes that went by.
    length: u64,
}

const BLOCK: usize = 64;

/// How far each of the four steps of a round turns.
const TURNS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

impl Default for Md5 {
    fn default() -> Self {
        Self {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            pending: Vec::with_capacity(BLOCK),
            length: 0,
        }
    }
}

impl Md5 {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        self.pending.extend_from_slice(bytes);
        let whole = self.pending.len() / BLOCK * BLOCK;
        for block in self.pending[..whole].chunks_exact(BLOCK) {
            self.state = step(self.state, block);
        }
        self.pending.drain(..whole);
    }

    /// The digest in lower-case hexadecimal.
    #[must_use]
    pub fn finish(mut self) -> String {
        let bits = self.length.wrapping_mul(8);
        self.update(&[0x80]);
        while self.pending.len() != BLOCK - 8 {
            self.update(&[0]);
        }
        self.update(&bits.to_le_bytes());
        let bytes = self.state.iter().flat_map(|word| word.to_le_bytes());
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

fn step(state: [u32; 4], block: &[u8]) -> [u32; 4] {
    let mut words = [0_u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let [mut a, mut b, mut c, mut d] = state;
    for at in 0..64 {
        let (mixed, word) = match at / 16 {
            0 => ((b & c) | (!b & d), at),
            1 => ((d & b) | (!d & c), (5 * at + 1) % 16),
            2 => (b ^ c ^ d, (3 * at + 5) % 16),
            _ => (c ^ (b | !d), (7 * at) % 16),
        };
        let sum = a
            .wrapping_add(mixed)
            .wrapping_add(sine(at))
            .wrapping_add(words[word]);
        let turned = b.wrapping_add(sum.rotate_left(TURNS[at / 16][at % 4]));
        (a, d, c, b) = (d, c, b, turned);
    }
    [
        state[0].wrapping_add(a),
        state[1].wrapping_add(b),
        state[2].wrapping_add(c),
        state[3].wrapping_add(d),
    ]
}

/// 2^32 times the sine of a number, as RFC 1321 section 3.4 makes its table.
fn sine(at: usize) -> u32 {
    use std::sync::LazyLock;
    static TABLE: LazyLock<[u32; 64]> = LazyLock::new(|| {
        std::array::from_fn(|at| {
            let number = f64::from(u32::try_from(at).unwrap_or(u32::MAX) + 1);
            (number.sin().abs() * 4_294_967_296.0) as u32
        })
    });
    TABLE[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &[u8]) -> String {
        let mut md5 = Md5::default();
        md5.update(text);
        md5.finish()
    }

    #[test]
    fn the_suite_of_the_rfc_comes_out() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "abcdefghijklmnopqrstuvwxyz",
                "c3fcd3d76192e4007dfb496cca67e13b",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(digest(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let bytes: Vec<u8> = (0..1000_u32).map(|at| at.to_le_bytes()[0]).collect();
        for size in [1, 63, 64, 65, 999] {
            let mut md5 = Md5::default();
            bytes.chunks(size).for_each(|piece| md5.update(piece));
            assert_eq!(md5.finish(), digest(&bytes), "{size}");
        }
    }
}
