//! What a message or a signal carries: any JSON value, or bytes.
//!
//! JSON stays the text that the publisher sent, less the white space between its tokens: nothing is
//! parsed into a tree and printed again, so that numbers keep every digit. Without white space there
//! is no line break in it either, which lets an SSE `data:` line hold it as it is.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// How deep arrays and objects may be nested: serde_json's own bound, kept for CBOR as well, so
/// that whatever was taken in one format can be told in the other.
pub const DATA_DEPTH_MAX: usize = 127;

/// The payload of a message or a signal. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A JSON value as text without white space between its tokens.
    Json(Arc<str>),
    /// Bytes: a CBOR byte string; in JSON `"data":null,"bytes":"<base64>"`.
    Bytes(Bytes),
}

impl Data {
    /// Takes one JSON value.
    pub fn from_json(text: &str) -> Result<Self, DataError> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| DataError::NotJson)?;
        Self::from_raw(raw)
    }

    /// A JSON string with this text.
    pub fn from_text(text: &str) -> Self {
        let json = serde_json::to_string(text).expect("a str is always a JSON string");
        Self::Json(json.into())
    }

    /// Takes the base64 (RFC 4648, padded) that JSON carries bytes in.
    pub fn from_base64(text: &str) -> Result<Self, DataError> {
        let bytes = STANDARD.decode(text).map_err(|_| DataError::NotBase64)?;
        Ok(Self::Bytes(bytes.into()))
    }

    /// Size in bytes, as limits and retention count it.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it; JSON always has something.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn from_raw(raw: &RawValue) -> Result<Self, DataError> {
        // A RawValue is checked for syntax alone. What is taken here is told in CBOR as well, which
        // needs every number and every character of it.
        if nesting(raw.get()) > DATA_DEPTH_MAX {
            return Err(DataError::TooDeep);
        }
        match serde_json::from_str(raw.get()) {
            Ok(Readable) => Ok(Self::Json(compact(raw.get()).into())),
            Err(_) => Err(DataError::Unreadable),
        }
    }

    /// Writes the entry `data`, and `bytes` where the format has no byte strings.
    pub(crate) fn serialize_entries<M: SerializeMap>(
        &self,
        map: &mut M,
        readable: bool,
    ) -> Result<(), M::Error> {
        match self {
            Self::Bytes(bytes) if readable => {
                map.serialize_entry("data", &())?;
                map.serialize_entry("bytes", &STANDARD.encode(bytes))
            }
            _ => map.serialize_entry("data", self),
        }
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(text) if serializer.is_human_readable() => {
                let raw: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
                raw.serialize(serializer)
            }
            Self::Json(text) => {
                let value: serde_json::Value =
                    serde_json::from_str(text).map_err(S::Error::custom)?;
                value.serialize(serializer)
            }
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            // Owned and not borrowed: JSON may come from a reader as well as from a slice.
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            return Self::from_raw(&raw).map_err(de::Error::custom);
        }
        deserializer.deserialize_any(TopLevel)
    }
}

/// Why something cannot be a message's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// It is not one JSON value.
    #[error("the data is not a JSON value")]
    NotJson,
    /// Arrays and objects are nested deeper than [`DATA_DEPTH_MAX`].
    #[error("the data is nested deeper than {DATA_DEPTH_MAX} levels")]
    TooDeep,
    /// A number is beyond what a double holds, or an escape is half of a character.
    #[error(
        "the data has a number beyond 1.8e308, or half of a surrogate pair, which not every format can hold"
    )]
    Unreadable,
    /// `bytes` is not base64.
    #[error("\"bytes\" is not padded base64 (RFC 4648, section 4)")]
    NotBase64,
}

/// `json` without the white space between its tokens.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    // Everything from here on is still to be copied.
    let mut copied = 0;
    let mut tokens = Tokens::default();
    for (at, byte) in json.bytes().enumerate() {
        if !tokens.in_string(byte) && matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            out.push_str(&json[copied..at]);
            copied = at + 1;
        }
    }
    out.push_str(&json[copied..]);
    out
}

