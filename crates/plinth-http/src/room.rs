//! Room in memory for what strangers send, all of them together.
//!
//! What one connection holds is bounded where it does; a [`Budget`] bounds what all hold. Whoever finds no room waits a moment and is then
//! told to come back: they hold a part of their room while they wait for more, so two could wait for each other for ever.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// When to come back.
const BUSY_SECONDS: u64 = 2;

/// As many bytes as may be held at once. Cheap to clone; all clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget {
    /// One for each byte.
    free: Arc<Semaphore>,
    bytes: usize,
    patience: Duration,
}

/// A part of a budget, until it is dropped.
#[derive(Debug, Default)]
pub struct Room(Option<OwnedSemaphorePermit>);

/// Others have all the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is busy; try again in {} s", BUSY_SECONDS)]
pub struct NoRoom;

impl Budget {
    /// So many bytes, for which nobody waits longer than `patience`.
    pub fn new(bytes: usize, patience: Duration) -> Budget {
        Budget {
            free: Arc::new(Semaphore::new(bytes)),
            bytes,
            patience,
        }
    }

    /// Makes a room as large as this, if it is smaller. More than there ever is counts as all of it.
    ///
    /// # Errors
    /// When others have it for longer than we wait. The room stays as it was.
    pub async fn grow(&self, room: &mut Room, bytes: usize) -> Result<(), NoRoom> {
        let more = bytes.min(self.bytes).saturating_sub(room.bytes());
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free).acquire_many_owned(more);
        let Ok(Ok(taken)) = tokio::time::timeout(self.patience, free).await else {
            return Err(NoRoom);
        };
        match &mut room.0 {
            Some(has) => has.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }
}

impl Room {
    /// The same bytes, which keep this room until the last of their clones is dropped.
    pub fn hold(self, bytes: Bytes) -> Bytes {
        match self.bytes() {
            0 => bytes,
            _ => Bytes::from_owner(Held { bytes, _room: self }),
        }
    }

    fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

impl NoRoom {
    /// When to come back.
    pub fn retry_after_seconds(self) -> u64 {
        BUSY_SECONDS
    }
}

/// Bytes and the room they take.
struct Held {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_room_is_told_to_come_back() {
        let budget = Budget::new(10, PATIENCE);
        let (mut one, mut other) = (Room::default(), Room::default());
        budget.grow(&mut one, 4).await.unwrap();
        budget.grow(&mut one, 3).await.unwrap();
        budget.grow(&mut other, 6).await.unwrap();
        // Each holds some and wants more: neither waits for ever.
        let (first, second) = tokio::join!(budget.grow(&mut one, 8), budget.grow(&mut other, 9));
        assert_eq!((first, second), (Err(NoRoom), Err(NoRoom)));
        drop(other);
        budget.grow(&mut one, 10).await.unwrap();
        assert_eq!(one.bytes(), 10);
        drop(one);
        assert_eq!(budget.free.available_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn room_that_is_given_back_goes_to_whoever_waits() {
        let budget = Budget::new(10, PATIENCE);
        let (mut one, mut other) = (Room::default(), Room::default());
        budget.grow(&mut one, 6).await.unwrap();
        let give_back = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(one);
        };
        let (grown, ()) = tokio::join!(budget.grow(&mut other, 6), give_back);
        grown.unwrap();
        // More than there is: all of it.
        budget.grow(&mut other, 100).await.unwrap();
        assert_eq!(other.bytes(), 10);
    }

    #[tokio::test]
    async fn bytes_keep_their_room_until_the_last_of_them_is_gone() {
        let budget = Budget::new(10, PATIENCE);
        let mut room = Room::default();
        budget.grow(&mut room, 6).await.unwrap();
        let bytes = room.hold(Bytes::from_static(b"abcdef"));
        let part = bytes.slice(2..4);
        drop(bytes);
        assert_eq!(&*part, b"cd");
        assert_eq!(budget.free.available_permits(), 4);
        drop(part);
        assert_eq!(budget.free.available_permits(), 10);
    }
}
