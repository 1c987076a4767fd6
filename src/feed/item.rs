//! One item of a feed into one product, or the reason why not.
//!
//! Assumes texts that are already free of markup. Nothing is guessed: what an ad would state wrongly
//! (price, sale, page) refuses the item or is left out.

use std::collections::BTreeSet;

use super::Shelf;
use super::dates::{self, Day};
use super::links::{self, Landing, LinkFault};
use super::price;
use super::price_text::PriceWriter;
use super::raw::{Field, RawItem};
use super::report::{FeedReport, Refusal, Rejection};
use crate::base::limits::DESCRIPTION_CHARS_MAX;
use crate::base::money::{Money, Round};
use crate::model::product::{Product, Sale, category_path};
use crate::openrtb::native::cut;

/// The longest `id`, in characters.
const ID_CHARS_MAX: usize = 100;
/// Where titles are cut, in characters.
const TITLE_CHARS_MAX: usize = 300;
/// Where brands are cut, in characters.
const BRAND_CHARS_MAX: usize = 100;

/// Turns items into products of one advertiser.
pub(super) struct Clerk<'a> {
    shelf: &'a Shelf<'a>,
    landing: Landing,
    prices: PriceWriter,
}

impl<'a> Clerk<'a> {
    pub fn new(shelf: &'a Shelf<'a>) -> Clerk<'a> {
        Clerk {
            shelf,
            landing: Landing::new(shelf.landing_domains),
            prices: PriceWriter::new(shelf.currency, shelf.language),
        }
    }

    /// The product of an item; what was passed over in it is counted in `report`.
    pub fn product(&self, raw: &RawItem, report: &mut FeedReport) -> Result<Product, Refusal> {
        raw.fault()?;
        let item_id = required(raw, Field::Id, Rejection::NoId)?;
        if item_id.chars().count() > ID_CHARS_MAX {
            return Err(Refusal::new(Rejection::LongId, item_id));
        }
        let title = required(raw, Field::Title, Rejection::NoTitle)?;
        let title = plain(title, TITLE_CHARS_MAX);
        if title.is_empty() {
            return Err(Refusal::new(Rejection::NoTitle, ""));
        }
        let link = self.link(raw)?;
        let image_link = picture(raw)?;
        let (price, sale) = self.prices(raw, report)?;
        Ok(Product {
            key: self.shelf.hashes.product(self.shelf.advertiser, item_id),
            item_id: item_id.into(),
            title,
            description: description(raw),
            link,
            image_link,
            price,
            price_text: self.prices.write(price).into(),
            sale,
            group: self.group(raw),
            in_stock: raw.get(Field::Availability).is_none_or(is_available),
            showable: !is_hidden(raw),
            expires: self.expires(raw, report),
            brand: plain(raw.get(Field::Brand).unwrap_or_default(), BRAND_CHARS_MAX),
            categories: categories(raw),
        })
    }

    fn link(&self, raw: &RawItem) -> Result<Box<str>, Refusal> {
        let text = required(raw, Field::Link, Rejection::NoLink)?;
        self.landing.page(text).map_err(|fault| {
            let reason = match fault {
                LinkFault::Bad => Rejection::BadLink,
                LinkFault::Insecure => Rejection::InsecureLink,
                LinkFault::Foreign => Rejection::ForeignLink,
            };
            Refusal::new(reason, text)
        })
    }

    /// `price` and the sale.
    fn prices(&self, raw: &RawItem, report: &mut FeedReport) -> Result<(Money, Option<Sale>), Refusal> {
        let text = required(raw, Field::Price, Rejection::NoPrice)?;
        let price = self.amount(text).map_err(|reason| Refusal::new(reason, text))?;
        let before = raw.get(Field::PriceBefore).and_then(|text| self.amount(text).ok());
        match before.filter(|before| *before > price && raw.get(Field::SalePrice).is_none()) {
            Some(before) => Ok((before, self.sale(price, raw, report))),
            None => Ok((price, self.sale_price(raw, report))),
        }
    }

    /// An amount in the advertiser's currency, to its minor unit.
    fn amount(&self, text: &str) -> Result<Money, Rejection> {
        match price::parse(text, self.shelf.currency) {
            Ok((_, currency)) if currency != self.shelf.currency => Err(Rejection::Currency),
            Ok((amount, currency)) => Ok(amount.to_decimals(currency.exponent(), Round::Nearest)),
            Err(_) => Err(Rejection::BadPrice),
        }
    }

    fn sale_price(&self, raw: &RawItem, report: &mut FeedReport) -> Option<Sale> {
        match self.amount(raw.get(Field::SalePrice)?) {
            Ok(price) => self.sale(price, raw, report),
            Err(_) => {
                report.sales_ignored += 1;
                None
            }
        }
    }

    /// A sale at a price; none where its dates are not understood, for then it may not be promised.
    fn sale(&self, price: Money, raw: &RawItem, report: &mut FeedReport) -> Option<Sale> {
        let window = match raw.get(Field::SaleDates) {
            None => Some((None, None)),
            Some(dates) => dates::window(dates, self.shelf.zone),
        };
        let Some((from, until)) = window else {
            report.sales_ignored += 1;
            return None;
        };
        let text = self.prices.write(price).into();
        Some(Sale { price, text, from, until })
    }

    fn expires(&self, raw: &RawItem, report: &mut FeedReport) -> Option<crate::base::time::Millis> {
        let text = raw.get(Field::Expires)?;
        let expires = dates::instant(text, self.shelf.zone, Day::Start);
        report.dates_ignored += u32::from(expires.is_none());
        expires
    }

    fn group(&self, raw: &RawItem) -> u64 {
        raw.get(Field::Group)
            .map_or(0, |group| super::group(self.shelf.hashes, self.shelf.advertiser, group))
    }
}

