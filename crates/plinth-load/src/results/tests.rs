//! The report of figures that were made up.

use super::*;
use crate::crowd::hostile::Found;
use crate::crowd::{Flood, Hostile, Idle, Overload};
use crate::on_postgres::Beside;

const CALM: Disturbance = Disturbance {
    others: 0.02,
    stolen: 0.01,
};
const DISTURBED: Disturbance = Disturbance {
    others: 0.31,
    stolen: 0.0,
};

fn figure(rate: f64, disturbance: Disturbance) -> Figure {
    Figure {
        rate,
        p50: 1500,
        p99: 2500,
        cpu: 20.0,
        disturbance,
    }
}

fn measured(kind: Kind, work: Work, clients: usize, rate: f64) -> Measured {
    Measured {
        kind,
        work,
        clients,
        figure: figure(rate, CALM),
        resident_kib: 10 * 1024,
        most_kib: 20 * 1024,
        flushes: Some(1.0),
    }
}

fn raw(insert_1: f64, flushes: Option<f64>) -> RawFigures {
    RawFigures {
        read: 300_000.0,
        insert_1,
        insert_64: 60_000.0,
        insert_256: 100_000.0,
        hash: 110.0,
        journal: "wal".to_owned(),
        synchronous: "full",
        flushes,
        disturbance: CALM,
    }
}

/// Three rounds of two kinds of work, and nothing else.
fn report() -> Report {
    let mut other = measured(Kind::PocketBase, Work::Insert, 1, 1_000.0);
    other.flushes = Some(0.0);
    let mut disturbed = measured(Kind::Bare, Work::Read, 64, 120_000.0);
    disturbed.figure.disturbance = DISTURBED;
    Report {
        header: Header::sample(),
        rounds: 3,
        figures: vec![
            measured(Kind::Plinth, Work::Read, 64, 40_000.0),
            measured(Kind::Plinth, Work::Read, 64, 60_000.0),
            measured(Kind::Plinth, Work::Read, 64, 50_000.0),
            measured(Kind::PocketBase, Work::Read, 64, 4_000.0),
            disturbed,
            measured(Kind::Plinth, Work::Insert, 1, 2_000.0),
            other,
        ],
        rest: vec![Rest {
            kind: Kind::Plinth,
            made_in: Duration::from_millis(20),
            filled_kib: 75 * 1024,
            recovered_in: Duration::from_millis(60),
            started_in: Duration::from_millis(45),
            started_kib: 24 * 1024,
        }],
        raw: vec![raw(4_000.0, Some(1.02))],
        crowd: None,
        media: None,
        orders: Vec::new(),
        on_postgres: None,
        binary_bytes: 25 << 20,
    }
}

fn crowd() -> Crowd {
    let mut tally = Tally::new();
    tally.took = Duration::from_secs(4);
    tally.unanswered = 4_000;
    let mut times = |due, sent, count, good: bool| {
        let times = match good {
            true => &mut tally.good,
            false => &mut tally.refused,
        };
        times.since_due.record_n(due, count).unwrap();
        times.since_sent.record_n(sent, count).unwrap();
    };
    times(1_800_000, 60_000, 3_320, true);
    times(900_000, 2_000, 680, false);
    tally.refused_with_retry_after = 650;
    let overload = Overload {
        work: Work::Read,
        peak: 1_000.0,
        tally,
        used: Used {
            took: Duration::from_secs(5),
            server: Duration::from_millis(4_500),
            generator: Duration::from_millis(2_500),
            others: Duration::from_millis(100),
            stolen: Duration::from_millis(50),
        },
        disturbance: CALM,
    };
    Crowd {
        start: (Duration::from_millis(45), 24 * 1024),
        idle: Idle {
            before_kib: 50 * 1024,
            each_kib: 12.0,
            beside_p99: 2_000,
            disturbance: CALM,
        },
        hostile: Hostile {
            alone: 100.0,
            beside: 79.0,
            most_kib: 70 * 1024,
            found: Found {
                connected: 998,
                open: 600,
                refused: 2,
                turned_away: 1_200,
            },
            cores: 0.5,
            disturbance: DISTURBED,
        },
        flood: Flood {
            alone: 100.0,
            beside: 50.0,
            p99: 24_000,
            sign_ins: 20.0,
            disturbance: CALM,
        },
        overload: vec![overload],
    }
}

#[track_caller]
fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|known| known == *line),
            "{line}\nin\n{text}"
        );
    }
}

#[test]
fn aims_stand_on_top_with_what_was_reached() {
    let text = report().text();
    has_lines(
        &text,
        &[
            "- Date: 2026-01-02",
            "- Programs: plinth 1.2.3 (abc1234); rival 4.5",
            "| read by key, 64 clients | at least 10 times PocketBase | 12.5 | yes |",
            "| read by key, 64 clients | at least 45 % of bare axum | 41.7 | no |",
            "| read by key, 64 clients | at most 30 µs of CPU | 20.0 | yes |",
            "| insert, 1 client | at most 0.15 ms more than a commit of raw SQLite | 0.25 | no |",
            "| start, with data in place | below 40 ms | 45.0 | no |",
            "| memory after it | below 25 MiB | 24.0 | yes |",
            "| the binary | below 30 MiB | 25.0 | yes |",
        ],
    );
    let place = |heading: &str| text.find(heading).unwrap();
    assert!(place("## Aims") < place("## Beside others"));
}

