//! Product feeds read into a catalogue: RSS 2.0, Atom 1.0, TSV, CSV and JSON, packed or not.
//!
//! The form is told by content. Reading streams: memory grows with the products kept, never with the
//! file, and every piece is bounded. A bad item is reported with its line and skipped; a bad file
//! leaves nothing, so that a caller keeps what it had. Nothing here fetches anything, follows a
//! reference of the file or reads a clock.

mod dates;
mod form;
mod item;
mod json;
mod links;
mod meter;
pub mod price;
mod price_text;
mod raw;
mod report;
mod table;
mod unpack;
mod xml;

#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, Cursor, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::tz::TimeZone;

use crate::base::hash::Hashes;
use crate::base::id::AdvertiserNo;
use crate::base::limits::{FEED_ITEM_BYTES_MAX, FEED_ITEMS_MAX};
use crate::base::money::Currency;
use crate::model::advertiser::FeedFormat;
use crate::model::product::{Catalog, Product, Stock};

pub use price_text::price_text;
pub use report::{FeedReport, Rejected, Rejection};

use form::Form;
use item::Clerk;
use raw::{Halt, RawItem};
use report::Refusal;

/// What reading a feed needs to know of its advertiser.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'a> {
    /// Whose products they are.
    pub advertiser: AdvertiserNo,
    /// The only currency products may be priced in, and that of prices that name none.
    pub currency: Currency,
    /// The language prices are written in, BCP 47.
    pub language: &'a str,
    /// Hosts that links may lead to, subdomains included.
    pub landing_domains: &'a [String],
    /// What turns ids into keys.
    pub hashes: &'a Hashes,
    /// The clock of dates without an offset.
    pub zone: &'a TimeZone,
    /// What the feed must be.
    pub format: FeedFormat,
}

/// Why a whole feed was refused.
#[derive(Debug, thiserror::Error)]
pub enum FeedFault {
    /// It could not be opened or read.
    #[error("cannot read feed {name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is no feed, not of the format expected, or breaks off.
    #[error("{name}:{line}: {problem}")]
    Unreadable {
        /// The file.
        name: String,
        /// The line reading stopped at, from 1.
        line: u32,
        /// What is wrong and what to do.
        problem: String,
    },
    /// It was written to while it was read.
    #[error("{name}: it changed while it was read: write the feed aside and rename it into its place")]
    Changed {
        /// The file.
        name: String,
    },
}

/// Tells one state of a file from another: by when it was written, its size and which file it is.
/// `None` where there is no file.
pub fn version(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| version_of(&file))
}

fn version_of(file: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    (file.dev(), file.ino(), file.size()).hash(&mut hasher);
    // A change of content that keeps the date it was written at still changes the other one.
    (file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()).hash(&mut hasher);
    hasher.finish().max(1)
}

/// Reads the feed in a file, packed or not. A file that changes meanwhile is refused.
pub fn read_file(path: &Path, shelf: &Shelf<'_>) -> Result<(Catalog, FeedReport), FeedFault> {
    read_file_as(path, &path.display().to_string(), shelf)
}

/// The same of a file that is called otherwise than it is named: a feed that was fetched.
pub fn read_file_as(path: &Path, name: &str, shelf: &Shelf<'_>) -> Result<(Catalog, FeedReport), FeedFault> {
    let io = |source| FeedFault::Io {
        name: name.to_owned(),
        source,
    };
    // Opening a pipe would wait for somebody to write.
    let kind = std::fs::metadata(path).map_err(io)?;
    if !kind.is_file() {
        return Err(io(io::Error::other("not a file: give the path of the feed's file")));
    }
    let file = File::open(path).map_err(io)?;
    let same = file.try_clone().map_err(io)?;
    let before = version_of(&same.metadata().map_err(io)?);
    let (mut catalog, report) = unpack::unpacked(file, |input| read(input, name, shelf)).map_err(io)??;
    if version_of(&same.metadata().map_err(io)?) != before {
        return Err(FeedFault::Changed { name: name.to_owned() });
    }
    catalog.version = before;
    Ok((catalog, report))
}

