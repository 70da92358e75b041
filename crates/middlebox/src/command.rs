//! What a middlebox is told and what it answers: JSON, a line each.

use serde::{Deserialize, Serialize};

use super::{Cut, Faults, Middlebox, Stats};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    Set(Box<Faults>),
    Cut(Cut),
    Stats(Nothing),
    Rebind(Nothing),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Done {
        ok: bool,
    },
    Cut {
        ok: bool,
        cut: u64,
    },
    Stats {
        ok: bool,
        #[serde(flatten)]
        stats: Stats,
    },
    Error {
        error: String,
    },
}

/// Does what a line asks for, and gives the line to answer, without its end.
pub async fn answer(middlebox: &Middlebox, line: &str) -> String {
    let answer = obey(middlebox, line)
        .await
        .unwrap_or_else(|error| Answer::Error { error });
    serde_json::to_string(&answer).expect("answers have nothing that JSON lacks")
}

async fn obey(middlebox: &Middlebox, line: &str) -> Result<Answer, String> {
    let command = serde_json::from_str(line)
        .map_err(|error| format!("{error}; commands look like {EXAMPLES}"))?;
    let ok = true;
    match (command, middlebox) {
        (Command::Set(faults), _) => match middlebox.set(*faults) {
            Ok(()) => Ok(Answer::Done { ok }),
            Err(unusable) => Err(unusable.to_string()),
        },
        (Command::Stats(Nothing {}), _) => {
            let stats = middlebox.stats();
            Ok(Answer::Stats { ok, stats })
        }
        (Command::Cut(how), Middlebox::Tcp(tcp)) => {
            let cut = tcp.cut(how).await;
            Ok(Answer::Cut { ok, cut })
        }
        (Command::Rebind(Nothing {}), Middlebox::Udp(udp)) => {
            udp.rebind();
            Ok(Answer::Done { ok })
        }
        (Command::Cut(_), Middlebox::Udp(_)) => Err("cut is for TCP; UDP has rebind".to_owned()),
        (Command::Rebind(_), Middlebox::Tcp(_)) => Err("rebind is for UDP; TCP has cut".to_owned()),
    }
}

const EXAMPLES: &str = r#"{"set":{"latency_ms":100}}, {"cut":"reset"} (or "close", "half"), {"stats":{}}, {"rebind":{}}"#;
