//! The shape of `admin.tokens` (contract §2).

use super::form::{ID, PATH};
use super::{Kind, Shape, must};

/// A token of the admin listener.
pub(super) static TOKEN: Shape = Shape {
    name: "token",
    help: "A token of the admin listener.",
    base: None,
    keys: &[
        must("name", Kind::Text(&ID), "Who holds it: what the audit log calls them."),
        must(
            "role",
            Kind::Words(&["read", "write", "admin"]),
            "What it may do: look (reports, explain, preview); change advertisers and campaigns, too; or all.",
        ),
        must("token_file", Kind::Text(&PATH), "The file with the token; made at first start."),
    ],
    rules: &[],
};
