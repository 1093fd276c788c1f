//! Threads that make images, and the memory that they share.
//!
//! They stand behind all other threads of the process, so that a flood of images takes the time that reads and writes leave.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};

use fast_image_resize::Resizer;
use parking_lot::{Condvar, Mutex};

use crate::error::StorageError;

/// By how much the threads stand back: with this they get a tenth of a core that others want for themselves.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// What a thread keeps in memory from one image to the next.
const KEPT_BYTES: usize = 4 << 20;

/// What a thread keeps from one image to the next.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) resizer: Resizer,
}

/// One image to be made.
pub(super) type Job = Box<dyn FnOnce(&mut Scratch) + Send>;

/// The threads, started when they are first needed. They end when this is dropped.
pub(super) struct Workers {
    threads: usize,
    queue: OnceLock<Sender<Job>>,
}

impl Workers {
    pub(super) fn new(threads: usize) -> Workers {
        Workers {
            threads,
            queue: OnceLock::new(),
        }
    }

    /// Has it done by one of the threads. Who calls this keeps the number of jobs within bounds.
    pub(super) fn run(&self, job: Job) -> Result<(), StorageError> {
        let queue = self.queue.get_or_init(|| self.start());
        queue
            .send(job)
            .map_err(|_| StorageError::Internal("no thread for images could be started".to_owned()))
    }

    fn start(&self) -> Sender<Job> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..self.threads {
            let jobs = Arc::clone(&jobs);
            let started = std::thread::Builder::new()
                .name(format!("plinth-image-{number}"))
                .spawn(move || work(&jobs));
            if let Err(error) = started {
                tracing::error!(%error, "a thread for images could not be started");
            }
        }
        queue
    }
}

/// Works until nobody can send any more.
fn work(jobs: &Mutex<Receiver<Job>>) {
    stand_back();
    let mut scratch = Scratch::default();
    loop {
        // One thread waits for the next job, the others for their turn to wait.
        let next = jobs.lock().recv();
        let Ok(job) = next else {
            return;
        };
        // A fault in one image must not take the thread with it; whoever waits is told by the lost reply.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut scratch)));
        if done.is_err() {
            tracing::error!("making an image failed by a fault in a decoder");
            scratch = Scratch::default();
        }
        if scratch.resizer.size_of_internal_buffers() > KEPT_BYTES {
            scratch.resizer.reset_internal_buffers();
        }
    }
}

/// Linux knows a niceness for each thread.
#[cfg(target_os = "linux")]
fn stand_back() {
    let this = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(this), NICENESS) {
        tracing::debug!(%error, "the threads for images run at the usual priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn stand_back() {}

/// Bytes that decoded images may take together.
pub(super) struct Memory {
    all: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

/// A part of the memory, until it is dropped.
pub(super) struct Grant<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Memory {
        Memory {
            all: bytes,
            free: Mutex::new(bytes),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is so much. More than there ever is counts as all of it, so that one image is always let in.
    /// A thread may hold one grant at a time, or two could wait for each other.
    pub(super) fn take(&self, bytes: u64) -> Grant<'_> {
        let bytes = bytes.min(self.all);
        let mut free = self.free.lock();
        while *free < bytes {
            self.freed.wait(&mut free);
        }
        *free -= bytes;
        Grant {
            memory: self,
            bytes,
        }
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        *self.memory.free.lock() += self.bytes;
        self.memory.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_ends_one_job_and_not_the_thread() {
        let workers = Workers::new(1);
        workers.run(Box::new(|_| panic!("a fault"))).unwrap();
        let (done, is_done) = mpsc::channel();
        workers
            .run(Box::new(move |_| done.send(()).unwrap()))
            .unwrap();
        is_done.recv().unwrap();
    }

    #[test]
    fn memory_is_waited_for() {
        let memory = Memory::new(100);
        let giant = memory.take(1000);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| drop(memory.take(1)));
            assert!(!other.is_finished());
            drop(giant);
            other.join().unwrap();
        });
        assert_eq!(*memory.free.lock(), 100);
    }
}
