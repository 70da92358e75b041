//! Who echoes, and what the commands that start them are told.

use super::options::Options;
use super::scenario::Compression;
use crate::peer::Peer;
use crate::program;

/// What starts `peer` so that it may agree to `compression`.
pub(crate) fn command(peer: &Peer, port: u16, compression: Compression) -> Vec<String> {
    let (mode, deflate, takeover) = match compression {
        Compression::None => ("plain", "", ""),
        Compression::Deflate => ("deflate", "--deflate", ""),
        Compression::Takeover => ("takeover", "--deflate", "--takeover"),
    };
    let fill = [
        ("{mode}", mode),
        ("{deflate}", deflate),
        ("{takeover}", takeover),
    ];
    peer.command(port, &fill)
}

/// All peers that are here, and a line on each that is not.
pub(crate) fn known(options: &Options) -> (Vec<Peer>, Vec<String>) {
    let mut all = Vec::new();
    if let Some(echo) = &options.echo {
        all.push(Peer::new("tidings", echo, "{address} {deflate} {takeover}"));
    }
    let tidings = program::beside("bench-tidings");
    for mode in ["batch", "recv", "stream"] {
        let arguments = format!("{mode} {{address}} {{mode}}");
        all.push(Peer::new(&format!("tidings-{mode}"), &tidings, &arguments));
    }
    let peers = program::beside("peers");
    for name in [
        "raw-epoll",
        "bare-tokio",
        "fastwebsockets",
        "tokio-tungstenite",
        "tokio-tungstenite-tuned",
        "tokio-websockets",
        "yawc",
        "yawc-tuned",
    ] {
        let arguments = format!("{name} {{address}} {{mode}}");
        all.push(Peer::new(name, &peers, &arguments));
    }
    for (name, program, script) in [
        ("node-ws", "node".into(), "echo_ws.mjs"),
        ("bun", program::bun(), "echo_bun.mjs"),
    ] {
        let peer = Peer::new(name, program, "")
            .with(program::source("scripts").join(script))
            .with("{port}")
            .with("{mode}");
        all.push(peer.compiling_late());
    }
    all.extend(options.common.added.iter().cloned());

    let mut missing = Vec::new();
    all.retain(|peer| {
        let reason = why_absent(peer);
        if let Some(reason) = &reason {
            missing.push(format!("{}: {reason}", peer.name));
        }
        reason.is_none()
    });
    (all, missing)
}

fn why_absent(peer: &Peer) -> Option<String> {
    if peer.name == "node-ws" && !program::has_package("ws") {
        return Some(program::NO_PACKAGES.to_owned());
    }
    peer.why_absent()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_modes_are_told_as_words_and_as_flags() {
        let peer =
            Peer::external("mine=./server --on {address} {mode} {deflate} {takeover}").unwrap();
        assert_eq!(
            command(&peer, 90, Compression::None),
            ["./server", "--on", "127.0.0.1:90", "plain"]
        );
        assert_eq!(
            command(&peer, 90, Compression::Takeover)[3..],
            ["takeover", "--deflate", "--takeover"]
        );
    }
}
