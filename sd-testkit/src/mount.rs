//! Mounting the suite: a test per function, and what holds after every one of them.

use crate::environment::Environment;
use crate::tasks::TaskCount;
use crate::waiting::eventually;

/// Makes a test of every function in [`conformance`](crate::conformance).
///
/// Takes the path of an `async fn(test: &str) -> Option<impl Environment>`, which makes a fresh environment, or says
/// that the test is skipped.
#[macro_export]
macro_rules! conformance_tests {
    ($environment:path) => {
        $crate::__mount!($environment, conformance::subscribing:
            subscribe_answers_at_once, subscribe_works_outside_a_runtime,
            a_service_that_nobody_serves_becomes_live_and_empty, instances_are_unique_and_in_the_order_of_their_ids,
            a_slow_reader_sees_the_newest_state_and_none_in_between, go_kit_626_unread_subscriber_blocks_nobody,
            deltas_lead_from_each_snapshot_to_the_next, an_instance_that_did_not_change_keeps_its_arc,
            nothing_is_published_when_nothing_changes, services_with_a_common_beginning_are_told_apart,
            hundreds_of_instances_arrive, kratos_one_bad_value_does_not_fail_the_list);
        $crate::__mount!($environment, conformance::sharing:
            one_watch_serves_all_subscribers, a_watch_ends_after_its_linger_and_leaves_no_task,
            a_subscriber_within_the_linger_finds_the_watch_alive, a_subscription_keeps_its_connection,
            go_kit_stop_leaks_no_task, many_services_are_watched_by_one_connection);
        $crate::__mount!($environment, conformance::registering:
            register_resolves_when_the_registry_has_accepted, everything_an_instance_says_survives,
            ids_are_kept_to_the_letter, many_register_at_once,
            register_in_background_returns_at_once, dropping_the_register_future_leaves_nothing,
            registration_states_follow_a_whole_life);
        $crate::__mount!($environment, conformance::keeping:
            a_handle_keeps_its_registration, the_end_of_one_handle_never_ends_another, deregister_is_seen,
            dropping_the_handle_takes_it_back, dropping_the_handle_outside_a_runtime_takes_it_back,
            dropping_the_handle_after_its_runtime_does_not_panic, a_handle_keeps_its_connection,
            go_kit_1043_reregisters_after_lease_expiry);
        $crate::__mount!($environment, conformance::updating:
            an_update_changes_the_instance_in_place, updates_come_in_their_order,
            an_update_to_another_id_or_a_bad_weight_is_refused, an_update_of_the_address_is_seen);
        $crate::__mount!($environment, conformance::draining:
            watchers_see_draining_before_the_end, a_drain_that_is_dropped_is_cut_short,
            a_drain_waits_its_grace);
        $crate::__mount!($environment, conformance::takeover:
            the_newest_registrant_wins, a_superseded_handle_writes_no_more,
            one_that_lost_its_entry_gives_way_to_a_newer, an_update_that_does_not_know_of_the_newer_leaves_it,
            deregistering_the_superseded_leaves_the_winner, dropping_the_superseded_leaves_the_winner,
            draining_the_superseded_leaves_the_winner, an_end_that_does_not_know_of_the_newer_leaves_it, one_connection_may_register_an_id_again,
            an_id_is_free_after_its_end);
        $crate::__mount!($environment, conformance::input:
            a_bad_service_name_is_an_error_and_nothing_is_written, a_bad_id_is_an_error_and_nothing_is_written,
            port_zero_is_an_error_and_nothing_is_written, a_bad_weight_is_an_error_and_nothing_is_written);
        $crate::__mount!($environment, conformance::catalog:
            a_service_is_listed_while_it_has_an_instance, the_list_of_services_is_watched,
            subscribing_to_the_catalog_works_outside_a_runtime, the_catalog_keeps_its_names_through_an_outage,
            a_catalog_that_was_never_read_says_what_is_in_the_way);
        $crate::__mount!($environment, conformance::admin:
            draining_another_marks_that_one_alone, deregistering_another_takes_that_one_alone,
            an_owner_that_lives_registers_anew, an_unknown_id_is_not_found, a_probe_tells_latency_and_version,
            administration_and_probe_fail_in_time_during_an_outage);
        $crate::__mount!($environment, conformance::outages:
            unknown_empty_and_failed_are_three_states, spring_1215_outage_keeps_instances,
            who_subscribes_during_an_outage_sees_the_last_known, register_waits_for_the_registry,
            a_service_boots_while_its_registry_is_down, an_update_during_an_outage_is_made_after_it,
            deregistering_during_an_outage_says_that_it_did_not_work, stale_sets_can_be_dropped_after_a_time);
    };
}

