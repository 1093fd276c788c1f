//! The one writer: takes whatever is queued, runs each request in a savepoint of its own, commits once, then
//! answers all.
//!
//! A request is a description that can run again: when an interrupt or a full disk costs the whole batch, each
//! runs alone, and only the culprit fails.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use parking_lot::Mutex;
use plinth_sql::session::{Outcome, ScriptOptions, Session};

use crate::EngineError;
use crate::error::Result;
use crate::exec::Tx;

/// Requests that may wait; one more is told that the database is busy.
const QUEUE_LENGTH: usize = 4096;
/// Most requests in one commit.
const BATCH: usize = 512;

/// The way to the writer thread.
pub(crate) struct Writer {
    queue: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Runs in a batch.
    Grouped(Box<dyn Grouped>),
    /// Runs by itself, with transactions of its own.
    Alone(Box<dyn FnOnce(&mut Tx) + Send>),
}

/// A request that shares its commit with others.
pub(crate) trait Grouped: Send {
    /// Runs it; true when it is to be kept.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Who it runs as.
    fn session(&self) -> &Session;
    /// Makes it fail with this.
    fn fail(&mut self, error: EngineError);
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

struct Request<T, E, W, M, R> {
    session: Session,
    work: W,
    fail: M,
    reply: R,
    result: Option<Result<T, E>>,
}

impl<T, E, W, M, R> Grouped for Request<T, E, W, M, R>
where
    T: Send,
    E: Send,
    W: Fn(&mut Tx) -> Result<T, E> + Send,
    M: Fn(EngineError) -> E + Send,
    R: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, tx: &mut Tx) -> bool {
        let result = (self.work)(tx);
        let kept = result.is_ok();
        self.result = Some(result);
        kept
    }

    fn session(&self) -> &Session {
        &self.session
    }

    fn fail(&mut self, error: EngineError) {
        self.result = Some(Err((self.fail)(error)));
    }

    fn answer(self: Box<Self>) {
        if let Some(result) = self.result {
            (self.reply)(result);
        }
    }
}

impl Job {
    pub(crate) fn grouped<T, E, W, M, R>(session: Session, work: W, fail: M, reply: R) -> Job
    where
        T: Send + 'static,
        E: Send + 'static,
        W: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        M: Fn(EngineError) -> E + Send + 'static,
        R: FnOnce(Result<T, E>) + Send + 'static,
    {
        Job::Grouped(Box::new(Request {
            session,
            work,
            fail,
            reply,
            result: None,
        }))
    }

    pub(crate) fn script(
        session: Session,
        sql: String,
        options: ScriptOptions,
        mut on: Box<dyn FnMut(Outcome) + Send>,
        reply: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Job {
        Job::Alone(Box::new(move |tx| {
            reply(crate::exec::script::run(
                tx, &session, &sql, options, &mut *on,
            ));
        }))
    }
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(mut tx: Tx) -> Writer {
        let (queue, jobs) = crossbeam_channel::bounded(QUEUE_LENGTH);
        let thread = std::thread::Builder::new()
            .name("plinth-writer".into())
            .stack_size(16 * 1024 * 1024)
            .spawn(move || {
                work(&mut tx, &jobs);
                tx.close();
            })
            .ok();
        Writer {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(thread),
        }
    }

    /// Queues a job, or says that the queue is full or closed.
    pub(crate) fn send(&self, job: Job) -> Result<()> {
        let queue = self.queue.lock().clone().ok_or(EngineError::Closed)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => EngineError::Busy,
            TrySendError::Disconnected(_) => EngineError::Closed,
        })
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().as_ref().map_or(0, Sender::len)
    }

    /// Waits for what is queued and ends the thread.
    pub(crate) fn stop(&self) {
        drop(self.queue.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the writer was reported when it happened.
            let _ended = thread.join();
        }
    }
}

fn work(tx: &mut Tx, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        loop {
            match next.take() {
                Some(Job::Grouped(request)) => batch.push(request),
                Some(Job::Alone(run)) => {
                    commit_batch(tx, std::mem::take(&mut batch));
                    run(tx);
                }
                None => break,
            }
            if batch.len() < BATCH {
                next = jobs.try_recv().ok();
            }
        }
        commit_batch(tx, batch);
    }
}

/// Runs a batch in one transaction; alone, one by one, when the whole of it was lost.
fn commit_batch(tx: &mut Tx, mut batch: Vec<Box<dyn Grouped>>) {
    if batch.is_empty() {
        return;
    }
    if !run_batch(tx, &mut batch) && batch.len() > 1 {
        for request in &mut batch {
            run_batch(tx, std::slice::from_mut(request));
        }
    }
    for request in batch {
        request.answer();
    }
}

/// True when the batch was committed (or every request in it failed by itself).
fn run_batch(tx: &mut Tx, batch: &mut [Box<dyn Grouped>]) -> bool {
    if let Err(error) = tx.begin() {
        for request in batch {
            request.fail(error.clone());
        }
        return true;
    }
    for request in batch.iter_mut() {
        if let Err(error) = run_request(tx, request.as_mut()) {
            request.fail(error);
        }
        if tx.exec.lost() {
            tx.abandon();
            return false;
        }
    }
    if let Err(error) = tx.commit() {
        tx.abandon();
        for request in batch {
            request.fail(error.clone());
        }
        return false;
    }
    true
}

fn run_request(tx: &mut Tx, request: &mut dyn Grouped) -> Result<()> {
    tx.begin_session(request.session())?;
    let mark = tx.exec.mark()?;
    // A fault of ours in one request must not take the writer with it.
    let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| request.run(tx)));
    tx.end_session();
    match kept {
        Ok(true) => match tx.exec.check_deferred() {
            Ok(()) => tx.exec.keep(mark),
            Err(error) => {
                tx.exec.undo(mark)?;
                Err(error)
            }
        },
        Ok(false) => {
            if !tx.exec.lost() {
                tx.exec.undo(mark)?;
            }
            Ok(())
        }
        Err(_panic) => {
            if !tx.exec.lost() {
                tx.exec.undo(mark)?;
            }
            Err(EngineError::Internal(
                "a request panicked in the writer".into(),
            ))
        }
    }
}
