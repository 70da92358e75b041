//! The faults that read HTTP: upgrades, captive portals, and responses held back until they end. Pure.
//!
//! Both directions are read from their first byte on, so that a fault can begin in the middle of a
//! connection; what no fault touches passes at once and as it is.

use std::collections::VecDeque;

use super::faults::{BUFFER_BYTES_MAX, Faults, Upgrade};
use super::framing::{Body, Framing, Part, Request, read_request, read_response, strip_upgrade};

/// One connection, as a proxy that reads HTTP sees it.
#[derive(Debug, Default)]
pub(super) struct Http {
    requests: Framing,
    responses: Framing,
    /// For each request whose response has not begun, whether it is a HEAD.
    asked: VecDeque<bool>,
    /// Whether the head that is coming up is kept until it is whole.
    keeps_head: bool,
    /// What has come down and waits for its response to end.
    held: Vec<u8>,
    is_upgraded: bool,
}

/// What becomes of bytes on their way up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Up {
    /// Goes on to the server.
    pub(super) pass: Vec<u8>,
    /// Goes to the client instead, and is the last: nothing more passes in either direction.
    pub(super) answer: Option<Vec<u8>>,
}

/// What becomes of bytes on their way down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Down {
    /// Goes on to the client.
    pub(super) pass: Vec<u8>,
    /// So much of it are responses up to their very end.
    pub(super) ended: usize,
    /// How many bytes were swallowed.
    pub(super) lost: usize,
}

/// What becomes of a request.
enum Verdict {
    Pass(Vec<u8>),
    Answer(Vec<u8>),
}

impl Http {
    pub(super) fn handle_up(&mut self, mut bytes: &[u8], faults: &Faults) -> Up {
        let mut up = Up::default();
        while !bytes.is_empty() {
            if self.requests.is_between_messages() {
                self.keeps_head = faults.captive || faults.upgrade.is_some();
            }
            let part = self.requests.step(bytes);
            let (came, rest) = bytes.split_at(match part {
                Part::Head { taken, .. } | Part::Body { taken, .. } => taken,
                Part::HeadBegins | Part::Opaque { .. } => bytes.len(),
            });
            bytes = rest;
            match part {
                Part::HeadBegins if self.keeps_head => {}
                Part::Opaque { head } if self.keeps_head && !head.is_empty() => {
                    up.pass.extend(head)
                }
                Part::HeadBegins | Part::Body { .. } | Part::Opaque { .. } => up.pass.extend(came),
                Part::Head { head, .. } => {
                    let request = self.begin_request(&head);
                    match request {
                        Some(request) if self.keeps_head => match judge(&request, head, faults) {
                            Verdict::Pass(head) => up.pass.extend(head),
                            Verdict::Answer(answer) => {
                                up.answer = Some(answer);
                                return up;
                            }
                        },
                        None if self.keeps_head => up.pass.extend(head),
                        _ => up.pass.extend(came),
                    }
                }
            }
        }
        up
    }

    /// `None`: this is no request, or one more than we follow.
    fn begin_request(&mut self, head: &[u8]) -> Option<Request> {
        let request = read_request(head).filter(|_| self.asked.len() < PIPELINED_MAX);
        match &request {
            Some(request) => {
                self.asked.push_back(request.is_head);
                self.requests.begin(request.body);
            }
            None => self.requests.give_up(),
        }
        request
    }

    pub(super) fn handle_down(&mut self, mut bytes: &[u8], faults: &Faults) -> Down {
        let mut down = Down::default();
        while !bytes.is_empty() {
            if self.mutes(faults) {
                down.lost = bytes.len();
                return down;
            }
            let part = self.responses.step(bytes);
            let (came, rest) = bytes.split_at(match part {
                Part::Head { taken, .. } | Part::Body { taken, .. } => taken,
                Part::HeadBegins | Part::Opaque { .. } => bytes.len(),
            });
            bytes = rest;
            let ends = match part {
                Part::Head { head, .. } => self.begin_response(&head),
                Part::Body { ends, .. } => ends,
                Part::HeadBegins | Part::Opaque { .. } => false,
            };
            self.held.extend(came);
            down.pass.append(&mut self.poll_held(faults));
            if ends {
                down.ended = down.pass.len();
            }
        }
        down
    }

