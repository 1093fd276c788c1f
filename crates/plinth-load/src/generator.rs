//! The generator: one thread, many keep-alive connections, closed or open loop.
//!
//! In a closed loop each connection sends its next request when the last was answered, so a slow server is asked
//! less. In an open loop requests arrive at a constant rate whatever the server does, and the time of each counts
//! from the moment it was due: a server that falls behind cannot hide its queue.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::http::{Head, Request};

/// How long answers are waited for that do not count any more: a server that is left in the middle of its work is not as it
/// was before.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each connection as fast as it is answered.
    Closed,
    /// This many a second, evenly, over whichever connection is free.
    Open(f64),
}

/// One run of the generator.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub target: SocketAddr,
    /// Connections kept open.
    pub clients: usize,
    /// How requests arrive.
    pub pace: Pace,
    /// Time before anything counts.
    pub warm_up: Duration,
    /// Time that counts.
    pub time: Duration,
}

/// What came of a run, without its warm-up.
#[derive(Clone, Debug)]
pub struct Tally {
    /// How long it was measured.
    pub took: Duration,
    /// Answers of 2xx, and how long they took in microseconds.
    pub good: Histogram<u64>,
    /// Answers of 503, which is how a server says that it has enough.
    pub refused: Histogram<u64>,
    /// Those among them that said when to come back.
    pub refused_with_retry_after: u64,
    /// Any other answer.
    pub other: u64,
    /// Connections that broke or were closed before an answer.
    pub broken: u64,
    /// Requests of an open loop that were due but not answered at the end.
    pub unanswered: u64,
    /// The first answer that was not good, for the reader of an error.
    pub first_other: Option<String>,
}

impl Tally {
    fn new() -> Tally {
        // From a microsecond to a minute, three digits.
        let histogram = || Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds");
        Tally {
            took: Duration::ZERO,
            good: histogram(),
            refused: histogram(),
            refused_with_retry_after: 0,
            other: 0,
            broken: 0,
            unanswered: 0,
            first_other: None,
        }
    }

    /// Good answers a second.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn rate(&self) -> f64 {
        self.good.len() as f64 / self.took.as_secs_f64()
    }

    /// Refusals a second.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn refused_rate(&self) -> f64 {
        self.refused.len() as f64 / self.took.as_secs_f64()
    }

    /// Microseconds within which this share (0 to 1) of the good answers came.
    pub fn within(&self, share: f64) -> u64 {
        self.good.value_at_quantile(share)
    }
}

/// Runs a plan: requests are taken from `next` in turn.
pub fn run(plan: &Plan, mut next: impl FnMut() -> Request) -> io::Result<Tally> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut piece = vec![0; PIECE];
    let mut tally = Tally::new();
    let mut clients = Vec::with_capacity(plan.clients);
    let mut free: VecDeque<usize> = (0..plan.clients).collect();
    for place in 0..plan.clients {
        let client = Client::connect(plan.target)?;
        client.register(&poll, place)?;
        clients.push(client);
    }
    let begin = Instant::now();
    let counted_from = begin + plan.warm_up;
    let end = counted_from + plan.time;
    let mut arrivals = Arrivals::new(plan.pace, begin);
    loop {
        let now = Instant::now();
        if now >= end && !arrivals.are_over {
            if let Pace::Open(_) = plan.pace {
                let under_way = (plan.clients - free.len()) as u64;
                tally.unanswered = arrivals.late(end) + under_way;
            }
            arrivals.are_over = true;
        }
        if arrivals.are_over && (free.len() == plan.clients || now >= end + LAST_ANSWERS) {
            break;
        }
        // Send what is due.
        while let Some(&place) = free.front() {
            let Some(due) = arrivals.take(Instant::now()) else {
                break;
            };
            free.pop_front();
            clients[place].begin(next(), due);
            if clients[place].send().is_err() {
                renew(&mut clients[place], &poll, place, plan, &mut tally)?;
                free.push_back(place);
            }
        }
        let until = if arrivals.are_over {
            end + LAST_ANSWERS
        } else {
            let next = arrivals.next_due().filter(|_| !free.is_empty());
            next.map_or(end, |due| due.min(end))
        };
        let wait = until.saturating_duration_since(Instant::now());
        match poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let place = event.token().0;
            let client = &mut clients[place];
            if event.is_writable() && client.send().is_err() {
                renew(client, &poll, place, plan, &mut tally)?;
                free.push_back(place);
                continue;
            }
            if !event.is_readable() && !event.is_error() {
                continue;
            }
            let due = client.due;
            match client.receive(&mut piece) {
                Ok(Received::Nothing) => {}
                Ok(Received::Answer { head, text }) => {
                    let now = Instant::now();
                    if now >= counted_from && now < end {
                        count(&mut tally, &head, now.duration_since(due), text);
                    }
                    if head.closes {
                        renew(client, &poll, place, plan, &mut Tally::new())?;
                        free.push_back(place);
                        continue;
                    }
                    // A closed loop goes straight on: the socket is warm.
                    match arrivals.take(now) {
                        Some(due) => {
                            client.begin(next(), due);
                            if client.send().is_err() {
                                renew(client, &poll, place, plan, &mut tally)?;
                                free.push_back(place);
                            }
                        }
                        None => free.push_back(place),
                    }
                }
                Ok(Received::Closed) | Err(_) => {
                    let was_free = !client.waits;
                    renew(client, &poll, place, plan, &mut tally)?;
                    if !was_free {
                        free.push_back(place);
                    }
                }
            }
        }
    }
    tally.took = plan.time;
    Ok(tally)
}

