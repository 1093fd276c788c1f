//! `kill -9` in the middle of uploads: what was acknowledged is there to the last byte, what was not is wholly there or not
//! at all, an upload in pieces or in parts goes on where it was, and nothing is left behind. The same of a store that stops or
//! hangs, and of a disk that is full.

mod away;
mod client;
mod full_disk;
mod parts;
mod place;
mod uploads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use plinth_testkit::postgres;
use plinth_testkit::random::Random;
use plinth_testkit::seaweedfs;

use place::Place;
use uploads::Writer;

/// Kills on embedded with files in a folder.
const ROUNDS_ON_FILES: u64 = 10;
/// Kills on PostgreSQL with files in S3.
const ROUNDS_ON_S3: u64 = 5;
const WRITERS: u64 = 4;
/// Long enough for some dozen uploads, short enough that starts are hit, too.
const LONGEST_MS: u64 = 600;
/// The same where every byte goes on to a store, which syncs it in its own time.
const LONGEST_ON_S3_MS: u64 = 3_000;

#[test]
fn files_in_a_folder_survive_kill_9() {
    survive(&Place::folder(), ROUNDS_ON_FILES, LONGEST_MS, 0x000f_11e5);
}

#[test]
fn files_in_s3_survive_kill_9_on_postgres() {
    let Some((postgres, store)) = services() else {
        return;
    };
    let place = Place::services(&postgres, &store);
    survive(&place, ROUNDS_ON_S3, LONGEST_ON_S3_MS, 0x5eaf_11e5);
}

/// PostgreSQL and `SeaweedFS`, where they are.
fn services() -> Option<(PathBuf, PathBuf)> {
    let found = postgres::find().zip(seaweedfs::find());
    if found.is_none() {
        let required = std::env::var_os("PLINTH_REQUIRE_SERVICES").is_some();
        assert!(!required, "PostgreSQL or SeaweedFS was not found");
        eprintln!("PostgreSQL or SeaweedFS was not found: files in S3 are not tested.");
    }
    found
}

fn survive(place: &Place, rounds: u64, longest_ms: u64, seed: u64) {
    let mut random = Random::new(seed);
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|number| Writer::new(number, random.bits()))
        .collect();
    let mut killed_within = 0;
    for _ in 0..rounds {
        let server = place.start();
        let stop = AtomicBool::new(false);
        let pause = Duration::from_millis(random.below(longest_ms));
        thread::scope(|scope| {
            for writer in &mut writers {
                let (address, stop) = (server.address, &stop);
                scope.spawn(move || writer.write(address, stop));
            }
            thread::sleep(pause);
            server.kill();
            stop.store(true, Ordering::SeqCst);
        });
        killed_within += writers.iter().filter(|writer| writer.was_killed()).count();
        let server = place.start();
        for writer in &mut writers {
            writer.check_latest(server.address);
        }
        server.kill();
    }
    let server = place.start();
    place.end_claims();
    let mut gone_on = 0;
    for writer in &mut writers {
        // Most have lived through several kills by now.
        gone_on += writer.go_on(server.address);
        writer.check_all(server.address);
    }
    writers[0].leave_two(server.address);
    let begun = place.begun();
    place.check_begun(&begun);
    place.expire();
    server.kill();
    let server = place.start();
    place.sweep(&server, &begun);
    server.kill();
    place.check();
    let acknowledged: usize = writers.iter().map(Writer::acknowledged).sum();
    eprintln!(
        "{acknowledged} uploads acknowledged, {killed_within} under way at a kill, {gone_on} went on in pieces or parts"
    );
    let rounds = usize::try_from(rounds).unwrap();
    assert!(acknowledged > 10 * rounds, "that proves little");
    assert!(killed_within >= rounds, "hardly any upload was under way");
}
