//! `tidings export` and `tidings import`, as whoever runs a server uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tidings_testkit::nats::Server as Nats;

use crate::support::server::{Server, tidings};

/// What a command said and how it ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    complaint: String,
}

impl Ended {
    /// Asserts that it did well.
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.complaint, "");
        self.out
    }

    /// Asserts that it ended with `code` and complained of `what`.
    fn with(self, code: i32, what: &str) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.complaint.starts_with("tidings: "), "{self:?}");
        assert!(self.complaint.contains(what), "{self:?}");
        assert!(self.complaint.lines().count() <= 2, "{self:?}");
        self
    }
}

fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        out: text(output.stdout),
        complaint: text(output.stderr),
    }
}

/// `tidings COMMAND --data DIR ARGUMENTS`.
fn tidings_on(command: &str, data: &Path, arguments: &[&str]) -> Command {
    let mut tidings = tidings();
    tidings.args([command, "--data"]).arg(data).args(arguments);
    tidings
}

fn export(data: &Path, arguments: &[&str]) -> Ended {
    run(&mut tidings_on("export", data, arguments))
}

/// Imports `file` by way of the standard input.
fn import(data: &Path, file: &str, arguments: &[&str]) -> Ended {
    let mut command = tidings_on("import", data, arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who complains early does not read all of it.
    let _ = child.stdin.take().unwrap().write_all(file.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        out: text(output.stdout),
        complaint: text(output.stderr),
    }
}

/// The messages of a backup without their places.
fn said(backup: &str) -> Vec<Value> {
    let lines = backup
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut messages: Vec<Value> = lines
        .filter(|line: &Value| line["type"] == "message")
        .collect();
    for message in &mut messages {
        message
            .as_object_mut()
            .unwrap()
            .retain(|field, _| field != "seq" && field != "prev");
    }
    messages
}

/// A backup of so many messages in two channels, said a second after one another, the last one now.
fn backup(count: u64) -> String {
    varied(count, 2)
}

/// The same in so many channels; every tenth message is of bytes.
fn varied(count: u64, channels: u64) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = u64::try_from(since.unwrap().as_millis()).unwrap();
    let header = format!(r#"{{"tidings":"export","version":1,"epoch":"k3f9","at":{now}}}"#);
    let messages = (1..=count).map(|seq| {
        let mut message = json!({
            "type": "message", "channel": format!("chat:{}", seq % channels), "seq": seq, "prev": 0,
            "id": format!("id {seq}"), "at": now - 1000 * (count - seq), "from": "李雷",
            "data": {"text": format!("你好 {seq}")},
        });
        if seq % 10 == 5 {
            message["data"] = Value::Null;
            message["bytes"] = "AP8K".into();
        }
        format!("{message}\n")
    });
    let text = format!("{header}\n{}", messages.collect::<String>());
    let hash = Sha256::digest(text.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let trailer = format!(r#"{{"tidings":"end","messages":{count},"sha256":"{hash}"}}"#);
    format!("{text}{trailer}\n")
}

fn place(dir: &TempDir, name: &str) -> PathBuf {
    dir.path().join(name)
}

#[tokio::test]
async fn a_server_that_runs_is_exported_and_lives_on_elsewhere() {
    let server = Server::start();
    for (channel, data) in [
        ("chat:a", r#"{"text":"hé 🙂","n":12345678901234567890.10}"#),
        ("chat:b", "null"),
        ("other", "\"hello\""),
        ("chat:a", "[1,2]"),
    ] {
        server.publish(channel, data).await;
    }
    let bytes = [("content-type", "application/octet-stream")];
    let path = "/v1/channels/chat:b/messages";
    let response = server.ask("POST", path, &bytes, [0, 255, 10]).await;
    assert_eq!(response.status, 201, "{response:?}");
    let cursor = server.get("/v1/events?channel=chat:a").await.json()["cursor"].clone();

    let dir = tempfile::tempdir().unwrap();
    let file = place(&dir, "backup.jsonl");
    export(&server.data(), &[file.to_str().unwrap()]).well();
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing else is left: {names:?}");
    let exported = fs::read_to_string(&file).unwrap();
    assert_eq!(
        exported,
        with_time_of(&exported, &export(&server.data(), &[]).well())
    );
    assert_eq!(said(&exported).len(), 5);
    assert!(exported.contains("12345678901234567890.10"));

    let mut elsewhere = Server::start();
    elsewhere.kill();
    fs::remove_dir_all(elsewhere.data()).unwrap();
    let told = run(&mut tidings_on(
        "import",
        &elsewhere.data(),
        &[file.to_str().unwrap()],
    ))
    .well();
    assert!(told.starts_with("5 messages imported\n"), "{told}");
    elsewhere.restart();
    let again = export(&elsewhere.data(), &["-"]).well();
    assert_eq!(said(&again), said(&exported));
    for channel in ["chat:a", "chat:b", "other"] {
        let path = format!("/v1/channels/{channel}/messages");
        let (here, there) = (server.get(&path).await, elsewhere.get(&path).await);
        let messages = |response: &Value| {
            let messages = response["messages"].as_array().unwrap().clone();
            messages
                .into_iter()
                .map(|it| (it["id"].clone(), it["at"].clone(), it["data"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(messages(&here.json()), messages(&there.json()));
    }
    // Its clients are told that their place is another log's.
    let cursor = cursor.as_str().unwrap();
    let path = format!("/v1/events?channel=chat:a&after={cursor}");
    let told = elsewhere.get(&path).await;
    assert!(told.text().contains("\"truncated\""), "{told:?}");
}

/// `other` with the time at which `backup` was made, and so its hash.
fn with_time_of(backup: &str, other: &str) -> String {
    let (mine, others) = (
        backup.lines().next().unwrap(),
        other.lines().next().unwrap(),
    );
    let (last, others_last) = (
        backup.lines().last().unwrap(),
        other.lines().last().unwrap(),
    );
    other.replace(others, mine).replace(others_last, last)
}

#[tokio::test]
async fn a_running_server_is_not_imported_into() {
    let server = Server::start();
    let refused = import(&server.data(), &backup(3), &[]).with(2, "is in use by process");
    assert!(
        refused.complaint.contains("stop that one first"),
        "{refused:?}"
    );
    assert_eq!(refused.out, "");
}

#[test]
fn only_the_channels_that_are_asked_for_are_exported() {
    let dir = tempfile::tempdir().unwrap();
    let data = place(&dir, "data");
    import(&data, &backup(10), &[]).well();
    for (patterns, count) in [
        (&["--channel", "chat:1"][..], 5),
        (&["--channel", "chat:*"], 10),
        (&["--channel", "chat:1", "--channel", "chat:0"], 10),
        (&["--channel", "chat"], 0),
    ] {
        let exported = export(&data, patterns).well();
        assert_eq!(said(&exported).len(), count, "{patterns:?}");
        import(
            &place(&dir, &format!("{count} {}", patterns.len())),
            &exported,
            &[],
        )
        .well();
    }
    let header = export(&data, &["--channel", "chat:1"]).well();
    assert!(
        header
            .lines()
            .next()
            .unwrap()
            .ends_with(r#""channels":["chat:1"]}"#)
    );
}

#[test]
fn a_file_that_was_cut_is_imported_up_to_there_and_again_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (data, whole) = (place(&dir, "data"), backup(3000));
    let cut = &whole[..whole.len() * 2 / 3];
    // The window in which the log itself knows an id is long over.
    let config = place(&dir, "tidings.toml");
    fs::write(&config, "dedup_window = \"0s\"\n").unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let ended = import(&data, cut, &config).with(1, "it was cut here");
    let line = cut.lines().count();
    assert!(
        ended.complaint.contains(&format!("line {line}")),
        "{ended:?}"
    );
    let before = said(&export(&data, &[]).well());
    assert_eq!(before, said(&whole)[..line - 2]);
    let told = import(&data, &whole, &config).well();
    let there = before.len();
    let expected = format!("{} messages imported\n", 3000 - there);
    assert!(
        there > 1000 && told.replace(',', "").starts_with(&expected),
        "{told}"
    );
    assert_eq!(said(&export(&data, &[]).well()), said(&whole));
    let told = import(&data, &whole, &config).well();
    assert_eq!(told, "0 messages imported\n3,000 were there already\n");
    assert_eq!(said(&export(&data, &[]).well()), said(&whole));
}

#[test]
fn a_broken_line_is_named_and_nothing_after_it_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let data = place(&dir, "data");
    let whole = backup(10);
    let broken = whole.replace("你好 7\"", "你好 7");
    let ended = import(&data, &broken, &[]).with(1, "the standard input, line 8: ");
    assert!(ended.out.starts_with("6 messages imported\n"), "{ended:?}");
    assert_eq!(said(&export(&data, &[]).well()), said(&whole)[..6]);
    // A word that is another is no broken line, but noticed all the same.
    let changed = whole.replace("你好 7\"", "再见 7\"");
    import(&data, &changed, &["--check"]).with(1, "line 12: something above it");
    import(&data, &changed, &[]).with(1, "line 12: something above it");
}

#[test]
fn what_is_no_backup_makes_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let data = place(&dir, "data");
    import(&data, "hello\n", &[]).with(2, "line 1: it is no export of Tidings");
    let missing = run(&mut tidings_on("import", &data, &["nowhere.jsonl"]));
    missing.with(2, "nowhere.jsonl cannot be read");
    export(&data, &[]).with(2, "there is no message log");
    let checked = import(&data, &backup(3), &["--check"]).well();
    assert_eq!(checked, "3 messages of the log k3f9, whole\n");
    assert!(!data.exists());
}

#[test]
fn retention_applies_to_what_is_imported_and_what_it_does_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let config = place(&dir, "tidings.toml");
    let settings = "[retention]\nage = \"30m\"\n[namespaces.chat]\nretention.messages = 500\n";
    fs::write(&config, settings).unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let data = place(&dir, "data");
    // 3,000 seconds, of which the last 1,800 are kept, less the moments that this takes.
    let told = import(&data, &backup(3000), &config).well();
    let number = |what: &str| -> u64 {
        let line = told.lines().find(|line| line.contains(what));
        let digits = line.unwrap_or_else(|| panic!("{told}")).split(' ').next();
        digits.unwrap().replace(',', "").parse().unwrap()
    };
    let (imported, old) = (
        number("messages imported"),
        number("older than retention keeps"),
    );
    assert!((1_700..=1_800).contains(&imported), "{told}");
    assert_eq!(imported + old, 3000);
    assert_eq!(number("more than retention keeps"), imported - 2 * 500);
    let told = import(&data, &backup(0), &config).well();
    assert_eq!(told, "0 messages imported\n");
}

#[test]
fn an_export_that_fails_leaves_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (place(&dir, "data"), place(&dir, "backup.jsonl"));
    import(&data, &backup(10), &[]).well();
    let arguments = [file.to_str().unwrap()];
    export(&data, &arguments).well();
    let before = fs::read_to_string(&file).unwrap();
    let log = rusqlite::Connection::open(data.join("messages.db")).unwrap();
    log.execute("UPDATE message SET sender = '' WHERE seq = 9", [])
        .unwrap();
    drop(log);
    export(&data, &arguments).with(1, "message 9 has no sender");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert!(!place(&dir, "backup.jsonl.part").exists());
    let nowhere = place(&dir, "nowhere/backup.jsonl");
    export(&data, &[nowhere.to_str().unwrap()]).with(2, "cannot be written");
}

#[test]
fn a_pipe_is_written_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (data, pipe) = (place(&dir, "data"), place(&dir, "pipe"));
    let file = backup(3);
    import(&data, &file, &[]).well();
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let mut reader = Command::new("cat");
    let mut reader = reader.arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    let exported = export(&data, &[pipe.to_str().unwrap()]);
    let is_pipe = fs::metadata(&pipe).unwrap().file_type().is_fifo();
    if !is_pipe {
        // Nobody will write to it any more.
        reader.kill().unwrap();
    }
    let piped = reader.wait_with_output().unwrap().stdout;
    assert!(is_pipe, "a file is in its place");
    assert_eq!(exported.well(), "");
    assert_eq!(said(&String::from_utf8(piped).unwrap()), said(&file));
}

/// What each channel has, in its order.
fn by_channel(backup: &str) -> BTreeMap<String, Vec<Value>> {
    let mut channels = BTreeMap::new();
    for message in said(backup) {
        let channel = message["channel"].as_str().unwrap().to_owned();
        channels
            .entry(channel)
            .or_insert_with(Vec::new)
            .push(message);
    }
    channels
}

/// A data directory is brought into NATS, whose channels are spread over so many streams, and from there into another
/// one.
fn moves_into_a_cluster_and_out_of_it(shards: usize) {
    const CHANNELS: u64 = 7;
    const MESSAGES: u64 = 3000;
    let nats = Nats::start("");
    let dir = tempfile::tempdir().unwrap();
    let config = place(&dir, "tidings.toml");
    // The window in which NATS itself knows an id is over at once.
    fs::write(
        &config,
        format!(
            "engine = \"{}\"\ndedup_window = \"0s\"\n[nats]\nshards = {shards}\n",
            nats.url()
        ),
    )
    .unwrap();
    let cluster = |command: &str, file: &Path| {
        let mut tidings = tidings();
        run(tidings.arg(command).arg("--config").arg(&config).arg(file))
    };
    let file = |name: &str| place(&dir, name);
    let text = |name: &str| fs::read_to_string(file(name)).unwrap();

    // As they lie in a data directory: text and bytes, each a second after the one before.
    let (here, there) = (file("here"), file("there"));
    import(&here, &varied(MESSAGES, CHANNELS), &[]).well();
    export(&here, &[file("before").to_str().unwrap()]).well();
    assert_eq!(said(&text("before")).len() as u64, MESSAGES);

    let told = cluster("import", &file("before")).well();
    assert!(
        told.starts_with("3,000 messages imported\nnow start"),
        "{told}"
    );
    let again = cluster("import", &file("before")).well();
    assert_eq!(again, "0 messages imported\n3,000 were there already\n");

    cluster("export", &file("between")).well();
    assert_eq!(by_channel(&text("between")), by_channel(&text("before")));
    let streams = streams(&text("between"));
    assert_eq!(streams.len(), shards, "each has places of its own");
    let header: Value = serde_json::from_str(text("between").lines().next().unwrap()).unwrap();
    let epochs: BTreeSet<_> = header["epoch"].as_str().unwrap().split('.').collect();
    assert_eq!(epochs.len(), shards, "and an identity: {header}");

    import(&there, "", &[file("between").to_str().unwrap()]).well();
    export(&there, &[file("after").to_str().unwrap()]).well();
    assert_eq!(by_channel(&text("after")), by_channel(&text("before")));
    let again = import(&there, "", &[file("before").to_str().unwrap()]).well();
    assert_eq!(again, "0 messages imported\n3,000 were there already\n");
}

/// The places of each stream in a backup: they go up until the next one begins.
fn streams(backup: &str) -> Vec<Vec<u64>> {
    let mut streams: Vec<Vec<u64>> = Vec::new();
    for line in backup.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(seq) = line["seq"].as_u64() else {
            continue;
        };
        match streams.last_mut() {
            Some(stream) if stream.last() < Some(&seq) => stream.push(seq),
            _ => streams.push(vec![seq]),
        }
    }
    streams
}

#[test]
fn one_machine_becomes_a_cluster_and_one_again() {
    moves_into_a_cluster_and_out_of_it(1);
}

#[test]
fn one_machine_becomes_a_cluster_of_several_logs_and_one_again() {
    moves_into_a_cluster_and_out_of_it(3);
}
