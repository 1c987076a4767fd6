//! Price texts into exact amounts: `12.99 USD` as Merchant Center has it, and what shops write.
//!
//! A text that could be two amounts is decided by how its currency is written; a text that is no
//! price is a fault, never a guess.

use crate::base::money::{Currency, Money};

/// Digits before the point that a price may have.
const WHOLE_DIGITS_MAX: usize = 15;

/// Why a text is no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceFault {
    /// Nothing in it.
    #[error("no price")]
    Empty,
    /// No number, several, or one whose separators make no sense.
    #[error("not one decimal number with its currency")]
    NotANumber,
    /// Words beside the number that are no currency, or two currencies.
    #[error("not a currency beside the number")]
    NotACurrency,
    /// Below zero.
    #[error("below zero")]
    Negative,
    /// More than fifteen digits before the point.
    #[error("too large")]
    TooLarge,
}

/// Signs and words for currencies, in lower case, with the codes they may mean. Of several the
/// default currency is taken, else the first.
const MARKS: &[(&str, &str)] = &[
    ("$", "USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP UYU"),
    ("dollar", "USD CAD AUD NZD SGD HKD"),
    ("dollars", "USD CAD AUD NZD SGD HKD"),
    ("us$", "USD"),
    ("u$s", "USD"),
    ("c$", "CAD"),
    ("ca$", "CAD"),
    ("a$", "AUD"),
    ("au$", "AUD"),
    ("nz$", "NZD"),
    ("s$", "SGD"),
    ("hk$", "HKD"),
    ("nt$", "TWD"),
    ("mx$", "MXN"),
    ("r$", "BRL"),
    ("€", "EUR"),
    ("euro", "EUR"),
    ("euros", "EUR"),
    ("£", "GBP EGP"),
    ("¥", "JPY CNY"),
    ("￥", "JPY CNY"),
    ("円", "JPY"),
    ("元", "CNY TWD HKD"),
    ("kr", "SEK NOK DKK ISK"),
    ("zł", "PLN"),
    ("zl", "PLN"),
    ("kč", "CZK"),
    ("ft", "HUF"),
    ("lei", "RON MDL"),
    ("лв", "BGN"),
    ("fr", "CHF"),
    ("sfr", "CHF"),
    ("₫", "VND"),
    ("đ", "VND"),
    ("vnđ", "VND"),
    ("₺", "TRY"),
    ("tl", "TRY"),
    ("₴", "UAH"),
    ("грн", "UAH"),
    ("₽", "RUB"),
    ("руб", "RUB"),
    ("₸", "KZT"),
    ("₹", "INR"),
    ("rs", "INR PKR LKR NPR MUR"),
    ("rp", "IDR"),
    ("rm", "MYR"),
    ("฿", "THB"),
    ("บาท", "THB"),
    ("₱", "PHP"),
    ("₩", "KRW"),
    ("원", "KRW"),
    ("₪", "ILS"),
    ("₦", "NGN"),
    ("r", "ZAR"),
    ("s/", "PEN"),
    ("dh", "AED MAD"),
    ("dhs", "AED MAD"),
    ("د.إ", "AED"),
    ("ر.س", "SAR"),
];

/// Currencies whose prices are written with a decimal comma, so that `1.299` is a thousand and more.
const DECIMAL_COMMA: &str = "EUR ARS BAM BGN BOB BRL BYN COP CZK DKK HUF IDR KZT MKD NOK PLN RON RSD RUB SEK TRY UAH UYU VES";

/// Reads a price: a number with separators of any custom, and a code, sign or word for the currency
/// before or behind it, `default` where there is none. More decimals than the currency has are kept.
pub fn parse(text: &str, default: Currency) -> Result<(Money, Currency), PriceFault> {
    let text: String = text.chars().filter_map(ordinary).collect();
    if text.trim().is_empty() {
        return Err(PriceFault::Empty);
    }
    let digit = |c: char| c.is_ascii_digit();
    let (Some(mut start), Some(last)) = (text.find(digit), text.rfind(digit)) else {
        return Err(PriceFault::NotANumber);
    };
    let before = text.get(..start).unwrap_or_default();
    if before == "." || before.ends_with(" .") {
        start -= 1;
    }
    let (before, rest) = text.split_at(start);
    let (number, after) = rest.split_at(last + 1 - start);
    if before.contains(['-', '−']) {
        return Err(PriceFault::Negative);
    }
    let currency = currency(unlabelled(before), without_dash(after), default)?;
    Ok((amount(number, currency)?, currency))
}

