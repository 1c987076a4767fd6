//! What is remembered of one shopper, opened up: who knows them, and the events each keeps.
//!
//! Whatever is forgotten, and however users are merged: what is left does not depend on the order.

mod record;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use crate::base::id::{AdvertiserNo, ProductKey};
use crate::base::limits::{EVENTS_PER_SECTION_MAX, SECTIONS_MAX};
use crate::base::money::Money;
use crate::base::time::Secs;
use crate::model::event::{EventKind, Happening, Marks};

pub use record::seen;

/// A record opened up; reused from request to request, so that reading allocates nothing once warm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The last event or impression.
    pub seen: Secs,
    /// Until when the user is taken for a machine, having done more than a person does.
    pub machine_until: Secs,
    /// One for each advertiser, in the order stored.
    pub sections: Vec<Section>,
    /// All events; each section has its range. Newest first within a section.
    pub events: Vec<Happening>,
}

/// What one advertiser knows of the shopper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Whose.
    pub advertiser: AdvertiserNo,
    /// The first event.
    pub first: Secs,
    /// Events ever, those forgotten included.
    pub visits: u32,
    from: u32,
    to: u32,
}

impl Section {
    /// Whether this only says that the section is in another record: the shop's, of one person with several
    /// browsers. `first` is then when something last happened there.
    pub fn is_elsewhere(&self) -> bool {
        self.visits == 0
    }

    /// When something last happened.
    fn last(&self, events: &[Happening]) -> Secs {
        events.first().map_or(self.first, |newest| newest.at)
    }
}

impl Profile {
    /// The events of a section, newest first.
    pub fn events(&self, section: &Section) -> &[Happening] {
        &self.events[section.from as usize..section.to as usize]
    }

    /// The section of an advertiser.
    pub fn section(&self, advertiser: AdvertiserNo) -> Option<&Section> {
        self.sections.iter().find(|s| s.advertiser == advertiser)
    }

    /// Empties, keeping capacity.
    pub fn clear(&mut self) {
        self.seen = Secs(0);
        self.machine_until = Secs(0);
        self.sections.clear();
        self.events.clear();
    }

    /// Remembers an event's entries (its items, the first not `continued`) for an advertiser. Keeps
    /// events in order of time, newest first; beyond the limits the least valuable and oldest go.
    pub fn remember(&mut self, advertiser: AdvertiserNo, entries: &[Happening]) {
        let Some(head) = entries.first() else { return };
        self.seen = self.seen.max(head.at);
        let (first, visits, mut events) = match self.section(advertiser).filter(|section| !section.is_elsewhere()) {
            Some(section) => (section.first, section.visits, self.events(section).to_vec()),
            None => (head.at, 0, Vec::new()),
        };
        insert(&mut events, entries);
        self.replace_section(advertiser, first.min(head.at), visits.saturating_add(1), events);
    }

    /// Takes over what another record remembers: the union of both, whichever takes over the other.
    pub fn absorb(&mut self, other: &Profile) {
        for section in other.sections.iter().filter(|section| !section.is_elsewhere()) {
            self.absorb_section(section, other.events(section));
        }
        self.seen = self.seen.max(other.seen);
        self.machine_until = self.machine_until.max(other.machine_until);
    }

    /// Takes over one section.
    pub fn absorb_section(&mut self, section: &Section, others: &[Happening]) {
        let own = self.section(section.advertiser).filter(|own| !own.is_elsewhere());
        let (first, visits, mut events) = match own {
            Some(own) => (own.first.min(section.first), own.visits, self.events(own).to_vec()),
            None => (section.first, 0, Vec::new()),
        };
        let mut end = others.len();
        for start in (0..others.len()).rev().filter(|at| !others[*at].continued) {
            insert(&mut events, &others[start..end]);
            end = start;
        }
        self.seen = self.seen.max(section.last(others));
        self.replace_section(section.advertiser, first, visits.saturating_add(section.visits), events);
    }

    /// Says that an advertiser's section is in another record, where something happened at `at`. What was in
    /// this one is returned.
    pub fn point(&mut self, advertiser: AdvertiserNo, at: Secs) -> Option<(Section, Vec<Happening>)> {
        let before = self.section(advertiser).copied();
        let had = before.filter(|before| !before.is_elsewhere());
        let had = had.map(|section| (section, self.events(&section).to_vec()));
        let last = before.map_or(at, |before| before.last(self.events(&before)).max(at));
        self.seen = self.seen.max(last);
        self.replace_section(advertiser, last, 0, Vec::new());
        had
    }

    /// The advertisers whose sections are in other records.
    pub fn elsewhere(&self) -> Vec<AdvertiserNo> {
        let elsewhere = self.sections.iter().filter(|section| section.is_elsewhere());
        elsewhere.map(|section| section.advertiser).collect()
    }

    /// Puts sections of other records in the place of those that are said to be there; `fetch` reads the
    /// record of an advertiser's. What is not there is dropped.
    pub fn fetch(&mut self, other: &mut Profile, mut fetch: impl FnMut(AdvertiserNo, &mut Profile) -> bool) {
        for at in 0..self.sections.len() {
            let advertiser = self.sections[at].advertiser;
            if !self.sections[at].is_elsewhere() || !fetch(advertiser, other) {
                continue;
            }
            let Some(section) = other.section(advertiser) else { continue };
            let from = self.events.len() as u32;
            self.events.extend_from_slice(other.events(section));
            let to = self.events.len() as u32;
            self.sections[at] = Section { from, to, ..*section };
            self.seen = self.seen.max(other.seen);
        }
        self.sections.retain(|section| !section.is_elsewhere());
    }

