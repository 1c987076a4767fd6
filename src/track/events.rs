//! Reading events: a batch of JSON to what is remembered of it, every fault with its place.
//!
//! A bad event is rejected and named; the others count. Amounts are read from their text. Permission
//! is checked before any id is looked at.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::{SmallVec, smallvec};

use super::fact::{Clicked, EventBatch, IdRef, NewEvent};
use super::notice;
use super::who::{self, Unclear};
use crate::base::id::{ProductKey, UserKey};
use crate::base::limits::{EVENTS_PER_BATCH_MAX, ID_CHARS_MAX, ITEMS_PER_EVENT_MAX};
use crate::base::money::{Currency, Money, Round};
use crate::base::seal::Audience;
use crate::base::time::{Millis, Secs};
use crate::model::advertiser::Shop;
use crate::model::event::{Aspect, EventKind, Happening, Marks};
use crate::model::product::Product;
use crate::model::traffic::Invalid;
use crate::privacy::grant::Grant;
use crate::privacy::permission::Use;
use crate::privacy::signals::Stated;
use crate::state::world::World;

/// An event may be dated this far ahead of our clock.
const AHEAD_MS_MAX: i64 = 5 * 60_000;
/// What one entry may be worth at most: sums and stored records hold it whatever the currency.
const VALUE_MAX: Money = Money::units(1_000_000_000_000_000);

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The shop's server, by its event key: may name users and times.
    Server,
    /// A browser: the user is the cookie's or the tag's, the time is now.
    Browser {
        /// `wb_uid`.
        cookie: Option<String>,
        /// Why nobody sits in front of it, where nobody does.
        invalid: Option<Invalid>,
    },
    /// A browser that opted out or says that it wants no tracking: nothing is recorded of it.
    Objector,
}

impl Sender {
    /// Why nobody sits in front of it, where nobody does.
    fn invalid(&self) -> Option<Invalid> {
        match self {
            Sender::Browser { invalid, .. } => *invalid,
            Sender::Server | Sender::Objector => None,
        }
    }
}

/// A rejected event.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rejected {
    /// Its index in the batch.
    pub index: usize,
    /// Where in it.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// A batch as read.
#[derive(Debug)]
pub struct Read {
    /// What is to be recorded; none where nothing is left.
    pub batch: Option<EventBatch>,
    /// How many events were accepted.
    pub accepted: usize,
    /// The others.
    pub rejected: Vec<Rejected>,
    /// What accepted events name.
    pub named: Named,
}

/// The products that events name, held against the feed.
#[derive(Debug, Default)]
pub struct Named {
    /// How many items the feed lists.
    pub listed: usize,
    /// The others, as they are written.
    pub unlisted: Vec<String>,
}

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(default)]
    consent: Option<RawConsent>,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct RawConsent {
    #[serde(default)]
    gdpr: Option<serde_json::Value>,
    #[serde(default)]
    gdpr_consent: Option<String>,
    #[serde(default)]
    gpp: Option<String>,
    #[serde(default)]
    gpp_sid: Option<serde_json::Value>,
    #[serde(default)]
    us_privacy: Option<String>,
    #[serde(default)]
    gpc: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    event: String,
    event_id: Option<String>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    items: Vec<RawItem<'a>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    currency: Option<String>,
    transaction_id: Option<String>,
    channel: Option<String>,
    url: Option<String>,
    click_id: Option<String>,
}

#[derive(Deserialize)]
struct RawItem<'a> {
    item_id: String,
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    item_category: Option<String>,
    item_brand: Option<String>,
}

impl RawEvent<'_> {
    /// What the event, or an item of it, says of itself.
    fn says<'r>(&'r self, aspect: Aspect, item: Option<&'r RawItem<'_>>) -> Option<&'r str> {
        match aspect {
            Aspect::Category => item?.item_category.as_deref(),
            Aspect::Brand => item?.item_brand.as_deref(),
            Aspect::Channel => self.channel.as_deref(),
            Aspect::Url => self.url.as_deref(),
        }
    }
}

impl Named {
    /// Takes in the items of an event, of which there is an entry each.
    fn add(&mut self, shop: &Shop, raw: &RawEvent<'_>, entries: &[Happening]) {
        for (item, entry) in raw.items.iter().zip(entries) {
            match shop.catalog.get(entry.product) {
                Some(_) => self.listed += 1,
                None => self.unlisted.push(item.item_id.trim().to_owned()),
            }
        }
    }
}

