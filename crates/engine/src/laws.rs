//! The laws of [`Engine`](crate::Engine) as a conformance suite: each law is a few functions, each of
//! which takes an engine from a factory and panics where it breaks the law.
//!
//! An engine's tests call [`laws!`](crate::laws!) with a function that makes one:
//!
//! ```
//! use std::sync::Arc;
//! use tidings_engine::laws::{Setup, Subject};
//! use tidings_engine::MemoryEngine;
//!
//! fn memory(setup: Setup) -> Subject {
//!     let Setup { clock, retention, dedup_window } = setup;
//!     let engine = MemoryEngine::with_policies(clock.clone(), retention, dedup_window);
//!     Subject::on_clock(clock, engine)
//! }
//!
//! tidings_engine::laws!(memory);
//! tidings_engine::clock_laws!(memory);
//! # fn main() {}
//! ```
//!
//! An engine that takes its time from elsewhere, as from a server over a network, is a
//! [`Subject::in_real_time`]: the laws sleep where time has to pass, and hold however slow the machine is.
//! There are no [`clock_laws!`](crate::clock_laws!) for it.

mod clock;
mod elsewhere;
mod once;
mod order;
mod presence;
mod reading;
mod retention;
mod subject;
mod tools;

pub use clock::{
    a_clock_that_goes_back_changes_nothing, an_age_is_full_to_the_millisecond,
    the_window_ends_to_the_millisecond,
};
pub use elsewhere::{what_is_brought_ends_with_its_own_age, what_is_brought_keeps_its_time};
pub use once::{
    a_draft_is_stored_once_within_the_window, an_id_counts_in_its_own_channel,
    an_id_is_new_again_after_the_window, copies_at_the_same_time_are_stored_once,
    watchers_hear_of_a_repeated_draft_once,
};
pub use order::{
    each_message_names_the_one_before_it_in_its_channel, epochs_are_the_same_and_their_own,
    every_watcher_hears_every_message_in_order, many_publishers_share_one_order,
    messages_come_back_as_they_were, what_is_published_together_keeps_its_order,
    who_is_told_of_a_message_finds_it,
};
pub use presence::{
    a_signal_passes_and_is_not_stored, a_user_is_present_from_the_first_connection_to_the_last,
    leaving_where_one_is_not_says_nothing,
};
pub use reading::{
    pages_after_and_before_meet_without_a_hole, the_newest_page_ends_at_the_head,
    what_is_not_there_is_an_empty_page,
};
pub use retention::{
    a_channel_keeps_its_newest_messages, a_forgotten_channel_says_truncated,
    a_namespace_keeps_its_newest_bytes, a_policy_is_its_namespaces_own,
    messages_end_with_their_age, nothing_is_truncated_where_nothing_was_deleted,
};
pub use subject::{Setup, Subject};

/// Makes a test of each law. Its argument is a `fn(Setup) -> Subject`.
#[macro_export]
macro_rules! laws {
    ($factory:path) => {
        $crate::law_tests!(
            $factory:
            each_message_names_the_one_before_it_in_its_channel,
            many_publishers_share_one_order,
            what_is_published_together_keeps_its_order,
            messages_come_back_as_they_were,
            who_is_told_of_a_message_finds_it,
            every_watcher_hears_every_message_in_order,
            epochs_are_the_same_and_their_own,
            a_draft_is_stored_once_within_the_window,
            an_id_counts_in_its_own_channel,
            an_id_is_new_again_after_the_window,
            copies_at_the_same_time_are_stored_once,
            watchers_hear_of_a_repeated_draft_once,
            the_newest_page_ends_at_the_head,
            pages_after_and_before_meet_without_a_hole,
            what_is_not_there_is_an_empty_page,
            nothing_is_truncated_where_nothing_was_deleted,
            a_channel_keeps_its_newest_messages,
            messages_end_with_their_age,
            a_namespace_keeps_its_newest_bytes,
            a_policy_is_its_namespaces_own,
            a_forgotten_channel_says_truncated,
            what_is_brought_keeps_its_time,
            what_is_brought_ends_with_its_own_age,
            a_signal_passes_and_is_not_stored,
            a_user_is_present_from_the_first_connection_to_the_last,
            leaving_where_one_is_not_says_nothing,
        );
    };
}

/// Makes a test of each law of a clock, for an engine that takes its time from its
/// [`Setup`](crate::laws::Setup). Its argument is a `fn(Setup) -> Subject`.
#[macro_export]
macro_rules! clock_laws {
    ($factory:path) => {
        $crate::law_tests!(
            $factory:
            the_window_ends_to_the_millisecond,
            an_age_is_full_to_the_millisecond,
            a_clock_that_goes_back_changes_nothing,
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! law_tests {
    ($factory:path: $($law:ident,)*) => {
        $(
            #[test]
            fn $law() {
                $crate::laws::$law($factory);
            }
        )*
    };
}