/// Makes a test of every function in [`faults`](crate::faults); takes what
/// [`conformance_tests!`](crate::conformance_tests) takes.
#[macro_export]
macro_rules! fault_tests {
    ($environment:path) => {
        $crate::__mount!($environment, faults::restarts:
            all_is_back_after_a_restart_with_data, go_zero_4201_reregisters_after_registry_restart,
            go_kit_empty_answer_does_not_wipe_everything, what_left_during_the_outage_is_gone_after_it,
            kratos_3464_several_blips_lose_nothing);
        $crate::__mount!($environment, faults::silence:
            all_is_back_after_the_registry_stood_still_for_longer_than_the_ttl,
            a_held_connection_is_noticed_and_replaced, a_slow_connection_loses_nothing,
            all_is_back_after_connections_were_cut, a_connection_cut_again_and_again_loses_nothing);
        $crate::__mount!($environment, faults::herd: a_herd_comes_back_without_felling_the_registry);
    };
}

/// Makes a test of every function in [`faults::processes`](crate::faults::processes); once in a test binary.
///
/// Takes what [`conformance_tests!`](crate::conformance_tests) takes, and a function from a URL to a backend: the test
/// binary is started once more to register there.
#[macro_export]
macro_rules! process_tests {
    ($environment:path, $connect:expr) => {
        $crate::child_process!($connect);
        $crate::__mount!($environment, faults::processes:
            go_kit_343_registrations_expire, a_process_paused_beyond_its_ttl_registers_at_once,
            a_process_that_slept_through_its_replacement_gives_way,
            an_entry_left_by_a_dead_predecessor_is_taken_over, old_and_new_process_with_one_id_overlap);
    };
}

/// Not for use by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! __mount {
    ($environment:path, $area:ident::$module:ident: $($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                $crate::run(async {
                    let Some(environment) = $environment(stringify!($name)).await else { return };
                    $crate::leaving_nothing(&environment, $crate::$area::$module::$name(&environment)).await;
                });
            }
        )+
    };
}

/// Runs a test on a runtime like a program's: several threads, real time.
///
/// # Panics
/// When the test does.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be made").block_on(test);
}

/// Runs a test, and waits until neither a task nor a connection of it is left.
///
/// # Panics
/// When the test does, or when something is left after [`PATIENCE`](crate::PATIENCE).
pub async fn leaving_nothing(environment: &dyn Environment, test: impl Future<Output = ()>) {
    let before = TaskCount::now();
    test.await;
    before.restored("after everything was dropped").await;
    eventually("no connection is left", async || environment.connections().unwrap_or_default() == 0).await;
}

/// Says why a test does not apply to this registry, and has passed.
pub(crate) fn not_applicable(why: &str) {
    println!("not applicable: {why}");
}

#[cfg(test)]
mod tests {
    /// Sources of functions that must be mounted.
    const SOURCES: &[&str] = &[
        include_str!("conformance/admin.rs"),
        include_str!("conformance/catalog.rs"),
        include_str!("conformance/draining.rs"),
        include_str!("conformance/input.rs"),
        include_str!("conformance/keeping.rs"),
        include_str!("conformance/outages.rs"),
        include_str!("conformance/registering.rs"),
        include_str!("conformance/sharing.rs"),
        include_str!("conformance/subscribing.rs"),
        include_str!("conformance/takeover.rs"),
        include_str!("conformance/updating.rs"),
        include_str!("faults/herd.rs"),
        include_str!("faults/processes.rs"),
        include_str!("faults/restarts.rs"),
        include_str!("faults/silence.rs"),
    ];

    #[test]
    fn every_function_of_the_suite_is_mounted() {
        let mounted = include_str!("mount.rs").split("/// Not for use by itself.").next().unwrap();
        let mounted: Vec<_> = mounted.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        let written = SOURCES.iter().flat_map(|source| source.lines());
        let names: Vec<_> = written.filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next()).collect();
        assert!(names.len() > 60, "{names:?}");
        let missing: Vec<_> = names.iter().filter(|name| !mounted.contains(name)).collect();
        assert!(missing.is_empty(), "not mounted: {missing:?}");
    }
}
