//! The generator: one thread, many keep-alive connections, closed or open loop.
//!
//! In a closed loop each connection sends its next request when the last was answered, so a slow server is asked
//! less. In an open loop requests arrive at a constant rate whatever the server does, and the time of each counts
//! from the moment it was due: a server that falls behind cannot hide its queue. The time from the moment it was
//! sent is kept beside it, because it is the server's own part.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
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
    /// Answers of 2xx.
    pub good: Times,
    /// Answers of 503, which is how a server says that it has enough.
    pub refused: Times,
    /// Those among them that said when to come back.
    pub refused_with_retry_after: u64,
    /// Any other answer.
    pub other: u64,
    /// Connections that broke or were closed before an answer.
    pub broken: u64,
    /// By how many the requests of an open loop that were due and had no answer became more.
    pub unanswered: u64,
    /// The first answer that was not good, for the reader of an error.
    pub first_other: Option<String>,
}

/// How long the answers of one kind took, in microseconds.
#[derive(Clone, Debug)]
pub struct Times {
    /// From the moment at which the request was due: what whoever asks waits. In a closed loop it is sent when it is due.
    pub since_due: Histogram<u64>,
    /// From the moment at which it was sent: the server's part.
    pub since_sent: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            took: Duration::ZERO,
            good: Times::new(),
            refused: Times::new(),
            refused_with_retry_after: 0,
            other: 0,
            broken: 0,
            unanswered: 0,
            first_other: None,
        }
    }

    /// Fails when anything but good answers and refusals for want of time came, or nothing good.
    pub(crate) fn answered(self) -> Result<Tally> {
        ensure!(
            self.other == 0 && self.broken == 0 && !self.good.is_empty(),
            "{} answers were not good, {} connections broke; the first: {}",
            self.other,
            self.broken,
            self.first_other.as_deref().unwrap_or("none")
        );
        Ok(self)
    }

    /// Fails when anybody was refused, too.
    pub(crate) fn all_good(self) -> Result<Tally> {
        let refused = self.refused.len();
        ensure!(refused == 0, "{refused} requests were refused");
        self.answered()
    }

    /// Good answers a second.
    pub fn rate(&self) -> f64 {
        self.a_second(self.good.len())
    }

    /// Refusals a second.
    pub fn refused_rate(&self) -> f64 {
        self.a_second(self.refused.len())
    }

    /// Answers a second, of whatever kind.
    pub fn answered_rate(&self) -> f64 {
        self.a_second(self.good.len() + self.refused.len() + self.other)
    }

    /// By how many a second those became more that wait for an answer.
    pub fn unanswered_rate(&self) -> f64 {
        self.a_second(self.unanswered)
    }

    /// Microseconds within which this share (0 to 1) of the good answers came, since they were due.
    pub fn within(&self, share: f64) -> u64 {
        self.good.since_due.value_at_quantile(share)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    fn a_second(&self, count: u64) -> f64 {
        count as f64 / self.took.as_secs_f64()
    }
}

impl Times {
    fn new() -> Times {
        // From a microsecond to a minute, three digits.
        let histogram = || Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds");
        Times {
            since_due: histogram(),
            since_sent: histogram(),
        }
    }

