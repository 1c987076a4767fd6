//! What a scenario is given: short forms of config, feed, events and impressions, made whole and put
//! into a rig.
//!
//! Every short form is a merge patch over a default that bids: acme sells boots to somebody who left
//! them in a cart two hours ago, at a CPM of 5 dollars.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use winback::base::id::UserKey;
use winback::base::money::{Conversion, Money};
use winback::base::time::{Millis, Span};
use winback::config::Fault;
use winback::model::ticket::Ticket;
use winback::track::fact::{Evidence, Fact, Paid, Sign};

use crate::bench_rig::{NOWHERE, Rig, item, merge};

/// Wednesday noon, UTC.
const NOW: &str = "2026-06-10T12:00:00Z";
/// Whoever scenarios do not name.
const SOMEBODY: &str = "u1";
/// The exchange that scenarios ask from and know users by, unless they say otherwise.
pub const EXCHANGE: &str = "x";

/// The config of a scenario, as a server would be given it.
pub struct Config {
    /// `winback.json`.
    pub server: Value,
    /// Its advertisers.
    pub advertisers: Vec<Value>,
}

/// Makes the config of a scenario whole.
pub fn config(given: &Value) -> Config {
    let several = given["advertisers"].as_array().map(Vec::as_slice);
    Config {
        server: server(&given["server"]),
        advertisers: several.unwrap_or(&[given["advertiser"].clone()]).iter().map(advertiser).collect(),
    }
}

/// Sets a rig up of a config and all else that is given; returns it with the time, or the faults of the
/// config. `files` are laid beside it.
pub fn rig(given: &Value, config: &Config) -> Result<(Rig, Millis), Vec<String>> {
    let now = instant(given["now"].as_str().unwrap_or(NOW));
    let folder = given["files"].as_object().map(|files| {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            std::fs::write(folder.path().join(name), text(content)).expect("a file");
        }
        folder
    });
    let dir = folder.as_ref().map_or(Path::new(NOWHERE), |folder| folder.path());
    let told = |faults: Vec<Fault>| {
        let blamed = faults.iter().filter(|fault| !fault.warning).map(|fault| fault_of(fault, dir));
        blamed.collect::<Vec<_>>()
    };
    let mut rig = Rig::new(&config.server, dir).map_err(told)?;
    let shops = &config.advertisers;
    let default = [json!({"id": "boot"}), json!({"id": "shirt"}), json!({"id": "hat"})];
    let items = given["feed"].as_array().map_or(&default[..], Vec::as_slice);
    for shop in shops {
        let (domain, currency) = (
            shop["domain"].as_str().unwrap_or_default(),
            shop["currency"].as_str().unwrap_or("USD"),
        );
        let whole: Vec<Value> = items.iter().map(|short| item(short, domain, currency)).collect();
        rig.add(shop, &whole).map_err(told)?;
    }
    let first = shops[0]["id"].as_str().unwrap_or_default();
    tell(&mut rig, given, first, now);
    show(&mut rig, given, first, now);
    for id in list(&given["opted_out"]) {
        let user = rig.world.hashes.user(text(id).as_bytes());
        rig.record(Fact::Forget { user, opt_out: true }, now);
    }
    match given["status"].as_str() {
        Some("starting") => rig.state.status.set_ready(false),
        Some("poisoned") => rig.state.status.poison(),
        Some(other) => panic!("unknown status `{other}`"),
        None => {}
    }
    Ok((rig, now))
}

/// A fault without what other keys would change of it: the place and the value in the config itself.
fn fault_of(fault: &Fault, dir: &Path) -> String {
    let Fault {
        file,
        line,
        column,
        pointer,
        ..
    } = fault;
    let (problem, remedy) = (&fault.problem, fault.remedy.as_deref().unwrap_or_default());
    match file.strip_prefix(&format!("{}/", dir.display())) {
        Some(named) => format!("{named}:{line}:{column}: {pointer}: {problem}; {remedy}"),
        None => format!("{pointer}: {problem}; {remedy}"),
    }
}

