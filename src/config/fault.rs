//! What is wrong with a file, where, and what would be right.
//!
//! Assumes the text that was read; never stops at the first fault and never prints anything itself.

use std::fmt;

/// Characters of a value that a fault shows.
const VALUE_CHARS: usize = 40;

/// One fault of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1; 0 where the whole line or file is meant.
    pub column: u32,
    /// JSON pointer; empty for the whole document.
    pub pointer: String,
    /// The value as written, shortened; empty where there is none.
    pub value: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: Option<String>,
    /// Worth saying, but the file is usable.
    pub warning: bool,
}

impl Fault {
    /// A fault of the file as a whole: unreadable, not JSON.
    pub fn of_file(file: &str, line: u32, column: u32, problem: impl Into<String>) -> Fault {
        Fault {
            file: file.to_owned(),
            line,
            column,
            pointer: String::new(),
            value: String::new(),
            problem: problem.into(),
            remedy: None,
            warning: false,
        }
    }
}

/// A value read beside its warnings; the faults, where there are any.
pub(super) fn sound<T>(value: Option<T>, name: &str, found: Vec<Fault>) -> Result<(T, Vec<Fault>), Vec<Fault>> {
    if found.iter().any(|fault| !fault.warning) {
        return Err(found);
    }
    // Nothing to blame, yet nothing read: cannot be, but must not pass for a config.
    let value = value.ok_or_else(|| vec![Fault::of_file(name, 0, 0, "not a config")])?;
    Ok((value, found))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        f.write_str(": ")?;
        if self.warning {
            f.write_str("warning: ")?;
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        if !self.value.is_empty() {
            write!(f, "`{}`: ", self.value)?;
        }
        f.write_str(&self.problem)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// A value on one line, cut to what fits into a message.
pub(super) fn shorten(raw: &str) -> String {
    let mut line = String::new();
    for word in raw.split_ascii_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > VALUE_CHARS * 4 {
            break;
        }
    }
    match line.char_indices().nth(VALUE_CHARS) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// What to say about a word that is none of those known: the nearest, else all of them.
pub(super) fn suggest<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let quote = |words: Vec<&str>, between: &str| words.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(between);
    match nearest(word, known.clone()) {
        near if !near.is_empty() => format!("did you mean {}?", quote(near, " or ")),
        _ if known.clone().next().is_none() => "there is none to name".to_owned(),
        _ => format!("known: {}", quote(known.collect(), ", ")),
    }
}

/// The known words that one may have meant, all equally near.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> Vec<&'k str> {
    let lower = word.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, candidate);
    let best = known.clone().map(distance).min().unwrap_or(usize::MAX);
    if best > 1 + word.chars().count() / 4 {
        return Vec::new();
    }
    let mut near: Vec<&str> = Vec::new();
    for candidate in known.filter(|candidate| distance(candidate) == best) {
        // A list may name something twice.
        if !near.contains(&candidate) {
            near.push(candidate);
        }
    }
    near
}

/// Line and column, from 1, of a byte offset.
pub(super) fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[start..].chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
