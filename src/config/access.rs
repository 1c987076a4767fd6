//! `admin.token_file` and `admin.tokens`: who may make which calls of the admin listener (contract §2, §5).
//!
//! Names and files only: what a file holds is read where the server starts.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::reader::{Object, Reader};

/// The name of the token of `token_file`, whose role is admin.
pub const FIRST_TOKEN: &str = "admin";
/// Who changed what changed by itself: a file on the disk.
pub const BY_FILE: &str = "file";

/// What a token may do: what every role before it may, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look: reports, explain, preview.
    Read,
    /// Change advertisers and campaigns, and fetch feeds.
    Write,
    /// Erase people, and run the server: backup, compact, reload, the audit log.
    Admin,
}

impl Role {
    /// From the weakest on.
    pub const ALL: [Role; 3] = [Role::Read, Role::Write, Role::Admin];

    /// Its word.
    pub fn label(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
            Role::Admin => "admin",
        }
    }
}

/// A token of the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// What the audit log calls its holder.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The file with its text.
    pub path: PathBuf,
}

/// The tokens beside that of `token_file`.
pub(super) fn tokens(r: &Reader<'_>, admin: &Object<'_, '_>, first: &Path) -> Vec<TokenFile> {
    let words = Role::ALL.map(|role| (role.label(), role));
    let mut tokens: Vec<TokenFile> = Vec::new();
    for item in admin.get("tokens").map_or(&[][..], |list| r.items(list)) {
        let Some(o) = admin.item("tokens", item) else { continue };
        let (Some(name), Some(role), Some(path)) = (o.text("name"), o.word("role", &words), o.path("token_file")) else {
            continue;
        };
        if let Some(node) = o.get("name")
            && ([FIRST_TOKEN, BY_FILE].contains(&name.as_str()) || tokens.iter().any(|other| other.name == name))
        {
            let remedy = format!("another name: `{FIRST_TOKEN}` is the token of `admin.token_file`, `{BY_FILE}` an edit on the disk");
            r.fault(node, "a name that is taken", remedy);
        }
        if let Some(node) = o.get("token_file")
            && (path == first || tokens.iter().any(|other| other.path == path))
        {
            r.fault(
                node,
                "the file of another token",
                "a file of its own, or whoever has the one has the other's role",
            );
        }
        tokens.push(TokenFile { name, role, path });
    }
    tokens
}
