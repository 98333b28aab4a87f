//! Bytes on their way in: gathered to large blocks, hashed and written while the next block arrives.

use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::hash::RunningHash;
use super::{Body, BodyError, Content, ContentError, UploadError};
use crate::storage::{ObjectKey, ObjectWriter};

/// Bytes that are hashed and written in one go.
const BLOCK: usize = 256 << 10;

/// What arrived of an upload.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) size: u64,
    pub(super) hash: RunningHash,
    pub(super) place: ArrivedPlace,
}

/// Where it is.
#[derive(Debug)]
pub(super) enum ArrivedPlace {
    /// In memory, to be kept in the database.
    Head(Vec<u8>),
    /// In an object. The writer is there once something was written by this request; without one,
    /// `state` is what an earlier one left.
    Object {
        key: ObjectKey,
        state: Vec<u8>,
        writer: Option<ObjectWriter>,
    },
}

/// How the receiving ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With the body.
    Complete,
    /// Before: what arrived counts, and the rest may follow.
    Broken(BodyError),
}

/// A block's worth of a body, and whether more follows.
struct Gathered {
    pieces: Vec<Bytes>,
    size: usize,
    ended: Option<Ended>,
}

async fn gather(body: &mut Body, ended: bool) -> Gathered {
    let mut gathered = Gathered {
        pieces: vec![],
        size: 0,
        ended: None,
    };
    while !ended && gathered.size < BLOCK {
        match body.frame().await {
            None => {
                gathered.ended = Some(Ended::Complete);
                break;
            }
            Some(Err(error)) => {
                gathered.ended = Some(Ended::Broken(error));
                break;
            }
            Some(Ok(frame)) => {
                // Trailers mean nothing to an upload.
                if let Ok(data) = frame.into_data() {
                    gathered.size += data.len();
                    gathered.pieces.push(data);
                }
            }
        }
    }
    gathered
}

impl Arrived {
    /// Nothing yet.
    pub(super) fn nothing(hash: RunningHash) -> Self {
        Self {
            size: 0,
            hash,
            place: ArrivedPlace::Head(vec![]),
        }
    }
}

impl Content {
    /// Takes in a body. When this fails, what the upload holds is not known and it must be discarded.
    ///
    /// `stage` is called before an object is begun, and has to write its key down.
    pub(super) async fn receive<S>(
        &self,
        arrived: &mut Arrived,
        body: &mut Body,
        stage: impl FnOnce(ObjectKey) -> S,
    ) -> Result<Ended, UploadError>
    where
        S: Future<Output = Result<(), UploadError>>,
    {
        let mut stage = Some(stage);
        let mut block = gather(body, false).await;
        loop {
            let limit = self.options().max_blob.min(self.storage().largest());
            if arrived.size + block.size as u64 > limit {
                return Err(UploadError::TooLarge { limit });
            }
            if let ArrivedPlace::Head(head) = &mut arrived.place {
                if block.ended.is_some() && head.len() + block.size <= self.options().inline {
                    for piece in &block.pieces {
                        arrived.hash.update(piece);
                        head.extend_from_slice(piece);
                    }
                    arrived.size += block.size as u64;
                } else {
                    let stage = stage.take().expect("because an object is begun once");
                    self.begin_object(arrived, stage).await?;
                }
            }
            let is_object = matches!(arrived.place, ArrivedPlace::Object { .. });
            let next = match is_object && block.size > 0 {
                true => {
                    let pieces = std::mem::take(&mut block.pieces);
                    let gathering = gather(body, block.ended.is_some());
                    let writing = self.write_object(arrived, pieces);
                    let (written, next) = tokio::join!(writing, gathering);
                    written?;
                    arrived.size += block.size as u64;
                    Some(next)
                }
                false => None,
            };
            match (block.ended, next) {
                (Some(ended), _) => return Ok(ended),
                (None, Some(next)) => block = next,
                (None, None) => block = gather(body, false).await,
            }
        }
    }

    /// Moves what is in memory into an object.
    async fn begin_object<S>(
        &self,
        arrived: &mut Arrived,
        stage: impl FnOnce(ObjectKey) -> S,
    ) -> Result<(), UploadError>
    where
        S: Future<Output = Result<(), UploadError>>,
    {
        let ArrivedPlace::Head(head) = &mut arrived.place else {
            return Ok(());
        };
        let head = std::mem::take(head);
        let key = ObjectKey::unique();
        stage(key.clone()).await?;
        // Known from now on, so that it is removed if anything fails.
        arrived.place = ArrivedPlace::Object {
            key: key.clone(),
            state: vec![],
            writer: None,
        };
        let begun = self.storage().create(&key).await?;
        let ((), written) = begun.write(vec![head.into()], (), |(), _| {}).await;
        if let ArrivedPlace::Object { writer, .. } = &mut arrived.place {
            *writer = Some(written?);
        }
        Ok(())
    }

    async fn write_object(
        &self,
        arrived: &mut Arrived,
        pieces: Vec<Bytes>,
    ) -> Result<(), ContentError> {
        let size = arrived.size;
        let ArrivedPlace::Object { key, state, writer } = &mut arrived.place else {
            return Ok(());
        };
        let open = match writer.take() {
            Some(open) => open,
            None => self.storage().resume(key, size, state).await?,
        };
        let hash = arrived.hash.clone();
        let (hash, written) = open.write(pieces, hash, RunningHash::update).await;
        *writer = Some(written?);
        arrived.hash = hash;
        Ok(())
    }
}
