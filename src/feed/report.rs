//! What reading a feed found: counts, and the first items that were refused.
//!
//! Bounded whatever the feed holds.

use crate::model::advertiser::FeedFormat;

/// How many refused items a report lists beside the first of each reason; the rest are counted.
const EXAMPLES_MAX: usize = 20;
/// Characters of a value that a report quotes.
const DETAIL_CHARS_MAX: usize = 120;

/// Why an item is not in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// It cannot be read: an element is never closed, a row too short, a line no JSON.
    Malformed,
    /// Its texts are larger than `FEED_ITEM_BYTES_MAX` together.
    TooLarge,
    /// No `id`.
    NoId,
    /// An `id` of more than 100 characters.
    LongId,
    /// Its `id` has the same key as another's.
    IdClash,
    /// No `title`.
    NoTitle,
    /// No `link`.
    NoLink,
    /// A `link` that is no absolute URL, or too long.
    BadLink,
    /// A `link` that is not https.
    InsecureLink,
    /// A `link` to a host outside the landing domains.
    ForeignLink,
    /// No `image_link`.
    NoImage,
    /// An `image_link` that is no absolute URL, or too long.
    BadImage,
    /// An `image_link` that is not https.
    InsecureImage,
    /// No `price`.
    NoPrice,
    /// A `price` that cannot be understood.
    BadPrice,
    /// A `price` in a currency that is not the advertiser's.
    Currency,
}

impl Rejection {
    /// Its name in reports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Rejection::Malformed => "malformed",
            Rejection::TooLarge => "too_large",
            Rejection::NoId => "no_id",
            Rejection::LongId => "long_id",
            Rejection::IdClash => "id_clash",
            Rejection::NoTitle => "no_title",
            Rejection::NoLink => "no_link",
            Rejection::BadLink => "bad_link",
            Rejection::InsecureLink => "insecure_link",
            Rejection::ForeignLink => "foreign_link",
            Rejection::NoImage => "no_image",
            Rejection::BadImage => "bad_image",
            Rejection::InsecureImage => "insecure_image",
            Rejection::NoPrice => "no_price",
            Rejection::BadPrice => "bad_price",
            Rejection::Currency => "currency",
        }
    }

    /// What would be right.
    pub fn remedy(self) -> &'static str {
        match self {
            Rejection::Malformed => "write the item as its format has it",
            Rejection::TooLarge => "shorten the item's texts to 64 KiB together",
            Rejection::NoId => "give the item an id",
            Rejection::LongId => "shorten the id to 100 characters",
            Rejection::IdClash => "change one of the two ids",
            Rejection::NoTitle => "give the item a title",
            Rejection::NoLink => "give the item a link",
            Rejection::BadLink => "make the link an absolute https URL of at most 2048 bytes",
            Rejection::InsecureLink => "make the link https",
            Rejection::ForeignLink => "add the link's host to landing.domains or correct the link",
            Rejection::NoImage => "give the item an image_link",
            Rejection::BadImage => "make the image_link an absolute https URL of at most 2048 bytes",
            Rejection::InsecureImage => "make the image_link https",
            Rejection::NoPrice => "give the item a price",
            Rejection::BadPrice => "write the price as `12.99 USD`",
            Rejection::Currency => "price the item in the advertiser's currency",
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A reason with the value at fault.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub reason: Rejection,
    pub detail: String,
}

impl Refusal {
    pub fn new(reason: Rejection, value: &str) -> Refusal {
        let detail = value.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS_MAX).collect();
        Refusal { reason, detail }
    }
}

/// A refused item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The line it starts at, from 1.
    pub line: u32,
    /// Its `id` as far as it has one, cut to 120 characters.
    pub item_id: String,
    /// Why.
    pub reason: Rejection,
    /// The value at fault, cut to 120 characters; empty where it is missing.
    pub detail: String,
}

impl std::fmt::Display for Rejected {
    /// What, the value and what would be right; the line is told with the file's name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.item_id.is_empty() {
            write!(f, "item `{}`: ", self.item_id)?;
        }
        write!(f, "{}", self.reason)?;
        if !self.detail.is_empty() {
            write!(f, " `{}`", self.detail)?;
        }
        write!(f, ": {}", self.reason.remedy())
    }
}

/// What reading a feed found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedReport {
    /// What it is.
    pub format: FeedFormat,
    /// Items in the file.
    pub items: u32,
    /// Products in the catalogue.
    pub accepted: u32,
    /// Items refused, by reason.
    pub rejected: Vec<(Rejection, u32)>,
    /// The first of them, and the first of each reason.
    pub examples: Vec<Rejected>,
    /// Items replaced by a later one of the same `id`.
    pub duplicates: u32,
    /// Products that are kept but out of stock.
    pub out_of_stock: u32,
    /// Products that are kept but not shown: adult, paused or excluded.
    pub hidden: u32,
    /// Sale prices passed over because price or dates could not be understood; the price holds.
    pub sales_ignored: u32,
    /// `expiration_date`s passed over because they could not be understood.
    pub dates_ignored: u32,
}

impl std::fmt::Display for FeedReport {
    /// One line: `rss, 6 items, 5 accepted (1 out of stock), 1 rejected (1 bad_price)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |counts: &[(&str, u32)]| {
            let counts = counts.iter().filter(|(_, n)| *n > 0);
            counts.map(|(what, n)| format!("{n} {what}")).collect::<Vec<_>>().join(", ")
        };
        let within = |told: String| if told.is_empty() { told } else { format!(" ({told})") };
        let accepted = told(&[("out of stock", self.out_of_stock), ("hidden", self.hidden)]);
        let reasons: Vec<(&str, u32)> = self.rejected.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        let passed_over = told(&[
            ("replaced by a later one of the same id", self.duplicates),
            ("with a sale passed over", self.sales_ignored),
            ("with an expiration date passed over", self.dates_ignored),
        ]);
        write!(f, "{}, {} items, ", self.format, self.items)?;
        write!(f, "{} accepted{}, ", self.accepted, within(accepted))?;
        write!(f, "{} rejected{}", self.rejected_total(), within(told(&reasons)))?;
        if !passed_over.is_empty() {
            write!(f, ", {passed_over}")?;
        }
        Ok(())
    }
}

impl FeedReport {
    /// How many items were refused.
    pub fn rejected_total(&self) -> u32 {
        self.rejected.iter().map(|(_, n)| n).sum()
    }

    pub(super) fn reject(&mut self, line: u32, item_id: &str, refusal: Refusal) {
        let Refusal { reason, detail } = refusal;
        let known = self.rejected.iter_mut().find(|(r, _)| *r == reason);
        let is_first = known.is_none();
        match known {
            Some((_, n)) => *n += 1,
            None => self.rejected.push((reason, 1)),
        }
        if is_first || self.examples.len() < EXAMPLES_MAX {
            let item_id = item_id.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS_MAX).collect();
            self.examples.push(Rejected {
                line,
                item_id,
                reason,
                detail,
            });
        }
    }
}
