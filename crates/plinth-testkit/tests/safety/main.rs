//! Nothing that was acknowledged is ever lost, and nothing is ever half there: killed servers, power cuts, full disks,
//! backups.

mod backups;
mod crash;
