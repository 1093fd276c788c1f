//! The data and the work, the same for every server: 50 users, 100 rooms, 20 rooms a user, 1,000 messages a room.

/// People.
pub(crate) const USERS: usize = 50;
/// Rooms.
pub(crate) const ROOMS: usize = 100;
/// Rooms each user is a member of.
pub(crate) const ROOMS_A_USER: usize = 20;
/// Messages there are before anything is inserted.
pub(crate) const MESSAGES: usize = 100_000;
/// What everybody's password is.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Bytes of a message's text; with the other columns a message is some 480 bytes of JSON.
const TEXT_BYTES: usize = 340;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// One row by its key.
    Read,
    /// The 30 latest messages of a room.
    List,
    /// The same, each with its room.
    ListRelated,
    /// The same, with the number of all.
    ListTotal,
    /// One row, durable.
    Insert,
    /// Signing in with a password.
    SignIn,
}

impl Work {
    /// As the tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Read => "read by key",
            Work::List => "list 30",
            Work::ListRelated => "list 30 with related row",
            Work::ListTotal => "list 30 with exact total",
            Work::Insert => "insert",
            Work::SignIn => "sign-in",
        }
    }
}

/// The address of a user, by number from 0.
pub(crate) fn email(user: usize) -> String {
    format!("user{user}@example.com")
}

/// The rooms of a user: every fifth, so that each room has ten members.
pub(crate) fn rooms_of(user: usize) -> impl Iterator<Item = usize> {
    (0..ROOMS_A_USER).map(move |step| (user + step * (ROOMS / ROOMS_A_USER)) % ROOMS)
}

/// The room of a message.
pub(crate) fn room_of(message: usize) -> usize {
    message % ROOMS
}

/// The author of a message, a member of its room.
pub(crate) fn owner_of(message: usize) -> usize {
    let room = room_of(message);
    let distance = ROOMS / ROOMS_A_USER;
    // Members of a room are those whose number leaves the same remainder.
    (room % distance + distance * (message / ROOMS)) % USERS
}

/// The text of a message.
pub(crate) fn text_of(message: usize) -> String {
    let words = format!("message {message} says hello to everybody in the room; ");
    words.chars().cycle().take(TEXT_BYTES).collect()
}

/// A plain generator of numbers by chance, the same on every run.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// A number below `bound` (`SplitMix64`).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_members() {
        for message in (0..MESSAGES).step_by(7) {
            assert!(rooms_of(owner_of(message)).any(|room| room == room_of(message)));
        }
        assert_eq!(rooms_of(3).count(), ROOMS_A_USER);
    }
}
