//! What one end sends, the other receives: any messages, any agreement, any cut.

use tidings_websocket::Event;

use crate::support::*;

/// Messages of many sizes and kinds, some that compress and some that do not.
fn messages(seed: u64) -> Vec<Event<'static>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let sizes = [0, 1, 5, 100, 125, 126, 300, 1000, 5000, 40_000, 70_000];
    let mut messages: Vec<_> = (0..12)
        .map(|_| {
            let (seed, bytes) = (random.u64(..5), random.choice(sizes).unwrap());
            match random.u8(..4) {
                0 => Event::from(noise(seed, bytes)),
                1 => Event::from(vec![b'x'; bytes]),
                _ => Event::from(chat(seed, bytes)),
            }
        })
        .collect();
    messages.push(Event::from(String::new()));
    messages.push(Event::from(String::new()));
    messages
}

#[test]
fn any_messages_arrive_by_any_agreement_in_any_cut() {
    for (seed, agreement) in agreements().enumerate() {
        let (mut server, mut client) = (server(agreement), client(agreement));
        for step in [13, 1000, usize::MAX] {
            let messages = messages(seed as u64);
            for message in &messages {
                server.send(message.clone()).unwrap();
                client.send(message.clone()).unwrap();
            }
            let (down, up) = (written(&mut server), written(&mut client));
            assert_eq!(
                receive(&mut client, &down, step).unwrap(),
                messages,
                "{agreement:?}"
            );
            assert_eq!(
                receive(&mut server, &up, step).unwrap(),
                messages,
                "{agreement:?}"
            );
        }
    }
}