/// `exchange` patches the first exchange, all else the whole.
fn server(patch: &Value) -> Value {
    let mut whole = json!({
        "public": {"url": "https://ads.example"},
        "privacy": {"gdpr_when_unknown": false},
        "currencies": {"base": "USD", "rates": {"EUR": "0.8", "VND": "25000"}},
        "invalid_traffic": null,
        "exchanges": [{"id": EXCHANGE, "seat": "winback"}, {"id": "y", "seat": "winback"}],
    });
    if !patch.is_null() {
        merge(&mut whole, patch);
        let of_exchange = whole["exchange"].take();
        whole.as_object_mut().expect("an object").remove("exchange");
        if !of_exchange.is_null() {
            merge(&mut whole["exchanges"][0], &of_exchange);
        }
    }
    whole
}

/// `audience` is the first audience, `campaign` patches the only campaign, `creative` the only
/// creative; `campaigns` and `creatives` are lists of such patches.
fn advertiser(short: &Value) -> Value {
    let mut patch = if short.is_null() { json!({}) } else { short.clone() };
    let fields = patch.as_object_mut().expect("an advertiser is an object");
    let mut own = |key: &str| fields.remove(key).unwrap_or(Value::Null);
    let (audience, campaign, creative) = (own("audience"), own("campaign"), own("creative"));
    let (campaigns, creatives) = (own("campaigns"), own("creatives"));
    let id = patch["id"].as_str().unwrap_or("acme").to_owned();
    let mut first = json!({"id": "cart", "include": [{"state": "cart", "within": "30d"}]});
    if !audience.is_null() {
        first = audience;
        first["id"] = json!("cart");
    }
    let mut whole = json!({
        "version": 1, "id": id, "name": "Acme", "domain": format!("{id}.example"), "site_key": format!("{id}-web"),
        "audiences": [first],
        "creatives": whole_each(&creatives, creative, &json!({"id": "card", "format": "banner", "sizes": [[300, 250]]})),
        "campaigns": whole_each(&campaigns, campaign, &json!({"id": "back", "audiences": ["cart"], "creatives": ["card"],
            "bid": {"type": "cpm", "amount": 5}, "budget": {"total": 100, "pacing": "asap"}, "frequency": []})),
    });
    merge(&mut whole, &patch);
    whole
}

fn whole_each(several: &Value, only: Value, default: &Value) -> Vec<Value> {
    let patches = several.as_array().cloned().unwrap_or_else(|| vec![only]);
    let whole = |patch: &Value| {
        let mut whole = default.clone();
        if !patch.is_null() {
            merge(&mut whole, patch);
        }
        whole
    };
    patches.iter().map(whole).collect()
}

/// `events`: batches of `{"ago", "advertiser", "user", "consent", "events", "rejected"}`; an event may be
/// `"add_to_cart boot"`, and `rejected` is how many of them must be.
fn tell(rig: &mut Rig, given: &Value, first: &str, now: Millis) {
    let default = [json!({"ago": "2h", "events": ["add_to_cart boot"]})];
    for batch in given["events"].as_array().map_or(&default[..], Vec::as_slice) {
        tell_batch(rig, batch, first, ago(now, batch));
    }
}

/// Tells one batch, as of `at`.
pub fn tell_batch(rig: &mut Rig, batch: &Value, first: &str, at: Millis) {
    let events: Vec<Value> = list(&batch["events"]).iter().map(event).collect();
    let user = match &batch["user"] {
        Value::Null => json!({"exchange_ids": {EXCHANGE: SOMEBODY}}),
        user => user.clone(),
    };
    let whole = json!({"user": user, "consent": batch["consent"], "events": events});
    let rejected = rig.tell(batch["advertiser"].as_str().unwrap_or(first), &whole, at);
    assert_eq!(rejected as u64, batch["rejected"].as_u64().unwrap_or(0), "rejected of {batch}");
}

fn event(short: &Value) -> Value {
    let Some(line) = short.as_str() else { return short.clone() };
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let items: Vec<Value> = words.map(|id| json!({"item_id": id})).collect();
    json!({"event": name, "items": items})
}

