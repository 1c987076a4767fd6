//! The messages of `proto/` as tests and benches speak them: JSON to protobuf and back, by their
//! descriptors and a library that shares nothing with the bidder.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as Wire};
use serde_json::{Map, Value, json};

/// Below `proto/`.
pub const FILES: [&str; 3] = ["openrtb.proto", "google/openrtb.proto", "google/openrtb-adx.proto"];

/// Where they are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("proto")
}

/// Compiled by protox, which is pure Rust.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut compiler = protox::Compiler::new([folder()]).expect("proto/");
    for file in FILES {
        compiler.open_file(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    compiler.descriptor_pool()
});

/// Whose messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// IAB Tech Lab's.
    Iab,
    /// Google's.
    Google,
}

impl Dialect {
    fn message(self, name: &str) -> MessageDescriptor {
        let package = match self {
            Dialect::Iab => "com.iabtechlab.openrtb.v2",
            Dialect::Google => "com.google.openrtb",
        };
        POOL.get_message_by_name(&format!("{package}.{name}")).expect("a message of proto/")
    }
}

/// `BidRequest`.
pub fn request(dialect: Dialect) -> MessageDescriptor {
    dialect.message("BidRequest")
}

/// The bytes of a bid request; what protobuf has no field for is left out.
pub fn encode(dialect: Dialect, request: &Value) -> Vec<u8> {
    message(&self::request(dialect), request).encode_to_vec()
}

/// A bid response as the JSON that it stands for, `None` where it is none or has fields that its proto lacks.
pub fn decode_response(dialect: Dialect, bytes: &[u8]) -> Option<Value> {
    let response = DynamicMessage::decode(dialect.message("BidResponse"), bytes).ok()?;
    plain(&response, true)
}

/// The same of the fields that its proto has, for one that is older than what we write.
pub fn known_of_response(dialect: Dialect, bytes: &[u8]) -> Option<Value> {
    let response = DynamicMessage::decode(dialect.message("BidResponse"), bytes).ok()?;
    plain(&response, false)
}

fn members<'v>(value: &'v Value, none: &'v Map<String, Value>) -> &'v Map<String, Value> {
    value.as_object().unwrap_or(none)
}

fn message(of: &MessageDescriptor, value: &Value) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    let none = Map::new();
    for (name, value) in members(value, &none) {
        if let Some(field) = field_named(of, name, value) {
            if let Some(wire) = wire(&field, value) {
                message.set_field(&field, wire);
            }
        } else if let Some(extension) = (name == "ext").then(|| google_ext(of)).flatten()
            && let Kind::Message(of) = extension.kind()
        {
            message.set_extension(&extension, Wire::Message(self::message(&of, value)));
        }
    }
    message
}

/// A field by its JSON name; a native request given as an object has a field of its own.
fn field_named(of: &MessageDescriptor, name: &str, value: &Value) -> Option<FieldDescriptor> {
    match name {
        "request" if value.is_object() => of.get_field_by_name("request_native"),
        _ => of.get_field_by_name(name),
    }
}

/// Google's extension of a message, which is its `ext`.
fn google_ext(of: &MessageDescriptor) -> Option<ExtensionDescriptor> {
    of.extensions().next()
}

fn wire(field: &FieldDescriptor, value: &Value) -> Option<Wire> {
    if !field.is_list() {
        return one(&field.kind(), value);
    }
    let one_or_many = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let values: Vec<Wire> = one_or_many.iter().filter_map(|value| one(&field.kind(), value)).collect();
    Some(Wire::List(values))
}

fn one(kind: &Kind, value: &Value) -> Option<Wire> {
    let number = match value {
        Value::Bool(set) => Some(f64::from(u8::from(*set))),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    Some(match kind {
        Kind::String => Wire::String(match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        }),
        Kind::Bool => Wire::Bool(number? != 0.0),
        Kind::Int32 => Wire::I32(number? as i32),
        Kind::Enum(_) => Wire::EnumNumber(number? as i32),
        Kind::Int64 => Wire::I64(number? as i64),
        Kind::Fixed64 => Wire::U64(number? as u64),
        Kind::Double => Wire::F64(number?),
        Kind::Message(of) => Wire::Message(message(of, value.as_object().map(|_| value)?)),
        other => panic!("no field of OpenRTB is {other:?}"),
    })
}

/// The JSON of a message; none where it has to be `whole` and has unknown fields.
fn plain(message: &DynamicMessage, whole: bool) -> Option<Value> {
    if whole && message.unknown_fields().next().is_some() {
        return None;
    }
    let mut object = Map::new();
    for (field, wire) in message.fields() {
        object.insert(field.name().to_owned(), plain_value(wire, whole)?);
    }
    for (_, wire) in message.extensions() {
        object.insert("ext".to_owned(), plain_value(wire, whole)?);
    }
    Some(Value::Object(object))
}

fn plain_value(wire: &Wire, whole: bool) -> Option<Value> {
    Some(match wire {
        Wire::Bool(set) => json!(u8::from(*set)),
        Wire::I32(number) | Wire::EnumNumber(number) => json!(number),
        Wire::I64(number) => json!(number),
        Wire::U64(number) => json!(number),
        Wire::F64(number) => json!(number),
        Wire::String(text) => json!(text),
        Wire::List(values) => Value::Array(values.iter().map(|value| plain_value(value, whole)).collect::<Option<_>>()?),
        Wire::Message(message) => plain(message, whole)?,
        other => panic!("no field of OpenRTB is {other:?}"),
    })
}
