//! What reports are made of: figures of a campaign's day, and the same once more in a cell of every dimension's
//! hour. Whatever counts goes through here, so that no cell misses what its day has.
//!
//! Cells are on disk only. Of dimensions with any number of values a day tells so many apart, the first that come;
//! all others are one.

use std::io;

use super::Fold;
use crate::base::id::{BidTag, CampaignNo};
use crate::base::limits::VALUES_PER_DAY_MAX;
use crate::base::time::{Day, Secs};
use crate::model::advertiser::Shop;
use crate::model::dimension::{Dimension, FREQUENCY_MAX, OTHER, cell, recency};
use crate::model::exposure::evidence;
use crate::model::rows::Table;
use crate::model::showing::{Place, Showing, SiteKey};
use crate::model::ticket::Ticket;
use crate::state::DayRow;
use crate::track::settle::hour_of;

impl Fold<'_> {
    /// Changes a campaign's figures of the local day and hour of `at`, and those of all that reports tell apart of
    /// what was shown. Returns the day.
    pub(in crate::track) fn count(
        &mut self,
        shop: Option<&Shop>,
        shown: &Showing,
        at: Secs,
        change: impl Fn(&mut DayRow),
    ) -> io::Result<Day> {
        self.count_in(&Dimension::ALL, shop, shown, at, change)
    }

    /// The same of what nothing was shown for: of a book's day and hour.
    pub(in crate::track) fn count_book(&mut self, shop: &Shop, book: CampaignNo, at: Secs, change: impl Fn(&mut DayRow)) -> io::Result<()> {
        let shown = Showing {
            campaign: book,
            ..Showing::default()
        };
        self.count_in(&[Dimension::Hour], Some(shop), &shown, at, change).map(drop)
    }

    fn count_in(
        &mut self,
        dimensions: &[Dimension],
        shop: Option<&Shop>,
        shown: &Showing,
        at: Secs,
        change: impl Fn(&mut DayRow),
    ) -> io::Result<Day> {
        let (day, hour) = hour_of(shop, at);
        change(self.day(shown.campaign, day));
        for dimension in dimensions {
            let of_day = dimension.of_day(shown.campaign, day);
            let value = match dimension.is_open() {
                true => self.told_apart(of_day, shown.value(*dimension))?,
                false => shown.value(*dimension),
            };
            let key = cell(of_day, value, hour);
            let stored = self.get(Table::Cells, &key)?;
            let mut row = stored.and_then(|row| DayRow::read(&row)).unwrap_or_default();
            change(&mut row);
            self.put(Table::Cells, key, Some(row.write()));
        }
        Ok(day)
    }

    /// The value under which a day counts another: itself, if there is room for it.
    fn told_apart(&mut self, of_day: u64, value: u64) -> io::Result<u64> {
        let (day, known) = (of_day.to_be_bytes(), [of_day.to_be_bytes(), value.to_be_bytes()].concat());
        if value == OTHER || self.get(Table::Cells, &known)?.is_some() {
            return Ok(value);
        }
        let stored = self.get(Table::Cells, &day)?;
        let count = stored.and_then(|row| Some(u32::from_le_bytes(*row.first_chunk()?))).unwrap_or(0);
        if count >= VALUES_PER_DAY_MAX {
            return Ok(OTHER);
        }
        self.put(Table::Cells, day.to_vec(), Some((count + 1).to_le_bytes().to_vec()));
        self.put(Table::Cells, known, Some(Vec::new()));
        Ok(value)
    }

    /// What a bid showed: found out with the first sign of an impression, and kept for those that follow.
    pub(in crate::track) fn showing(&mut self, ticket: &Ticket, tag: BidTag) -> io::Result<Showing> {
        if let Some(kept) = self.shown(tag)? {
            return Ok(kept);
        }
        let user = self.holder(ticket);
        let mut shown = self.unseen(ticket)?;
        if self.is_known(user) {
            let section = self.profile(user).section(ticket.advertiser).copied();
            let events = section
                .map(|section| self.profile(user).events(&section).to_vec())
                .unwrap_or_default();
            let last = events.iter().find(|event| event.at <= ticket.at);
            shown.recency = last.map_or(0, |last| recency(ticket.at.since(last.at)));
            let seen = self
                .exposures(user)
                .iter()
                .filter(|e| e.tag != tag && e.campaign == ticket.campaign);
            let before = seen.filter(|e| e.flags & evidence::SEEN != 0).count();
            shown.frequency = before.min(usize::from(FREQUENCY_MAX) - 1) as u8 + 1;
        }
        self.put(Table::Shown, tag.0.to_be_bytes().to_vec(), Some(shown.write().to_vec()));
        Ok(shown)
    }

    /// What is kept of what a bid showed.
    pub(in crate::track) fn shown(&self, tag: BidTag) -> io::Result<Option<Showing>> {
        let kept = self.get(Table::Shown, &tag.0.to_be_bytes())?;
        Ok(kept.and_then(|row| Showing::read(&row)))
    }

    /// What a ticket alone tells of what was shown.
    pub(in crate::track) fn unseen(&mut self, ticket: &Ticket) -> io::Result<Showing> {
        let shop = self.world.shop(ticket.advertiser);
        let creative = shop.and_then(|shop| shop.advertiser.creatives.iter().find(|creative| creative.no == ticket.creative));
        Ok(Showing {
            campaign: ticket.campaign,
            creative: ticket.creative,
            exchange: ticket.exchange,
            product: ticket.product,
            format: creative.map(|creative| creative.format),
            place: Place {
                site: self.site(ticket.place.site)?,
                ..ticket.place
            },
            recency: 0,
            frequency: 0,
        })
    }

    /// A site whose name is known, which is kept from now on; else the one that stands for all others.
    fn site(&mut self, site: SiteKey) -> io::Result<SiteKey> {
        let key = site.0.to_be_bytes().to_vec();
        if !site.is_named() || self.get(Table::Sites, &key)?.is_some() {
            return Ok(site);
        }
        let Some(name) = self.state.sites.name(site) else {
            return Ok(SiteKey::UNKNOWN);
        };
        self.put(Table::Sites, key, Some(name.into_bytes()));
        Ok(site)
    }

    /// The name of a site that is kept.
    pub(in crate::track) fn site_name(&self, site: SiteKey) -> io::Result<Option<String>> {
        let name = self.get(Table::Sites, &site.0.to_be_bytes())?;
        Ok(name.and_then(|name| String::from_utf8(name).ok()))
    }
}
