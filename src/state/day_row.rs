//! The figures reports are made of: of a campaign's day, and of each cell of a dimension's hour.

use crate::base::money::Money;

/// A campaign's figures of one local day of the auction, or of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayRow {
    /// Settled impressions.
    pub impressions: u64,
    /// Valid clicks.
    pub clicks: u64,
    /// Conversions credited.
    pub conversions: u64,
    /// What exchanges charge, in the advertiser's currency.
    pub media_cost: Money,
    /// With the fee; what budgets are on.
    pub billed: Money,
    /// The shop's order values credited.
    pub conversion_value: Money,
    /// Conversions that impressions of this day earned, whenever they came.
    pub earned: u64,
    /// Their order values.
    pub earned_value: Money,
    /// Impressions whose pixel nobody looked at.
    pub invalid_impressions: u64,
    /// Clicks beside the valid ones.
    pub invalid_clicks: u64,
    /// Of an advertiser's own book: events of machines.
    pub invalid_events: u64,
    /// Conversions of shoppers of whom no purchase was known before.
    pub new_customers: u64,
    /// Their order values.
    pub new_customer_value: Money,
    /// Conversions of the others.
    pub repeat_purchases: u64,
    /// Their order values.
    pub repeat_purchase_value: Money,
}

/// What rows begin with, and the first of them were: what follows may be cut off where it is zeros.
const SHORT_ROW_BYTES: usize = 72;
const DAY_ROW_BYTES: usize = 168;

/// Who bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buyer {
    /// Of whom no purchase was known before.
    New,
    /// Somebody else.
    Repeat,
}

impl DayRow {
    /// Impressions that somebody may have looked at: what rates are made of.
    pub fn valid_impressions(&self) -> u64 {
        self.impressions.saturating_sub(self.invalid_impressions)
    }

    /// Books an impression.
    pub fn show(&mut self, media_cost: Money, billed: Money) {
        self.impressions += 1;
        self.media_cost += media_cost;
        self.billed += billed;
    }

    /// Books a conversion on the day it came.
    pub fn convert(&mut self, value: Money, buyer: Buyer) {
        self.conversions += 1;
        self.conversion_value += value;
        let (count, sum) = self.of(buyer);
        *count += 1;
        *sum += value;
    }

    /// Books it on the day of the impression that earned it.
    pub fn earn(&mut self, value: Money) {
        self.earned += 1;
        self.earned_value += value;
    }

    /// Takes back what was refunded of a conversion that came this day, and all of it if it is `void`.
    pub fn refund(&mut self, back: Money, is_void: bool, buyer: Buyer) {
        self.conversion_value -= back;
        self.conversions = self.conversions.saturating_sub(u64::from(is_void));
        let (count, sum) = self.of(buyer);
        *count = count.saturating_sub(u64::from(is_void));
        *sum -= back;
    }

    /// The same of one that an impression of this day earned.
    pub fn unearn(&mut self, back: Money, is_void: bool) {
        self.earned_value -= back;
        self.earned = self.earned.saturating_sub(u64::from(is_void));
    }

    fn of(&mut self, buyer: Buyer) -> (&mut u64, &mut Money) {
        match buyer {
            Buyer::New => (&mut self.new_customers, &mut self.new_customer_value),
            Buyer::Repeat => (&mut self.repeat_purchases, &mut self.repeat_purchase_value),
        }
    }

    /// Adds another's figures.
    pub fn add(&mut self, more: &DayRow) {
        let mut more = *more;
        self.counts()
            .into_iter()
            .zip(more.counts())
            .for_each(|((_, sum), (_, more))| *sum += *more);
        self.amounts()
            .into_iter()
            .zip(more.amounts())
            .for_each(|((_, sum), (_, more))| *sum += *more);
    }

    /// Where each count is stored.
    fn counts(&mut self) -> [(usize, &mut u64); 9] {
        [
            (0, &mut self.impressions),
            (8, &mut self.clicks),
            (16, &mut self.conversions),
            (72, &mut self.earned),
            (96, &mut self.invalid_impressions),
            (104, &mut self.invalid_clicks),
            (112, &mut self.invalid_events),
            (120, &mut self.new_customers),
            (144, &mut self.repeat_purchases),
        ]
    }

    /// Where each amount is stored.
    fn amounts(&mut self) -> [(usize, &mut Money); 6] {
        [
            (24, &mut self.media_cost),
            (40, &mut self.billed),
            (56, &mut self.conversion_value),
            (80, &mut self.earned_value),
            (128, &mut self.new_customer_value),
            (152, &mut self.repeat_purchase_value),
        ]
    }

    /// As stored.
    pub fn write(mut self) -> Vec<u8> {
        let mut out = vec![0; DAY_ROW_BYTES];
        for (at, count) in self.counts() {
            out[at..at + 8].copy_from_slice(&count.to_le_bytes());
        }
        for (at, amount) in self.amounts() {
            out[at..at + 16].copy_from_slice(&amount.0.to_le_bytes());
        }
        let used = out.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        out.truncate(used.max(SHORT_ROW_BYTES));
        out
    }

    /// From what is stored.
    pub fn read(bytes: &[u8]) -> Option<DayRow> {
        if !(SHORT_ROW_BYTES..=DAY_ROW_BYTES).contains(&bytes.len()) {
            return None;
        }
        let mut whole = [0; DAY_ROW_BYTES];
        whole[..bytes.len()].copy_from_slice(bytes);
        let mut row = DayRow::default();
        for (at, count) in row.counts() {
            *count = u64::from_le_bytes(*whole[at..].first_chunk()?);
        }
        for (at, amount) in row.amounts() {
            *amount = Money(i128::from_le_bytes(*whole[at..].first_chunk()?));
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_row_survives() {
        let row = DayRow {
            impressions: 1,
            clicks: 2,
            conversions: 3,
            media_cost: Money(i128::MAX),
            billed: Money(5),
            conversion_value: Money(-6),
            earned: 7,
            earned_value: Money(8),
            invalid_impressions: 9,
            invalid_clicks: 10,
            invalid_events: 11,
            new_customers: 12,
            new_customer_value: Money(13),
            repeat_purchases: 14,
            repeat_purchase_value: Money(-15),
        };
        assert_eq!(DayRow::read(&row.write()), Some(row));
        let short = DayRow {
            impressions: 1,
            earned: 7,
            ..DayRow::default()
        };
        assert_eq!(
            (short.write().len(), DayRow::read(&short.write())),
            (73, Some(short)),
            "no more than is used"
        );
        let none = DayRow::default().write();
        assert_eq!((none.len(), DayRow::read(&none)), (SHORT_ROW_BYTES, Some(DayRow::default())));
        assert_eq!(DayRow::read(&none[1..]), None);
        let mut sum = row;
        sum.add(&short);
        assert_eq!((sum.impressions, sum.earned, sum.billed), (2, 14, Money(5)));
    }
}
