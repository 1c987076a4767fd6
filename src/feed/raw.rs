//! An item as a feed writes it, whatever the form: the texts of the attributes that matter.
//!
//! Names are told without what shops vary in them: case, spaces, `_`, `-`, `g:`. Nothing here
//! judges a value.

use std::io;

use super::report::{Refusal, Rejection};
use crate::base::limits::FEED_ITEM_BYTES_MAX;

/// The largest piece of a file that is taken in one go, before a feed is refused as a whole.
pub(super) const PIECE_BYTES_MAX: usize = 16 * FEED_ITEM_BYTES_MAX;

/// An attribute of an item that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Title,
    Description,
    Link,
    ImageLink,
    Price,
    SalePrice,
    SaleDates,
    /// What it cost before: above the price, the price is a sale's.
    PriceBefore,
    Availability,
    Adult,
    Pause,
    Excluded,
    Expires,
    Group,
    Brand,
    Category,
}

/// How much a name says where several give one attribute: Merchant Center's `title` counts more than
/// RSS's own, `link` more than `url`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Substitute,
    Plain,
    Merchant,
}

impl Field {
    /// The attribute of a name: Merchant Center's and its API's, Meta's, Shopify's.
    pub fn named(name: &str) -> Option<(Field, Rank)> {
        use Rank::{Merchant, Plain, Substitute};
        let name = name.trim();
        let name = name.strip_prefix("g:").or_else(|| name.strip_prefix("G:")).unwrap_or(name);
        let squeezed: String = name
            .chars()
            .filter(|c| !matches!(c, '_' | '-' | '\u{feff}') && !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect();
        Some(match squeezed.as_str() {
            "id" => (Field::Id, Plain),
            // Where both are, `id` is `online:en:US:sku` and events say `sku`.
            "offerid" => (Field::Id, Merchant),
            "itemid" | "sku" => (Field::Id, Substitute),
            "title" => (Field::Title, Plain),
            "structuredtitle" => (Field::Title, Substitute),
            "description" => (Field::Description, Plain),
            "structureddescription" | "bodyhtml" | "body" => (Field::Description, Substitute),
            "link" => (Field::Link, Plain),
            "url" | "onlinestoreurl" => (Field::Link, Substitute),
            "imagelink" => (Field::ImageLink, Plain),
            "image" | "imageurl" | "image[0].url" => (Field::ImageLink, Substitute),
            "price" => (Field::Price, Plain),
            "saleprice" => (Field::SalePrice, Plain),
            "salepriceeffectivedate" => (Field::SaleDates, Plain),
            "compareatprice" => (Field::PriceBefore, Plain),
            "availability" => (Field::Availability, Plain),
            "availableforsale" => (Field::Availability, Substitute),
            "adult" => (Field::Adult, Plain),
            "pause" => (Field::Pause, Plain),
            "excludeddestination" | "excludeddestinations" => (Field::Excluded, Plain),
            "expirationdate" => (Field::Expires, Plain),
            "itemgroupid" => (Field::Group, Plain),
            "parentproductid" => (Field::Group, Substitute),
            "brand" => (Field::Brand, Plain),
            "vendor" => (Field::Brand, Substitute),
            "producttype" | "producttypes" | "googleproductcategory" | "fbproductcategory" => (Field::Category, Plain),
            "category" | "productcategory" => (Field::Category, Substitute),
            _ => return None,
        })
    }
}

/// One item as read.
#[derive(Debug, Default)]
pub(super) struct RawItem {
    /// The line it starts at.
    pub line: u32,
    fault: Option<Refusal>,
    bytes: usize,
    values: Vec<(Field, Rank, String)>,
}

impl RawItem {
    /// An item that starts at `line` and of which nothing is known yet.
    pub fn at(line: u32) -> RawItem {
        RawItem {
            line,
            ..RawItem::default()
        }
    }

    /// An item that cannot be read, and why.
    pub fn malformed(line: u32, problem: &str) -> RawItem {
        let mut item = RawItem::at(line);
        item.spoil(Rejection::Malformed, problem);
        item
    }

    /// What keeps the item from being used at all.
    pub fn fault(&self) -> Result<(), Refusal> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Notes what keeps the item from being used; the first such fault counts.
    pub fn spoil(&mut self, reason: Rejection, detail: &str) {
        self.fault.get_or_insert_with(|| Refusal::new(reason, detail));
    }

    /// An attribute's text, trimmed and never empty; of several the first of the highest rank.
    pub fn get(&self, field: Field) -> Option<&str> {
        let of_rank = |rank| self.values.iter().find(|(f, r, _)| *f == field && *r == rank);
        let found = of_rank(Rank::Merchant)
            .or_else(|| of_rank(Rank::Plain))
            .or_else(|| of_rank(Rank::Substitute));
        found.map(|(_, _, value)| value.as_str())
    }

    /// All texts of an attribute that may be repeated.
    pub fn all(&self, field: Field) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .filter(move |(f, _, _)| *f == field)
            .map(|(_, _, value)| value.as_str())
    }

    /// `id`, for reports.
    pub fn id(&self) -> &str {
        self.get(Field::Id).unwrap_or_default()
    }

    /// Adds a text; an empty one, or Stripe's word for none, says nothing.
    pub fn put(&mut self, field: Field, rank: Rank, text: &str) {
        let text = text.trim();
        if !text.is_empty() && text != "__NULL__" {
            self.values.push((field, rank, text.to_owned()));
        }
    }

    /// Counts text of the item; false once there is too much.
    pub fn weigh(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > FEED_ITEM_BYTES_MAX {
            self.spoil(Rejection::TooLarge, "");
        }
        self.fault.is_none()
    }
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(super) enum Halt {
    /// The system's fault.
    Io(io::Error),
    /// The file's, and what to do.
    Unreadable(String),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Halt {
        Halt::Io(error)
    }
}

/// Refuses the whole feed.
pub(super) fn unreadable<T>(problem: impl Into<String>) -> Result<T, Halt> {
    Err(Halt::Unreadable(problem.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_in_every_spelling() {
        for name in [
            "image_link",
            "Image Link",
            "image-link",
            "g:image_link",
            "imageLink",
            " IMAGE_LINK ",
            "\u{feff}image link",
        ] {
            assert_eq!(Field::named(name), Some((Field::ImageLink, Rank::Plain)), "{name}");
        }
        for name in ["additional_image_link", "image[1].url", "shipping(country:price)", "", "x:id"] {
            assert_eq!(Field::named(name), None, "{name}");
        }
    }

    #[test]
    fn the_better_name_counts() {
        let mut item = RawItem::at(1);
        for (name, text) in [
            ("sku", "third"),
            ("id", "second"),
            ("offerId", "first"),
            ("price", " "),
            ("sale_price", "__NULL__"),
        ] {
            let (field, rank) = Field::named(name).expect("known");
            item.put(field, rank, text);
        }
        assert_eq!(
            (item.get(Field::Id), item.get(Field::Price), item.get(Field::SalePrice)),
            (Some("first"), None, None)
        );
    }
}