/// `shown`: impressions of the user, `{"ago", "campaign", "creative", "signs"}`; `spent`: what others
/// cost, `{"ago", "campaign", "amount"}`.
fn show(rig: &mut Rig, given: &Value, first: &str, now: Millis) {
    let somebody = rig.user(EXCHANGE, SOMEBODY);
    let mut count = 0;
    let mut sign = |rig: &mut Rig, what: &Value, user: UserKey, cpm: Money| {
        count += 1;
        let shop = rig.shop(what["advertiser"].as_str().unwrap_or(first));
        let campaign = what["campaign"].as_str().unwrap_or("back");
        let creative = what["creative"].as_str().unwrap_or("card");
        let ticket = Ticket {
            advertiser: shop.advertiser.no,
            campaign: shop
                .advertiser
                .campaigns
                .iter()
                .find(|c| c.id == campaign)
                .unwrap_or_else(|| panic!("no `{campaign}` in {what}"))
                .no,
            creative: shop
                .advertiser
                .creatives
                .iter()
                .find(|c| c.id == creative)
                .unwrap_or_else(|| panic!("no `{creative}` in {what}"))
                .no,
            user,
            at: ago(now, what).to_secs(),
            hold_s: 360,
            ..Ticket::priced(cpm, Conversion { from: 1, to: 1 })
        };
        let default = [json!("bill")];
        for name in what["signs"].as_array().map_or(&default[..], Vec::as_slice) {
            let evidence = Evidence {
                sign: sign_of(text(name)),
                ticket,
                tag: winback::base::id::BidTag(1_000 + count),
                paid: Paid::Price(cpm),
                at: ticket.at,
                ms: 0,
                invalid: None,
            };
            rig.record(Fact::Evidence(evidence), ago(now, what));
        }
    };
    for shown in list(&given["shown"]) {
        for _ in 0..shown["times"].as_u64().unwrap_or(1) {
            let user = somebody.expect("a user is shown something after events");
            sign(rig, shown, user, Money::units(1));
        }
    }
    for spent in list(&given["spent"]) {
        let amount = Money::parse(text(&spent["amount"])).expect("an amount");
        sign(rig, spent, UserKey(1), amount.to_cpm());
    }
}

/// A sign by its name in scenarios.
pub fn sign_of(name: &str) -> Sign {
    match name {
        "win" => Sign::Win,
        "bill" => Sign::Bill,
        "pixel" => Sign::Pixel,
        "click" => Sign::Click,
        other => panic!("unknown sign `{other}`"),
    }
}

/// A whole bid request of a patch; an object as `imp` patches the only imp.
pub fn request(patch: &Value) -> Value {
    let imp = json!({"id": "1", "tagid": "top", "banner": {"format": [{"w": 300, "h": 250}]}});
    let mut whole = json!({
        "id": "r", "at": 1, "tmax": 200, "imp": [imp],
        "site": {"domain": "news.example", "page": "https://news.example/a", "publisher": {"id": "pub-1"}},
        "device": {"devicetype": 2, "geo": {"country": "USA"}},
        "user": {"id": SOMEBODY},
    });
    if !patch.is_null() {
        let mut patch = patch.clone();
        let of_imp = patch["imp"].take();
        patch.as_object_mut().expect("a request's patch is an object").remove("imp");
        merge(&mut whole, &patch);
        match of_imp {
            Value::Null => {}
            Value::Object(_) => merge(&mut whole["imp"][0], &of_imp),
            imps => whole["imp"] = imps,
        }
    }
    whole
}

/// What was so long before.
fn ago(now: Millis, what: &Value) -> Millis {
    let span = what["ago"].as_str().unwrap_or("0s");
    now.before(span_of(span))
}

/// A length of time.
pub fn span_of(span: &str) -> Span {
    Span::parse(span).unwrap_or_else(|| panic!("`{span}` is no length of time"))
}

fn instant(at: &str) -> Millis {
    Millis(at.parse::<Timestamp>().unwrap_or_else(|e| panic!("{at}: {e}")).as_millisecond())
}

/// A list's entries; none where it is absent.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
