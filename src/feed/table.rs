//! TSV and CSV as a stream of items: the first row names the attributes, each further row is an item.
//!
//! Fields may be quoted and hold line ends. A row that is not as wide as the header is reported and
//! costs its first line only: what a stray quote swallowed is read again as rows of their own. Memory
//! is one window of the file, whatever it holds.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::json;
use super::raw::{Field, Halt, Rank, RawItem, unreadable};
use super::report::Rejection;
use crate::base::limits::FEED_ITEM_BYTES_MAX;

/// The most columns a table may have.
const COLUMNS_MAX: usize = 1_024;
/// How much of the file is at hand.
const WINDOW_BYTES: usize = 4 * FEED_ITEM_BYTES_MAX;
/// What may stand between fields, of several that fit the first.
const DELIMITERS: [u8; 4] = *b"\t,;|";

/// The delimiter of a table that begins with `head`: the one by which its first row names the most
/// attributes; none where none of them makes an `id` and another.
pub(super) fn delimiter(head: &[u8]) -> Option<u8> {
    let known = |delimiter: u8| {
        let mut rows = Rows::new(delimiter, head);
        rows.pass_comments().ok()?;
        let Ok(Some(Row::Whole { .. })) = rows.next() else { return None };
        let fields: Vec<Field> = rows.fields().filter_map(|name| Some(attribute(name)?.0)).collect();
        (fields.len() > 1 && fields.contains(&Field::Id)).then_some(fields.len())
    };
    let found = DELIMITERS
        .into_iter()
        .rev()
        .filter_map(|delimiter| Some((known(delimiter)?, delimiter)));
    found.max_by_key(|(known, _)| *known).map(|(_, delimiter)| delimiter)
}

fn attribute(name: &[u8]) -> Option<(Field, Rank)> {
    Field::named(std::str::from_utf8(name).ok()?)
}

/// The items of a table.
pub(super) struct Items<R> {
    rows: Rows<R>,
    columns: Vec<Option<(Field, Rank)>>,
}

impl<R: BufRead> Items<R> {
    /// Reads the header.
    pub fn new(input: R, delimiter: u8) -> Result<Items<R>, Halt> {
        let mut rows = Rows::new(delimiter, input);
        rows.pass_comments()?;
        match rows.next()? {
            Some(Row::Whole { .. }) => Ok(Items {
                columns: rows.fields().map(attribute).collect(),
                rows,
            }),
            _ => unreadable("its first row cannot be read: close the quotes of the column names"),
        }
    }

    /// The line reading has come to.
    pub fn line(&self) -> u32 {
        self.rows.line
    }

    /// The next item; `None` at the end of the feed.
    pub fn next_item(&mut self) -> Result<Option<RawItem>, Halt> {
        loop {
            let line = match self.rows.next()? {
                None => return Ok(None),
                Some(Row::TooLarge { line }) => {
                    let mut item = RawItem::at(line);
                    item.spoil(Rejection::TooLarge, "");
                    return Ok(Some(item));
                }
                Some(Row::Whole { line }) => line,
            };
            let (width, columns) = (self.rows.width, self.columns.len());
            // Spreadsheets leave empty rows, and empty fields behind the last.
            let are_blank = |from| self.rows.fields().skip(from).all(|field: &[u8]| field.trim_ascii().is_empty());
            if are_blank(0) {
                continue;
            }
            let mut item = self.item(line);
            let is_wide = width >= columns && are_blank(columns);
            let is_spread = self.rows.is_spread();
            if is_spread && !(is_wide && self.rows.is_exact()) {
                self.rows.cut_to_first_line();
                item.spoil(Rejection::Malformed, "a quote that is not closed");
            } else if !is_wide {
                item.spoil(Rejection::Malformed, &format!("{width} fields where the header has {columns}"));
            }
            return Ok(Some(item));
        }
    }

    fn item(&self, line: u32) -> RawItem {
        let mut item = RawItem::at(line);
        for (column, cell) in self.columns.iter().zip(self.rows.fields()) {
            let Some((field, rank)) = *column else { continue };
            match std::str::from_utf8(cell) {
                Ok(text) => put(&mut item, field, rank, text.trim()),
                Err(_) => item.spoil(Rejection::Malformed, "not UTF-8"),
            }
        }
        item
    }
}

/// Puts a cell, which may be a list in JSON where an attribute may have several values.
fn put(item: &mut RawItem, field: Field, rank: Rank, text: &str) {
    let is_list = matches!(field, Field::ImageLink | Field::Category | Field::Excluded) && text.starts_with(['[', '{']);
    let list = if is_list { serde_json::from_str(text).ok() } else { None };
    match list {
        Some(value) => json::put(item, field, rank, &value),
        None if field == Field::Title && rank == Rank::Substitute => item.put(field, rank, structured(text)),
        None => item.put(field, rank, text),
    }
}

/// The content of `trained_algorithmic_media:"Title"`.
fn structured(text: &str) -> &str {
    let source = ["trained_algorithmic_media:", "default:"];
    let content = source.iter().find_map(|source| text.strip_prefix(source));
    content.map_or(text, |content| content.trim().trim_matches('"'))
}

/// What was read.
enum Row {
    /// Its fields are at hand.
    Whole { line: u32 },
    /// More than an item may have; passed over.
    TooLarge { line: u32 },
}

