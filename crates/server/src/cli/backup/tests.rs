//! What is written is what is read, and what is brought is what was said: once, whatever came between.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tidings_engine::{
    DEDUP_WINDOW, Draft, Engine, EngineError, ManualClock, MemoryEngine, Query, Retention,
    RetentionPolicies,
};
use tidings_wire::{ChannelName, Data, Message, MessageId, User};

use super::importer::{Importer, Tally};
use super::lines::{Broken, BrokenKind};
use super::read::BackupReader;
use super::write::BackupWriter;
use super::{Header, VERSION};

/// Some day in 2025.
const NOW: u64 = 1_760_000_000_000;

const WINDOW: u64 = DEDUP_WINDOW.as_millis() as u64;

const KEEP: Retention = Retention {
    messages: None,
    age: None,
    bytes: None,
};

fn keeping(default: Retention) -> RetentionPolicies {
    RetentionPolicies {
        default,
        ..RetentionPolicies::default()
    }
}

fn engine(retention: Retention) -> MemoryEngine {
    let clock = std::sync::Arc::new(ManualClock::new(NOW));
    MemoryEngine::with_policies(clock, keeping(retention), DEDUP_WINDOW)
}

fn message(channel: &str, seq: u64, at: u64) -> Message {
    Message {
        channel: ChannelName::new(channel).unwrap(),
        seq,
        prev: 0,
        id: MessageId::new(&format!("id {seq}")).unwrap(),
        at,
        from: User::new("alice").unwrap(),
        data: Data::from_text("hi"),
    }
}

/// So many of one channel, long ago, a second apart.
fn messages(count: u64) -> Vec<Message> {
    let said = |seq| message("room", seq, NOW - 10_000_000 + 1_000 * seq);
    (1..=count).map(said).collect()
}

fn header() -> Header {
    Header {
        tidings: Header::KIND.into(),
        version: VERSION,
        epoch: "k3f9".to_owned(),
        at: NOW,
        channels: None,
    }
}

fn written(messages: &[Message]) -> Vec<u8> {
    let mut backup = BackupWriter::new(Vec::new(), &header()).unwrap();
    for message in messages {
        backup.write(message).unwrap();
    }
    backup.finish().unwrap()
}

/// What can be read of it, and what then is wrong.
fn read(file: &[u8]) -> (Vec<Message>, Option<Broken>) {
    let mut messages = Vec::new();
    let mut backup = match BackupReader::new(file) {
        Ok(backup) => backup,
        Err(broken) => return (messages, Some(broken)),
    };
    loop {
        match backup.next() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, None),
            Err(broken) => return (messages, Some(broken)),
        }
    }
}

/// Brings them as an import does that keeps `retention`.
fn bring(engine: &dyn Engine, retention: Retention, messages: &[Message]) -> Tally {
    let retention = keeping(retention);
    let mut importer = Importer::new(engine, &retention, DEDUP_WINDOW, NOW);
    for message in messages {
        importer.bring(message.clone()).unwrap();
    }
    importer.finish().unwrap();
    importer.tally()
}

fn kept(engine: &dyn Engine, channel: &str) -> Vec<Message> {
    let page = engine.read(Query {
        channel: ChannelName::new(channel).unwrap(),
        after: None,
        before: None,
        limit: 100_000,
    });
    let page = page.wait().unwrap();
    page.messages
        .iter()
        .map(|message| (**message).clone())
        .collect()
}

/// What is the same of a message in every log.
fn said(message: &Message) -> (String, String, u64, String, Data) {
    (
        message.channel.to_string(),
        message.id.to_string(),
        message.at,
        message.from.to_string(),
        message.data.clone(),
    )
}

fn all_said(messages: &[Message]) -> Vec<(String, String, u64, String, Data)> {
    messages.iter().map(said).collect()
}

fn any_text(bytes_max: usize) -> impl Strategy<Value = String> {
    let characters = prop_oneof![
        any::<char>(),
        prop::char::range('a', 'c'),
        Just('"'),
        Just('\\'),
        Just('\u{2028}'),
    ];
    prop::collection::vec(characters, 1..bytes_max / 4)
        .prop_map(|text| {
            text.into_iter()
                .filter(|c| !c.is_control() && *c != '*')
                .collect()
        })
        .prop_filter("not empty", |text: &String| !text.is_empty())
}

fn any_data() -> impl Strategy<Value = Data> {
    let texts = any::<String>().prop_map(|text| Data::from_text(&text));
    let bytes = prop::collection::vec(any::<u8>(), 0..100);
    let bytes = bytes.prop_map(|bytes| Data::Bytes(Bytes::from(bytes)));
    let digits = "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?(e-?[1-9])?";
    let numbers = digits.prop_map(|digits| Data::from_json(&digits).unwrap());
    let objects = (any::<String>(), digits).prop_map(|(name, digits)| {
        let name = serde_json::to_string(&name).unwrap();
        Data::from_json(&format!("{{ {name} : [ {digits} , null ] }}")).unwrap()
    });
    prop_oneof![texts, bytes, numbers, objects]
}