    fn replace_section(&mut self, advertiser: AdvertiserNo, first: Secs, visits: u32, events: Vec<Happening>) {
        let mut kept: Vec<(Section, Vec<Happening>)> = self
            .sections
            .iter()
            .filter(|s| s.advertiser != advertiser)
            .map(|s| (*s, self.events(s).to_vec()))
            .collect();
        let section = Section {
            advertiser,
            first,
            visits,
            from: 0,
            to: 0,
        };
        kept.push((section, events));
        if kept.len() > SECTIONS_MAX {
            let last = |(_, (section, events)): &(usize, &(Section, Vec<Happening>))| (section.last(events), section.advertiser);
            let oldest = kept.iter().enumerate().min_by_key(last).map(|(at, _)| at);
            kept.remove(oldest.unwrap_or(0));
        }
        self.lay_out(kept);
    }

    /// Forgets events from before `oldest`, and shops that know of no other.
    pub fn forget_before(&mut self, oldest: Secs) {
        if self.events.iter().all(|event| event.at >= oldest) {
            return;
        }
        let since = |section: &Section| {
            let events = self.events(section).iter().filter(|event| event.at >= oldest);
            let section = Section {
                first: section.first.max(oldest),
                ..*section
            };
            (section, events.copied().collect::<Vec<_>>())
        };
        let kept: Vec<_> = self.sections.iter().map(since).filter(|(_, events)| !events.is_empty()).collect();
        self.lay_out(kept);
    }

    fn lay_out(&mut self, kept: Vec<(Section, Vec<Happening>)>) {
        self.sections.clear();
        self.events.clear();
        for (mut section, events) in kept {
            section.from = self.events.len() as u32;
            self.events.extend(events);
            section.to = self.events.len() as u32;
            self.sections.push(section);
        }
    }
}

/// Inserts one event's entries in the order of time; beyond the limit the least worth go.
///
/// What is left is the newest event and, of all other entries there ever were, those worth most: a set that
/// does not depend on the order in which they came, nor on how often it was cut to the limit meanwhile.
fn insert(events: &mut Vec<Happening>, entries: &[Happening]) {
    let Some(head) = entries.first() else { return };
    let place = events.iter().position(|e| !e.continued && e.at <= head.at).unwrap_or(events.len());
    events.splice(place..place, entries.iter().copied());
    while events.len() > EVENTS_PER_SECTION_MAX {
        forget_one(events);
    }
}

/// Drops the entry that is worth least: of the oldest event of the least rank the last item. An event's
/// first entry goes after its further items; when somebody was last there is not forgotten.
fn forget_one(events: &mut Vec<Happening>) {
    let worth = |at: usize, head: usize| {
        let (of, entry) = (&events[head], &events[at]);
        (of.kind.rank(), of.at, content(of), Reverse(at - head), content(entry))
    };
    let heads = (0..events.len()).filter(|at| !events[*at].continued);
    let newest = heads.max_by_key(|at| (events[*at].at, worth(*at, *at)));
    let mut head = 0;
    let of_head = |at: usize| {
        head = if events[at].continued { head } else { at };
        (at, head)
    };
    let all = (0..events.len()).map(of_head).filter(|(at, _)| Some(*at) != newest);
    let victim = all.min_by_key(|(at, head)| worth(*at, *head));
    events.remove(victim.map_or(0, |(at, _)| at));
}

/// What tells entries of one moment apart, as stored.
fn content(of: &Happening) -> (EventKind, ProductKey, u32, i64, Marks) {
    (of.kind, of.product, of.quantity, record::cents(of), of.marks)
}

/// The goods in a cart: what was added, less removed, less bought since (contract §3 `state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CartLine {
    /// The item.
    pub product: ProductKey,
    /// How many are left in the cart.
    pub quantity: u32,
    /// What they are worth, in the advertiser's currency.
    pub value: Money,
    /// When it was last added to.
    pub at: Secs,
    /// What rules can ask of that addition.
    pub marks: Marks,
}

/// Works out the cart from a section's events (newest first) into `lines`, the last added first.
pub fn cart(events: &[Happening], lines: &mut Vec<CartLine>) {
    lines.clear();
    for event in oldest_first(events) {
        match event.kind {
            EventKind::AddToCart => add(lines, event),
            EventKind::RemoveFromCart => take(lines, event),
            EventKind::Purchase if event.product.is_some() => take(lines, event),
            EventKind::Purchase => lines.clear(),
            _ => {}
        }
    }
    lines.retain(|line| line.quantity > 0);
    lines.reverse();
}

/// Entries in order of time, an event's items in their own order.
fn oldest_first(events: &[Happening]) -> impl Iterator<Item = &Happening> {
    let mut end = events.len();
    let mut start = end;
    let mut at = end;
    std::iter::from_fn(move || {
        if at == end {
            end = start;
            if end == 0 {
                return None;
            }
            start = end - 1;
            while start > 0 && events[start].continued {
                start -= 1;
            }
            at = start;
        }
        at += 1;
        Some(&events[at - 1])
    })
}

fn add(lines: &mut Vec<CartLine>, event: &Happening) {
    let old = lines
        .iter()
        .position(|line| line.product == event.product)
        .map(|at| lines.remove(at));
    let (quantity, value) = old.map_or((0, Money::ZERO), |line| (line.quantity, line.value));
    lines.push(CartLine {
        product: event.product,
        quantity: quantity.saturating_add(event.quantity),
        value: value + event.value,
        at: event.at,
        marks: event.marks,
    });
}

fn take(lines: &mut [CartLine], event: &Happening) {
    if let Some(line) = lines.iter_mut().find(|line| line.product == event.product) {
        let left = line.quantity.saturating_sub(event.quantity);
        let share = if line.quantity == 0 {
            0
        } else {
            line.value.0 / i128::from(line.quantity) * i128::from(left)
        };
        line.value = Money(share);
        line.quantity = left;
    }
}
