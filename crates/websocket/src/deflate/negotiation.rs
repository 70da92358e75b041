//! How two ends come to an [`Agreement`] (RFC 7692, section 7.1): the client's offer, the server's
//! choice among offers, and what the client makes of it.
//!
//! Each of the four parameters, as the two ends may write it:
//!
//! | | in an offer | in the answer |
//! |---|---|---|
//! | `server_no_context_takeover` | a demand | granted, or volunteered |
//! | `client_no_context_takeover` | a promise | a demand |
//! | `server_max_window_bits` | a demand, with a value | granted with that or less, or volunteered |
//! | `client_max_window_bits` | can be asked for it; a value is a promise | a demand with that or less, only if offered |

use http::HeaderValue;

use super::{Agreement, ContextTakeover, Policy, WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use crate::handshake::headers::{Extension, Parameter};

/// The extension's registered name.
pub(crate) const NAME: &str = "permessage-deflate";

impl Policy {
    /// The server's choice: the first acceptable of the client's offers, and what is answered.
    ///
    /// 7.1: an offer with a parameter that is unknown, is there twice or has an invalid value is
    /// declined, and the next one looked at. Whatever a valid offer asks for can be done.
    pub(crate) fn accept(&self, offers: &[Extension<'_>]) -> Option<(Agreement, HeaderValue)> {
        let offer = offers
            .iter()
            .filter(|offer| offer.name == NAME)
            .find_map(Parameters::read)?;
        let server_window = window(self.server_max_window_bits)
            .min(offer.server_max_window_bits.unwrap_or(WINDOW_BITS_MAX));
        let client_window = window(self.client_max_window_bits);
        let answer = Parameters {
            server_no_context_takeover: offer.server_no_context_takeover
                || self.server_context_takeover == ContextTakeover::Refuse,
            client_no_context_takeover: offer.client_no_context_takeover
                || self.client_context_takeover == ContextTakeover::Refuse,
            // Where it was not asked for, a smaller window is used all the same and not told: the
            // client inflates it either way, and some clients fail a connection that tells.
            server_max_window_bits: offer.server_max_window_bits.map(|_| server_window),
            client_max_window_bits: match offer.client_max_window_bits {
                // 7.1.2.2: "the corresponding extension negotiation response to the offer MUST
                // NOT include the "client_max_window_bits" extension parameter".
                ClientWindow::Unlimited => ClientWindow::Unlimited,
                ClientWindow::Limitable if client_window == WINDOW_BITS_MAX => {
                    ClientWindow::Unlimited
                }
                ClientWindow::Limitable => ClientWindow::Bits(client_window),
                ClientWindow::Bits(promised) => ClientWindow::Bits(promised.min(client_window)),
            },
        };
        let agreement = Agreement {
            server_max_window_bits: server_window,
            ..answer.agreement()
        };
        Some((agreement, answer.write()))
    }

    /// What a client offers.
    pub(crate) fn offer(&self) -> HeaderValue {
        let server_window = window(self.server_max_window_bits);
        let offer = Parameters {
            server_no_context_takeover: self.server_context_takeover == ContextTakeover::Refuse,
            client_no_context_takeover: self.client_context_takeover == ContextTakeover::Refuse,
            server_max_window_bits: (server_window < WINDOW_BITS_MAX).then_some(server_window),
            client_max_window_bits: match window(self.client_max_window_bits) {
                WINDOW_BITS_MAX => ClientWindow::Limitable,
                bits => ClientWindow::Bits(bits),
            },
        };
        offer.write()
    }
}

/// What the client makes of the server's `answer` to its `offer`.
///
/// `None` says that the answer does not fit, so that the connection has to fail (7.1).
pub(crate) fn check(offer: &Extension<'_>, answer: &Extension<'_>) -> Option<Agreement> {
    let offer = Parameters::read(offer)?;
    let answer = Parameters::read(answer)?;
    // 7.1.1.1: "A server accepts an extension negotiation offer that includes the
    // "server_no_context_takeover" extension parameter by including" it in its answer.
    let takes_over = offer.server_no_context_takeover && !answer.server_no_context_takeover;
    // 7.1.2.1: "with the same or smaller value as the offer".
    let too_wide = offer.server_max_window_bits.is_some_and(|asked| {
        answer
            .server_max_window_bits
            .is_none_or(|granted| granted > asked)
    });
    let client_window = match (offer.client_max_window_bits, answer.client_max_window_bits) {
        (promised, ClientWindow::Unlimited) => promised,
        (ClientWindow::Limitable, asked @ ClientWindow::Bits(_)) => asked,
        (ClientWindow::Bits(promised), ClientWindow::Bits(asked)) if asked <= promised => {
            ClientWindow::Bits(asked)
        }
        // Not offered, beyond the promise, or without a value, which an answer needs.
        _ => return None,
    };
    if takes_over || too_wide {
        return None;
    }
    let agreed = Parameters {
        // 7.1.1.2: what a client says of itself it keeps to, whatever is answered.
        client_no_context_takeover: offer.client_no_context_takeover
            || answer.client_no_context_takeover,
        client_max_window_bits: client_window,
        ..answer
    };
    Some(agreed.agreement())
}

/// The parameters of one offer or answer.
#[derive(Debug, Clone, Copy, Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: ClientWindow,
}

/// What is said of the client's window.
#[derive(Debug, Clone, Copy, Default)]
enum ClientWindow {
    /// Nothing: it is the largest.
    #[default]
    Unlimited,
    /// An offer without a value: as large as the server allows.
    Limitable,
    /// At most so large.
    Bits(u8),
}

impl Parameters {
    /// `None` for a parameter that is unknown, is there twice, or has an invalid value.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut read = Self::default();
        for (at, Parameter { name, value }) in extension.parameters.iter().enumerate() {
            let earlier = &extension.parameters[..at];
            if earlier.iter().any(|earlier| earlier.name == *name) {
                return None;
            }
            match (*name, value.as_deref()) {
                ("server_no_context_takeover", None) => read.server_no_context_takeover = true,
                ("client_no_context_takeover", None) => read.client_no_context_takeover = true,
                ("server_max_window_bits", Some(bits)) => {
                    read.server_max_window_bits = Some(read_bits(bits)?);
                }
                ("client_max_window_bits", None) => {
                    read.client_max_window_bits = ClientWindow::Limitable;
                }
                ("client_max_window_bits", Some(bits)) => {
                    read.client_max_window_bits = ClientWindow::Bits(read_bits(bits)?);
                }
                _ => return None,
            }
        }
        Some(read)
    }

    fn write(self) -> HeaderValue {
        let mut text = String::from(NAME);
        if self.server_no_context_takeover {
            text.push_str("; server_no_context_takeover");
        }
        if self.client_no_context_takeover {
            text.push_str("; client_no_context_takeover");
        }
        if let Some(bits) = self.server_max_window_bits {
            text.push_str(&format!("; server_max_window_bits={bits}"));
        }
        match self.client_max_window_bits {
            ClientWindow::Unlimited => {}
            ClientWindow::Limitable => text.push_str("; client_max_window_bits"),
            ClientWindow::Bits(bits) => text.push_str(&format!("; client_max_window_bits={bits}")),
        }
        HeaderValue::try_from(text).expect("tokens are visible ASCII")
    }

    fn agreement(self) -> Agreement {
        Agreement {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits.unwrap_or(WINDOW_BITS_MAX),
            client_max_window_bits: match self.client_max_window_bits {
                ClientWindow::Bits(bits) => bits,
                ClientWindow::Unlimited | ClientWindow::Limitable => WINDOW_BITS_MAX,
            },
        }
    }
}

/// 7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn read_bits(text: &str) -> Option<u8> {
    match text {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

/// A policy's number, within what can be said.
fn window(bits: u8) -> u8 {
    bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX)
}