prop_compose! {
    fn any_message()(
        channel in prop_oneof![Just("room".to_owned()), Just("大堂:1".to_owned()), any_text(255)],
        (seq, prev) in (1..u64::MAX, any::<u64>()),
        id in any_text(64),
        at in prop_oneof![Just(NOW), 0..=tidings_engine::AT_MAX],
        from in any_text(64),
        data in any_data(),
    ) -> Message {
        Message {
            channel: ChannelName::new(&channel).unwrap(),
            seq,
            prev,
            id: MessageId::new(&id).unwrap(),
            at,
            from: User::new(&from).unwrap(),
            data,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(messages in prop::collection::vec(any_message(), 0..20)) {
        let (read, broken) = read(&written(&messages));
        prop_assert!(broken.is_none());
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn what_is_brought_is_what_was_said(mut messages in prop::collection::vec(any_message(), 0..20)) {
        // No log has an id twice within the window.
        for (n, message) in messages.iter_mut().enumerate() {
            message.id = MessageId::new(&n.to_string()).unwrap();
        }
        let engine = engine(KEEP);
        bring(&engine, KEEP, &messages);
        let mut channels: Vec<_> = messages.iter().map(|message| &message.channel).collect();
        channels.sort();
        channels.dedup();
        for channel in channels {
            let of_it: Vec<_> = messages.iter().filter(|it| it.channel == *channel).cloned().collect();
            prop_assert_eq!(all_said(&kept(&engine, channel.as_str())), all_said(&of_it));
        }
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_noticed(
        messages in prop::collection::vec(any_message(), 0..5),
        place in any::<prop::sample::Index>(),
    ) {
        let file = written(&messages);
        // Without the last line's end it is whole.
        let place = place.index(file.len() - 1);
        let (read, broken) = read(&file[..place]);
        prop_assert_eq!(&read[..], &messages[..read.len()]);
        let broken = broken.unwrap();
        prop_assert!(broken.kind == BrokenKind::Cut || read.is_empty(), "{}", broken);
    }

    #[test]
    fn a_byte_that_is_another_is_noticed(
        messages in prop::collection::vec(any_message(), 1..5),
        place in any::<prop::sample::Index>(),
        other in 1..=255_u8,
    ) {
        let mut file = written(&messages);
        let place = place.index(file.len() - 1);
        file[place] ^= other;
        prop_assert!(read(&file).1.is_some());
    }

    #[test]
    fn an_import_that_is_cut_and_run_again_doubles_nothing(
        count in 1..60_u64,
        cuts in prop::collection::vec(0..60_usize, 0..4),
        between in prop::collection::vec(any::<bool>(), 4),
    ) {
        let messages = messages(count);
        let engine = engine(KEEP);
        let mut live = Vec::new();
        for (cut, talks) in cuts.iter().zip(between) {
            bring(&engine, KEEP, &messages[..*cut.min(&messages.len())]);
            if talks {
                live.push(talk(&engine));
            }
        }
        bring(&engine, KEEP, &messages);
        let kept = kept(&engine, "room");
        let brought: Vec<_> = kept.iter().filter(|it| !live.contains(&it.id)).cloned().collect();
        prop_assert_eq!(all_said(&brought), all_said(&messages));
        prop_assert_eq!(kept.len(), messages.len() + live.len());
    }
}

/// Somebody says something meanwhile.
fn talk(engine: &dyn Engine) -> MessageId {
    let id = MessageId::new(&format!("live {}", engine.head(0))).unwrap();
    let said = Draft {
        channel: ChannelName::new("room").unwrap(),
        id: id.clone(),
        from: User::new("bob").unwrap(),
        data: Data::from_text("meanwhile"),
        at: None,
    };
    engine.publish(said).wait().unwrap();
    id
}

#[test]
fn a_broken_line_is_named() {
    let file = written(&messages(3));
    let file = String::from_utf8(file).unwrap();
    let lines: Vec<_> = file.lines().collect();
    let end = lines[4];
    for (line, other, said) in [
        (1, "{\"type\":\"message\"}", "line 1: it is no export"),
        (1, "", "line 1: it is no export"),
        (1, end, "missing field"),
        (
            1,
            &lines[0].replace("\"version\":1", "\"version\":2"),
            "reads up to 1",
        ),
        (
            1,
            &lines[0].replace("export", "expert"),
            "not the first line",
        ),
        (3, "no JSON", "line 3: expected ident at column 2"),
        (
            3,
            &lines[2].replace("\"at\"", "\"when\""),
            "line 3: missing field `at`",
        ),
        (3, &lines[2].replace("room", "ro*m"), "cannot contain '*'"),
        (
            3,
            &lines[2].replace("\"at\":", "\"at\":9999"),
            "above 9007199254740991",
        ),
        (3, &lines[2].replace("\"message\"", "\"join\""), "\"join\""),
        (3, "", "line 3: EOF"),
        (3, lines[0], "missing field `messages`"),
        (
            5,
            &end.replace(":3,", ":2,"),
            "line 5: 2 messages were written, and 3",
        ),
        (
            5,
            &end.replace("\"end\"", "\"beginning\""),
            "not the last line",
        ),
        (
            5,
            &format!("{end}\n{end}"),
            "line 6: there is something after",
        ),
        (
            4,
            lines[3].replace("hi", "ho").as_str(),
            "line 5: something above",
        ),
        (
            4,
            &format!("{}\n{0}", lines[3]),
            "line 6: 3 messages were written, and 4",
        ),
    ] {
        let mut lines = lines.clone();
        lines[line - 1] = other;
        let (read, broken) = read((lines.join("\n") + "\n").as_bytes());
        let broken = broken.unwrap().to_string();
        assert!(broken.contains(said), "{broken}, and not {said}");
        assert!(read.len() >= line.saturating_sub(2).min(3), "{said}");
    }
    assert!(read(b"").1.unwrap().to_string().contains("no export"));
}

#[test]
fn what_is_older_than_retention_keeps_is_left_out_and_counted() {
    let age = Some(Duration::from_millis(10_000_000 - 5_000));
    let retention = Retention { age, ..KEEP };
    let engine = engine(retention);
    let tally = bring(&engine, retention, &messages(10));
    assert_eq!((tally.too_old, tally.stored), (5, 5));
    assert_eq!(
        all_said(&kept(&engine, "room")),
        all_said(&messages(10)[5..])
    );
    assert_eq!(engine.head(0), 5, "nothing was stored to be deleted");
}

#[test]
fn what_retention_has_deleted_since_is_not_brought_again() {
    let messages_kept = 10;
    let retention = Retention {
        messages: Some(messages_kept),
        ..KEEP
    };
    let engine = engine(retention);
    let tally = bring(&engine, retention, &messages(50));
    assert_eq!((tally.stored, tally.too_many), (50, 40));
    let before = kept(&engine, "room");
    let tally = bring(&engine, retention, &messages(60));
    assert_eq!((tally.cut_off, tally.there, tally.stored), (40, 10, 10));
    assert_eq!(tally.too_many, 10);
    let all = messages(60);
    assert_eq!(all_said(&before), all_said(&all[40..50]));
    assert_eq!(all_said(&kept(&engine, "room")), all_said(&all[50..]));
}

#[test]
fn an_id_that_comes_again_after_the_window_is_another_message() {
    let engine = engine(KEEP);
    let first = messages(1).remove(0);
    let again = |after| Message {
        at: first.at + after,
        ..first.clone()
    };
    let apart = [first.clone(), again(WINDOW)];
    assert_eq!(bring(&engine, KEEP, &apart).stored, 2);
    // The same id at nearly the same time: somebody told both logs.
    let near = [again(1), again(2 * WINDOW - 1)];
    assert_eq!(bring(&engine, KEEP, &near).there, 2);
    assert_eq!(bring(&engine, KEEP, &[again(2 * WINDOW)]).stored, 1);
}

#[test]
fn the_same_id_in_another_channel_is_another_message() {
    let engine = engine(KEEP);
    let at = NOW - 10_000_000;
    bring(&engine, KEEP, &[message("a", 1, at)]);
    assert_eq!(bring(&engine, KEEP, &[message("b", 1, at)]).stored, 1);
}

#[test]
fn what_an_engine_is_too_busy_for_is_sent_again_and_a_failure_ends_it() {
    let engine = engine(KEEP);
    let retention = keeping(KEEP);
    let mut importer = Importer::new(&engine, &retention, DEDUP_WINDOW, NOW);
    engine.fail_publishes(Some(EngineError::Busy));
    let full_batch = messages(1024);
    for message in &full_batch {
        importer.bring(message.clone()).unwrap();
    }
    engine.fail_publishes(None);
    importer.finish().unwrap();
    assert_eq!(importer.tally().stored, 1024);
    assert_eq!(all_said(&kept(&engine, "room")), all_said(&full_batch));
    engine.fail_publishes(Some(EngineError::StorageFull));
    let mut importer = Importer::new(&engine, &retention, DEDUP_WINDOW, NOW);
    importer.bring(message("other", 9, NOW)).unwrap();
    assert_eq!(importer.finish(), Err(EngineError::StorageFull));
}