    /// How many there were.
    pub fn len(&self) -> u64 {
        self.since_due.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn record(&mut self, since_due: Duration, since_sent: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        self.since_due.saturating_record(micros(since_due));
        self.since_sent.saturating_record(micros(since_sent));
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
    let mut waited_before = None;
    loop {
        let now = Instant::now();
        // Due, and without an answer: not sent yet, or under way.
        let waiting = |moment| match plan.pace {
            Pace::Closed => 0,
            Pace::Open(_) => arrivals.late(moment) + (plan.clients - free.len()) as u64,
        };
        if now >= counted_from && waited_before.is_none() {
            waited_before = Some(waiting(counted_from));
        }
        if now >= end && !arrivals.are_over {
            tally.unanswered = waiting(end).saturating_sub(waited_before.unwrap_or_default());
            arrivals.are_over = true;
        }
        if arrivals.are_over && (free.len() == plan.clients || now >= end + LAST_ANSWERS) {
            break;
        }
        // Send what is due.
        while let Some(&place) = free.front() {
            let now = Instant::now();
            let Some(due) = arrivals.take(now) else {
                break;
            };
            free.pop_front();
            clients[place].begin(next(), due, now);
            if clients[place].send().is_err() {
                tally.broken += 1;
                renew(&mut clients[place], &poll, place, plan)?;
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
                tally.broken += 1;
                renew(client, &poll, place, plan)?;
                free.push_back(place);
                continue;
            }
            if !event.is_readable() && !event.is_error() {
                continue;
            }
            let (due, sent_at) = (client.due, client.sent_at);
            match client.receive(&mut piece) {
                Ok(Received::Nothing) => {}
                Ok(Received::Answer { head, text }) => {
                    let now = Instant::now();
                    if now >= counted_from && now < end {
                        let since_due = now.duration_since(due);
                        let since_sent = now.duration_since(sent_at);
                        count(&mut tally, &head, since_due, since_sent, text);
                    }
                    if head.closes {
                        // It was announced, so nothing broke.
                        renew(client, &poll, place, plan)?;
                        free.push_back(place);
                        continue;
                    }
                    // A closed loop goes straight on: the socket is warm.
                    match arrivals.take(now) {
                        Some(due) => {
                            client.begin(next(), due, now);
                            if client.send().is_err() {
                                tally.broken += 1;
                                renew(client, &poll, place, plan)?;
                                free.push_back(place);
                            }
                        }
                        None => free.push_back(place),
                    }
                }
                Ok(Received::Closed) | Err(_) => {
                    let was_free = !client.waits;
                    tally.broken += 1;
                    renew(client, &poll, place, plan)?;
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

fn count(tally: &mut Tally, head: &Head, since_due: Duration, since_sent: Duration, text: &[u8]) {
    match head.status {
        200..=299 => tally.good.record(since_due, since_sent),
        503 => {
            tally.refused.record(since_due, since_sent);
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

/// A new connection in place of one that is over.
fn renew(client: &mut Client, poll: &Poll, place: usize, plan: &Plan) -> io::Result<()> {
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
    sent_at: Instant,
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
        let now = Instant::now();
        Ok(Client {
            stream: TcpStream::from_std(stream),
            request: Request::default(),
            sent: 0,
            answer: Vec::with_capacity(32 * 1024),
            head: None,
            due: now,
            sent_at: now,
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

    fn begin(&mut self, request: Request, due: Instant, now: Instant) {
        self.request = request;
        self.sent = 0;
        self.due = due;
        self.sent_at = now;
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    const STALL: Duration = Duration::from_millis(200);
    /// Longer than any answer but one that stalls, and shorter than most that queue behind it.
    const LONG_MICROS: u64 = 100_000;

    /// A server that is asked on any number of connections. `answer` is told how many requests came before; without an answer it hangs up.
    fn stub(answer: impl Fn(usize) -> Option<&'static [u8]> + Send + Sync + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new((answer, AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                // Until the generator goes away.
                thread::spawn(move || {
                    converse(stream, || {
                        (answer.0)(answer.1.fetch_add(1, Ordering::Relaxed))
                    })
                });
            }
        });
        address
    }

    fn converse(
        mut stream: std::net::TcpStream,
        answer: impl Fn() -> Option<&'static [u8]>,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut request, mut piece) = (Vec::new(), [0; 1024]);
        loop {
            let length = stream.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            request.extend_from_slice(&piece[..length]);
            if !request.ends_with(b"\r\n\r\n") {
                continue;
            }
            request.clear();
            match answer() {
                Some(text) => stream.write_all(text)?,
                None => return Ok(()),
            }
        }
    }

    /// With one client and no warm-up.
    fn load(target: SocketAddr, pace: Pace, time_ms: u64) -> Tally {
        let plan = Plan {
            target,
            clients: 1,
            pace,
            warm_up: Duration::ZERO,
            time: Duration::from_millis(time_ms),
        };
        let request = Request::new("GET", "/", &[], b"");
        run(&plan, || request.clone()).unwrap()
    }

    fn stalls_once() -> SocketAddr {
        stub(|number| {
            if number == 50 {
                thread::sleep(STALL);
            }
            Some(GOOD)
        })
    }

    #[test]
    fn an_open_loop_shows_the_queue_behind_a_stall() {
        // Of 1,000 requests a fifth becomes due during the stall, and half of those wait for longer than half of it.
        let tally = load(stalls_once(), Pace::Open(1000.0), 1000);
        let times = &tally.good;
        assert!(
            tally.within(0.99) >= LONG_MICROS,
            "{} µs",
            tally.within(0.99)
        );
        // Only one of them was with the server for so long.
        let served = times.since_sent.value_at_quantile(0.99);
        assert!(served < LONG_MICROS, "{served} µs");
        assert!(times.since_sent.max() >= 200_000);
        assert_eq!((tally.other, tally.broken), (0, 0));
    }

    #[test]
    fn a_closed_loop_has_one_long_answer_for_a_stall() {
        let tally = load(stalls_once(), Pace::Closed, 1000);
        assert!(tally.good.since_due.max() >= 200_000);
        assert!(
            tally.within(0.99) < LONG_MICROS,
            "{} µs",
            tally.within(0.99)
        );
        // What is sent when it is due has one time.
        assert_eq!(tally.good.since_due.max(), tally.good.since_sent.max());
        assert_eq!(tally.unanswered, 0);
    }

    #[test]
    fn refusals_that_say_when_to_come_back_are_counted_apart() {
        let address = stub(|number| {
            let text: &[u8] = match number % 3 {
                0 => GOOD,
                1 => b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n",
                _ => b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n",
            };
            Some(text)
        });
        let tally = load(address, Pace::Closed, 200);
        let (refused, said) = (tally.refused.len(), tally.refused_with_retry_after);
        assert!(said > 0 && !tally.good.is_empty());
        // One client hears them in turn.
        assert!(refused.abs_diff(2 * said) <= 1, "{said} of {refused}");
        assert!(tally.good.len().abs_diff(said) <= 1);
        assert_eq!((tally.other, tally.broken), (0, 0));
    }

    #[test]
    fn other_answers_are_counted_and_the_first_is_kept() {
        let address = stub(|number| {
            let text: &[u8] = match number {
                3 => b"HTTP/1.1 404 X\r\ncontent-length: 4\r\n\r\ngone",
                7 => b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n",
                _ => GOOD,
            };
            Some(text)
        });
        let tally = load(address, Pace::Closed, 200);
        assert_eq!(tally.other, 2);
        assert_eq!(tally.first_other.as_deref(), Some("404: gone"));
    }

    #[test]
    fn a_connection_that_ends_without_an_answer_counts_as_broken() {
        let address = stub(|number| (number != 5).then_some(GOOD));
        let tally = load(address, Pace::Closed, 200);
        assert_eq!(tally.broken, 1);
        // It went on, on another.
        assert!(tally.good.len() > 5 && tally.other == 0);
    }

    #[test]
    fn an_end_that_was_announced_breaks_nothing() {
        let address = stub(|number| {
            let text: &[u8] = match number {
                5 => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                _ => GOOD,
            };
            Some(text)
        });
        let tally = load(address, Pace::Closed, 200);
        assert_eq!(tally.broken, 0);
        assert!(tally.good.len() > 6);
    }

    #[test]
    fn what_is_asked_too_often_is_answered_or_waits() {
        let address = stub(|_| {
            thread::sleep(Duration::from_millis(10));
            Some(GOOD)
        });
        let asked = 1000;
        let tally = load(address, Pace::Open(2000.0), 500);
        let answered = tally.good.len();
        assert!(answered > 0 && answered <= 50, "{answered}");
        let waits = asked - answered;
        assert!(
            tally.unanswered.abs_diff(waits) <= 5,
            "{} of {waits}",
            tally.unanswered
        );
    }
}