/// A fault of one event: where, and what.
type Fault = (String, String);

/// Reads one batch. The error is the batch's own: not JSON of the shape, too long, no user.
pub fn read(world: &World, shop: &Arc<Shop>, sender: &Sender, body: &str, now: Millis, fresh: (UserKey, String)) -> Result<Read, String> {
    let raw: RawBatch<'_> = serde_json::from_str(body).map_err(|e| format!("the batch is not as described: {e}"))?;
    if raw.events.len() > EVENTS_PER_BATCH_MAX {
        return Err(format!(
            "{} events in one batch: send at most {EVENTS_PER_BATCH_MAX}",
            raw.events.len()
        ));
    }
    let stated = raw.consent.map_or(Stated::default(), stated);
    let signals = stated.signals();
    let permission = world.privacy.permit(&signals);
    if !permission.allows(Use::Event) {
        return Ok(refused(
            raw.events.len(),
            "/consent",
            "the consent given does not allow storing events",
        ));
    }
    let named = match sender {
        Sender::Server => who::of_server(world, shop, raw.user),
        Sender::Browser { cookie, .. } => who::of_browser(world, shop, cookie.as_deref(), raw.user),
        Sender::Objector => {
            return Ok(refused(
                raw.events.len(),
                "/consent",
                "the browser objects: it has opted out or sends `Sec-GPC`",
            ));
        }
    };
    let mut ids = match named {
        Ok(ids) => ids,
        Err(Unclear::Email(problem)) => return Ok(refused(raw.events.len(), "/user/email_sha256", problem)),
        Err(Unclear::User(problem)) => return Err(problem),
    };
    let (mut events, mut rejected, mut named) = (Vec::new(), Vec::new(), Named::default());
    for (index, text) in raw.events.iter().enumerate() {
        match event(world, shop, sender, text, now, &mut named) {
            Ok(event) => events.push(event),
            Err((pointer, problem)) => rejected.push(Rejected { index, pointer, problem }),
        }
    }
    if *sender == Sender::Server {
        // A shop knows its customer: whoever clicked is the one it names. A browser could name anybody.
        ids.extend(
            events
                .iter()
                .filter_map(|event| event.click)
                .map(|click| IdRef::Clicked(click.ticket.user)),
        );
        if ids.is_empty() {
            return Err("no user: give at least one of `id`, `first_party_id`, `email_sha256`, `ifa`, `exchange_ids`".into());
        }
    }
    let accepted = events.len();
    let batch = (accepted > 0).then(|| EventBatch {
        shop: shop.clone(),
        ids,
        fresh,
        events,
        grant: Grant::of(permission, &signals, now.to_secs()),
        invalid: sender.invalid(),
    });
    Ok(Read {
        batch,
        accepted,
        rejected,
        named,
    })
}

fn refused(events: usize, pointer: &str, problem: &str) -> Read {
    let all = (0..events).map(|index| Rejected {
        index,
        pointer: pointer.into(),
        problem: problem.into(),
    });
    Read {
        batch: None,
        accepted: 0,
        rejected: all.collect(),
        named: Named::default(),
    }
}

fn stated(consent: RawConsent) -> Stated {
    let text = |value: Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => Some(text),
        Some(serde_json::Value::Array(list)) => {
            let sections = list.iter().map(|sid| sid.as_str().map_or_else(|| sid.to_string(), str::to_owned));
            Some(sections.collect::<Vec<_>>().join(","))
        }
        Some(serde_json::Value::Null) | None => None,
        Some(other) => Some(other.to_string()),
    };
    Stated {
        gdpr: text(consent.gdpr),
        gdpr_consent: consent.gdpr_consent,
        gpp: consent.gpp,
        gpp_sid: text(consent.gpp_sid),
        us_privacy: consent.us_privacy,
        gpc: text(consent.gpc),
    }
}

