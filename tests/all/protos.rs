//! The messages of `proto/` held to the table of fields that they are written from.

pub mod speech;
mod write;

use std::fs;
use std::sync::LazyLock;

use serde_json::Value;

use crate::corpus::corpus;
use crate::figures::Figures;
use speech::{FILES, POOL, folder};

/// The table of fields of the corpus.
pub fn table() -> Option<&'static Value> {
    static TABLE: LazyLock<Option<Value>> = LazyLock::new(|| {
        let text = fs::read_to_string(corpus()?.join("protobuf_fields.json")).expect("protobuf_fields.json");
        Some(serde_json::from_str(&text).expect("a table of fields"))
    });
    TABLE.as_ref()
}

/// The proto files have the fields of the table, no more, no less, and compile.
#[test]
fn are_the_table_of_fields() {
    let Some(table) = table() else { return };
    let mut differ = 0;
    for (name, file) in FILES.iter().zip(&write::FILES) {
        let (path, text) = (folder().join(name), write::text(file, table));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).expect("the proto can be written");
        }
        if fs::read_to_string(&path).unwrap_or_default() != text {
            println!("UPDATE_GOLDEN=1 rewrites {}", path.display());
            differ += 1;
        }
    }
    let own = POOL.all_messages().filter(|message| !message.full_name().starts_with("google."));
    let fields: usize = own.map(|message| message.fields().len()).sum();
    let extensions = POOL.all_extensions().count();
    let rows = |variant: &str| {
        let rows = table["fields"].as_array().expect("fields").iter();
        rows.filter(|row| row["variant"] == variant && row["type"] != "extension_range")
            .count()
    };
    let mut figures = Figures::new();
    figures.exactly("proto.files_that_differ", differ, 0);
    figures.exactly(
        "proto.fields",
        fields + extensions,
        rows("iab_2.6_edition2023") + rows("google_2022-07_proto2"),
    );
    figures.settle();
}