#[test]
fn what_was_not_run_is_not_in_the_report() {
    let report = report();
    assert_eq!(report.aims().len(), 7);
    let text = report.text();
    for chapter in ["PostgreSQL", "Many users", "Files", "Orders", "list 30"] {
        assert!(!text.contains(chapter), "{chapter} in\n{text}");
    }
}

#[test]
fn the_middle_run_counts_and_a_disturbed_one_is_marked() {
    has_lines(
        &report().text(),
        &[
            "| read by key | 64 | Plinth | 50000 | 1.50 | 2.50 | 20 | 10 | 20 | 0.02 / 0.01 | 12.5 |",
            "| read by key | 64 | PocketBase | 4000 | 1.50 | 2.50 | 20 | 10 | 20 | 0.02 / 0.01 | 1.0 |",
            "| read by key | 64 | bare axum | 120000 | 1.50 | 2.50 | 20 | 10 | 20 | 0.31 / 0.00 disturbed | 30.0 |",
            "| Plinth | 20 | 75.0 | 60 | 45 | 24.0 |",
        ],
    );
}

#[test]
fn the_report_says_how_often_it_was_measured() {
    let mut report = report();
    assert!(
        report
            .text()
            .contains("Each figure is the middle one of 3 runs, ")
    );
    report.rounds = 1;
    let text = report.text();
    assert!(
        text.contains("Each figure is a single run. Memory"),
        "{text}"
    );
    assert!(!text.contains("the middle one"), "{text}");
}

#[test]
fn durability_is_what_connections_say_and_what_the_disk_was_told() {
    let mut report = report();
    let text = report.text();
    let flushed = "how often the disk was flushed for each insert of one client: raw SQLite 1.02, Plinth 1.00, PocketBase 0.00.\n";
    assert!(
        text.contains("`journal_mode=wal`, `synchronous=full`"),
        "{text}"
    );
    assert!(text.contains(flushed), "{text}");
    // A disk whose flushes nobody counts says nothing of anybody.
    for unknown in [None, Some(0.0)] {
        report.raw = vec![raw(4_000.0, unknown)];
        let text = report.text();
        assert!(text.contains("does not count how often"), "{text}");
        assert!(!text.contains("PocketBase 0.00"), "{text}");
    }
}

#[test]
fn overload_is_told_in_full() {
    let mut report = report();
    report.crowd = Some(crowd());
    let text = report.text();
    let bad = "998 of them were connected before anything was measured, 600 were at the end; 1200 connections were ended by the server, 2 were not taken";
    assert!(text.contains(bad), "{text}");
    has_lines(
        &text,
        &[
            "| read by key | 1000 | 2000 | 1000 | 830 | 83 % | 170 | 650 of 680 | 1000 | 0.90 | 0.50 | 0.02 / 0.01 |",
            "| read by key | 1800.2 | 1800.2 | 60.0 | 60.0 | 900.1 | 2.0 |",
            "| good answers under overload, read by key | above 80 % of the peak | 83.0 | yes |",
            "| reads beside bad clients | at least 80 % of the same alone | 79.0 | no |",
            "| reads beside a flood of sign-ins | at least 50 % of the same alone | 50.0 | yes |",
            "| reads beside a flood of sign-ins, p99 | below 25 ms | 24.0 | yes |",
        ],
    );
}

#[test]
fn postgresql_says_how_it_keeps_commits() {
    let mut report = report();
    report.on_postgres = Some(on_postgres::Found {
        version: "17.1".to_owned(),
        durability: "fsync=on".to_owned(),
        works: vec![Beside {
            work: Work::Insert,
            plinth: figure(4_000.0, CALM),
            plain: 5_000.0,
            pipelined: 8_000.0,
            disturbance: DISTURBED,
        }],
    });
    let text = report.text();
    assert!(
        text.contains("PostgreSQL 17.1 says of itself: `fsync=on`."),
        "{text}"
    );
    has_lines(
        &text,
        &[
            "| on PostgreSQL, insert | at least 80 % of pgbench, statement by statement | 80.0 | yes |",
            "| insert | 4000 | 1.50 | 2.50 | 20 | 5000 | 80 % | 8000 | 50 % | 0.31 / 0.00 disturbed |",
        ],
    );
}

#[test]
fn the_middle_of_two_is_the_greater() {
    assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
    assert_eq!(median([3.0, 1.0].into_iter()), Some(3.0));
    assert_eq!(median(std::iter::empty()), None);
}