/// A character in its plain form: ASCII digits, one kind of space, point and apostrophe; marks of
/// direction vanish.
fn ordinary(c: char) -> Option<char> {
    let digit = |zero: char| char::from_digit(u32::from(c) - u32::from(zero), 10);
    match c {
        '\u{660}'..='\u{669}' => digit('\u{660}'),
        '\u{6f0}'..='\u{6f9}' => digit('\u{6f0}'),
        '\u{ff10}'..='\u{ff19}' => digit('\u{ff10}'),
        '\u{66b}' => Some('.'),
        '\u{66c}' => Some(','),
        '’' | '‘' => Some('\''),
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}' => None,
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    }
}

/// What stands before the number, without a label such as `Prix :`.
fn unlabelled(before: &str) -> &str {
    before.rsplit_once(':').map_or(before, |(_, mark)| mark).trim()
}

/// What stands behind the number, without the dash in place of decimals: `19,- €`.
fn without_dash(after: &str) -> &str {
    match after.strip_prefix([',', '.']) {
        Some(rest) if rest.starts_with(['-', '–', '—']) => rest.trim_start_matches(['-', '–', '—']).trim(),
        _ => after.trim(),
    }
}

fn currency(before: &str, after: &str, default: Currency) -> Result<Currency, PriceFault> {
    let marks = || [before, after].into_iter().filter(|mark| !mark.is_empty());
    let base = marks().find_map(code).unwrap_or(default);
    let mut found = None;
    for mark in marks() {
        let meant = meaning(mark, base).ok_or(PriceFault::NotACurrency)?;
        if *found.get_or_insert(meant) != meant {
            return Err(PriceFault::NotACurrency);
        }
    }
    Ok(found.unwrap_or(default))
}

fn code(mark: &str) -> Option<Currency> {
    Currency::parse(mark).filter(|currency| currency.is_listed())
}

/// The currency that a code, sign or word stands for where `base` is the one expected.
fn meaning(mark: &str, base: Currency) -> Option<Currency> {
    if let Some(currency) = code(mark) {
        return Some(currency);
    }
    let mark = mark.to_lowercase();
    let mark = mark.trim_end_matches('.');
    match MARKS.iter().find(|(known, _)| *known == mark) {
        Some((_, codes)) if codes.contains(base.as_str()) => Some(base),
        Some((_, codes)) => codes.split(' ').next().and_then(Currency::parse),
        None => {
            let symbol = iso_currency::Currency::from_code(base.as_str())?.symbol().to_string();
            (symbol.to_lowercase() == mark).then_some(base)
        }
    }
}

fn amount(number: &str, currency: Currency) -> Result<Money, PriceFault> {
    let (whole, fraction) = match decimal_point(number, currency)? {
        Some(at) => (number.get(..at).unwrap_or_default(), number.get(at + 1..).unwrap_or_default()),
        None => (number, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PriceFault::NotANumber);
    }
    let digits = ungrouped(whole)?;
    if digits.len() > WHOLE_DIGITS_MAX {
        return Err(PriceFault::TooLarge);
    }
    Money::parse_lossy(&format!("{digits}.{fraction}")).map_err(|_| PriceFault::NotANumber)
}

/// Where the decimal point or comma is. Of both kinds the last is it; one alone that could group
/// thousands is judged by how the currency is written.
fn decimal_point(number: &str, currency: Currency) -> Result<Option<usize>, PriceFault> {
    let count = |mark: char| number.matches(mark).count();
    let Some(last) = number.rfind(['.', ',']) else {
        return Ok(None);
    };
    let is_comma = number.get(last..).is_some_and(|rest| rest.starts_with(','));
    let (same, other) = if is_comma {
        (count(','), count('.'))
    } else {
        (count('.'), count(','))
    };
    match (same, other) {
        (1, 1..) => Ok(Some(last)),
        (_, 1..) => Err(PriceFault::NotANumber),
        (1, _) => Ok((!groups_thousands(number, last, is_comma, currency)).then_some(last)),
        _ => Ok(None),
    }
}

fn groups_thousands(number: &str, at: usize, is_comma: bool, currency: Currency) -> bool {
    let (whole, rest) = number.split_at(at);
    let could = rest.len() == 4 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
    let custom = match currency.exponent() {
        0 => true,
        3 => false,
        _ => is_comma || DECIMAL_COMMA.contains(currency.as_str()),
    };
    could && custom && whole.bytes().all(|b| b.is_ascii_digit())
}

/// The digits before the point; groups must be of three, or of two as in `1,23,456`.
fn ungrouped(whole: &str) -> Result<String, PriceFault> {
    let groups: Vec<&str> = whole.split([' ', '\'', '.', ',']).collect();
    let digits_only = groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_digit()));
    let sizes_fit = match groups.as_slice() {
        [_] => true,
        [first, middle @ .., last] => {
            (1..=3).contains(&first.len()) && last.len() == 3 && middle.iter().all(|group| (2..=3).contains(&group.len()))
        }
        [] => false,
    };
    if digits_only && sizes_fit {
        Ok(groups.concat())
    } else {
        Err(PriceFault::NotANumber)
    }
}

#[cfg(test)]
mod tests;
