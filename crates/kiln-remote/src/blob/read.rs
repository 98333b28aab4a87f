//! Downloads: verified, resumed where they break, in parallel ranges where that pays.

use std::io::{self, Read, Write};

use kiln_fetch::{Backoff, ByteRange, ContentRange, Method, Response, ResponseBody};
use kiln_oci::{Descriptor, Digest, Hasher};

use super::ahead::{Ahead, CHUNK};
use crate::answer::broken;
use crate::endpoint::Call;
use crate::error::RemoteError;
use crate::repository::{Name, Need, Repository};

const BUFFER: usize = 256 * 1024;

/// A transfer that moved by this many bytes since its last failure has its attempts back. Less would let a server that
/// sends one byte per connection go on for ever.
const WORTH_A_NEW_START: u64 = 1 << 20;

impl Repository {
    /// Opens a blob. The reader goes on by itself where the transfer breaks, and ends with an error if the content is not
    /// what `descriptor` says; until it has ended well, nothing of it may be trusted.
    ///
    /// Blobs from [`ranges_from`](crate::RemoteOptions::ranges_from) bytes on come in several ranges at once, if the
    /// registry allows it; at most 4 MiB for each of them are in memory.
    ///
    /// Errors of the reader hold a [`RemoteError`], which [`io::Error::downcast`] gives.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`] if the registry does not have it; others as they say.
    pub fn open(&self, descriptor: &Descriptor) -> Result<BlobReader, RemoteError> {
        let options = self.remote.options();
        let source = if options.parallel > 1 && descriptor.size >= options.ranges_from {
            let (start, response) = self.blob_part(descriptor, 0, CHUNK.min(descriptor.size))?;
            match response.status {
                206 => Source::Ranges(Ahead::new(
                    self,
                    descriptor,
                    options.parallel,
                    response.body,
                )),
                _ => Source::Whole(Part::begun(
                    self,
                    descriptor,
                    start,
                    descriptor.size,
                    response.body,
                )),
            }
        } else {
            Source::Whole(Part::open(self, descriptor, 0, descriptor.size)?)
        };
        Ok(BlobReader {
            repository: self.clone(),
            what: self.what(Name::Digest(&descriptor.digest)),
            expected: descriptor.digest,
            size: descriptor.size,
            left: descriptor.size,
            hasher: Some(Hasher::new(descriptor.digest.algorithm())),
            source,
        })
    }

    /// Fetches a blob into `sink`. `progress` is told how many bytes have arrived so far.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and [`RemoteError::Sink`] when `sink` fails. What `sink` got must be dropped then.
    pub fn download(
        &self,
        descriptor: &Descriptor,
        sink: &mut dyn Write,
        progress: &dyn Fn(u64),
    ) -> Result<(), RemoteError> {
        let mut reader = self.open(descriptor)?;
        let mut buffer = vec![0; BUFFER];
        let mut arrived = 0;
        loop {
            let count = reader.read_some(&mut buffer)?;
            let piece = &buffer[..count];
            let written = if count == 0 {
                sink.flush()
            } else {
                sink.write_all(piece)
            };
            written.map_err(|source| RemoteError::Sink {
                what: reader.what.clone(),
                source,
            })?;
            if count == 0 {
                return Ok(());
            }
            arrived += count as u64;
            progress(arrived);
        }
    }

    /// Opens a blob at `offset` bytes from its beginning. What comes is not compared with the digest, but has the right
    /// length and goes on by itself where the transfer breaks.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_at(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<impl Read + Send + use<>, RemoteError> {
        Part::open(
            self,
            descriptor,
            offset.min(descriptor.size),
            descriptor.size,
        )
    }

    /// Asks for bytes `first..end` of a blob. `Ok` has a body that begins at the returned offset: `first`, or zero from
    /// a server that knows no ranges.
    fn blob_part(
        &self,
        descriptor: &Descriptor,
        first: u64,
        end: u64,
    ) -> Result<(u64, Response), RemoteError> {
        let what = self.what(Name::Digest(&descriptor.digest));
        let path = self.path(&format!("blobs/{}", descriptor.digest));
        let whole = first == 0 && end == descriptor.size;
        self.ask(Need::Pull, |endpoint| {
            let mut call = Call::new(
                Method::Get,
                path.clone(),
                &what,
                self.name(),
                self.pull_scope(),
            );
            if !whole {
                let last = (end < descriptor.size).then(|| end - 1);
                call.range = Some(ByteRange { first, last });
            }
            let response = endpoint.expect(&call, if whole { &[200] } else { &[200, 206] })?;
            let question = endpoint.question(&what);
            let announced = response.headers.content_length();
            if response.status == 206 {
                let range = response
                    .headers
                    .get("content-range")
                    .and_then(ContentRange::parse);
                let fits = range.is_some_and(|range| {
                    range.part == Some((first, end - 1))
                        && range.total.is_none_or(|total| total == descriptor.size)
                });
                if !fits || announced.is_some_and(|length| length != end - first) {
                    return Err(
                        question.nonsense("it sends other bytes than those that were asked for")
                    );
                }
                return Ok((first, response));
            }
            match announced {
                Some(actual) if actual != descriptor.size => Err(RemoteError::WrongSize {
                    what: what.clone(),
                    expected: descriptor.size,
                    actual,
                }),
                _ => Ok((0, response)),
            }
        })
    }
}

