//! Limits without HTTP, keys and policies: SQLite by itself, in one thread; and Argon2id, in as many as there are cores.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::{Connection, params};

use crate::calm::undisturbed;
use crate::machine::flushes;
use crate::process::Disturbance;
use crate::workload;

/// How long each figure is taken.
const TIME: Duration = Duration::from_secs(2);

/// Rows a second.
#[derive(Clone, Debug)]
pub(crate) struct RawFigures {
    /// Selects of one row by its key.
    pub(crate) read: f64,
    /// Inserts, 1 in each commit.
    pub(crate) insert_1: f64,
    /// 64 in each.
    pub(crate) insert_64: f64,
    /// 256 in each.
    pub(crate) insert_256: f64,
    /// Passwords hashed, on all cores.
    pub(crate) hash: f64,
    /// What the connection says of itself.
    pub(crate) journal: String,
    pub(crate) synchronous: &'static str,
    /// How often the disk was flushed for each commit of one row, where the system counts it.
    pub(crate) flushes: Option<f64>,
    /// The most of all runs.
    pub(crate) disturbance: Disturbance,
}

/// Measures in a file in this folder.
pub(crate) fn measure(folder: &Path) -> Result<RawFigures> {
    let path = folder.join("raw.db");
    for suffix in ["", "-wal", "-shm"] {
        let file = folder.join(format!("raw.db{suffix}"));
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    let db = Connection::open(path)?;
    db.execute_batch(
        "pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-16384;
         create table messages (id integer primary key, room integer not null, owner blob not null,
           body text not null, created integer not null) strict;
         create index messages_room_created on messages (room, created);",
    )?;
    let mut next = 0;
    db.execute_batch("begin")?;
    while next < workload::MESSAGES {
        insert(&db, &mut next)?;
    }
    db.execute_batch("commit")?;
    let journal: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let mut disturbance = Disturbance::default();
    let mut chance = workload::Chance::new(1);
    let read = rate(1, &mut disturbance, || {
        let id = i64::try_from(chance.below(workload::MESSAGES))?;
        let mut select = db.prepare_cached("select * from messages where id = ?1")?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let _body: String = row.get(3)?;
        }
        Ok(())
    })?;
    let (first, flushed_before) = (next, flushes(folder));
    let insert_1 = grouped(&db, 1, &mut next, &mut disturbance)?;
    let flushed = flushes(folder).zip(flushed_before);
    let commits = next - first;
    let insert_64 = grouped(&db, 64, &mut next, &mut disturbance)?;
    let insert_256 = grouped(&db, 256, &mut next, &mut disturbance)?;
    let (hash, used) = undisturbed(std::process::id(), |_| Ok(hashes()))?;
    Ok(RawFigures {
        read,
        insert_1,
        insert_64,
        insert_256,
        hash,
        journal,
        synchronous: match synchronous {
            0 => "off",
            1 => "normal",
            2 => "full",
            _ => "extra",
        },
        flushes: flushed.map(|(after, before)| each(after.saturating_sub(before), commits)),
        disturbance: disturbance.worst(used.disturbance()),
    })
}

/// Inserts a second with so many in each commit.
fn grouped(
    db: &Connection,
    group: usize,
    next: &mut usize,
    disturbance: &mut Disturbance,
) -> Result<f64> {
    rate(group, disturbance, || {
        db.execute_batch("begin")?;
        for _ in 0..group {
            insert(db, next)?;
        }
        Ok(db.execute_batch("commit")?)
    })
}

/// Argon2id with 19 MiB and 2 passes, each thread in memory of its own.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn hashes() -> f64 {
    let argon2 = argon2::Argon2::default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let work = || {
            let mut memory = vec![argon2::Block::new(); argon2.params().block_count()];
            let (begin, mut done) = (Instant::now(), 0_u64);
            while begin.elapsed() < TIME {
                let mut out = [0; 32];
                let salt = done.to_le_bytes().repeat(2);
                let hashed = argon2.hash_password_into_with_memory(
                    b"password",
                    &salt,
                    &mut out,
                    &mut memory,
                );
                done += u64::from(hashed.is_ok());
            }
            done as f64 / begin.elapsed().as_secs_f64()
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .sum()
    })
}

fn insert(db: &Connection, next: &mut usize) -> Result<()> {
    let message = *next;
    *next += 1;
    db.prepare_cached("insert into messages values (null, ?1, ?2, ?3, ?4)")?
        .execute(params![
            i64::try_from(workload::room_of(message))?,
            [u8::try_from(workload::owner_of(message))?; 16],
            workload::text_of(message),
            i64::try_from(message)?
        ])?;
    Ok(())
}

/// Rows a second of work that does so many at a time.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn rate(
    rows: usize,
    disturbance: &mut Disturbance,
    mut work: impl FnMut() -> Result<()>,
) -> Result<f64> {
    let (rate, used) = undisturbed(std::process::id(), |_| {
        let begin = Instant::now();
        let mut done = 0;
        while begin.elapsed() < TIME {
            work()?;
            done += rows;
        }
        Ok(done as f64 / begin.elapsed().as_secs_f64())
    })?;
    *disturbance = disturbance.worst(used.disturbance());
    Ok(rate)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn each(flushes: u64, commits: usize) -> f64 {
    flushes as f64 / commits as f64
}
