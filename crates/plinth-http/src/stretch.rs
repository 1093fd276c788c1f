//! What an answer is made of, where that is a file.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// An extension of an answer whose body is this stretch of a file and nothing else. Whoever holds the socket may send the bytes from there and leave
/// the body unread; everybody else reads the body. Whoever changes the body takes this away.
#[derive(Clone, Debug)]
pub struct FileStretch {
    /// The file. It stays as long as it is while it is open.
    pub file: Arc<File>,
    /// Which of its bytes.
    pub range: Range<u64>,
}