/// How deep arrays and objects are nested in `json`.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut tokens = Tokens::default();
    for byte in json.bytes() {
        if tokens.in_string(byte) {
            continue;
        }
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Tells the bytes of strings from those between tokens, in valid JSON.
#[derive(Default)]
struct Tokens {
    string: bool,
    escaped: bool,
}

impl Tokens {
    fn in_string(&mut self, byte: u8) -> bool {
        let was = self.string;
        if self.escaped {
            self.escaped = false;
        } else if byte == b'"' {
            self.string = !self.string;
        } else if byte == b'\\' && self.string {
            self.escaped = true;
        }
        was
    }
}

/// Any value of which every number and every string can be read; nothing of it is kept.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

/// Reads CBOR's data: bytes as they are, everything else as JSON text.
struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string, or a value that JSON can hold")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Data, E> {
        Ok(Data::Bytes(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Data, E> {
        Ok(Data::Bytes(bytes.into()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Data, E> {
        json_of(|writer| writer.visit_bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Data, E> {
        json_of(|writer| writer.visit_i64(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Data, E> {
        json_of(|writer| writer.visit_u64(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Data, E> {
        json_of(|writer| writer.visit_f64(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Data, E> {
        json_of(|writer| writer.visit_str(value))
    }

    fn visit_none<E: de::Error>(self) -> Result<Data, E> {
        json_of(|writer| writer.visit_none())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Data, E> {
        json_of(|writer| writer.visit_unit())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Data, A::Error> {
        json_of(|writer| writer.visit_seq(seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Data, A::Error> {
        json_of(|writer| writer.visit_map(map))
    }
}

fn json_of<E>(write: impl FnOnce(JsonWriter<'_>) -> Result<(), E>) -> Result<Data, E> {
    let mut out = String::new();
    write(JsonWriter {
        out: &mut out,
        depth: 0,
    })?;
    Ok(Data::Json(out.into()))
}

/// Writes whatever it visits as JSON text, without a tree in between.
struct JsonWriter<'a> {
    out: &'a mut String,
    depth: usize,
}

impl JsonWriter<'_> {
    fn write<E: de::Error>(self, value: &impl Serialize) -> Result<(), E> {
        let text = serde_json::to_string(value).map_err(E::custom)?;
        self.out.push_str(&text);
        Ok(())
    }

    fn deeper<E: de::Error>(&mut self) -> Result<JsonWriter<'_>, E> {
        if self.depth == DATA_DEPTH_MAX {
            return Err(E::custom(DataError::TooDeep));
        }
        Ok(JsonWriter {
            out: self.out,
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for JsonWriter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonWriter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold (bytes only as the whole data)")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        match value.is_finite() {
            true => self.write(&value),
            false => Err(E::custom("JSON has no number for NaN and infinity")),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.out.push_str("null");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut inner = self.deeper()?;
        inner.out.push('[');
        let mut first = true;
        while seq
            .next_element_seed(Element {
                writer: &mut inner,
                first,
            })?
            .is_some()
        {
            first = false;
        }
        inner.out.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        inner.out.push('{');
        let mut first = true;
        while let Some(key) = map.next_key::<String>()? {
            if !first {
                inner.out.push(',');
            }
            first = false;
            inner
                .out
                .push_str(&serde_json::to_string(&key).map_err(de::Error::custom)?);
            inner.out.push(':');
            map.next_value_seed(JsonWriter {
                out: inner.out,
                depth: inner.depth,
            })?;
        }
        inner.out.push('}');
        Ok(())
    }
}

/// One element of an array, with the comma before it. Whether there is one more is known only when
/// this is called.
struct Element<'a, 'b> {
    writer: &'a mut JsonWriter<'b>,
    first: bool,
}

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.first {
            self.writer.out.push(',');
        }
        let writer = JsonWriter {
            out: self.writer.out,
            depth: self.writer.depth,
        };
        deserializer.deserialize_any(writer)
    }
}