/// `named` takes in what the event names, where it is accepted.
fn event(world: &World, shop: &Shop, sender: &Sender, text: &RawValue, now: Millis, named: &mut Named) -> Result<NewEvent, Fault> {
    let raw: RawEvent<'_> = serde_json::from_str(text.get()).map_err(|e| (String::new(), format!("not an event: {e}")))?;
    let unknown = || {
        (
            "/event".into(),
            format!(
                "unknown event `{}`: use a name of the list, or `custom:<name>`",
                shorten(&raw.event)
            ),
        )
    };
    let kind = EventKind::parse(&raw.event).ok_or_else(unknown)?;
    let at = time(sender, raw.time, now, world.retention_s)?;
    let currency = match &raw.currency {
        None => shop.advertiser.currency,
        Some(code) => Currency::parse(code).ok_or_else(|| ("/currency".into(), format!("`{}` is no ISO 4217 code", shorten(code))))?,
    };
    if raw.items.len() > ITEMS_PER_EVENT_MAX {
        return Err((
            "/items".into(),
            format!("{} items: at most {ITEMS_PER_EVENT_MAX} are kept", raw.items.len()),
        ));
    }
    let into_own = |amount: Money| {
        let conversion = world.rates.conversion(currency, shop.advertiser.currency);
        conversion.map_or(Money::ZERO, |conversion| conversion.apply(amount, Round::Nearest).min(VALUE_MAX))
    };
    let total = amount(raw.value, "/value")?.map(into_own);
    let mut entries = entries(world, shop, &raw, kind, at, into_own)?;
    named.add(shop, &raw, &entries);
    let sum: Money = entries.iter().map(|entry| entry.value).sum();
    let whole = |product, value, marks| Happening {
        kind,
        at,
        continued: false,
        product,
        quantity: 1,
        value,
        marks,
    };
    if kind == EventKind::Custom {
        // Its one entry holds its name where others hold a product, so what its items are goes into marks.
        let marks = custom_marks(shop, &raw, &entries);
        entries = smallvec![whole(world.hashes.custom_event(&raw.event), total.unwrap_or(sum), marks)];
    } else if entries.is_empty() {
        let marks = marks(shop, |aspect| raw.says(aspect, None));
        entries.push(whole(ProductKey::NONE, total.unwrap_or_default(), marks));
    }
    let hash = |domain: &str, id: Option<String>| id.filter(|id| !id.is_empty()).map(|id| world.hashes.of(domain, &[id.as_bytes()]));
    Ok(NewEvent {
        entries,
        event_id: hash("event_id", raw.event_id),
        order: hash("order", raw.transaction_id),
        value: total.unwrap_or(sum),
        is_stated: total.is_some() || !raw.items.is_empty(),
        click: raw.click_id.as_deref().and_then(|token| clicked(world, shop, token)),
    })
}

/// The click that a `click_id` stands for: none where it is not ours, another shop's or of a test. An event
/// is not rejected for what became of a parameter on its way.
fn clicked(world: &World, shop: &Shop, token: &str) -> Option<Clicked> {
    let notice::Opened { ticket, tag, .. } = notice::open(world, Audience::View, token.trim())?;
    (ticket.advertiser == shop.advertiser.no && !ticket.test).then_some(Clicked { ticket, tag })
}

/// One entry for each item, `into_own` making amounts the shop's.
fn entries(
    world: &World,
    shop: &Shop,
    raw: &RawEvent<'_>,
    kind: EventKind,
    at: Secs,
    into_own: impl Fn(Money) -> Money,
) -> Result<SmallVec<[Happening; 2]>, Fault> {
    let mut entries: SmallVec<[Happening; 2]> = SmallVec::new();
    for (index, item) in raw.items.iter().enumerate() {
        let quantity = quantity(item.quantity, index)?;
        let price = amount(item.price, &format!("/items/{index}/price"))?.map(&into_own);
        let product = product_key(world, shop, &item.item_id, index)?;
        let listed = || shop.catalog.get(product).map_or(Money::ZERO, |product| product.price);
        let each = price.unwrap_or_else(listed);
        let value = Money(each.0.saturating_mul(i128::from(quantity))).min(VALUE_MAX);
        entries.push(Happening {
            kind,
            at,
            continued: index > 0,
            product,
            quantity,
            value,
            marks: marks(shop, |aspect| raw.says(aspect, Some(item))),
        });
    }
    Ok(entries)
}

/// The marks of an entry: what the advertiser's rules look for and it says of itself. `said` gives its
/// text of an aspect.
fn marks<'a>(shop: &Shop, said: impl Fn(Aspect) -> Option<&'a str>) -> Marks {
    let mut marks = Marks::default();
    for needle in &shop.advertiser.needles {
        if said(needle.aspect).is_some_and(|text| needle.is_in(text)) {
            marks.add(needle.mark);
        }
    }
    marks
}

