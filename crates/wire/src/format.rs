//! The two encodings of one protocol.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How objects look in bytes. The objects are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 8259; text frames on a WebSocket.
    Json,
    /// RFC 8949; binary frames on a WebSocket.
    Cbor,
}

impl Format {
    /// The WebSocket subprotocol that speaks this format.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "tidings.v1.json",
            Self::Cbor => "tidings.v1.cbor",
        }
    }

    /// The media type of a body in this format.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
        }
    }

    /// `value` in this format, appended to `out`.
    pub fn encode_into(self, value: &impl Serialize, out: &mut Vec<u8>) {
        match self {
            Self::Json => serde_json::to_writer(out, value)
                .expect("our own types have string keys and Vec takes every byte"),
            Self::Cbor => {
                let mut serializer = minicbor_serde::Serializer::new(out);
                // Otherwise JSON's null would become an empty array.
                serializer.serialize_unit_as_null(true);
                value
                    .serialize(&mut serializer)
                    .expect("our own types are encodable and Vec takes every byte");
            }
        }
    }

    /// `value` in this format.
    pub fn encode(self, value: &impl Serialize) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(value, &mut out);
        out
    }

    /// Reads one `T`, and nothing behind it. The error is for people.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, String> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
            Self::Cbor => {
                let mut deserializer = minicbor_serde::Deserializer::new(bytes);
                let value = T::deserialize(&mut deserializer).map_err(|error| error.to_string())?;
                match deserializer.decoder().position() == bytes.len() {
                    true => Ok(value),
                    false => Err("more than one CBOR item".to_owned()),
                }
            }
        }
    }
}
