//! What is remembered of one shopper, opened up: who knows them, and the events each keeps.

mod record;

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
        let (first, visits, mut events) = match self.section(advertiser) {
            Some(section) => (section.first, section.visits, self.events(section).to_vec()),
            None => (head.at, 0, Vec::new()),
        };
        let place = events.iter().position(|e| !e.continued && e.at <= head.at).unwrap_or(events.len());
        events.splice(place..place, entries.iter().copied());
        while events.len() > EVENTS_PER_SECTION_MAX {
            forget_one(&mut events);
        }
        self.replace_section(advertiser, first.min(head.at), visits.saturating_add(1), events);
    }

    /// Takes over what another record remembers, event by event.
    pub fn absorb(&mut self, other: &Profile) {
        self.seen = self.seen.max(other.seen);
        self.machine_until = self.machine_until.max(other.machine_until);
        for section in &other.sections {
            let events = other.events(section);
            let mut end = events.len();
            for start in (0..events.len()).rev() {
                if !events[start].continued {
                    self.remember(section.advertiser, &events[start..end]);
                    end = start;
                }
            }
        }
    }

    fn replace_section(&mut self, advertiser: AdvertiserNo, first: Secs, visits: u32, events: Vec<Happening>) {
        let mut kept: Vec<(Section, Vec<Happening>)> = self
            .sections
            .iter()
            .filter(|s| s.advertiser != advertiser)
            .map(|s| (*s, self.events(s).to_vec()))
            .collect();
        kept.push((
            Section {
                advertiser,
                first,
                visits,
                from: 0,
                to: 0,
            },
            events,
        ));
        if kept.len() > SECTIONS_MAX {
            let newest = |events: &[Happening]| events.iter().map(|e| e.at).max();
            let oldest = kept
                .iter()
                .enumerate()
                .min_by_key(|(_, (_, events))| newest(events))
                .map(|(at, _)| at);
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

/// Drops the oldest of the least valuable events, with its further items.
fn forget_one(events: &mut Vec<Happening>) {
    let victim = (0..events.len())
        .filter(|at| !events[*at].continued)
        .min_by_key(|at| (events[*at].kind.rank(), events[*at].at));
    let start = victim.unwrap_or(events.len() - 1);
    let end = events[start + 1..]
        .iter()
        .position(|e| !e.continued)
        .map_or(events.len(), |n| start + 1 + n);
    events.drain(start..end);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, at: u32, product: u64) -> Happening {
        Happening {
            kind,
            at: Secs(at),
            continued: false,
            product: ProductKey(product),
            quantity: 1,
            value: Money::units(10),
            marks: Marks::default(),
        }
    }

    #[test]
    fn a_record_survives_writing_and_reading() {
        let mut profile = Profile::default();
        let shop = AdvertiserNo(7);
        profile.remember(shop, &[event(EventKind::ViewItem, 1_000, 1)]);
        let further = Happening {
            continued: true,
            quantity: 3,
            marks: Marks::from_codes([7, 65_535].into_iter()),
            ..event(EventKind::AddToCart, 2_000, 3)
        };
        profile.remember(shop, &[event(EventKind::AddToCart, 2_000, 2), further]);
        profile.remember(AdvertiserNo(300), &[event(EventKind::PageView, 1_500, 0)]);
        profile.remember(shop, &[event(EventKind::ViewItem, 1_200, 9)]);
        let mut read = Profile::default();
        read.read(&profile.write());
        assert_eq!(read, profile);
        let kinds: Vec<_> = read
            .events(read.section(shop).expect("section"))
            .iter()
            .map(|e| (e.at.0, e.product.0))
            .collect();
        assert_eq!(kinds, [(2_000, 2), (2_000, 3), (1_200, 9), (1_000, 1)]);
        for cut in 0..profile.write().len() {
            read.read(&profile.write()[..cut]);
        }
        profile.machine_until = Secs(2_500);
        read.read(&profile.write());
        assert_eq!(read, profile, "a machine's");
        assert_eq!(seen(&profile.write()), profile.seen);
        read.read(&profile.write()[..7]);
        assert_eq!(
            (read.seen, read.machine_until, read.sections.len()),
            (profile.seen, Secs(0), 0),
            "torn"
        );
    }

    #[test]
    fn purchases_and_carts_are_forgotten_last() {
        let mut profile = Profile::default();
        profile.remember(AdvertiserNo(1), &[event(EventKind::Purchase, 1, 1)]);
        profile.remember(AdvertiserNo(1), &[event(EventKind::AddToCart, 2, 2)]);
        for at in 0..200 {
            profile.remember(AdvertiserNo(1), &[event(EventKind::PageView, 10 + at, 0)]);
        }
        let section = *profile.section(AdvertiserNo(1)).expect("section");
        assert_eq!(profile.events(&section).len(), EVENTS_PER_SECTION_MAX);
        assert_eq!(section.visits, 202);
        assert!(profile.events(&section).iter().any(|e| e.kind == EventKind::Purchase));
        assert!(profile.events(&section).iter().any(|e| e.kind == EventKind::AddToCart));
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut profile = Profile::default();
        profile.remember(AdvertiserNo(1), &[event(EventKind::Purchase, 10, 1)]);
        profile.remember(AdvertiserNo(1), &[event(EventKind::ViewItem, 30, 2)]);
        profile.remember(AdvertiserNo(2), &[event(EventKind::ViewItem, 20, 3)]);
        let before = profile.clone();
        profile.forget_before(Secs(10));
        assert_eq!(profile, before);
        profile.forget_before(Secs(21));
        let left: Vec<_> = profile.events.iter().map(|event| (event.at.0, event.product.0)).collect();
        assert_eq!((left, profile.sections.len()), (vec![(30, 2)], 1));
        assert_eq!((profile.sections[0].first, profile.seen), (Secs(21), Secs(30)));
        let mut read = Profile::default();
        read.read(&profile.write());
        assert_eq!(read, profile);
    }

    #[test]
    fn a_cart_is_what_was_added_less_removed_less_bought() {
        type Case = (&'static [(EventKind, u64, u32)], &'static [(u64, u32)]);
        let cases: [Case; 6] = [
            (&[(EventKind::AddToCart, 1, 1), (EventKind::AddToCart, 2, 2)], &[(2, 2), (1, 1)]),
            (&[(EventKind::AddToCart, 1, 3), (EventKind::RemoveFromCart, 1, 1)], &[(1, 2)]),
            (&[(EventKind::AddToCart, 1, 1), (EventKind::Purchase, 1, 1)], &[]),
            (&[(EventKind::AddToCart, 1, 1), (EventKind::Purchase, 0, 1)], &[]),
            (&[(EventKind::Purchase, 1, 1), (EventKind::AddToCart, 1, 1)], &[(1, 1)]),
            (
                &[
                    (EventKind::AddToCart, 1, 1),
                    (EventKind::AddToCart, 2, 1),
                    (EventKind::AddToCart, 1, 1),
                ],
                &[(1, 2), (2, 1)],
            ),
        ];
        for (events, expected) in cases {
            let mut profile = Profile::default();
            for (n, (kind, product, quantity)) in events.iter().enumerate() {
                let entry = Happening {
                    quantity: *quantity,
                    ..event(*kind, n as u32, *product)
                };
                profile.remember(AdvertiserNo(1), &[entry]);
            }
            let mut lines = Vec::new();
            cart(&profile.events, &mut lines);
            let got: Vec<_> = lines.iter().map(|l| (l.product.0, l.quantity)).collect();
            assert_eq!(got, expected, "{events:?}");
        }
    }

    #[test]
    fn absorbing_keeps_both_histories() {
        let (mut one, mut other) = (Profile::default(), Profile::default());
        one.remember(AdvertiserNo(1), &[event(EventKind::AddToCart, 5, 1)]);
        other.remember(AdvertiserNo(1), &[event(EventKind::Purchase, 9, 1)]);
        other.remember(AdvertiserNo(2), &[event(EventKind::ViewItem, 3, 4)]);
        one.absorb(&other);
        let mut lines = Vec::new();
        cart(one.events(one.section(AdvertiserNo(1)).expect("section")), &mut lines);
        assert!(lines.is_empty() && one.sections.len() == 2 && one.seen == Secs(9));
    }
}
