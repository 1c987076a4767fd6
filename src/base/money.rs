//! Exact money: amounts, ratios, currencies and exchange rates.
//!
//! For every figure that is spent, bid or reported. Assumes decimal text at the rim. Never holds an
//! amount as a float and never rounds without being told which way.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Billionths in one unit.
pub const NANOS: i128 = 1_000_000_000;

/// Which way an inexact division goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Towards negative infinity: what we may bid.
    Down,
    /// Towards positive infinity: floors and holds.
    Up,
    /// To the nearest, halves away from zero: what was paid.
    Nearest,
}

/// An amount in billionths of a unit of a currency named elsewhere. One impression at CPM 1.2345
/// costs 1,234,500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i128);

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyFault {
    /// No digits, or characters that are no part of a decimal number.
    #[error("not a decimal number")]
    NotDecimal,
    /// More than nine digits after the point that are not zero.
    #[error("more than nine decimals")]
    TooFine,
    /// Beyond what sums can hold.
    #[error("too large")]
    TooLarge,
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// Reads decimal text exactly: sign, digits, point, exponent (`1e-05`). Digits beyond the ninth
    /// decimal must be zero.
    pub fn parse(text: &str) -> Result<Money, MoneyFault> {
        decimal(text).and_then(|(value, exact)| if exact { Ok(Money(value)) } else { Err(MoneyFault::TooFine) })
    }

    /// Reads decimal text and cuts what lies beyond the ninth decimal towards zero; for prices that
    /// others compute.
    pub fn parse_lossy(text: &str) -> Result<Money, MoneyFault> {
        decimal(text).map(|(value, _)| Money(value))
    }

    /// `units` whole units.
    pub const fn units(units: i64) -> Money {
        Money(units as i128 * NANOS)
    }

    /// This CPM's price of one impression, or the reverse of [`Money::to_cpm`].
    pub fn per_impression(self, round: Round) -> Money {
        Money(divide(self.0, 1000, round))
    }

    /// The CPM at which one impression costs this.
    pub const fn to_cpm(self) -> Money {
        Money(self.0.saturating_mul(1000))
    }

    /// This amount times a ratio.
    pub fn times(self, ratio: Ratio, round: Round) -> Money {
        // No fee and no adjustment are what most have.
        match ratio {
            Ratio::ONE => return self,
            Ratio(0) => return Money::ZERO,
            _ => {}
        }
        Money(divide(self.0.saturating_mul(i128::from(ratio.0)), NANOS, round))
    }

    /// Cut to a number of decimals (0 to 9).
    pub fn to_decimals(self, decimals: u32, round: Round) -> Money {
        let step = 10i128.pow(9 - decimals.min(9));
        Money(divide(self.0, step, round) * step)
    }

    /// Writes the shortest exact decimal text into `out`; allocates nothing itself.
    pub fn write(self, out: &mut impl fmt::Write) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / NANOS as u128, magnitude % NANOS as u128);
        if self.0 < 0 {
            out.write_char('-')?;
        }
        out.write_str(itoa::Buffer::new().format(whole))?;
        if fraction == 0 {
            return Ok(());
        }
        let mut digits = 9;
        let mut rest = fraction;
        while rest.is_multiple_of(10) {
            rest /= 10;
            digits -= 1;
        }
        write!(out, ".{rest:0digits$}")
    }

    /// Subtracts, never below zero.
    pub fn less(self, other: Money) -> Money {
        Money((self.0 - other.0).max(0))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(-self.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        *self = *self - other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(iter: I) -> Money {
        iter.fold(Money::ZERO, Add::add)
    }
}

/// A dimensionless factor in billionths: multipliers, rates, percentages over 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(pub i64);

impl Ratio {
    /// Times one.
    pub const ONE: Ratio = Ratio(NANOS as i64);

    /// Reads decimal text exactly.
    pub fn parse(text: &str) -> Result<Ratio, MoneyFault> {
        let Money(value) = Money::parse(text)?;
        i64::try_from(value).map(Ratio).map_err(|_| MoneyFault::TooLarge)
    }

    /// This ratio of a whole, from counts: `part / whole`, zero over zero being zero.
    pub fn of(part: u64, whole: u64) -> Ratio {
        if whole == 0 {
            return Ratio(0);
        }
        Ratio((i128::from(part) * NANOS / i128::from(whole)).min(i128::from(i64::MAX)) as i64)
    }

    /// The rate of `events` in `trials`, shrunk to a prior that weighs as much as `weight` events: events
    /// and trials are added to those in which the prior expects so many.
    pub fn shrunk(events: u64, trials: u64, prior: Ratio, weight: u64) -> Ratio {
        if prior.0 <= 0 {
            return Ratio::of(events, trials);
        }
        if trials == 0 {
            return prior;
        }
        let prior_trials = weight.saturating_mul(Ratio::ONE.0 as u64) / prior.0 as u64;
        Ratio::of(events.min(trials).saturating_add(weight), trials.saturating_add(prior_trials))
    }

    /// The product of two ratios, rounded down.
    pub fn times(self, other: Ratio) -> Ratio {
        if self == Ratio::ONE {
            return other;
        }
        let product = i128::from(self.0) * i128::from(other.0) / NANOS;
        Ratio(product.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Money(i128::from(self.0)).write(f)
    }
}

/// An ISO 4217 code, upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollars, the default of OpenRTB.
    pub const USD: Currency = Currency(*b"USD");

    /// Three ASCII letters of any case.
    pub fn parse(text: &str) -> Option<Currency> {
        let bytes: [u8; 3] = text.trim().as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Currency(bytes.map(|b| b.to_ascii_uppercase())))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Digits after the point of its minor unit: JPY 0, USD 2, KWD 3; 2 where the standard has none.
    pub fn exponent(self) -> u32 {
        iso_currency::Currency::from_code(self.as_str())
            .and_then(|c| c.exponent())
            .map_or(2, u32::from)
    }

    /// Whether ISO 4217 lists it.
    pub fn is_listed(self) -> bool {
        iso_currency::Currency::from_code(self.as_str()).is_some()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Units of each currency for one unit of the base currency (contract §2 `currencies`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    units: Vec<(Currency, Money)>,
}

/// A conversion as two figures, so that it can be sealed into a token and settle exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Units of the currency converted from, for one base unit, in billionths.
    pub from: u64,
    /// Units of the currency converted to, for one base unit, in billionths.
    pub to: u64,
}

impl Conversion {
    /// Converts an amount.
    pub fn apply(self, amount: Money, round: Round) -> Money {
        if self.from == self.to {
            return amount;
        }
        match amount.0.checked_mul(i128::from(self.to)) {
            Some(product) => Money(divide(product, i128::from(self.from.max(1)), round)),
            None => Money(divide(amount.0, i128::from(self.from.max(1)), round).saturating_mul(i128::from(self.to))),
        }
    }

    /// The way back.
    pub fn reverse(self) -> Conversion {
        Conversion {
            from: self.to,
            to: self.from,
        }
    }
}

impl Rates {
    /// Rates for one unit of `base`; rates must be above zero.
    pub fn new(base: Currency, others: impl IntoIterator<Item = (Currency, Money)>) -> Rates {
        let mut units = vec![(base, Money(NANOS))];
        units.extend(others.into_iter().filter(|(currency, rate)| *currency != base && rate.0 > 0));
        Rates { units }
    }

    /// How to convert between two currencies; `None` where one has no rate.
    pub fn conversion(&self, from: Currency, to: Currency) -> Option<Conversion> {
        Some(Conversion {
            from: self.units_of(from)?,
            to: self.units_of(to)?,
        })
    }

    /// The currency rates are for one unit of.
    pub fn base(&self) -> Currency {
        self.units[0].0
    }

    fn units_of(&self, currency: Currency) -> Option<u64> {
        self.units
            .iter()
            .find(|(c, _)| *c == currency)
            .and_then(|(_, rate)| u64::try_from(rate.0).ok())
    }
}

fn divide(value: i128, by: i128, round: Round) -> i128 {
    let (quotient, rest) = match (u64::try_from(value), u64::try_from(by)) {
        // One instruction in place of a call; most amounts are that small.
        (Ok(value), Ok(by)) => (i128::from(value / by), i128::from(value % by)),
        _ => {
            let quotient = value.div_euclid(by);
            (quotient, value - quotient * by)
        }
    };
    match round {
        Round::Down => quotient,
        Round::Up => quotient + i128::from(rest != 0),
        Round::Nearest => {
            let half = rest * 2;
            quotient + i128::from(half > by || (half == by && value >= 0))
        }
    }
}

/// Decimal text to billionths, and whether nothing was cut.
fn decimal(text: &str) -> Result<(i128, bool), MoneyFault> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().map_err(|_| MoneyFault::NotDecimal)?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return Err(MoneyFault::NotDecimal);
    }
    let mut value: i128 = 0;
    let mut exact = true;
    // Position of a digit relative to the ninth decimal: what lies beyond is cut.
    let mut place = whole.len() as i64 + i64::from(exponent) + 9;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return Err(MoneyFault::NotDecimal);
        }
        place -= 1;
        if place < 0 {
            exact &= digit == b'0';
        } else {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(i128::from(digit - b'0')))
                .ok_or(MoneyFault::TooLarge)?;
        }
    }
    if place > 0 && value != 0 {
        let scale = u32::try_from(place)
            .ok()
            .and_then(|p| 10i128.checked_pow(p))
            .ok_or(MoneyFault::TooLarge)?;
        value = value.checked_mul(scale).ok_or(MoneyFault::TooLarge)?;
    }
    if value > i128::MAX / 1_000_000_000_000 {
        return Err(MoneyFault::TooLarge);
    }
    Ok((if negative { -value } else { value }, exact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_read_exactly() {
        let cases = [
            ("0.40", Ok(400_000_000)),
            ("12", Ok(12_000_000_000)),
            ("1e-05", Ok(10_000)),
            ("1.5E2", Ok(150_000_000_000)),
            ("-.5", Ok(-500_000_000)),
            ("0.1234567890", Ok(123_456_789)),
            ("0.1234567891", Err(MoneyFault::TooFine)),
            ("1,5", Err(MoneyFault::NotDecimal)),
            ("", Err(MoneyFault::NotDecimal)),
            (".", Err(MoneyFault::NotDecimal)),
            ("1e99", Err(MoneyFault::TooLarge)),
            ("0e99", Ok(0)),
            ("1e-99", Err(MoneyFault::TooFine)),
        ];
        for (text, expected) in cases {
            assert_eq!(Money::parse(text).map(|m| m.0), expected, "{text}");
        }
    }

    #[test]
    fn amounts_print_as_they_are() {
        for text in ["0", "0.4", "12", "-0.000000001", "1234567.89"] {
            assert_eq!(Money::parse(text).map(|m| m.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn rounding_goes_the_way_it_is_told() {
        let cases = [
            (7, Round::Down, 3),
            (7, Round::Up, 4),
            (7, Round::Nearest, 4),
            (-7, Round::Down, -4),
            (-7, Round::Up, -3),
            (-7, Round::Nearest, -4),
            (6, Round::Nearest, 3),
        ];
        for (value, round, expected) in cases {
            assert_eq!(divide(value, 2, round), expected, "{value} {round:?}");
        }
    }

    #[test]
    fn conversion_and_back() {
        let vnd = Currency::parse("vnd").expect("code");
        let rates = Rates::new(Currency::USD, [(vnd, Money::units(25_400))]);
        let there = rates.conversion(Currency::USD, vnd).expect("rate");
        assert_eq!(there.apply(Money::parse("0.4").expect("amount"), Round::Down), Money::units(10_160));
        assert_eq!(
            there.reverse().apply(Money::units(10_160), Round::Up),
            Money::parse("0.4").expect("amount")
        );
        assert_eq!(rates.conversion(Currency::USD, Currency::parse("EUR").expect("code")), None);
    }

    #[test]
    fn observation_outweighs_the_prior_as_it_grows() {
        let prior = Ratio::parse("0.0015").expect("ratio");
        let shrunk = |events, trials| Ratio::shrunk(events, trials, prior, 20);
        assert_eq!(shrunk(0, 0), prior);
        let (some, many) = (shrunk(10, 1_000), shrunk(10_000, 1_000_000));
        assert!(prior < some && some < many && many.0 > 9_800_000, "{some} {many}");
        assert!(shrunk(5, 1) <= Ratio::ONE);
    }
}
