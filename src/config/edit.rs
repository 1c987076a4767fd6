//! Edits of an advertiser's text that keep everything else as its author wrote it.
//!
//! Checks nothing but that the edit has a place to go; the edited text is read like any other file.

use super::node::{Entry, Node, Value, parse};

/// What of a campaign may be edited.
const EDITABLE: [&str; 3] = ["status", "bid", "budget"];

/// Why an edit was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditFault {
    /// No campaign has that id.
    #[error("no campaign of that id; name one of the advertiser's campaigns")]
    NoSuchCampaign,
    /// The edit has a key that cannot be edited.
    #[error("`{0}` cannot be edited here; only `status`, `bid` and `budget` can")]
    UnknownKey(String),
    /// The edit, or the advertiser's text, is no JSON object.
    #[error("not a json object; write `{{...}}` with `status`, `bid` or `budget`")]
    NotAnObject,
}

/// Applies `patch` to a campaign and returns the advertiser's text anew, indented.
///
/// What `bid` and `budget` hold is merged by key, `null` removing a key (RFC 7396). Numbers that are
/// not touched keep their text. Those of the patch have been through `f64`, whose shortest text is
/// the one that was written for up to 15 significant digits, and `12.00` as `12.0`: the same amount.
/// For more digits write amounts as text, or use [`edit_campaign_text`].
pub fn edit_campaign(text: &str, campaign: &str, patch: &serde_json::Value) -> Result<String, EditFault> {
    edit_campaign_text(text, campaign, &patch.to_string())
}

/// [`edit_campaign`] from the patch's text: its numbers stay as they are written.
pub fn edit_campaign_text(text: &str, campaign: &str, patch: &str) -> Result<String, EditFault> {
    let mut root = parse(text.trim_start_matches('\u{feff}')).map_err(|_| EditFault::NotAnObject)?;
    let patch = parse(patch).map_err(|_| EditFault::NotAnObject)?;
    let Value::Object(changes) = patch.value else {
        return Err(EditFault::NotAnObject);
    };
    if let Some(change) = changes.iter().find(|change| !EDITABLE.contains(&change.key.as_str())) {
        return Err(EditFault::UnknownKey(change.key.clone()));
    }
    let found = find_campaign(&mut root, campaign).ok_or(EditFault::NoSuchCampaign)?;
    merge(found, changes);
    let mut out = String::with_capacity(text.len() + 256);
    write(&root, 0, &mut out);
    out.push('\n');
    Ok(out)
}

fn find_campaign<'n, 't>(root: &'n mut Node<'t>, id: &str) -> Option<&'n mut Vec<Entry<'t>>> {
    let Value::Object(entries) = &mut root.value else { return None };
    let campaigns = &mut entries.iter_mut().find(|entry| entry.key == "campaigns")?.node;
    let Value::Array(items) = &mut campaigns.value else { return None };
    items.iter_mut().find_map(|item| match &mut item.value {
        Value::Object(entries) if entries.iter().any(|entry| is_id(entry, id)) => Some(entries),
        _ => None,
    })
}

fn is_id(entry: &Entry<'_>, id: &str) -> bool {
    entry.key == "id" && matches!(&entry.node.value, Value::Text(text) if text.trim() == id)
}

fn merge<'t>(into: &mut Vec<Entry<'t>>, changes: Vec<Entry<'t>>) {
    for change in changes {
        if change.node.is_null() {
            into.retain(|entry| entry.key != change.key);
            continue;
        }
        let Some(old) = into.iter_mut().find(|entry| entry.key == change.key) else {
            into.push(change);
            continue;
        };
        match (&mut old.node.value, change.node.value) {
            (Value::Object(inner), Value::Object(changes)) => merge(inner, changes),
            (value, new) => {
                *value = new;
                old.node.raw = change.node.raw;
            }
        }
    }
}

/// Scalars as written; lists of scalars on one line, for sizes and names are read better so.
fn write(node: &Node<'_>, depth: usize, out: &mut String) {
    match &node.value {
        Value::Object(entries) if !entries.is_empty() => {
            let members = entries.iter().map(|entry| (Some(entry.raw_key), &entry.node));
            block(('{', '}'), members, depth, out);
        }
        Value::Array(items) if items.iter().any(|item| matches!(item.value, Value::Object(_) | Value::Array(_))) => {
            block(('[', ']'), items.iter().map(|item| (None, item)), depth, out);
        }
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().map(|item| item.raw).collect();
            out.push('[');
            out.push_str(&texts.join(", "));
            out.push(']');
        }
        Value::Object(_) => out.push_str("{}"),
        _ => out.push_str(node.raw),
    }
}

fn block<'n, 't: 'n>(
    (open, close): (char, char),
    members: impl Iterator<Item = (Option<&'t str>, &'n Node<'t>)>,
    depth: usize,
    out: &mut String,
) {
    out.push(open);
    for (index, (key, node)) in members.enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_str(&"  ".repeat(depth + 1));
        if let Some(key) = key {
            out.push_str(key);
            out.push_str(": ");
        }
        write(node, depth + 1, out);
    }
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = r#"{"id": "a", "campaigns": [
        {"id": "x", "status": "active", "bid": {"type": "cpm", "amount": 0.1234567890123456789}, "sizes": [[1, 2]], "none": {}},
        {"id": "y", "budget": {"daily": 200.00, "total": 5000.00}}]}"#;

    #[test]
    fn what_is_not_touched_keeps_its_text() {
        let edited = edit_campaign(TEXT, "y", &json!({"status": "paused", "budget": {"daily": 0.40, "total": null}}));
        let expected = r#"{
  "id": "a",
  "campaigns": [
    {
      "id": "x",
      "status": "active",
      "bid": {
        "type": "cpm",
        "amount": 0.1234567890123456789
      },
      "sizes": [
        [1, 2]
      ],
      "none": {}
    },
    {
      "id": "y",
      "budget": {
        "daily": 0.4
      },
      "status": "paused"
    }
  ]
}
"#;
        assert_eq!(edited.as_deref(), Ok(expected));
        assert_eq!(edit_campaign(expected, "y", &json!({})).as_deref(), Ok(expected), "its own output");
    }

    #[test]
    fn a_patch_as_text_is_exact() {
        let edited = edit_campaign_text(TEXT, "x", r#"{"bid": {"amount": 123456789.123456789}}"#).expect("edited");
        assert!(edited.contains(r#""amount": 123456789.123456789"#), "{edited}");
    }

    #[test]
    fn edits_without_a_place_are_refused() {
        assert_eq!(edit_campaign(TEXT, "z", &json!({})), Err(EditFault::NoSuchCampaign));
        assert_eq!(edit_campaign(TEXT, "x", &json!([])), Err(EditFault::NotAnObject));
        assert_eq!(
            edit_campaign(TEXT, "x", &json!({"flight": {}})),
            Err(EditFault::UnknownKey("flight".into()))
        );
    }
}
