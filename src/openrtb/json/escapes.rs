//! Escapes that say nothing: `\/`, `\u006d`. A body without them compares byte by byte, so that no rule is
//! passed by because somebody wrote a letter in another way.
//!
//! Keeps every byte outside strings where it is. Assumes nothing of the body; judges nothing.

use super::values::unescape_one;

/// The body with needless escapes resolved, in `memory` where there are any; of the same length, with blanks
/// before the strings that became shorter. What is no JSON remains none.
pub fn resolved<'m>(body: &'m [u8], memory: &'m mut Vec<u8>) -> &'m [u8] {
    if memchr::memchr(b'\\', body).is_none() {
        return body;
    }
    let Ok(text) = std::str::from_utf8(body) else { return body };
    memory.clear();
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        memory.extend_from_slice(&rest.as_bytes()[..quote]);
        let Some(end) = closing_quote(&rest[quote..]) else {
            rest = &rest[quote..];
            break;
        };
        string(&rest[quote..=quote + end], memory);
        rest = &rest[quote + end + 1..];
    }
    memory.extend_from_slice(rest.as_bytes());
    memory
}

/// Where the string ends that starts here.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends.then_some(at)
    })
}

/// Appends a string with its quotes, moved to the right by as much as it becomes shorter.
fn string(quoted: &str, memory: &mut Vec<u8>) {
    let start = memory.len();
    let mut rest = quoted;
    while let Some(slash) = rest.find('\\') {
        memory.extend_from_slice(&rest.as_bytes()[..slash]);
        let mut after = rest[slash + 1..].chars();
        let character = unescape_one(&mut after).filter(|c| !c.is_control());
        let length = rest.len() - after.as_str().len();
        match character {
            Some(needed @ ('"' | '\\')) => memory.extend_from_slice(&[b'\\', needed as u8]),
            Some(character) => memory.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => memory.extend_from_slice(&rest.as_bytes()[slash..length]),
        }
        rest = after.as_str();
    }
    memory.extend_from_slice(rest.as_bytes());
    let blanks = quoted.len() - (memory.len() - start);
    memory.resize(start + quoted.len(), b' ');
    memory[start..].rotate_right(blanks);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needless_escapes_go_and_nothing_moves() {
        let cases = [
            (r#"{"a\u0062":"c\/d"}"#, r#"{     "ab": "c/d"}"#),
            (r#"["\ud83d\ude00", 1]"#, "[        \"\u{1f600}\", 1]"),
            (r#"["\"\\", "\u0022\u005c"]"#, r#"["\"\\",         "\"\\"]"#),
            (r#"["\n\u0007x"]"#, r#"["\n\u0007x"]"#),
            (r#"["\ud83d", "\x"]"#, r#"["\ud83d", "\x"]"#),
            (r#"["\u0061"#, r#"["\u0061"#),
            (r#"{"a": 1} \u0061"#, r#"{"a": 1} \u0061"#),
            (r#"["plain"]"#, r#"["plain"]"#),
        ];
        for (body, expected) in cases {
            let mut memory = Vec::new();
            let came = resolved(body.as_bytes(), &mut memory);
            assert_eq!(String::from_utf8_lossy(came), expected);
            assert_eq!(came.len(), body.len());
        }
    }

    #[test]
    fn what_is_json_stays_the_same_json_and_what_is_not_stays_none() {
        let parts = [
            "\"", "\\", "\\u00", "61", "\\/", "[", "]", ",", "a", "\\\"", "\n", "\\ud83d", "\\ude00", " ", "1",
        ];
        let mut seed = 7u64;
        let (mut json, mut other) = (0, 0);
        for _ in 0..40_000 {
            let mut body = String::from("[\"");
            for _ in 0..6 {
                seed = crate::base::hash::mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
                body.push_str(parts[(seed % parts.len() as u64) as usize]);
            }
            body.push_str("\"]");
            let mut memory = Vec::new();
            let read = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
            let (before, after) = (read(body.as_bytes()), read(resolved(body.as_bytes(), &mut memory)));
            assert_eq!(before, after, "{body}");
            *if before.is_some() { &mut json } else { &mut other } += 1;
        }
        println!("{json} are JSON, {other} are not");
        assert!(json > 1_000 && other > 1_000, "{json} {other}");
    }
}
