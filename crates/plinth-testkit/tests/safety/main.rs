//! Nothing that was acknowledged is ever lost, and nothing is ever half there: killed servers, power cuts, full disks,
//! backups, uploads, orders, files without rows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backups;
mod commerce;
mod crash;
mod full_disk;
mod media;
mod orders;
mod power;
mod storage_check;
