//! Floors as requests write them: of imps, of players and of deals; and the currency of their answers.
//!
//! Reads amounts and currencies leniently; converts nothing.

use super::json::{Scanner, Text, elements};
use super::request::Opportunity;
use crate::base::money::{Currency, Money, MoneyFault, Rates};

/// A floor beyond what money can hold: no bid reaches it, and rates can still be applied to it.
pub const FLOOR_UNREACHABLE: Money = Money(i128::MAX / 1_000_000_000_000);
/// Longest price text that is read where it is written with escapes.
const PRICE_BYTES_MAX: usize = 64;

/// Floors by what a spot lasts (`durfloors`, `mincpmpersec`: OpenRTB 2.6 §3.2.7, §3.2.12, §3.2.35), which
/// stand for `bidfloor` where one is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByLength<'b> {
    /// `mincpmpersec`.
    pub a_second: Option<Money>,
    /// `durfloors`: the raw array.
    pub lengths: &'b str,
}

impl ByLength<'_> {
    /// The floor for a spot of so many seconds, zero among them: of `durfloors`, else of `mincpmpersec`.
    pub fn of(&self, seconds: u32) -> Option<Money> {
        let of_length = elements(self.lengths)
            .filter_map(|raw| duration_floor(raw, i64::from(seconds)))
            .max();
        let by_second = || {
            let a_second = self.a_second?;
            Some(Money(a_second.0.saturating_mul(i128::from(seconds))).min(FLOOR_UNREACHABLE))
        };
        of_length.or_else(by_second)
    }

    /// The same, else `bidfloor`; none where that is zero.
    pub fn or(&self, bidfloor: Option<Money>, seconds: u32) -> Option<Money> {
        let own = self.of(seconds);
        own.map_or(bidfloor, |own| Some(own).filter(|own| *own > Money::ZERO))
    }
}

/// The floor of an entry of `durfloors`, where it is for so many seconds.
fn duration_floor(raw: &str, seconds: i64) -> Option<Money> {
    let (mut from, mut to, mut amount) = (None, None, None);
    let read = Scanner::new(raw).object(|s, key| match key {
        b"mindur" => s.integer().map(|n| from = n),
        b"maxdur" => s.integer().map(|n| to = n),
        b"bidfloor" => s.text().map(|text| amount = floor_of(text)),
        _ => s.skip(),
    });
    let is_of = from.is_none_or(|from| from <= seconds) && to.is_none_or(|to| seconds <= to);
    read.ok().filter(|found| *found && is_of).map(|_| amount.unwrap_or(Money::ZERO))
}

/// A floor above zero. What is too large for money is a floor all the same, one that no bid reaches;
/// what is no number is none.
pub fn floor_of(text: Text<'_>) -> Option<Money> {
    let mut buffer = [0; PRICE_BYTES_MAX];
    let text = text.unescape_within(&mut buffer)?.trim();
    let amount = match Money::parse_lossy(text) {
        Ok(amount) => amount,
        Err(MoneyFault::TooLarge | MoneyFault::NotDecimal | MoneyFault::TooFine) => beyond_money(text)?,
    };
    (amount > Money::ZERO).then_some(amount)
}

/// Whether a text that money cannot hold is a large number, an infinite one among them.
fn beyond_money(text: &str) -> Option<Money> {
    let number: f64 = text.parse().ok()?;
    (number >= 1.0).then_some(FLOOR_UNREACHABLE)
}

impl Opportunity<'_> {
    /// The currency of an answer: the first of the request's that has a rate; the default is US dollars.
    pub fn answer_currency(&self, rates: &Rates) -> Option<Currency> {
        let rated = |currency: &Currency| rates.conversion(*currency, *currency).is_some();
        if self.cur.is_empty() {
            return Some(Currency::USD).filter(rated);
        }
        self.cur.iter().filter_map(|code| Currency::parse(code.plain()?)).find(rated)
    }
}

/// US dollars where none is named (OpenRTB 2.6 §3.2.4); `None` where what is named is no code.
pub fn currency_of(text: Text<'_>) -> Option<Currency> {
    if text.is_empty() {
        return Some(Currency::USD);
    }
    Currency::parse(text.unescape_within(&mut [0; PRICE_BYTES_MAX])?)
}
