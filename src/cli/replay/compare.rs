//! What changes between two answers to the same requests, counted by campaign and by exchange.
//!
//! Expected spend is what a bid costs times the share of such bids that the server thought would be paid when the
//! samples were taken, by campaign and exchange: an upper bound, and the same for both sides, so that it tells how
//! spend moves and not whether a higher bid wins more often. Pure: told answers, it tells figures.

use std::collections::{BTreeMap, HashMap};

use super::decide::{Answer, Side, Title};
use super::report::{CampaignRow, Example, ExchangeRow, Kinds, Pair, Report};
use crate::base::money::{Currency, Money, Ratio, Round};
use crate::base::time::Millis;
use crate::server::samples::record::{Bid, Record};
use crate::state::State;

/// What was expected to be paid of bids when they were recorded.
#[derive(Debug, Default)]
pub struct Shares {
    of_campaign: HashMap<(String, Title), Mean>,
    of_exchange: HashMap<String, Mean>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean(i128, i128);

impl Mean {
    fn add(&mut self, share: Money) {
        self.0 += share.0;
        self.1 += 1;
    }

    fn ratio(self) -> Ratio {
        Ratio((self.0 / self.1.max(1)) as i64)
    }
}

fn title(bid: &Bid) -> Title {
    (bid.advertiser.clone(), bid.campaign.clone())
}

fn money(text: &str) -> Money {
    Money::parse_lossy(text).unwrap_or(Money::ZERO)
}

impl Shares {
    /// Notes a recorded bid.
    pub fn note(&mut self, exchange: &str, bid: &Bid) {
        let share = money(&bid.share);
        let of = self.of_campaign.entry((exchange.to_owned(), title(bid))).or_default();
        of.add(share);
        self.of_exchange.entry(exchange.to_owned()).or_default().add(share);
    }

    /// Of a campaign's bids on an exchange; else of any there; all where nothing is known.
    fn of(&self, exchange: &str, bid: &Bid) -> Ratio {
        let own = self.of_campaign.get(&(exchange.to_owned(), title(bid)));
        own.or_else(|| self.of_exchange.get(exchange))
            .map_or(Ratio::ONE, |mean| mean.ratio())
    }
}

/// A comparison under way.
pub struct Comparison<'s> {
    shares: &'s Shares,
    examples_max: usize,
    names: Pair<String>,
    requests: usize,
    skipped: usize,
    span: Option<(i64, i64)>,
    kinds: Kinds,
    campaigns: BTreeMap<Title, CampaignRow>,
    exchanges: BTreeMap<String, ExchangeRow>,
    examples: Vec<Example>,
}