    /// Whether the response ends with its head.
    fn begin_response(&mut self, head: &[u8]) -> bool {
        let Some(response) = read_response(head) else {
            self.responses.give_up();
            return false;
        };
        match response.status {
            101 => {
                self.is_upgraded = true;
                self.requests.give_up();
                self.responses.give_up();
                true
            }
            // The response proper is still to come.
            100..=199 => self.responses.begin(Body::Length(0)),
            _ if self.asked.pop_front().unwrap_or(false) => self.responses.begin(Body::Length(0)),
            _ => self.responses.begin(response.body),
        }
    }

    /// Whether nothing more comes down.
    pub(super) fn mutes(&self, faults: &Faults) -> bool {
        self.is_upgraded && faults.upgrade == Some(Upgrade::Mute)
    }

    /// What need not be held any longer.
    pub(super) fn poll_held(&mut self, faults: &Faults) -> Vec<u8> {
        let waits = faults.hold_chunked && self.responses.may_be_chunked();
        if waits && self.held.len() < BUFFER_BYTES_MAX {
            return Vec::new();
        }
        std::mem::take(&mut self.held)
    }

    /// All that is held: nothing more will come.
    pub(super) fn handle_down_end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }
}

fn judge(request: &Request, head: Vec<u8>, faults: &Faults) -> Verdict {
    if faults.captive {
        return Verdict::Answer(answer(200, CAPTIVE_PAGE));
    }
    match faults.upgrade.filter(|_| request.wants_upgrade) {
        Some(Upgrade::Answer(status)) => Verdict::Answer(answer(status, REFUSAL_PAGE)),
        Some(Upgrade::Strip) => Verdict::Pass(strip_upgrade(&head).unwrap_or(head)),
        Some(Upgrade::Mute) | None => Verdict::Pass(head),
    }
}

/// An answer of our own. It is the connection's last, so that nobody has to read the request's body.
fn answer(status: u16, page: &str) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        _ => "Bad Gateway",
    };
    let length = page.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{page}"
    )
    .into_bytes()
}

/// What hotels answer, whatever one asks for.
const CAPTIVE_PAGE: &str = "<!doctype html><html><head><title>Welcome to the Grand Hotel</title></head>\
    <body><h1>Welcome to the Grand Hotel</h1><form method=post action=/login>\
    <input name=room placeholder=\"Room number\"><button>Go online</button></form></body></html>\n";

const REFUSAL_PAGE: &str =
    "<html><body><h1>The proxy does not like this request</h1></body></html>\n";

