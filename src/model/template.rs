//! An ad's markup, compiled: fixed text and the places where a product and the sealed links go.
//!
//! Compiled when a config is loaded, per creative and size; filled in on the decision path. Fixed
//! text is escaped already; what is filled in is escaped where it lands.

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
