//! What a broadcast server without a protocol is asked: who opens `/sub` follows, and what comes over
//! `/pub` goes to all followers as it is.

use super::{Protocol, Role, Said};

pub(crate) struct Plain;

impl Protocol for Plain {
    fn handshake(&self, role: Role<'_>) -> (String, &'static str) {
        let target = match role {
            Role::Follower { .. } => "/sub",
            Role::Publisher { .. } => "/pub",
        };
        (target.to_owned(), "")
    }

    fn greeting(&self, _: Role<'_>) -> Vec<String> {
        Vec::new()
    }

    fn publish(&self, _: u32, _: u64, data: &str) -> String {
        data.to_owned()
    }

    fn said(&self, _: &[u8], _: u32) -> Said {
        Said::Nothing
    }
}