/// Bytes of a blob in order, fetched anew from where they broke off.
pub(super) struct Part {
    repository: Repository,
    descriptor: Descriptor,
    position: u64,
    end: u64,
    body: Option<ResponseBody>,
    backoff: Backoff,
    /// Where it was when it last broke.
    broke_at: u64,
}

impl Part {
    fn open(
        repository: &Repository,
        descriptor: &Descriptor,
        first: u64,
        end: u64,
    ) -> Result<Self, RemoteError> {
        let mut part = Self::unopened(repository, descriptor, first, end);
        if first < end {
            part.connect()?;
        }
        Ok(part)
    }

    /// What an answer brings that came already. It begins at `first`.
    pub(super) fn begun(
        repository: &Repository,
        descriptor: &Descriptor,
        first: u64,
        end: u64,
        body: ResponseBody,
    ) -> Self {
        Self {
            body: Some(body),
            ..Self::unopened(repository, descriptor, first, end)
        }
    }

    pub(super) fn unopened(
        repository: &Repository,
        descriptor: &Descriptor,
        first: u64,
        end: u64,
    ) -> Self {
        Self {
            repository: repository.clone(),
            descriptor: descriptor.clone(),
            position: first,
            end,
            body: None,
            backoff: Backoff::new(repository.remote.options().client.retries),
            broke_at: first,
        }
    }

    fn connect(&mut self) -> Result<(), RemoteError> {
        let (start, mut response) =
            self.repository
                .blob_part(&self.descriptor, self.position, self.end)?;
        let skip = self.position - start;
        if skip > 0 {
            // No ranges here: what we have had already comes again.
            let skipped =
                io::copy(&mut (&mut response.body).take(skip), &mut io::sink()).map_err(broken)?;
            if skipped < skip {
                return Err(self.wrong_size(skipped));
            }
        }
        self.body = Some(response.body);
        Ok(())
    }

    fn wrong_size(&self, actual: u64) -> RemoteError {
        RemoteError::WrongSize {
            what: self.repository.what(Name::Digest(&self.descriptor.digest)),
            expected: self.descriptor.size,
            actual,
        }
    }

    /// Like [`Read::read`], with the typed error.
    pub(super) fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, RemoteError> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        loop {
            if self.repository.remote.is_cancelled() {
                return Err(RemoteError::Cancelled);
            }
            match self.attempt(&mut buffer[..wanted]) {
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) => self.wait_after(error)?,
            }
        }
    }

    fn attempt(&mut self, buffer: &mut [u8]) -> Result<usize, RemoteError> {
        if self.body.is_none() {
            self.connect()?;
        }
        let body = self.body.as_mut().expect("because `connect` opened it");
        match body.read(buffer).map_err(broken)? {
            // Without an announced length, a break looks like an end.
            0 => Err(self.wrong_size(self.position)),
            count => Ok(count),
        }
    }

    /// Waits before the next attempt; gives the error back if there is to be none.
    fn wait_after(&mut self, error: RemoteError) -> Result<(), RemoteError> {
        let broke = self.body.take().is_some();
        let may_pass = match &error {
            RemoteError::Fetch(error) => error.may_pass(),
            RemoteError::WrongSize { .. } => broke,
            _ => false,
        };
        if self.position >= self.broke_at + WORTH_A_NEW_START {
            self.backoff.reset();
            self.broke_at = self.position;
        }
        match self.backoff.next(None).filter(|_| may_pass) {
            Some(wait) if self.repository.remote.pause(wait) => Ok(()),
            _ if self.repository.remote.is_cancelled() => Err(RemoteError::Cancelled),
            _ => Err(error),
        }
    }

    /// Whether more comes than there should be.
    fn goes_on(&mut self) -> bool {
        let mut byte = [0];
        self.body
            .as_mut()
            .is_some_and(|body| matches!(body.read(&mut byte), Ok(1)))
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_some(buffer)?)
    }
}

enum Source {
    Whole(Part),
    Ranges(Ahead),
}

/// A blob as it arrives. See [`Repository::open`].
pub struct BlobReader {
    repository: Repository,
    what: String,
    expected: Digest,
    size: u64,
    left: u64,
    /// Gone once the digest was found right.
    hasher: Option<Hasher>,
    source: Source,
}

impl BlobReader {
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, RemoteError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut count = 0;
        if self.left > 0 {
            count = match &mut self.source {
                Source::Whole(part) => part.read_some(buffer)?,
                Source::Ranges(ahead) => ahead.read_some(buffer)?,
            };
        }
        self.left -= count as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        // The last bytes are not handed out before all of them were found right: who reads no further than the known
        // size is safe, too.
        if self.left == 0
            && let Some(hasher) = self.hasher.take()
        {
            self.check(hasher.finish())?;
        }
        Ok(count)
    }

    fn check(&mut self, actual: Digest) -> Result<(), RemoteError> {
        if let Source::Whole(part) = &mut self.source
            && part.goes_on()
        {
            let (what, expected) = (self.what.clone(), self.size);
            return Err(RemoteError::WrongSize {
                what,
                expected,
                actual: expected + 1,
            });
        }
        if actual != self.expected {
            self.repository.distrust_mirrors();
            return Err(RemoteError::DigestMismatch {
                what: self.what.clone(),
                actual,
            });
        }
        Ok(())
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_some(buffer)?)
    }
}

impl std::fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobReader({}, {} bytes left)", self.what, self.left)
    }
}