impl<'s> Comparison<'s> {
    /// Of what was recorded and one side, or of two sides.
    pub fn new(sides: &[Side], shares: &'s Shares, examples_max: usize) -> Comparison<'s> {
        let name = |at: usize| sides.get(at).map_or_else(|| "as recorded".to_owned(), |side| side.name.clone());
        let (before, after) = if sides.len() > 1 { (name(0), name(1)) } else { (name(1), name(0)) };
        Comparison {
            shares,
            examples_max,
            names: Pair { before, after },
            requests: 0,
            skipped: 0,
            span: None,
            kinds: Kinds::default(),
            campaigns: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            examples: Vec::new(),
        }
    }

    /// Has a request answered, and counts what changes.
    pub fn add(&mut self, record: &Record, state: &State, sides: &mut [Side]) {
        let mut answers: Vec<Option<Answer>> = sides.iter_mut().map(|side| side.answer(record, state)).collect();
        if answers.len() == 1 {
            answers.insert(0, Some(Answer::recorded(record)));
        }
        let mut answers = answers.into_iter();
        let (Some(Some(before)), Some(Some(after))) = (answers.next(), answers.next()) else {
            self.skipped += 1;
            return;
        };
        let (first, last) = self.span.unwrap_or((record.at, record.at));
        self.span = Some((first.min(record.at), last.max(record.at)));
        self.requests += 1;
        self.count(record, &before, &after, sides);
    }

    fn count(&mut self, record: &Record, before: &Answer, after: &Answer, sides: &[Side]) {
        let changed = self.kinds.note(before, after);
        let of_exchange = self.exchanges.entry(record.exchange.clone()).or_default();
        of_exchange.requests += 1;
        of_exchange.differences += usize::from(changed);
        for (answer, is_after) in [(before, false), (after, true)] {
            *of_exchange.bids.side(is_after) += answer.bids.len();
            if let Some(reason) = &answer.reason {
                *of_exchange.reasons.entry(reason.clone()).or_default().side(is_after) += 1;
            }
            for bid in &answer.bids {
                let share = self.shares.of(&record.exchange, bid);
                let row = self.campaigns.entry(title(bid)).or_insert_with(|| row(bid, sides));
                row.add(&priced(bid, row.currency, sides), share, is_after);
            }
            for (title, why) in &answer.dropped {
                let label = why.label().to_owned();
                let of = self.campaigns.entry(title.clone()).or_insert_with(|| unpriced(title, sides));
                *of.reasons.entry(label).or_default().side(is_after) += 1;
            }
        }
        self.compare(before, after);
        if changed && self.examples.len() < self.examples_max {
            self.examples.push(Example::of(record, before, after));
        }
    }

    /// What became of each campaign's bids, imp by imp.
    fn compare(&mut self, before: &Answer, after: &Answer) {
        let same = |bid: &Bid, all: &[Bid]| all.iter().find(|other| other.imp == bid.imp && title(other) == title(bid)).cloned();
        for bid in &before.bids {
            let Some(row) = self.campaigns.get_mut(&title(bid)) else { continue };
            match same(bid, &after.bids) {
                None => row.lost += 1,
                Some(other) => {
                    let (was, is) = (money(&bid.price), money(&other.price));
                    row.dearer += usize::from(is > was);
                    row.cheaper += usize::from(is < was);
                    row.other_ad += usize::from((&bid.creative, &bid.product) != (&other.creative, &other.product));
                }
            }
        }
        for bid in after.bids.iter().filter(|bid| same(bid, &before.bids).is_none()) {
            if let Some(row) = self.campaigns.get_mut(&title(bid)) {
                row.gained += 1;
            }
        }
    }

    /// The figures.
    pub fn report(self, sides: &[Side], unreadable: usize) -> Report {
        let at = |ms: i64| Millis(ms).to_rfc3339();
        let remarks = sides.iter().map(|side| side.look.remarks.len()).sum();
        Report {
            requests: self.requests,
            unreadable,
            skipped: self.skipped,
            from: self.span.map(|(first, _)| at(first)),
            to: self.span.map(|(_, last)| at(last)),
            sides: self.names,
            remarks,
            differences: self.kinds.all(),
            kinds: self.kinds,
            campaigns: self.campaigns.into_values().map(CampaignRow::finished).collect(),
            exchanges: self
                .exchanges
                .into_iter()
                .map(|(exchange, row)| ExchangeRow { exchange, ..row })
                .collect(),
            examples: self.examples,
        }
    }
}

/// The advertiser's currency, as any side knows it.
fn currency_of(advertiser: &str, sides: &[Side]) -> Option<Currency> {
    let shops = sides.iter().rev().filter_map(|side| side.look.world.shop_by_id(advertiser));
    shops.map(|shop| shop.advertiser.currency).next()
}

fn row(bid: &Bid, sides: &[Side]) -> CampaignRow {
    let own = currency_of(&bid.advertiser, sides).or_else(|| Currency::parse(&bid.currency));
    CampaignRow::new(&title(bid), own.unwrap_or(Currency::USD))
}

fn unpriced(title: &Title, sides: &[Side]) -> CampaignRow {
    CampaignRow::new(title, currency_of(&title.0, sides).unwrap_or(Currency::USD))
}

/// The CPM of a bid in another currency; as it stands where there is no rate.
fn priced(bid: &Bid, into: Currency, sides: &[Side]) -> Money {
    let price = money(&bid.price);
    let rates = sides.last().map(|side| &side.look.world.rates);
    let conversion = Currency::parse(&bid.currency).and_then(|from| rates?.conversion(from, into));
    conversion.map_or(price, |conversion| conversion.apply(price, Round::Nearest))
}
