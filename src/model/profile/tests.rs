//! Records: written and read, what is forgotten first, carts, merges.

use super::*;
use crate::base::hash::mix;

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

/// Numbers that only look random.
fn dice(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*seed) % below
}

/// Events of one shop, some with several items, many of the same moment and kind.
fn many(seed: &mut u64, count: usize) -> Vec<Vec<Happening>> {
    let all = (0..count).map(|_| {
        let kind = EventKind::ALL[dice(seed, EventKind::ALL.len() as u64) as usize];
        let at = 1_000 + dice(seed, 20) as u32;
        let items = (0..1 + dice(seed, 5)).map(|n| Happening {
            continued: n > 0,
            ..event(kind, at, 1 + dice(seed, 3))
        });
        items.collect()
    });
    all.collect()
}

/// A record's sections in words in which no order shows.
fn words(profile: &Profile) -> Vec<String> {
    let word = |section: &Section| {
        let mut events: Vec<_> = profile.events(section).iter().map(|e| (e.at, content(e), e.continued)).collect();
        events.sort();
        format!("{:?} {:?} {} {events:?}", section.advertiser, section.first, section.visits)
    };
    let mut words: Vec<String> = profile.sections.iter().map(word).collect();
    words.sort();
    words
}

#[test]
fn what_is_left_of_many_events_does_not_depend_on_their_order() {
    let mut seed = 7;
    let (mut full, mut orders) = (0, 0);
    for _ in 0..60 {
        let count = 10 + dice(&mut seed, 60) as usize;
        let mut all = many(&mut seed, count);
        let mut first = None;
        for _ in 0..20 {
            for at in (1..all.len()).rev() {
                all.swap(at, dice(&mut seed, at as u64 + 1) as usize);
            }
            // Some are known of one user, some of another, until they are found to be one.
            let mut users = [Profile::default(), Profile::default()];
            for entries in &all {
                users[dice(&mut seed, 2) as usize].remember(AdvertiserNo(1), entries);
            }
            let [mut one, other] = users;
            one.absorb(&other);
            let mut read = Profile::default();
            read.read(&one.write());
            assert_eq!(words(&read), words(&one));
            assert!(one.events.iter().any(|e| e.at == one.seen), "when somebody was last there is known");
            full += usize::from(one.events.len() == EVENTS_PER_SECTION_MAX);
            orders += 1;
            let found = words(&one);
            assert_eq!(first.get_or_insert_with(|| found.clone()), &found);
        }
    }
    println!("{orders} orders, {full} of full records");
    assert!(full > 500 && orders == 1_200);
}

/// Of very many shops those that saw somebody last are remembered, in any order; of each all that is later than
/// the last visit to the first of those that are not.
#[test]
fn of_very_many_shops_the_last_are_remembered() {
    let mut seed = 11;
    for _ in 0..40 {
        let visits = 100 + dice(&mut seed, 100) as usize;
        let visit = |seed: &mut u64| {
            (
                AdvertiserNo(dice(seed, 50) as u32),
                event(EventKind::ViewItem, 1_000 + dice(seed, 5_000) as u32, 1),
            )
        };
        let mut all: Vec<_> = (0..visits).map(|_| visit(&mut seed)).collect();
        let last = |of: AdvertiserNo| all.iter().filter(|(shop, _)| *shop == of).map(|(_, e)| e.at).max();
        let mut ranked: Vec<_> = (0..50).filter_map(|n| Some((last(AdvertiserNo(n))?, AdvertiserNo(n)))).collect();
        ranked.sort();
        ranked.reverse();
        let horizon = ranked.get(SECTIONS_MAX).map_or(Secs(0), |(at, _)| *at);
        ranked.truncate(SECTIONS_MAX);
        ranked.sort_by_key(|(_, shop)| *shop);
        for _ in 0..10 {
            for at in (1..all.len()).rev() {
                all.swap(at, dice(&mut seed, at as u64 + 1) as usize);
            }
            let mut users = [Profile::default(), Profile::default()];
            for (shop, event) in &all {
                users[dice(&mut seed, 2) as usize].remember(*shop, &[*event]);
            }
            let [mut one, other] = users;
            one.absorb(&other);
            let mut kept: Vec<AdvertiserNo> = one.sections.iter().map(|s| s.advertiser).collect();
            kept.sort();
            assert_eq!(kept, ranked.iter().map(|(_, shop)| *shop).collect::<Vec<_>>());
            for section in &one.sections {
                let later = |e: &&Happening| e.at > horizon;
                let of = all.iter().filter(|(shop, _)| *shop == section.advertiser).map(|(_, e)| e);
                assert_eq!(one.events(section).iter().filter(later).count(), of.filter(later).count());
            }
        }
    }
}
