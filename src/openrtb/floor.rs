//! Floors as requests write them: of imps and of deals.
//!
//! Reads amounts and currencies leniently; converts nothing.

use super::json::Text;
use crate::base::money::{Currency, Money, MoneyFault};

/// A floor beyond what money can hold: no bid reaches it, and rates can still be applied to it.
pub const FLOOR_UNREACHABLE: Money = Money(i128::MAX / 1_000_000_000_000);
/// Longest price text that is read where it is written with escapes.
const PRICE_BYTES_MAX: usize = 64;

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

/// US dollars where none is named (OpenRTB 2.6 §3.2.4); `None` where what is named is no code.
pub fn currency_of(text: Text<'_>) -> Option<Currency> {
    if text.is_empty() {
        return Some(Currency::USD);
    }
    Currency::parse(text.unescape_within(&mut [0; PRICE_BYTES_MAX])?)
}
