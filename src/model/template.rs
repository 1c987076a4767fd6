//! An ad's markup, compiled: fixed text and the places where a product and the sealed links go.
//!
//! Compiled when a config is loaded, per creative and size; filled in on the decision path. Fixed
//! text is escaped already; what is filled in is escaped where it lands: as HTML text or within a
//! double-quoted attribute. Never for a script, a style, an unquoted attribute or JSON; and never
//! the place to judge a link's scheme, which feed and server did.

use crate::base::time::Millis;
use crate::model::product::Product;

/// What is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The product's title, as HTML text (also right within a quoted attribute).
    Title,
    /// The product's picture, as a quoted attribute.
    Image,
    /// The price in force, with currency.
    Price,
    /// The regular price; only sensible where a sale is on.
    RegularPrice,
    /// The brand.
    Brand,
    /// The click link, as a quoted attribute: click macro of the exchange, then ours.
    Click,
    /// The impression pixel, as a quoted attribute.
    Pixel,
}

/// When a part is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cond {
    /// A sale is on.
    OnSale,
    /// The product has a brand.
    HasBrand,
    /// The price in force is a long text, such as prices in rupiah are.
    LongPrice,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Written as it is.
    Text(Box<str>),
    /// Filled in.
    Field(Field),
    /// Only if.
    When(Cond, Box<[Piece]>),
    /// Only if not.
    Unless(Cond, Box<[Piece]>),
}

/// Markup of one creative at one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// In order.
    pub pieces: Box<[Piece]>,
}

/// A price of more characters is long.
const PRICE_CHARS: usize = 11;

/// What one impression fills in, as it came: unescaped.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a> {
    /// The product's title; hostile.
    pub title: &'a str,
    /// The product's picture, an http or https address.
    pub image: &'a str,
    /// The price in force, currency included.
    pub price: &'a str,
    /// The regular price, while a sale is on.
    pub regular_price: Option<&'a str>,
    /// The product's brand; may be empty.
    pub brand: &'a str,
    /// The whole click address: the exchange's click macro, then ours.
    pub click: &'a [u8],
    /// The whole address of the impression pixel, macros of the exchange included.
    pub pixel: &'a [u8],
}

impl<'a> Slots<'a> {
    /// A product as it is sold at `now`, with the addresses of its click and pixel.
    pub fn of(product: &'a Product, now: Millis, click: &'a [u8], pixel: &'a [u8]) -> Slots<'a> {
        let sale = product.sale_at(now);
        Slots {
            title: &product.title,
            image: &product.image_link,
            price: sale.map_or(&product.price_text, |sale| &sale.text),
            regular_price: sale.map(|_| &*product.price_text),
            brand: &product.brand,
            click,
            pixel,
        }
    }
}

impl Template {
    /// Appends the ad to `out`. Allocates nothing but what `out` needs to grow.
    ///
    /// Exchange macros in `click` and `pixel` stay as they are; whatever looks like a macro in the
    /// product's own text is defused, lest an exchange replaces it.
    pub fn fill(&self, slots: &Slots<'_>, out: &mut Vec<u8>) {
        fill(&self.pieces, slots, out);
    }
}

fn fill(pieces: &[Piece], slots: &Slots<'_>, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Field(field) => field.write(slots, out),
            Piece::When(cond, then) if cond.holds(slots) => fill(then, slots, out),
            Piece::Unless(cond, then) if !cond.holds(slots) => fill(then, slots, out),
            Piece::When(..) | Piece::Unless(..) => {}
        }
    }
}

impl Cond {
    fn holds(self, slots: &Slots<'_>) -> bool {
        match self {
            Cond::OnSale => slots.regular_price.is_some(),
            Cond::HasBrand => !slots.brand.is_empty(),
            Cond::LongPrice => slots.price.chars().count() > PRICE_CHARS,
        }
    }
}

impl Field {
    fn write(self, slots: &Slots<'_>, out: &mut Vec<u8>) {
        match self {
            Field::Title => escape(slots.title, out),
            Field::Image => escape(slots.image, out),
            Field::Price => escape(slots.price, out),
            Field::RegularPrice => escape(slots.regular_price.unwrap_or_default(), out),
            Field::Brand => escape(slots.brand, out),
            Field::Click => escape_link(slots.click, out),
            Field::Pixel => escape_link(slots.pixel, out),
        }
    }
}

/// Appends text from outside so that it is text, both between tags and within a double-quoted
/// attribute, and nothing that an exchange would take for a macro (`${X}`, `%%X%%`, `{{x}}`).
///
/// Controls go: white space among them becomes a space, and the bidirectional overrides, embeddings
/// and isolates would let a title reorder the price beside it.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let mut clean = 0;
    for (at, c) in text.char_indices() {
        let after = at + c.len_utf8();
        let instead: &[u8] = match c {
            '\t' | '\n' | '\r' => b" ",
            '{' => b"&#123;",
            '%' if text[after..].starts_with('%') => b"&#37;",
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => b"",
            c if c.is_control() => b"",
            _ => continue,
        };
        html_escape::encode_double_quoted_attribute_to_vec(&text[clean..at], out);
        out.extend_from_slice(instead);
        clean = after;
    }
    html_escape::encode_double_quoted_attribute_to_vec(&text[clean..], out);
}

/// Appends a link as the value of a double-quoted attribute, macros untouched; bytes that are no
/// UTF-8 are no part of a link and are left out.
fn escape_link(link: &[u8], out: &mut Vec<u8>) {
    for chunk in link.utf8_chunks() {
        html_escape::encode_double_quoted_attribute_to_vec(chunk.valid(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_text_in_both_places() {
        assert_eq!(escaped(r#""><script>x</script>"#), "&quot;&gt;&lt;script&gt;x&lt;/script&gt;");
        assert_eq!(escaped("Cap & Scarf 靴 50% off"), "Cap &amp; Scarf 靴 50% off");
    }

    #[test]
    fn macros_in_product_text_are_defused() {
        assert_eq!(escaped("${AUCTION_PRICE}"), "$&#123;AUCTION_PRICE}");
        assert_eq!(escaped("%%CLICK%% {{x}}"), "&#37;%CLICK&#37;% &#123;&#123;x}}");
    }

    #[test]
    fn controls_and_overrides_go() {
        assert_eq!(escaped("a\0b\u{1b}c\nd\u{7f}\u{85}"), "abc d");
        assert_eq!(escaped("\u{202e}evil\u{2066}\u{2069}\u{202c}"), "evil");
        assert_eq!(escaped("\u{200f}שלום"), "\u{200f}שלום", "marks that only hint stay");
    }

    #[test]
    fn links_keep_their_macros() {
        let mut out = Vec::new();
        escape_link(b"%%CLICK_URL_UNESC%%https://x/?p=${AUCTION_PRICE}&q=\"\xff", &mut out);
        assert_eq!(out, b"%%CLICK_URL_UNESC%%https://x/?p=${AUCTION_PRICE}&amp;q=&quot;");
    }
}
