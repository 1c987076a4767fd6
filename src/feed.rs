//! Product feeds in Merchant Center's XML forms, RSS 2.0 and Atom 1.0, read into a catalogue.
//!
//! The form is told by content. Reading streams: memory grows with the products kept, never with the
//! file, and every piece is bounded. A bad item is reported with its line and skipped; a bad file
//! leaves nothing, so that a caller keeps what it had. Nothing here fetches anything, follows a
//! reference of the file or reads a clock.

mod dates;
mod item;
mod links;
mod meter;
pub mod price;
mod price_text;
mod report;
mod xml;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use jiff::tz::TimeZone;

use crate::base::hash::Hashes;
use crate::base::id::{AdvertiserNo, ProductKey};
use crate::base::limits::FEED_ITEMS_MAX;
use crate::base::money::Currency;
use crate::model::product::{Catalog, Product};

pub use price_text::price_text;
pub use report::{FeedReport, Rejected, Rejection};

use item::Clerk;
use report::Refusal;
use xml::{Items, XmlFault};

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
    /// It is no RSS or Atom feed, or breaks off.
    #[error("{name}:{line}: {problem}")]
    Unreadable {
        /// The file.
        name: String,
        /// The line reading stopped at, from 1.
        line: u32,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// Reads the feed in a file.
pub fn read_file(path: &Path, shelf: &Shelf<'_>) -> Result<(Catalog, FeedReport), FeedFault> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read(BufReader::with_capacity(64 * 1024, file), &name, shelf),
        Err(source) => Err(FeedFault::Io { name, source }),
    }
}

/// Reads a feed; `name` is what faults call it.
pub fn read(input: impl BufRead, name: &str, shelf: &Shelf<'_>) -> Result<(Catalog, FeedReport), FeedFault> {
    let mut items = Items::new(input);
    let clerk = Clerk::new(shelf);
    let mut stock = Stock::default();
    loop {
        match items.next_item() {
            Ok(None) => break,
            Ok(Some(raw)) => {
                stock.report.items += 1;
                if stock.report.items as usize > FEED_ITEMS_MAX {
                    let problem = format!("more than {FEED_ITEMS_MAX} items: split the feed");
                    return Err(unreadable(name, raw.line, problem));
                }
                let product = clerk.product(&raw, &mut stock.report);
                if let Err(refusal) = product.and_then(|product| stock.put(product)) {
                    stock.report.reject(raw.line, raw.id(), refusal);
                }
            }
            Err(XmlFault::Io(source)) => {
                let name = name.to_owned();
                return Err(FeedFault::Io { name, source });
            }
            Err(XmlFault::Unreadable(problem)) => return Err(unreadable(name, items.line(), problem)),
        }
    }
    Ok(stock.close())
}

fn unreadable(name: &str, line: u32, problem: String) -> FeedFault {
    let name = name.to_owned();
    FeedFault::Unreadable { name, line, problem }
}

/// Products as they come in, one for each key.
#[derive(Default)]
struct Stock {
    products: Vec<Product>,
    by_key: HashMap<ProductKey, usize>,
    report: FeedReport,
}

impl Stock {
    /// Adds a product, in the place of an earlier one with the same id.
    fn put(&mut self, product: Product) -> Result<(), Refusal> {
        match self.by_key.entry(product.key) {
            Entry::Vacant(free) => {
                free.insert(self.products.len());
                self.products.push(product);
            }
            Entry::Occupied(taken) => {
                let Some(earlier) = self.products.get_mut(*taken.get()) else {
                    return Ok(());
                };
                if earlier.item_id != product.item_id {
                    return Err(Refusal::new(Rejection::IdClash, &earlier.item_id));
                }
                *earlier = product;
                self.report.duplicates += 1;
            }
        }
        Ok(())
    }

    fn close(mut self) -> (Catalog, FeedReport) {
        let count = |test: fn(&Product) -> bool| self.products.iter().filter(|p| test(p)).count() as u32;
        self.report.accepted = count(|_| true);
        self.report.out_of_stock = count(|p| !p.in_stock);
        self.report.hidden = count(|p| !p.showable);
        (Catalog::new(self.products), self.report)
    }
}