/// When requests are due.
struct Arrivals {
    interval: Option<Duration>,
    due: Instant,
    /// Nothing more is sent.
    are_over: bool,
}

impl Arrivals {
    fn new(pace: Pace, begin: Instant) -> Arrivals {
        let interval = match pace {
            Pace::Closed => None,
            Pace::Open(rate) => Some(Duration::from_secs_f64(1.0 / rate)),
        };
        Arrivals {
            interval,
            due: begin,
            are_over: false,
        }
    }

    /// The moment at which a request that may be sent now was due.
    fn take(&mut self, now: Instant) -> Option<Instant> {
        if self.are_over {
            return None;
        }
        let Some(interval) = self.interval else {
            return Some(now);
        };
        if self.due > now {
            return None;
        }
        let due = self.due;
        self.due += interval;
        Some(due)
    }

    fn next_due(&self) -> Option<Instant> {
        self.interval.map(|_| self.due)
    }

    fn late(&self, end: Instant) -> u64 {
        let Some(interval) = self.interval else {
            return 0;
        };
        let late = end.saturating_duration_since(self.due).as_nanos() / interval.as_nanos().max(1);
        u64::try_from(late).unwrap_or(u64::MAX)
    }
}

fn count(tally: &mut Tally, head: &Head, took: Duration, text: &[u8]) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    match head.status {
        200..=299 => tally.good.saturating_record(micros),
        503 => {
            tally.refused.saturating_record(micros);
            tally.refused_with_retry_after += u64::from(head.retry_after);
        }
        status => {
            tally.other += 1;
            tally
                .first_other
                .get_or_insert_with(|| format!("{status}: {}", String::from_utf8_lossy(text)));
        }
    }
}

fn renew(
    client: &mut Client,
    poll: &Poll,
    place: usize,
    plan: &Plan,
    tally: &mut Tally,
) -> io::Result<()> {
    tally.broken += 1;
    *client = Client::connect(plan.target)?;
    client.register(poll, place)
}

/// One connection.
struct Client {
    stream: TcpStream,
    request: Request,
    sent: usize,
    answer: Vec<u8>,
    head: Option<Head>,
    due: Instant,
    waits: bool,
}

enum Received<'a> {
    Nothing,
    Answer { head: Head, text: &'a [u8] },
    Closed,
}

impl Client {
    fn connect(target: SocketAddr) -> io::Result<Client> {
        // Blocking, then not: on loopback it takes microseconds, and a server that refuses is seen at once.
        let stream = std::net::TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Client {
            stream: TcpStream::from_std(stream),
            request: Request::default(),
            sent: 0,
            answer: Vec::with_capacity(32 * 1024),
            head: None,
            due: Instant::now(),
            waits: false,
        })
    }

    fn register(&self, poll: &Poll, place: usize) -> io::Result<()> {
        let mut source = mio::unix::SourceFd(&std::os::fd::AsRawFd::as_raw_fd(&self.stream));
        poll.registry().register(
            &mut source,
            Token(place),
            Interest::READABLE.add(Interest::WRITABLE),
        )
    }

    fn begin(&mut self, request: Request, due: Instant) {
        self.request = request;
        self.sent = 0;
        self.due = due;
        self.answer.clear();
        self.head = None;
        self.waits = true;
    }

    /// Sends what is left of the request, as far as the socket takes it.
    fn send(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .request
            .bytes()
            .get(self.sent..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come, piece by piece.
    fn receive(&mut self, piece: &mut [u8]) -> io::Result<Received<'_>> {
        loop {
            match self.stream.read(piece) {
                Ok(0) => return Ok(Received::Closed),
                Ok(length) => {
                    self.answer.extend_from_slice(&piece[..length]);
                    if length < piece.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if !self.waits {
            return Ok(Received::Nothing);
        }
        if self.head.is_none() {
            self.head = Head::parse(&self.answer)?;
        }
        let Some(head) = self.head.filter(|head| head.is_complete(&self.answer)) else {
            return Ok(Received::Nothing);
        };
        self.waits = false;
        Ok(Received::Answer {
            head,
            text: self.answer.get(head.length..).unwrap_or_default(),
        })
    }
}