/// The marks of a custom event: what it, an item of it, or the feed on such an item says.
fn custom_marks(shop: &Shop, raw: &RawEvent<'_>, items: &[Happening]) -> Marks {
    let mut found = marks(shop, |aspect| raw.says(aspect, None));
    for needle in &shop.advertiser.needles {
        let is_listed = |product: &Product| match needle.aspect {
            Aspect::Category => product.categories.iter().any(|path| needle.is_in(path)),
            Aspect::Brand => needle.is_in(&product.brand),
            Aspect::Channel | Aspect::Url => false,
        };
        let is_about = |item: &Happening| item.marks.has(needle.mark) || shop.catalog.get(item.product).is_some_and(is_listed);
        if items.iter().any(is_about) {
            found.add(needle.mark);
        }
    }
    found
}

/// RFC 3339 text, or a number of seconds or milliseconds since 1970.
fn time(sender: &Sender, raw: Option<&RawValue>, now: Millis, retention_s: u32) -> Result<Secs, Fault> {
    let fault = |problem: String| ("/time".to_owned(), problem);
    let Some(raw) = raw.map(|raw| raw.get()).filter(|raw| *raw != "null") else {
        return Ok(now.to_secs());
    };
    if *sender != Sender::Server {
        return Err(fault("a browser's events are dated by the server: leave `time` out".into()));
    }
    let millis = match serde_json::from_str::<String>(raw) {
        Ok(text) => text.parse::<jiff::Timestamp>().map(|t| t.as_millisecond()).ok(),
        Err(_) => Money::parse_lossy(raw).ok().and_then(|number| {
            // Numbers this large are milliseconds.
            let seconds = number.0 < Money::units(100_000_000_000).0;
            i64::try_from(if seconds { number.0 / 1_000_000 } else { number.0 / 1_000_000_000 }).ok()
        }),
    };
    let millis = millis.ok_or_else(|| fault(format!("`{}` is no time: use RFC 3339, as 2026-01-31T12:00:00Z", shorten(raw))))?;
    if millis > now.0 + AHEAD_MS_MAX {
        return Err(fault(format!("{} is in the future", Millis(millis).to_rfc3339())));
    }
    if millis < now.0 - i64::from(retention_s) * 1000 {
        return Err(fault(format!("{} is longer ago than events are kept", Millis(millis).to_rfc3339())));
    }
    Ok(Millis(millis).to_secs())
}

fn amount(raw: Option<&RawValue>, pointer: &str) -> Result<Option<Money>, Fault> {
    let Some(raw) = raw.map(|raw| raw.get()).filter(|raw| *raw != "null") else {
        return Ok(None);
    };
    let text = serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
    match Money::parse_lossy(&text) {
        Ok(amount) if amount >= Money::ZERO => Ok(Some(amount)),
        _ => Err((
            pointer.to_owned(),
            format!("`{}` is no amount: use a decimal number, as 12.50", shorten(raw)),
        )),
    }
}

fn quantity(raw: Option<&RawValue>, index: usize) -> Result<u32, Fault> {
    let Some(raw) = raw.map(|raw| raw.get()).filter(|raw| *raw != "null") else {
        return Ok(1);
    };
    let text = raw.trim_matches('"');
    let whole = Money::parse(text).ok().filter(|n| n.0 % Money::units(1).0 == 0);
    let whole = whole.and_then(|n| u32::try_from(n.0 / Money::units(1).0).ok());
    whole.filter(|n| (1..=1_000_000).contains(n)).ok_or_else(|| {
        (
            format!("/items/{index}/quantity"),
            format!("`{}` is no quantity: use a whole number from 1", shorten(raw)),
        )
    })
}

/// The product of an `item_id`; configured prefixes are cut where only the rest is in the feed.
fn product_key(world: &World, shop: &Shop, item_id: &str, index: usize) -> Result<ProductKey, Fault> {
    let item_id = item_id.trim();
    if item_id.is_empty() || item_id.len() > ID_CHARS_MAX {
        return Err((
            format!("/items/{index}/item_id"),
            format!("an id has 1 to {ID_CHARS_MAX} characters"),
        ));
    }
    let key = |id: &str| world.hashes.product(shop.advertiser.no, id);
    let prefixes = shop.advertiser.feed.as_ref().map_or(&[][..], |feed| &feed.id_prefixes);
    let cut = prefixes.iter().filter_map(|prefix| item_id.strip_prefix(prefix.as_str())).map(key);
    let listed = |key: &ProductKey| shop.catalog.get(*key).is_some();
    Ok(std::iter::once(key(item_id))
        .chain(cut)
        .find(listed)
        .unwrap_or_else(|| key(item_id)))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
