//! Where what is fetched goes to.

use std::fs::File;
use std::io::{self, Seek, Write};

/// Where a download goes to. It begins empty.
pub trait Sink: Write {
    /// Drops everything written so far: the transfer begins anew.
    ///
    /// # Errors
    /// When that cannot be done.
    fn restart(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn restart(&mut self) -> io::Result<()> {
        self.rewind()?;
        self.set_len(0)
    }
}

impl Sink for Vec<u8> {
    fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

impl Sink for io::Sink {
    fn restart(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_forgets() {
        let mut bytes = b"old".to_vec();
        Sink::restart(&mut bytes).expect("memory does not fail");
        bytes.write_all(b"new").expect("memory does not fail");
        assert_eq!(bytes, b"new");
    }
}
