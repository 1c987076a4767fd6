//! Deals of private marketplaces (OpenRTB 2.6 §3.2.11, §3.2.12): in which ways a campaign may bid on an imp.
//!
//! Read from the raw array when asked for. Decides what may be used, never what is bid.

use super::floor::{ByLength, currency_of, floor_of};
use super::json::{List, Scanner, Text, elements};
use super::request::Imp;
use crate::base::domain::{Site, host};
use crate::base::money::{Currency, Money};
use crate::model::exchange::AGREED_PRICE;
use crate::model::targeting::{Deals, Format};

/// One way to bid on an imp: under a deal, or in the open market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way<'b> {
    /// Its place in the imp's deals, from one; 0 in the open market.
    pub deal: u16,
    /// `id` of the deal; empty in the open market.
    pub id: Text<'b>,
    /// `bidfloor`, CPM.
    pub floor: Option<Money>,
    /// What stands for it in players: the deal's own; in the open market the imp's player knows.
    pub by_length: ByLength<'b>,
    /// Its currency; `None` where what is named is none. A deal's is not the imp's (§3.2.12).
    pub floor_currency: Option<Currency>,
    /// `at` of the deal.
    pub at: Option<i64>,
    /// `guar` is 1: it must be bid on.
    pub guaranteed: bool,
}

impl Way<'_> {
    /// The floor of an ad of a format that plays so many seconds, on an imp.
    pub fn floor_of(&self, imp: &Imp<'_>, format: Format, seconds: u32) -> Option<Money> {
        match format {
            _ if self.deal == 0 => imp.floor_of(format, seconds),
            Format::Banner | Format::Native => self.floor,
            Format::Video | Format::Audio => self.by_length.or(self.floor, seconds),
        }
    }

    /// `at` of the deal, else of the request, else the exchange's; a price can be agreed on in deals only.
    pub fn auction_type(&self, of_request: Option<i64>, default: u32) -> i64 {
        let open = || of_request.filter(|at| *at != AGREED_PRICE).unwrap_or(i64::from(default));
        self.at.unwrap_or_else(open)
    }
}

/// A deal as it is written.
#[derive(Clone, Copy, Debug)]
struct Deal<'b> {
    way: Way<'b>,
    wseat: List<'b>,
    wadomain: List<'b>,
}

/// The ways in which a campaign that uses `terms` may bid on an imp, the preferred one first: deals that
/// must be bid on, then others in the order of the campaign's ids, then the open market. `seat` and `site`
/// are the buyer's and the advertiser's.
#[inline]
pub fn ways<'b>(imp: &Imp<'b>, terms: &'b Deals, seat: &'b str, site: &'b Site) -> Ways<'b> {
    let is_open = terms.open_market && !imp.private_auction;
    Ways {
        deals: imp.deals,
        ids: if imp.deals.is_empty() { &[] } else { &terms.ids },
        seat,
        site,
        guaranteed: true,
        id: 0,
        seen: 0,
        open: is_open.then_some((imp.floor, imp.floor_currency)),
    }
}

/// See [`ways`]. Most imps have no deals, and every candidate asks: so it is small, and looks at a deal again
/// rather than remember it.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'b> {
    deals: &'b [u8],
    ids: &'b [String],
    seat: &'b str,
    site: &'b Site,
    /// Whether those that must be bid on are looked for.
    guaranteed: bool,
    /// Which of the ids is looked for.
    id: usize,
    /// The deal of that id that came last.
    seen: u16,
    open: Option<(Option<Money>, Option<Currency>)>,
}

impl<'b> Ways<'b> {
    fn next_deal(&mut self) -> Option<Way<'b>> {
        loop {
            let id = self.ids.get(self.id)?;
            let (guaranteed, seen) = (self.guaranteed, self.seen);
            let mut usable = usable(self.deals, id, self.seat, self.site);
            if let Some(way) = usable.find(|way| way.guaranteed == guaranteed && way.deal > seen) {
                self.seen = way.deal;
                return Some(way);
            }
            (self.seen, self.id) = (0, self.id + 1);
            if self.id == self.ids.len() && self.guaranteed {
                (self.guaranteed, self.id) = (false, 0);
            }
        }
    }
}

impl<'b> Iterator for Ways<'b> {
    type Item = Way<'b>;

    #[inline]
    fn next(&mut self) -> Option<Way<'b>> {
        let deal = if self.ids.is_empty() { None } else { self.next_deal() };
        deal.or_else(|| {
            self.open.take().map(|(floor, floor_currency)| Way {
                deal: 0,
                id: Text::default(),
                floor,
                by_length: ByLength::default(),
                floor_currency,
                at: None,
                guaranteed: false,
            })
        })
    }
}

/// The deals of an imp by an id that seat and site may use.
fn usable<'b>(deals: &'b [u8], id: &'b str, seat: &'b str, site: &'b Site) -> impl Iterator<Item = Way<'b>> {
    let admits = move |deal: &Deal<'b>| {
        deal.way.id.plain() == Some(id)
            && (deal.wseat.is_empty() || deal.wseat.iter().any(|wanted| wanted.plain() == Some(seat)))
            && (deal.wadomain.is_empty()
                || deal
                    .wadomain
                    .iter()
                    .any(|wanted| wanted.plain().is_some_and(|name| site.is_named_by(host(name)))))
    };
    all(deals).filter(admits).map(|deal| deal.way)
}

fn all(deals: &[u8]) -> impl Iterator<Item = Deal<'_>> {
    let entries = elements(std::str::from_utf8(deals).unwrap_or_default());
    entries.zip(1..).filter_map(|(raw, place)| deal(raw, place))
}

fn deal(raw: &str, place: u16) -> Option<Deal<'_>> {
    let (mut id, mut floor, mut currency) = (Text::default(), Text::default(), Text::default());
    let (mut at, mut guaranteed) = (None, false);
    let (mut wseat, mut wadomain) = (List::default(), List::default());
    let mut by_length = ByLength::default();
    let read = Scanner::new(raw).object(|s, key| match key {
        b"id" => s.scalar().map(|text| id = text),
        b"bidfloor" => s.text().map(|text| floor = text),
        b"bidfloorcur" => s.text().map(|text| currency = text),
        b"at" => s.integer().map(|n| at = n),
        b"guar" => s.flag().map(|set| guaranteed = set),
        b"durfloors" => s.raw().map(|raw| by_length.lengths = raw),
        b"mincpmpersec" => s.text().map(|text| by_length.a_second = floor_of(text)),
        b"wseat" => s.list().map(|list| wseat = list),
        b"wadomain" => s.list().map(|list| wadomain = list),
        _ => s.skip(),
    });
    read.ok().filter(|_| id.is_present())?;
    let way = Way {
        deal: place,
        id,
        floor: floor_of(floor),
        by_length,
        floor_currency: currency_of(currency),
        at,
        guaranteed,
    };
    Some(Deal { way, wseat, wadomain })
}

/// The id of an imp's deal by its place, from one; nothing is read for the open market, which is 0.
pub fn deal_id<'b>(imp: &Imp<'b>, place: u16) -> Option<Text<'b>> {
    if place == 0 {
        return None;
    }
    all(imp.deals).find(|deal| deal.way.deal == place).map(|deal| deal.way.id)
}

#[cfg(test)]
mod tests;
