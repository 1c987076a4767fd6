//! An ad's markup, compiled: fixed text and the places where products and the sealed links go.
//!
//! Compiled when a config is loaded, per creative and size; filled in on the decision path. Fixed
//! text is escaped already; what is filled in is escaped where it lands: as HTML text, within a
//! quoted attribute, or as a part of an address; and all of it once more for the JSON string that the
//! answer has it in, fixed text ahead of time. Never for a script, a style or an unquoted attribute; and
//! never the place to judge a link's scheme, which feed and server did.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::quoted::{Quoting, Ready};
use crate::base::time::Millis;
use crate::model::links::Click;
use crate::model::product::Product;

/// What is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The product's `id` in the feed.
    Id,
    /// Its title.
    Title,
    /// Its picture's address.
    Image,
    /// The price in force, with currency.
    Price,
    /// The regular price while a sale is on; else nothing.
    OldPrice,
    /// The brand; may be empty.
    Brand,
    /// The click link that leads to this product.
    Link,
    /// The click link that leads to the first product: click macro of the exchange, then ours.
    Click,
    /// The impression pixel.
    Pixel,
}

/// Where a field lands, which says how it is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// HTML text, or the whole value of a quoted attribute.
    Markup,
    /// A part of an address that stands in a quoted attribute.
    UrlPart,
}

impl Place {
    /// Appends text from outside, escaped.
    pub fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Place::Markup => escape(text, out),
            Place::UrlPart => utf8_percent_encode(text, RESERVED).for_each(|part| out.extend_from_slice(part.as_bytes())),
        }
    }
}

/// When a part is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cond {
    /// There is a product; else it is the ad of the shop itself.
    HasProduct,
    /// The ad shows exactly so many products.
    Shows(u32),
    /// A sale is on.
    OnSale,
    /// The product has a brand.
    HasBrand,
    /// The price in force is a long text, such as prices in rupiah are.
    LongPrice,
    /// Before this instant.
    Until(Millis),
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Written as it is.
    Text(Ready),
    /// Filled in.
    Field(Field, Place),
    /// Only if.
    When(Cond, Box<[Piece]>),
    /// Only if not.
    Unless(Cond, Box<[Piece]>),
    /// Once for each product.
    Each(Box<[Piece]>),
}

/// Markup of one creative at one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    pieces: Box<[Piece]>,
    places: u32,
}

/// A transparent picture, for where nothing is to be counted.
pub const NO_PIXEL: &[u8] = b"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
/// A price of more characters is long.
const PRICE_CHARS: usize = 11;
/// What a value filled in is taken to weigh.
const FIELD_BYTES: usize = 200;
/// All but the unreserved characters of RFC 3986.
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What one impression fills in, as it came: unescaped.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a> {
    /// The products to show, the first one first; none makes the ad of the shop itself.
    pub products: &'a [&'a Product],
    /// When it is shown: sales and promotions begin and end.
    pub now: Millis,
    /// The addresses of clicks. Empty: links lead straight to the products' pages.
    pub click: Click<'a>,
    /// The whole address of the impression pixel, macros of the exchange included.
    pub pixel: &'a [u8],
}

impl Template {
    /// A template with room for `places` products.
    pub fn new(pieces: Vec<Piece>, places: u32) -> Template {
        Template {
            pieces: pieces.into(),
            places,
        }
    }

    /// How many products it shows at most.
    pub fn places(&self) -> u32 {
        self.places
    }

    /// About the most bytes it comes to when filled.
    pub fn weight(&self) -> usize {
        weight(&self.pieces, self.places as usize)
    }

    /// Appends the ad to `out`, as it lands there. Allocates nothing but what `out` needs to grow.
    ///
    /// Exchange macros in `click` and `pixel` stay as they are; whatever looks like a macro in the
    /// product's own text is defused, lest an exchange replaces it.
    pub fn fill(&self, slots: &Slots<'_>, quoting: Quoting, out: &mut Vec<u8>) {
        let count = slots.products.len().min(self.places as usize);
        let view = View {
            slots,
            quoting,
            count,
            at: 0,
        };
        view.fill(&self.pieces, out);
    }
}

fn weight(pieces: &[Piece], places: usize) -> usize {
    let one = |piece: &Piece| match piece {
        Piece::Text(text) => text.within(Quoting::Plain).len(),
        Piece::Field(..) => FIELD_BYTES,
        Piece::When(_, then) | Piece::Unless(_, then) => weight(then, places),
        Piece::Each(inner) => weight(inner, places) * places,
    };
    pieces.iter().map(one).sum()
}

/// The slots as one of the products sees them.
#[derive(Clone, Copy)]
struct View<'a> {
    slots: &'a Slots<'a>,
    /// Where the ad lands.
    quoting: Quoting,
    /// Products shown.
    count: usize,
    /// Which of them this is about.
    at: usize,
}

