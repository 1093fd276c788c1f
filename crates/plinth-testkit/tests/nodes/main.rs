//! Several nodes on one PostgreSQL that asks for passwords, and all that can be wrong between them and it: the real
//! command, real sockets, a private server.
//!
//! The tests share one server, each with a database of its own. What changes a whole server (its roles, its connections,
//! whether it runs) has a server to itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod node;

mod accounts;
mod attach;
mod failures;
mod faults;
mod keys;
mod letters;
mod limits;
mod outages;
mod pgbouncer;
mod privileges;
mod refusals;
mod retry;
mod schema;
mod start;
mod supabase;
mod supabase_schema;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use libtest_mimic::{Arguments, Trial};
use plinth_testkit::postgres;
use plinth_testkit::postgres::guarded::Guarded;

/// What tests are given.
struct Servers {
    bin: PathBuf,
    /// For tests that keep to a database of their own.
    shared: Guarded,
}

impl Servers {
    /// A server as nobody has touched it.
    fn untouched(&self) -> Guarded {
        Guarded::start(&self.bin).unwrap()
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::from_args();
    let Some(bin) = postgres::find() else {
        if std::env::var_os("PLINTH_REQUIRE_POSTGRES").is_some() {
            bail!("PostgreSQL was not found");
        }
        eprintln!("PostgreSQL was not found: nodes that share a database are not tested.");
        return Ok(());
    };
    let servers = if arguments.list {
        None
    } else {
        let shared = Guarded::start(&bin)?;
        Some(Arc::new(Servers { bin, shared }))
    };
    let mut tests = tests(servers.as_ref());
    let pooler = plinth_testkit::postgres::pgbouncer::find();
    if pooler.is_none() && std::env::var_os("PLINTH_REQUIRE_PGBOUNCER").is_some() {
        bail!("PgBouncer was not found");
    }
    if pooler.is_some() || arguments.list {
        tests.extend(tests_behind_pgbouncer(servers.as_ref()));
    } else {
        eprintln!("PgBouncer was not found: nodes behind it are not tested.");
    }
    let conclusion = libtest_mimic::run(&arguments, tests);
    // Stops PostgreSQL, which leaving the process would not.
    drop(servers);
    conclusion.exit();
}

fn tests(servers: Option<&Arc<Servers>>) -> Vec<Trial> {
    vec![
        test(servers, start::ten_nodes_that_start_together_migrate_once),
        test(servers, start::migrate_at_several_nodes_at_once_runs_once),
        test(servers, start::applications_on_one_server_do_not_meet),
        test(servers, start::applications_may_first_start_together),
        test(servers, start::a_node_with_another_master_key_is_refused),
        test(servers, accounts::a_session_moves_between_nodes),
        test(
            servers,
            accounts::one_refresh_token_at_two_nodes_has_one_successor,
        ),
        test(
            servers,
            accounts::an_old_refresh_token_ends_the_session_at_all_nodes,
        ),
        test(servers, accounts::one_address_at_two_nodes_is_one_account),
        test(
            servers,
            keys::a_rotation_counts_at_every_node_and_old_keys_until_their_end,
        ),
        test(servers, keys::old_keys_that_are_not_kept_end_at_every_node),
        test(servers, keys::a_rotation_without_a_node_reaches_all_nodes),
        test(servers, letters::a_letter_is_sent_by_one_node),
        test(
            servers,
            limits::an_account_has_its_guesses_at_all_nodes_together,
        ),
        test(
            servers,
            limits::guesses_at_one_moment_are_counted_one_by_one,
        ),
        test(servers, limits::letters_are_counted_at_all_nodes_together),
        test(
            servers,
            schema::a_policy_counts_at_the_next_request_of_every_node,
        ),
        test(
            servers,
            schema::a_table_made_through_one_node_is_served_by_the_other,
        ),
        test(servers, schema::a_table_made_with_psql_is_served),
        test(
            servers,
            schema::a_list_with_its_total_is_read_after_a_change,
        ),
        test(servers, schema::a_table_that_is_gone_is_not_found),
        test(servers, schema::a_column_may_change_its_type),
        test(servers, schema::nodes_may_change_the_schema_at_once),
        test(servers, schema::a_policy_that_wants_an_index_is_told),
        test(servers, refusals::whoever_is_not_let_in_is_told_why),
        test(servers, refusals::what_cannot_be_reached_is_named),
        test(servers, refusals::a_url_that_is_none_is_refused),
        test(servers, refusals::tls_that_cannot_be_had_is_refused),
        test(servers, refusals::a_database_of_another_encoding_is_refused),
        test(
            servers,
            refusals::a_database_that_a_newer_plinth_made_is_refused,
        ),
        test(
            servers,
            refusals::what_only_a_file_has_is_refused_on_a_server,
        ),
        test(
            servers,
            refusals::a_url_of_another_database_than_the_running_server_s_is_refused,
        ),
        test(servers, refusals::a_server_without_room_says_what_to_change),
        test(servers, privileges::missing_privileges_are_named),
        test(servers, privileges::a_missing_right_to_connect_is_named),
        test(
            servers,
            privileges::roles_that_another_user_made_are_named_with_the_grant,
        ),
        test(
            servers,
            privileges::the_service_key_passes_policies_without_a_superuser,
        ),
        test(servers, privileges::the_owner_may_have_any_name),
        test(
            servers,
            failures::a_policy_that_fails_is_answered_and_others_go_on,
        ),
        test(
            servers,
            failures::the_log_names_the_table_and_the_policies_of_a_statement_that_failed,
        ),
        test(
            servers,
            failures::a_backslash_stays_one_whatever_a_function_has_set,
        ),
        test(servers, failures::a_statement_that_takes_too_long_is_ended),
        test(
            servers,
            failures::a_node_whose_connections_are_all_in_use_says_so,
        ),
        test(
            servers,
            failures::a_request_for_files_that_finds_no_connection_says_so,
        ),
        test(
            servers,
            failures::health_is_told_in_time_when_connections_are_in_use,
        ),
        test(
            servers,
            outages::a_login_without_connections_is_503_until_it_has_some,
        ),
        test(
            servers,
            outages::connections_that_others_took_are_503_until_they_leave,
        ),
        test(
            servers,
            outages::a_login_that_is_not_let_in_any_more_is_503_until_it_is,
        ),
        test(
            servers,
            outages::a_server_that_stops_is_503_until_it_is_back,
        ),
        test(servers, retry::a_read_that_breaks_is_sent_once_more),
        test(servers, retry::a_write_that_breaks_is_never_sent_again),
        test(servers, retry::requests_of_one_shape_are_prepared_once),
        test(servers, faults::connections_that_were_given_up_count),
        test(servers, faults::a_server_that_freezes_is_503_until_it_thaws),
        test(servers, faults::an_outage_is_a_few_lines_of_the_log),
        test(
            servers,
            faults::a_node_that_starts_in_a_failover_waits_for_the_primary,
        ),
        test(servers, faults::every_host_is_named_with_its_reason),
        test(
            servers,
            faults::a_script_whose_commit_no_standby_has_says_so,
        ),
        test(servers, faults::status_tells_the_size_of_the_database),
        test(servers, faults::a_server_that_is_too_old_is_refused),
        test(servers, tls::each_mode_takes_and_refuses_what_it_should),
        test(servers, tls::what_is_said_is_encrypted),
        test(
            servers,
            attach::a_database_made_with_psql_is_served_as_it_is,
        ),
        test(servers, attach::a_dump_is_served_as_it_is),
        test(servers, attach::northwind_is_served_as_it_is)
            .with_ignored_flag(attach::northwind().is_none()),
        test(servers, supabase::a_stack_s_database_is_attached),
        test(servers, supabase::the_stack_goes_on_beside),
        test(servers, supabase::without_the_right_user_it_is_refused),
    ]
}

/// What needs `PgBouncer` as well.
fn tests_behind_pgbouncer(servers: Option<&Arc<Servers>>) -> Vec<Trial> {
    vec![
        test(servers, pgbouncer::it_answers_as_without_it),
        test(servers, pgbouncer::callers_never_meet_on_one_connection),
        test(servers, pgbouncer::scripts_leave_nothing_behind),
        test(servers, pgbouncer::a_server_that_is_away_behind_it_is_503),
    ]
}

/// Named after the function.
fn test<F: Fn(&Servers) + Send + 'static>(servers: Option<&Arc<Servers>>, run: F) -> Trial {
    let name = std::any::type_name::<F>();
    let name = name.split_once("::").map_or(name, |(_, name)| name);
    let servers = servers.cloned();
    Trial::test(name, move || {
        run(&servers.expect("there are servers unless tests are only listed"));
        Ok(())
    })
}
