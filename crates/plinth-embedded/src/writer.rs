//! The one writer: takes whatever is queued, runs each request in a savepoint of its own, commits once, then
//! answers all.
//!
//! A short write that meets nobody runs on its caller's thread instead: two changes of thread cost it as much as its sync.
//!
//! A request is a description that can run again: when an interrupt or a full disk costs the whole batch, each
//! runs alone, and only the culprit fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

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
/// Functions and triggers may call one another to a depth that needs it.
const STACK: usize = 16 * 1024 * 1024;

/// What a lone write may take on its caller's thread, and the slowest sync that others on that thread should wait for.
const PATIENCE: Duration = Duration::from_millis(1);

/// Commits of a single request after which the next is thought to meet nobody either.
const LONE: u32 = 16;

/// The way to the writer.
pub(crate) struct Writer {
    queue: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whoever holds it is the writer.
    tx: Arc<Mutex<Tx>>,
    /// How many requests one after the other had a commit for themselves. Where some have had company the next will find it,
    /// too, if it goes where the others go.
    lone: Arc<AtomicU32>,
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
    pub(crate) fn start(tx: Tx) -> Writer {
        let (queue, jobs) = crossbeam_channel::bounded(QUEUE_LENGTH);
        let tx = Arc::new(Mutex::new(tx));
        let lone = Arc::new(AtomicU32::new(0));
        let (shared, counted) = (tx.clone(), lone.clone());
        let thread = std::thread::Builder::new()
            .name("plinth-writer".into())
            .stack_size(STACK)
            .spawn(move || {
                work(&shared, &jobs, &counted);
                shared.lock().close();
            })
            .ok();
        Writer {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(thread),
            tx,
            lone,
        }
    }

    /// Runs a job on this thread if nobody writes or waits to, and it is short; otherwise queues it, or says that the
    /// queue is full or closed.
    pub(crate) fn send(&self, job: Job) -> Result<()> {
        let queue = self.queue.lock().clone().ok_or(EngineError::Closed)?;
        let job = match job {
            Job::Grouped(mut request)
                if self.lone.load(Ordering::Relaxed) >= LONE && queue.is_empty() =>
            {
                if self.at_once(&mut *request, &queue) {
                    request.answer();
                    return Ok(());
                }
                Job::Grouped(request)
            }
            job => job,
        };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => EngineError::Busy,
            TrySendError::Disconnected(_) => EngineError::Closed,
        })
    }

    /// True when the request was run and committed here, or failed by itself. Otherwise nothing came of it.
    fn at_once(&self, request: &mut dyn Grouped, queue: &Sender<Job>) -> bool {
        if stacker::remaining_stack().is_none_or(|left| left < STACK / 2) {
            return false;
        }
        let Some(mut tx) = self.tx.try_lock() else {
            return false;
        };
        if tx.last_commit() > PATIENCE {
            return false;
        }
        let done = run_quickly(&mut tx, request);
        if tx.log_is_long() {
            // A full queue is work for the thread, which looks at the log itself.
            let _full = queue.try_send(Job::Alone(Box::new(fold_log)));
        }
        done
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

fn work(tx: &Mutex<Tx>, jobs: &Receiver<Job>, lone: &AtomicU32) {
    while let Ok(first) = jobs.recv() {
        let tx = &mut *tx.lock();
        let mut batch = Vec::new();
        let mut next = Some(first);
        loop {
            match next.take() {
                Some(Job::Grouped(request)) => batch.push(request),
                Some(Job::Alone(run)) => {
                    commit_batch(tx, std::mem::take(&mut batch));
                    run(tx);
                    fold_log(tx);
                }
                None => break,
            }
            if batch.len() < BATCH {
                next = jobs.try_recv().ok();
            }
        }
        match batch.len() {
            0 | 1 => lone.fetch_add(1, Ordering::Relaxed),
            _ => lone.swap(0, Ordering::Relaxed),
        };
        commit_batch(tx, batch);
    }
}

/// Runs a request in a transaction of its own for as long as [`PATIENCE`] lasts. When false, nothing came of it.
fn run_quickly(tx: &mut Tx, request: &mut dyn Grouped) -> bool {
    if tx.begin().is_err() {
        return false;
    }
    tx.exec.conn.be_quick(PATIENCE);
    let failed = run_request(tx, request).err();
    let too_slow = tx.exec.conn.was_too_slow();
    if too_slow || tx.exec.lost() {
        tx.take_back();
        return false;
    }
    if let Some(error) = failed {
        request.fail(error);
    }
    if tx.commit().is_err() {
        tx.take_back();
        return false;
    }
    true
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
    // Before the answers: those who hear them come back at once, and would only wait beside it.
    fold_log(tx);
    for request in batch {
        request.answer();
    }
}

fn fold_log(tx: &mut Tx) {
    if tx.log_is_long() {
        tx.fold_log();
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
            tx.take_back();
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