/// As much of `description` as ads have room for, to the end of a word. Shops write HTML in it.
fn description(raw: &RawItem) -> Box<str> {
    let text = without_tags(raw.get(Field::Description).unwrap_or_default());
    let text = plain(&html_escape::decode_html_entities(&text), DESCRIPTION_CHARS_MAX + 1);
    cut(&text, DESCRIPTION_CHARS_MAX).into()
}

/// A text with a space for each HTML tag.
fn without_tags(text: &str) -> String {
    let is_tag = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('<');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once('>').filter(|_| is_tag(part)) {
            Some((_, after)) => plain.extend([" ", after]),
            None => plain.extend(["<", part]),
        }
    }
    plain
}

fn required(raw: &RawItem, field: Field, missing: Rejection) -> Result<&str, Refusal> {
    raw.get(field).ok_or_else(|| Refusal::new(missing, ""))
}

fn picture(raw: &RawItem) -> Result<Box<str>, Refusal> {
    let text = required(raw, Field::ImageLink, Rejection::NoImage)?;
    links::picture(text).map_err(|fault| {
        let reason = match fault {
            LinkFault::Insecure => Rejection::InsecureImage,
            LinkFault::Bad | LinkFault::Foreign => Rejection::BadImage,
        };
        Refusal::new(reason, text)
    })
}

/// A text on one line: no control characters, single spaces, at most so many characters.
fn plain(text: &str, chars_max: usize) -> Box<str> {
    let mut plain = String::with_capacity(text.len().min(chars_max));
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        let gap = (chars > 0).then_some(' ');
        for c in gap.into_iter().chain(word.chars()) {
            if chars == chars_max {
                return plain.trim_end().into();
            }
            plain.push(c);
            chars += 1;
        }
    }
    plain.into()
}

/// A word of a fixed vocabulary, without what shops vary: `In Stock`, `in_stock`,
/// `https://schema.org/InStock`.
fn word(text: &str) -> String {
    let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or(text);
    last.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_available(text: &str) -> bool {
    ["instock", "preorder", "backorder", "limitedavailability", "availablefororder"].contains(&word(text).as_str())
}

fn is_hidden(raw: &RawItem) -> bool {
    let says_yes = |field| {
        raw.get(field)
            .is_some_and(|text| ["yes", "true", "1"].contains(&word(text).as_str()))
    };
    let is_paused = raw
        .get(Field::Pause)
        .is_some_and(|text| ["ads", "all"].contains(&word(text).as_str()));
    let mut destinations = raw.all(Field::Excluded).flat_map(|text| text.split(','));
    says_yes(Field::Adult) || is_paused || destinations.any(|text| word(text) == "displayads")
}

/// Each path once, as `shoes > running`: levels trimmed and in lower case.
fn categories(raw: &RawItem) -> Box<[Box<str>]> {
    let paths: BTreeSet<String> = raw
        .all(Field::Category)
        .map(category_path)
        .filter(|path| !path.is_empty())
        .collect();
    paths.into_iter().map(String::into_boxed_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_one_line() {
        assert_eq!(&*plain(" a\u{a0}\n b\u{0}c ", 10), "a b c");
        assert_eq!(&*plain("ab cd", 3), "ab");
        assert_eq!(&*plain("ñandú", 4), "ñand");
        assert_eq!(category_path(" Shoes >  Running>>Trail "), "shoes > running > trail");
    }

    #[test]
    fn descriptions_lose_their_tags_and_end_with_a_word() {
        let raw = |text: &str| {
            let mut raw = RawItem::at(1);
            raw.put(Field::Description, super::super::raw::Rank::Plain, text);
            description(&raw)
        };
        assert_eq!(
            &*raw("<p class='a>'>Warm &amp; dry</p><br/>for 1 < 2 <3"),
            "'>Warm & dry for 1 < 2 <3"
        );
        let long = raw(&"waterproof ".repeat(40));
        assert!(
            long.ends_with("waterproof") && long.chars().count() <= DESCRIPTION_CHARS_MAX,
            "{long}"
        );
        assert_eq!(&*raw(""), "");
    }

    #[test]
    fn availability_is_read_in_every_spelling() {
        for text in [
            "in_stock",
            "in stock",
            "In Stock",
            "https://schema.org/InStock",
            "preorder",
            "available for order",
        ] {
            assert!(is_available(text), "{text}");
        }
        for text in ["out_of_stock", "out of stock", "discontinued", "sold out", "no"] {
            assert!(!is_available(text), "{text}");
        }
    }
}
