//! Proto files from the table of fields of the corpus, as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

/// One file: which rows of the table it has, and what stands at its top.
pub struct File {
    variant: &'static str,
    package: &'static str,
    imports: &'static [&'static str],
    about: &'static str,
    /// Whether a message of the variant is in this file.
    has: fn(&str) -> bool,
}

/// All of them, as they are named in `speech`.
pub const FILES: [File; 3] = [
    File {
        variant: "iab_2.6_edition2023",
        package: "com.iabtechlab.openrtb.v2",
        imports: &["google/protobuf/struct.proto"],
        about: "IAB Tech Lab's OpenRTB 2.6, as of openrtb2.x 2.6-202606: what an exchange sends as application/x-protobuf.\n\
                // Enumerations are open, hence int32; `ext` is field 99.",
        has: |_| true,
    },
    File {
        variant: "google_2022-07_proto2",
        package: "com.google.openrtb",
        imports: &[],
        about: "Google's OpenRTB, as of 2022-07: what Authorized Buyers sends as application/octet-stream.",
        has: |message| !is_adx(message),
    },
    File {
        variant: "google_2022-07_proto2",
        package: "com.google.doubleclick",
        imports: &["google/openrtb.proto"],
        about: "Extensions of Authorized Buyers to Google's OpenRTB, as of 2022-07.",
        has: is_adx,
    },
];

fn is_adx(message: &str) -> bool {
    message.starts_with("EXT ") || message.split('.').next().is_some_and(|top| top.ends_with("Ext"))
}

/// A message with its fields and what is declared inside it.
#[derive(Default)]
struct Node<'t> {
    fields: Vec<&'t Value>,
    inside: BTreeMap<&'t str, Node<'t>>,
    enums: BTreeSet<&'t str>,
}

/// The text of a file.
pub fn text(file: &File, table: &'static Value) -> String {
    let mut root = Node::default();
    let mut extensions = Vec::new();
    for field in table["fields"].as_array().expect("fields") {
        let message = word(field, "message");
        if word(field, "variant") != file.variant || !(file.has)(message) {
            continue;
        }
        if let Some(extended) = message.strip_prefix("EXT ") {
            extensions.push((extended, field));
            continue;
        }
        message
            .split('.')
            .fold(&mut root, |node, part| node.inside.entry(part).or_default())
            .fields
            .push(field);
    }
    place_enums(&mut root, file, table);
    let mut out = format!(
        "// {}\n// Written from the table of fields by a test, which holds it to that: UPDATE_GOLDEN=1 writes it anew.\n\nsyntax = \"proto2\";\n\npackage {};\n",
        file.about, file.package
    );
    for import in file.imports {
        write!(out, "\nimport \"{import}\";\n").expect("text");
    }
    inside(&root, "", 0, table, &mut out);
    for (extended, field) in extensions {
        write!(out, "\nextend {extended} {{\n{}}}\n", field_line(field, 1, true)).expect("text");
    }
    out
}

/// Enumerations that a field names stand where their name says.
fn place_enums(root: &mut Node<'static>, file: &File, table: &'static Value) {
    let enums = table["enums_google"].as_object().expect("enums");
    let used: BTreeSet<&str> = table["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .filter(|field| word(field, "variant") == file.variant && (file.has)(word(field, "message")))
        .filter_map(|field| word(field, "type").strip_prefix("enum:"))
        .collect();
    for name in enums.keys().filter(|name| used.contains(name.as_str())) {
        let (path, _) = name.rsplit_once('.').unwrap_or(("", name));
        let parts = path.split('.').filter(|part| !part.is_empty());
        parts
            .fold(&mut *root, |node, part| node.inside.entry(part).or_default())
            .enums
            .insert(name);
    }
}

fn word<'t>(field: &'t Value, key: &str) -> &'t str {
    field[key].as_str().unwrap_or_default()
}

/// Everything declared in a message, or at the top.
fn inside(node: &Node<'_>, path: &str, depth: usize, table: &Value, out: &mut String) {
    let indent = "  ".repeat(depth);
    for name in &node.enums {
        let short = name.rsplit('.').next().unwrap_or(name);
        write!(out, "\n{indent}enum {short} {{\n").expect("text");
        for (value, number) in table["enums_google"][*name].as_object().expect("an enum") {
            writeln!(out, "{indent}  {value} = {number};").expect("text");
        }
        writeln!(out, "{indent}}}").expect("text");
    }
    for (name, message) in &node.inside {
        // What protobuf declares by itself for a map.
        if *name == "PsEntry" {
            continue;
        }
        write!(out, "\n{indent}message {name} {{\n").expect("text");
        fields(message, depth + 1, out);
        inside(message, &format!("{path}{name}."), depth + 1, table, out);
        writeln!(out, "{indent}}}").expect("text");
    }
}

fn fields(message: &Node<'_>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let mut written = BTreeSet::new();
    for field in &message.fields {
        match word(field, "oneof") {
            "" => out.push_str(&field_line(field, depth, true)),
            oneof if written.insert(oneof) => {
                writeln!(out, "{indent}oneof {oneof} {{").expect("text");
                let members = message.fields.iter().filter(|other| word(other, "oneof") == oneof);
                members.for_each(|member| out.push_str(&field_line(member, depth + 1, false)));
                writeln!(out, "{indent}}}").expect("text");
            }
            _ => {}
        }
    }
}

fn field_line(field: &Value, depth: usize, with_label: bool) -> String {
    let indent = "  ".repeat(depth);
    let of = word(field, "type");
    if of == "extension_range" {
        let range = word(field, "number");
        let (from, to) = range.split_once('-').expect("a range");
        let to = if to == "536870911" { "max" } else { to };
        return format!("{indent}extensions {from} to {to};\n");
    }
    let (name, number) = (word(field, "field"), &field["number"]);
    if of.ends_with(".PsEntry") {
        return format!("{indent}map<string, double> {name} = {number};\n");
    }
    let of = of.split_once(':').map_or(of, |(_, named)| named);
    let label = if with_label {
        format!("{} ", word(field, "label"))
    } else {
        String::new()
    };
    let mut options = Vec::new();
    if field["packed"] == true {
        options.push("packed = true".to_owned());
    }
    if let Some(default) = field["default"].as_str() {
        let quote = if of == "string" { "\"" } else { "" };
        options.push(format!("default = {quote}{default}{quote}"));
    }
    if field["deprecated"] == true {
        options.push("deprecated = true".to_owned());
    }
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(" [{}]", options.join(", "))
    };
    format!("{indent}{label}{of} {name} = {number}{options};\n")
}
