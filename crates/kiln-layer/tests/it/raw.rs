//! Archives put together byte by byte, so that they can be wrong in any way.

/// A header, and the data behind it.
pub(crate) struct Raw {
    block: Vec<u8>,
    data: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(name: &[u8], flag: u8) -> Self {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name);
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(b"00000000000");
        block[136..147].copy_from_slice(b"00000000000");
        block[156] = flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        Self {
            block,
            data: Vec::new(),
        }
    }

    pub(crate) fn set(mut self, start: usize, bytes: &[u8]) -> Self {
        self.block[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Sets size and data.
    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self.data.resize(data.len().next_multiple_of(512), 0);
        let size = format!("{:011o}", data.len());
        self.set(124, size.as_bytes())
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.block[148..156].fill(b' ');
        let sum: u32 = self.block.iter().map(|byte| u32::from(*byte)).sum();
        self.block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.block.extend_from_slice(&self.data);
        self.block
    }
}

pub(crate) fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let fixed = key.len() + value.len() + 3;
        let mut len = fixed;
        while len != fixed + len.to_string().len() {
            len = fixed + len.to_string().len();
        }
        data.extend_from_slice(format!("{len} {key}=").as_bytes());
        data.extend_from_slice(value);
        data.push(b'\n');
    }
    Raw::new(b"PaxHeaders.0/x", b'x').data(&data).bytes()
}

pub(crate) fn ended(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat()[..], &[0; 1024]].concat()
}
