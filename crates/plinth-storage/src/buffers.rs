//! The memory that uploads may fill, all of them together.
//!
//! Bytes on their way into an S3 store are held until they are a part, and a signed chunk until its signature is proved. What
//! one connection holds is bounded where it does; this bounds what all hold. Whoever finds no room waits a moment and is then
//! told to come back: uploads hold a part of their room while they wait for more, so two could wait for each other for ever.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::StorageError;

/// Bytes in memory: sixteen uploads at their full speed, and hundreds of small or slow ones.
const BYTES: usize = 256 << 20;
/// Longest wait for room. A part on its way to its store frees what it takes within about that.
const PATIENCE: Duration = Duration::from_secs(5);
/// When to come back.
const BUSY_SECONDS: u64 = 2;

/// Room for bytes of uploads. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    /// One for each byte.
    free: Arc<Semaphore>,
    patience: Duration,
}

/// A part of the room, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Buffers {
    /// Those of this process.
    pub(crate) fn of_process() -> Buffers {
        static ALL: LazyLock<Buffers> = LazyLock::new(|| Buffers::new(BYTES, PATIENCE));
        ALL.clone()
    }

    fn new(bytes: usize, patience: Duration) -> Buffers {
        Buffers {
            free: Arc::new(Semaphore::new(bytes)),
            patience,
        }
    }

    /// Makes a room as large as this, if it is smaller.
    ///
    /// # Errors
    /// [`StorageError::Busy`] when others have it all.
    pub(crate) async fn grow(&self, room: &mut Room, bytes: usize) -> Result<(), StorageError> {
        let more = bytes.saturating_sub(room.bytes());
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free).acquire_many_owned(more);
        let Ok(Ok(taken)) = tokio::time::timeout(self.patience, free).await else {
            return Err(StorageError::Busy {
                retry_after_seconds: BUSY_SECONDS,
            });
        };
        match &mut room.0 {
            Some(has) => has.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }
}

impl Room {
    fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_finds_no_room_is_told_to_come_back() {
        let buffers = Buffers::new(10, Duration::from_millis(10));
        let (mut one, mut other) = (Room::default(), Room::default());
        buffers.grow(&mut one, 4).await.unwrap();
        buffers.grow(&mut one, 3).await.unwrap();
        buffers.grow(&mut other, 6).await.unwrap();
        // Each holds some and wants more: neither waits for ever.
        let (first, second) = tokio::join!(buffers.grow(&mut one, 8), buffers.grow(&mut other, 9));
        assert!(matches!(first, Err(StorageError::Busy { .. })));
        assert!(matches!(second, Err(StorageError::Busy { .. })));
        drop(other);
        buffers.grow(&mut one, 10).await.unwrap();
        assert_eq!(one.bytes(), 10);
        drop(one);
        assert_eq!(buffers.free.available_permits(), 10);
    }
}