/// Requests on one connection without a response: browsers send one at a time, and whoever sends more than
/// this is passed on unread.
const PIPELINED_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: &[u8] =
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    fn text(bytes: &[u8]) -> &str {
        str::from_utf8(bytes).unwrap()
    }

    fn upgrade(upgrade: Upgrade) -> Faults {
        Faults {
            upgrade: Some(upgrade),
            ..Faults::default()
        }
    }

    /// What goes up, and what is answered, of a stream that comes in pieces of this size.
    fn up(stream: &[u8], size: usize, faults: &Faults) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut http = Http::default();
        let mut passed = Vec::new();
        for piece in stream.chunks(size) {
            let up = http.handle_up(piece, faults);
            passed.extend(up.pass);
            if up.answer.is_some() {
                return (passed, up.answer);
            }
        }
        (passed, None)
    }

    #[test]
    fn without_faults_every_byte_passes_at_once() {
        let streams: [&[u8]; 3] = [
            &[POST, UPGRADE].concat(),
            b"no HTTP at all\r\n\r\n\0\xff",
            b"half a li",
        ];
        for stream in streams {
            let mut http = Http::default();
            for byte in stream {
                let byte = std::slice::from_ref(byte);
                assert_eq!(http.handle_up(byte, &Faults::default()).pass, byte);
            }
        }
        let mut http = Http::default();
        for byte in
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nmore"
        {
            let byte = std::slice::from_ref(byte);
            assert_eq!(http.handle_down(byte, &Faults::default()).pass, byte);
        }
    }

    #[test]
    fn an_upgrade_is_stripped_and_what_stands_around_it_is_not() {
        let stream = [POST, UPGRADE, POST].concat();
        let expected = [POST, b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", POST].concat();
        for size in 1..stream.len() {
            let (passed, answer) = up(&stream, size, &upgrade(Upgrade::Strip));
            assert_eq!((text(&passed), answer), (text(&expected), None));
        }
    }

    #[test]
    fn an_upgrade_is_answered_and_other_requests_pass() {
        let stream = [POST, UPGRADE].concat();
        for size in [1, 7, stream.len()] {
            let (passed, answer) = up(&stream, size, &upgrade(Upgrade::Answer(403)));
            assert_eq!(text(&passed), text(POST));
            assert!(answer.unwrap().starts_with(b"HTTP/1.1 403 Forbidden\r\n"));
        }
    }

    #[test]
    fn a_captive_portal_answers_everything() {
        let captive = Faults {
            captive: true,
            ..Faults::default()
        };
        let (passed, answer) = up(POST, 3, &captive);
        assert_eq!(text(&passed), "");
        let answer = String::from_utf8(answer.unwrap()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Grand Hotel"));
    }

    #[test]
    fn what_is_no_http_passes_a_fault_once_that_is_plain() {
        let stream = b"SSH-2.0-x\r\n\r\nmore";
        for size in [1, 5, stream.len()] {
            assert_eq!(up(stream, size, &upgrade(Upgrade::Strip)).0, stream);
        }
    }

    #[test]
    fn after_a_muted_upgrade_nothing_comes_down() {
        let faults = upgrade(Upgrade::Mute);
        let mut http = Http::default();
        assert_eq!(http.handle_up(UPGRADE, &faults).pass, UPGRADE);
        let down = http.handle_down(&[SWITCHED, b"\x81\x02hi"].concat(), &faults);
        assert_eq!((text(&down.pass), down.lost), (text(SWITCHED), 4));
        assert_eq!(http.handle_up(b"\x81\x02hi", &faults).pass, b"\x81\x02hi");
    }

    #[test]
    fn what_is_asked_of_a_muted_client_otherwise_is_answered() {
        let faults = upgrade(Upgrade::Mute);
        let mut http = Http::default();
        http.handle_up(POST, &faults);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let down = http.handle_down(answer, &faults);
        assert_eq!(
            (down.pass.as_slice(), down.ended, down.lost),
            (&answer[..], answer.len(), 0)
        );
    }

    #[test]
    fn a_chunked_response_is_held_until_it_ends() {
        let hold = Faults {
            hold_chunked: true,
            ..Faults::default()
        };
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let mut http = Http::default();
        assert_eq!(http.handle_down(plain, &hold).pass, plain);
        let (last, before) = chunked.split_last().unwrap();
        for byte in before {
            assert_eq!(http.handle_down(&[*byte], &hold), Down::default());
        }
        let down = http.handle_down(&[*last], &hold);
        assert_eq!(
            (down.pass.as_slice(), down.ended),
            (&chunked[..], chunked.len())
        );
    }

    #[test]
    fn what_is_held_is_bounded_and_let_go_with_the_fault() {
        let hold = Faults {
            hold_chunked: true,
            ..Faults::default()
        };
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut http = Http::default();
        http.handle_down(head, &hold);
        assert_eq!(http.poll_held(&Faults::default()), head);
        let chunk = [
            format!("{BUFFER_BYTES_MAX:x}\r\n").as_bytes(),
            &vec![0; BUFFER_BYTES_MAX],
        ]
        .concat();
        let passed = http.handle_down(&chunk[..BUFFER_BYTES_MAX - 1], &hold).pass;
        assert_eq!(passed.len(), 0);
        let passed = http.handle_down(&chunk[BUFFER_BYTES_MAX - 1..], &hold).pass;
        assert_eq!(passed.len(), chunk.len());
    }

    #[test]
    fn a_head_request_has_an_answer_without_body() {
        let mut http = Http::default();
        let faults = Faults::default();
        http.handle_up(b"HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", &faults);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(http.handle_down(answer, &faults).ended, answer.len());
        assert_eq!(http.handle_down(answer, &faults).ended, 0);
    }
}
