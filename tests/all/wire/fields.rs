//! Every field of both protos, alone in a request: as JSON and as protobuf it must be read as the same.
//!
//! So a key that the reader of requests comes to use, and the table of protobuf lacks, is found.

use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as Wire};
use serde_json::{Value, json};
use winback::openrtb::decode::{self, decode};
use winback::openrtb::protobuf::transcribe;
use winback::openrtb::request::Opportunity;
use winback::openrtb::response::Form;

use crate::figures::Figures;
use crate::protos::speech::{Dialect, request};

/// A field or an extension on the way to a leaf.
#[derive(Clone)]
enum Step {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
}

impl Step {
    fn kind(&self) -> Kind {
        match self {
            Step::Field(field) => field.kind(),
            Step::Extension(extension) => extension.kind(),
        }
    }

    /// The name in JSON.
    fn name(&self) -> &str {
        match self {
            Step::Field(field) if field.name() == "request_native" => "request",
            Step::Field(field) => field.name(),
            Step::Extension(_) => "ext",
        }
    }

    fn is_list(&self) -> bool {
        matches!(self, Step::Field(field) if field.is_list())
    }
}

fn steps(message: &MessageDescriptor) -> impl Iterator<Item = Step> {
    let fields: Vec<Step> = message.fields().map(Step::Field).collect();
    fields.into_iter().chain(message.extensions().map(Step::Extension))
}

/// The ways to all scalar fields below a message, and to messages that are empty.
fn leaves(message: &MessageDescriptor, way: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    for step in steps(message) {
        way.push(step.clone());
        found.push(way.clone());
        if let Kind::Message(below) = step.kind() {
            leaves(&below, way, found);
        }
        way.pop();
    }
}

/// The value of a leaf: one that is not what the absent field reads as.
fn leaf(kind: &Kind) -> (Value, Wire) {
    match kind {
        Kind::String => (json!("EUR"), Wire::String("EUR".into())),
        Kind::Bool => (json!(1), Wire::Bool(true)),
        Kind::Int32 => (json!(3), Wire::I32(3)),
        Kind::Enum(_) => (json!(3), Wire::EnumNumber(3)),
        Kind::Int64 => (json!(3), Wire::I64(3)),
        Kind::Fixed64 => (json!(3), Wire::U64(3)),
        Kind::Double => (json!(1.5), Wire::F64(1.5)),
        Kind::Message(of) => (json!({}), Wire::Message(DynamicMessage::new(of.clone()))),
        other => panic!("no field of OpenRTB is {other:?}"),
    }
}

/// A message and its JSON with this one way in it; what makes a request or an imp readable beside.
fn document(of: &MessageDescriptor, way: &[Step]) -> (Value, DynamicMessage) {
    let mut message = DynamicMessage::new(of.clone());
    let mut json = json!({});
    let name = of.name();
    if matches!(name, "BidRequest" | "Imp") {
        message.set_field_by_name("id", Wire::String(name.to_owned()));
        json["id"] = json!(name);
    }
    if name == "BidRequest" && way.first().is_none_or(|step| step.name() != "imp") {
        let imp = of.get_field_by_name("imp").expect("imp");
        let Kind::Message(imp_message) = imp.kind() else {
            panic!("imp is no message")
        };
        let (imp_json, imp_wire) = document(&imp_message, &[]);
        message.set_field(&imp, Wire::List(vec![Wire::Message(imp_wire)]));
        json["imp"] = json!([imp_json]);
    }
    if let Some((step, rest)) = way.split_first() {
        let (value, wire) = match step.kind() {
            Kind::Message(below) if !rest.is_empty() || step.name() == "imp" => {
                let (json, wire) = document(&below, rest);
                (json, Wire::Message(wire))
            }
            kind => leaf(&kind),
        };
        let (value, wire) = match step.is_list() {
            true => (json!([value]), Wire::List(vec![wire])),
            false => (value, wire),
        };
        json[step.name()] = value;
        match step {
            Step::Field(field) => message.set_field(field, wire),
            Step::Extension(extension) => message.set_extension(extension, wire),
        }
    }
    (json, message)
}

fn read(json: &Value) -> String {
    format!("{:?}", decode(json.to_string().as_bytes(), Vec::new()))
}

fn read_in_place(message: &DynamicMessage) -> String {
    let (mut memory, mut request) = (decode::Memory::default(), Opportunity::default());
    let body = message.encode_to_vec();
    let read = decode::read(Form::Protobuf, &body, &mut memory, &mut request);
    format!("{:?}", read.map(|()| request))
}

/// What the fields of a dialect came to.
#[derive(Default)]
struct Tally {
    leaves: usize,
    /// Those that change what is read.
    read: usize,
    /// Those that come out otherwise.
    differ: Vec<String>,
    /// Those in the table that change nothing.
    idle: Vec<String>,
}

fn tally(dialect: Dialect) -> Tally {
    let root = request(dialect);
    let mut ways = Vec::new();
    leaves(&root, &mut Vec::new(), &mut ways);
    let transcript = |message: &DynamicMessage| {
        let mut out = Vec::new();
        transcribe(&message.encode_to_vec(), 1 << 20, &mut out).expect("a message of the proto");
        out
    };
    let both = |way: &[Step]| {
        let (json, message) = document(&root, way);
        (read(&json), message)
    };
    let mut tally = Tally::default();
    for way in &ways {
        // What the field by itself brings about, and not what it stands in.
        let (unchanged, bare) = both(&way[..way.len() - 1]);
        let (expected, message) = both(way);
        let seen = read_in_place(&message);
        let name = || way.iter().map(Step::name).collect::<Vec<_>>().join(".");
        tally.leaves += 1;
        tally.read += usize::from(expected != unchanged);
        if expected != seen {
            tally.differ.push(format!("{}: {expected}\n  as protobuf: {seen}", name()));
        } else if expected == unchanged && transcript(&message) != transcript(&bare) {
            tally.idle.push(name());
        }
    }
    tally
}

#[test]
fn each_is_read_the_same_in_both_forms() {
    let mut figures = Figures::new();
    for (dialect, name, least_read) in [(Dialect::Iab, "iab", 70), (Dialect::Google, "google", 60)] {
        let Tally {
            leaves,
            read,
            differ,
            idle,
        } = tally(dialect);
        differ.iter().for_each(|what| println!("{name} {what}"));
        println!("{name}, in the table and not read: {}", idle.join(" "));
        figures.at_least(&format!("parity.{name}_fields"), leaves, 400);
        figures.at_least(&format!("parity.{name}_fields_read"), read, least_read);
        figures.exactly(&format!("parity.{name}_fields_differ"), differ.len(), 0);
    }
    figures.settle();
}