/// The rows of a table, of any width.
struct Rows<R> {
    input: R,
    is_over: bool,
    delimiter: u8,
    parser: Reader,
    /// A stretch of the file.
    window: Vec<u8>,
    /// Where in it the next row starts.
    at: usize,
    /// Where in it the row at hand starts, and its line.
    row: (usize, u32),
    /// The line of `at`.
    line: u32,
    /// The texts of the row at hand, one behind the other, where each ends, and how many there are.
    text: Vec<u8>,
    ends: Vec<usize>,
    width: usize,
}

impl<R: BufRead> Rows<R> {
    fn new(delimiter: u8, input: R) -> Rows<R> {
        Rows {
            input,
            is_over: false,
            delimiter,
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            window: Vec::with_capacity(WINDOW_BYTES),
            at: 0,
            row: (0, 1),
            line: 1,
            text: vec![0; FEED_ITEM_BYTES_MAX + 1],
            ends: vec![0; COLUMNS_MAX],
            width: 0,
        }
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ends = self.ends.iter().take(self.width);
        starts.zip(ends).map(|(from, to)| self.text.get(from..*to).unwrap_or_default())
    }

    /// Passes over `# ref_application_id …` and the like, which Meta allows before the header.
    fn pass_comments(&mut self) -> io::Result<()> {
        self.begin()?;
        while self.window.get(self.at) == Some(&b'#') {
            self.pass_line()?;
            self.begin()?;
        }
        Ok(())
    }

    /// Goes to the next row.
    fn next(&mut self) -> io::Result<Option<Row>> {
        self.begin()?;
        let rest = self.window.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let (start, line) = (self.at, self.line);
        self.row = (start, line);
        let input = rest.get(..FEED_ITEM_BYTES_MAX).unwrap_or(rest);
        self.parser.reset();
        let (mut result, used, _, mut width) = self.parser.read_record(input, &mut self.text, &mut self.ends);
        if result == ReadRecordResult::InputEmpty && self.is_over && used == rest.len() {
            let room = self.ends.get_mut(width..).unwrap_or_default();
            let (last, _, _, closed) = self.parser.read_record(&[], &mut [], room);
            (result, width) = (last, width + closed);
        }
        if result == ReadRecordResult::Record {
            self.width = width;
            self.advance(used);
            return Ok(Some(Row::Whole { line }));
        }
        self.width = 0;
        self.pass_line()?;
        Ok(Some(Row::TooLarge { line }))
    }

    /// The row at hand as it is written.
    fn written(&self) -> &[u8] {
        let row = self.window.get(self.row.0..self.at).unwrap_or_default();
        let end = row.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
        row.get(..end).unwrap_or_default()
    }

    /// Whether the row at hand has more than one line.
    fn is_spread(&self) -> bool {
        self.written().contains(&b'\n')
    }

    /// Whether the row at hand is written exactly as its fields would be. The parser takes whatever it is
    /// given, such as text behind a closing quote, which in truth opened a field of a later row.
    fn is_exact(&self) -> bool {
        let mut rest = Some(self.written());
        for field in self.fields() {
            let doubled: Vec<u8> = field.split(|b| *b == b'"').collect::<Vec<_>>().join(b"\"\"".as_slice());
            let quoted = [b"\"", doubled.as_slice(), b"\""].concat();
            rest = rest.and_then(|rest| rest.strip_prefix(&*quoted).or_else(|| rest.strip_prefix(field)));
            rest = rest.and_then(|rest| rest.strip_prefix(&[self.delimiter]).or(rest.is_empty().then_some(rest)));
        }
        rest.is_some_and(<[u8]>::is_empty)
    }

    /// Goes back to behind the first line of the row at hand.
    fn cut_to_first_line(&mut self) {
        let (start, line) = self.row;
        let row = self.window.get(start..self.at).unwrap_or_default();
        if let Some(end) = row.iter().position(|b| *b == b'\n') {
            (self.at, self.line) = (start + end + 1, line + 1);
        }
    }

    /// Comes to the first byte of a row, with all of it that may be read at once.
    fn begin(&mut self) -> io::Result<()> {
        loop {
            if !self.is_over && self.window.len() - self.at < FEED_ITEM_BYTES_MAX {
                self.fill()?;
            }
            match self.window.get(self.at) {
                Some(b'\r' | b'\n') => self.advance(1),
                _ => return Ok(()),
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.window.drain(..self.at);
        self.at = 0;
        while self.window.len() < WINDOW_BYTES {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let room = WINDOW_BYTES - self.window.len();
            let some = bytes.get(..room).unwrap_or(bytes);
            let taken = some.len();
            if taken == 0 {
                self.is_over = true;
                break;
            }
            self.window.extend_from_slice(some);
            self.input.consume(taken);
        }
        Ok(())
    }

    /// Passes over the rest of a line of any length.
    fn pass_line(&mut self) -> io::Result<()> {
        loop {
            let rest = self.window.get(self.at..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|b| *b == b'\n') {
                self.advance(end + 1);
                return Ok(());
            }
            self.at = self.window.len();
            if self.is_over {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn advance(&mut self, bytes: usize) {
        let to = (self.at + bytes).min(self.window.len());
        let passed = self.window.get(self.at..to).unwrap_or_default();
        let lines = passed.iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at = to;
    }
}
