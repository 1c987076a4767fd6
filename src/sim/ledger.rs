//! The exchange's own book: what it asked, sold and billed, per campaign.
//!
//! Assumes notices in USD and the rates of the demo's config. What it adds up is compared to the
//! bidder's report, so nothing here comes from the bidder but campaign names.

use super::shop::Shop;
use crate::base::money::{Conversion, Currency, Money, Rates, Round};

/// One campaign's line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Index of its shop.
    pub shop: usize,
    /// The campaign's id.
    pub campaign: String,
    /// Its bid type.
    pub kind: String,
    /// Bids received.
    pub bids: u64,
    /// Auctions won.
    pub wins: u64,
    /// Clicks made.
    pub clicks: u64,
    /// What billing notices said, an impression at a time, in the shop's currency.
    pub billed: Money,
}

/// The book.
#[derive(Debug)]
pub struct Ledger {
    /// A line for each campaign.
    pub lines: Vec<Line>,
    /// From USD to each shop's currency.
    conversions: Vec<Conversion>,
    /// Requests sent.
    pub asked: u64,
    /// Bids that failed the exchange's checks.
    pub rejected: u64,
    /// The first such, as a sentence.
    pub first_rejection: Option<String>,
}

impl Ledger {
    /// An empty book for shops.
    pub fn new(shops: &[Shop], rates: &Rates) -> Result<Ledger, String> {
        let mut lines = Vec::new();
        let mut conversions = Vec::new();
        for (at, shop) in shops.iter().enumerate() {
            let conversion = rates.conversion(Currency::USD, shop.currency);
            conversions.push(conversion.ok_or_else(|| format!("no rate for {}", shop.currency))?);
            lines.extend(shop.campaigns.iter().map(|(campaign, kind)| Line {
                shop: at,
                campaign: campaign.clone(),
                kind: kind.clone(),
                bids: 0,
                wins: 0,
                clicks: 0,
                billed: Money::ZERO,
            }));
        }
        Ok(Ledger {
            lines,
            conversions,
            asked: 0,
            rejected: 0,
            first_rejection: None,
        })
    }

    /// The line of a bid: its `cid`, in the shop that its domain tells.
    pub fn line(&mut self, shops: &[Shop], cid: &str, adomain: &[String]) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| {
            let shop = shops.get(line.shop);
            shop.is_some_and(|shop| adomain.contains(&shop.domain) && names(cid, &shop.id, &line.campaign))
        })
    }

    /// Books a billing notice: one impression at a CPM in USD.
    pub fn bill(&mut self, shops: &[Shop], cid: &str, adomain: &[String], price: Money) {
        let conversions = self.conversions.clone();
        if let Some(line) = self.line(shops, cid, adomain)
            && let Some(conversion) = conversions.get(line.shop)
        {
            line.billed += conversion.apply(price, Round::Nearest).per_impression(Round::Nearest);
        }
    }

    /// Notes a rejected bid.
    pub fn reject(&mut self, faults: Vec<String>) {
        self.rejected += faults.len() as u64;
        if self.first_rejection.is_none() {
            self.first_rejection = faults.into_iter().next();
        }
    }

    /// Whether every campaign has won, been clicked and been billed.
    pub fn is_complete(&self) -> bool {
        self.lines
            .iter()
            .all(|line| line.wins > 0 && line.clicks > 0 && line.billed > Money::ZERO)
    }
}

/// Whether a `cid` names a campaign: by its id, alone or after its advertiser's.
pub fn names(cid: &str, advertiser: &str, campaign: &str) -> bool {
    let rest = cid.strip_prefix(advertiser).and_then(|rest| rest.strip_prefix(['.', '/', ':']));
    cid == campaign || rest == Some(campaign)
}
