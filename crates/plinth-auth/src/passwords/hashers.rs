//! Threads that hash: as many as there are cores, each with memory that it keeps from one hash to the next.
//!
//! Getting 19 MiB from the system for each hash takes nearly as long as half of the hash, page by page. The memory is
//! given back as soon as nobody waits any more. The threads stand behind all others of the process, so that a flood of
//! sign-ins takes the time that reads and writes leave, and little of theirs.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::Block;
use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use crate::error::AuthError;

/// Waiting for a core, for each core: at 16 ms each the last one waits less than two seconds.
const WAITING_PER_CORE: usize = 100;
/// How long a thread keeps its memory when there is nothing to do.
const MEMORY_KEPT: Duration = Duration::from_millis(200);
/// By how much the threads stand back: with this they get a tenth of a core that others want for themselves.
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// The threads, started when they are first needed. Cheap to clone; they end with the last clone.
#[derive(Clone)]
pub(super) struct Hashers {
    cores: usize,
    waiting: usize,
    queue: Arc<OnceLock<Sender<Job>>>,
}

/// Memory to hash in.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks, with anything in them.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        &mut self.0[..count]
    }
}

impl Hashers {
    /// One for each core.
    pub(super) fn for_this_machine() -> Hashers {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Hashers::new(cores, cores.saturating_mul(WAITING_PER_CORE))
    }

    fn new(cores: usize, waiting: usize) -> Hashers {
        Hashers {
            cores,
            waiting,
            queue: Arc::default(),
        }
    }

    /// Runs `work` on one of the threads. Refuses when too many wait.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            // Nobody may be there any more to hear it.
            if !reply.is_closed() {
                let _gone = reply.send(work(memory));
            }
        });
        let queue = self.queue.get_or_init(|| self.start());
        queue.try_send(job).map_err(|_| AuthError::Busy {
            retry_after_seconds: 2,
        })?;
        answer
            .await
            .map_err(|_| AuthError::Internal("hashing a password failed".to_owned()))
    }

    fn start(&self) -> Sender<Job> {
        let (queue, jobs) = bounded::<Job>(self.waiting);
        for number in 0..self.cores {
            let jobs = jobs.clone();
            let started = std::thread::Builder::new()
                .name(format!("plinth-hash-{number}"))
                .spawn(move || work(&jobs));
            if let Err(error) = started {
                tracing::error!(%error, "a thread for passwords could not be started");
            }
        }
        queue
    }
}

/// Works until the queue is closed.
fn work(jobs: &Receiver<Job>) {
    stand_back();
    while let Ok(first) = jobs.recv() {
        let mut memory = Memory::default();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            // A fault in one hash must not take the thread with it; its caller is told by the lost reply.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
            if done.is_err() {
                memory = Memory::default();
            }
            next = jobs.recv_timeout(MEMORY_KEPT).ok();
        }
    }
}

/// Linux knows a niceness for each thread.
#[cfg(target_os = "linux")]
fn stand_back() {
    let this = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(this), NICENESS) {
        tracing::debug!(%error, "the threads for passwords run at the usual priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn stand_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn over_the_bound_the_queue_says_so() {
        let hashers = Hashers::new(1, 1);
        let (began, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let works = hashers.run(move |_| {
            began.send(()).unwrap();
            may_go_on.recv().unwrap();
        });
        let others = async {
            has_begun.await.unwrap();
            let waits = hashers.run(|_| ());
            let refused = async {
                let refused = hashers.run(|_| ()).await;
                go_on.send(()).unwrap();
                refused
            };
            tokio::join!(waits, refused)
        };
        let (works, (waits, refused)) = tokio::join!(works, others);
        assert!(works.is_ok() && waits.is_ok());
        assert!(matches!(refused, Err(AuthError::Busy { .. })));
    }

    #[tokio::test]
    async fn a_fault_ends_one_job_and_not_the_thread() {
        let hashers = Hashers::new(1, 8);
        assert!(hashers.run(|_| panic!("a fault")).await.is_err());
        assert_eq!(
            hashers.run(|memory| memory.blocks(2).len()).await.unwrap(),
            2
        );
    }
}