/// What `item_group_id` is kept as; never zero.
pub fn group(hashes: &Hashes, advertiser: AdvertiserNo, item_group_id: &str) -> u64 {
    hashes.of("group", &[&advertiser.0.to_le_bytes(), item_group_id.as_bytes()]).max(1)
}

/// Reads a feed that is not packed; `name` is what faults call it.
pub fn read(input: impl BufRead, name: &str, shelf: &Shelf<'_>) -> Result<(Catalog, FeedReport), FeedFault> {
    let mut items = Items::new(input, shelf.format).map_err(|halt| fault(name, 1, halt))?;
    let clerk = Clerk::new(shelf);
    let (mut stock, mut report) = (Stock::default(), FeedReport::default());
    while let Some(raw) = items.next_item().map_err(|halt| fault(name, items.line(), halt))? {
        report.items += 1;
        if report.items as usize > FEED_ITEMS_MAX {
            let problem = format!("more than {FEED_ITEMS_MAX} items: split the feed");
            return Err(fault(name, raw.line, Halt::Unreadable(problem)));
        }
        let product = clerk.product(&raw, &mut report);
        if let Err(refusal) = product.and_then(|product| put(&mut stock, product, &mut report)) {
            report.reject(raw.line, raw.id(), refusal);
        }
    }
    report.format = items.format();
    Ok(closed(stock, report))
}

fn fault(name: &str, line: u32, halt: Halt) -> FeedFault {
    let name = name.to_owned();
    match halt {
        Halt::Io(source) => FeedFault::Io { name, source },
        Halt::Unreadable(problem) => FeedFault::Unreadable { name, line, problem },
    }
}

/// The items of a feed of any form, one after the other.
enum Items<R> {
    Xml(Box<xml::Items<R>>),
    Json(json::Items<R>),
    Table(Box<table::Items<R>>, Form),
}

impl<R: BufRead> Items<io::Chain<Cursor<Vec<u8>>, R>> {
    /// Tells the form by the beginning, which is then read with the rest.
    fn new(mut input: R, expected: FeedFormat) -> Result<Self, Halt> {
        let mut head = Vec::new();
        input.by_ref().take(FEED_ITEM_BYTES_MAX as u64).read_to_end(&mut head)?;
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        let form = form::tell(&head)?;
        let whole = Cursor::new(head).chain(input);
        if form != Form::Xml {
            form::agree(form.format(), expected)?;
        }
        Ok(match form {
            Form::Xml => Items::Xml(Box::new(xml::Items::new(whole, expected))),
            Form::Json(shape) => Items::Json(json::Items::new(whole, shape)?),
            Form::Table(delimiter) => Items::Table(Box::new(table::Items::new(whole, delimiter)?), form),
        })
    }
}

impl<R: BufRead> Items<R> {
    fn next_item(&mut self) -> Result<Option<RawItem>, Halt> {
        match self {
            Items::Xml(items) => items.next_item(),
            Items::Json(items) => items.next_item(),
            Items::Table(items, _) => items.next_item(),
        }
    }

    /// The line reading has come to.
    fn line(&self) -> u32 {
        match self {
            Items::Xml(items) => items.line(),
            Items::Json(items) => items.line(),
            Items::Table(items, _) => items.line(),
        }
    }

    fn format(&self) -> FeedFormat {
        match self {
            Items::Xml(items) => items.format(),
            Items::Json(_) => FeedFormat::Jsonl,
            Items::Table(_, form) => form.format(),
        }
    }
}

/// Adds a product, in the place of an earlier one with the same id.
fn put(stock: &mut Stock, product: Product, report: &mut FeedReport) -> Result<(), Refusal> {
    if let Some(earlier) = stock.get(product.key).filter(|earlier| earlier.item_id != product.item_id) {
        return Err(Refusal::new(Rejection::IdClash, &earlier.item_id));
    }
    report.duplicates += u32::from(stock.put(product).is_some());
    Ok(())
}

fn closed(stock: Stock, mut report: FeedReport) -> (Catalog, FeedReport) {
    let catalog = stock.close();
    let count = |test: fn(&Product) -> bool| catalog.iter().filter(|p| test(p)).count() as u32;
    report.accepted = count(|_| true);
    report.out_of_stock = count(|p| !p.in_stock);
    report.hidden = count(|p| !p.showable);
    (catalog, report)
}