impl<'a> View<'a> {
    fn fill(self, pieces: &[Piece], out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.within(self.quoting).as_bytes()),
                Piece::Field(field, place) => {
                    let start = out.len();
                    self.write(*field, *place, out);
                    self.quoting.fit(start, out);
                }
                Piece::When(cond, then) if self.holds(*cond) => self.fill(then, out),
                Piece::Unless(cond, then) if !self.holds(*cond) => self.fill(then, out),
                Piece::When(..) | Piece::Unless(..) => {}
                Piece::Each(inner) => (0..self.count).for_each(|at| View { at, ..self }.fill(inner, out)),
            }
        }
    }

    fn product(self) -> Option<&'a Product> {
        self.slots.products.get(self.at).copied()
    }

    fn price(self) -> &'a str {
        self.product().map_or("", |product| product.price_at(self.slots.now))
    }

    fn old_price(self) -> Option<&'a str> {
        let product = self.product()?;
        product.sale_at(self.slots.now).map(|_| &*product.price_text)
    }

    fn holds(self, cond: Cond) -> bool {
        match cond {
            Cond::HasProduct => self.count > 0,
            Cond::Shows(count) => self.count == count as usize,
            Cond::OnSale => self.old_price().is_some(),
            Cond::HasBrand => self.product().is_some_and(|product| !product.brand.is_empty()),
            Cond::LongPrice => self.price().chars().count() > PRICE_CHARS,
            Cond::Until(end) => self.slots.now < end,
        }
    }

    fn write(self, field: Field, place: Place, out: &mut Vec<u8>) {
        let of = |pick: fn(&'a Product) -> &'a str| self.product().map_or("", pick);
        let text = match field {
            Field::Id => of(|product| &product.item_id),
            Field::Title => of(|product| &product.title),
            Field::Image => of(|product| &product.image_link),
            Field::Brand => of(|product| &product.brand),
            Field::Price => self.price(),
            Field::OldPrice => self.old_price().unwrap_or_default(),
            Field::Pixel => return escape_link(self.slots.pixel, out),
            Field::Click | Field::Link if self.slots.click.is_empty() => of(|product| &product.link),
            Field::Click => return self.click(0, out),
            Field::Link => return self.click(self.at, out),
        };
        place.write(text, out);
    }

    fn click(self, n: usize, out: &mut Vec<u8>) {
        for part in self.slots.click.parts(n) {
            escape_link(part, out);
        }
    }
}

/// Appends text from outside so that it is text, both between tags and within a quoted attribute,
/// and nothing that an exchange would take for a macro (`${X}`, `%%X%%`, `{{x}}`).
///
/// Controls and what no XML may contain go: white space among them becomes a space, and the bidirectional
/// overrides, embeddings and isolates would let a title reorder the price beside it.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let stands = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'{') & (byte != b'%');
    if all(text.as_bytes(), |byte| stands(byte) & stands_in_markup(byte)) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut clean = 0;
    for (at, c) in text.char_indices() {
        let after = at + c.len_utf8();
        let instead: &[u8] = match c {
            '\t' | '\n' | '\r' => b" ",
            '{' => b"&#123;",
            '%' if text[after..].starts_with('%') => b"&#37;",
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => b"",
            c if c.is_control() => b"",
            _ => continue,
        };
        html_escape::encode_quoted_attribute_to_vec(&text[clean..at], out);
        out.extend_from_slice(instead);
        clean = after;
    }
    html_escape::encode_quoted_attribute_to_vec(&text[clean..], out);
}

/// Appends a link as the value of a quoted attribute, macros untouched; bytes that are no UTF-8 are
/// no part of a link and are left out.
pub fn escape_link(link: &[u8], out: &mut Vec<u8>) {
    let is_clean = |piece: &&[u8]| all(piece, |byte| byte.is_ascii() & stands_in_markup(byte));
    let clean = link.chunks(CLEAN_BYTES).take_while(is_clean).map(<[u8]>::len).sum();
    let (clean, rest) = link.split_at(clean);
    out.extend_from_slice(clean);
    for chunk in rest.utf8_chunks() {
        html_escape::encode_quoted_attribute_to_vec(chunk.valid(), out);
    }
}

/// So many bytes of a link are looked at in one go.
const CLEAN_BYTES: usize = 32;

/// Whether all bytes are such; without a way out, so that it is done for many of them at once.
fn all(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, byte| all & is(*byte))
}

/// Whether a byte is none that markup escapes.
fn stands_in_markup(byte: u8) -> bool {
    (byte != b'"') & (byte != b'&') & (byte != b'\'') & (byte != b'<') & (byte != b'>')
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

    /// What needs no escaping is written at once, and nothing else.
    #[test]
    fn every_character_is_escaped_alone_as_among_others() {
        let mut stand = 0;
        for c in (0..0x300).filter_map(char::from_u32) {
            let alone = escaped(&c.to_string());
            assert_eq!(escaped(&format!("á{c}")), format!("á{alone}"), "{c:?}");
            let mut link = Vec::new();
            escape_link(c.to_string().as_bytes(), &mut link);
            assert_eq!(link, html_escape::encode_quoted_attribute(&c.to_string()).as_bytes(), "{c:?}");
            stand += usize::from(c.is_ascii() && alone == c.to_string());
        }
        assert_eq!(stand, 95 - 6, "of printable ASCII all but five and a brace");
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
