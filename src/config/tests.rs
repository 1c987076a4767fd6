//! Whole files: the contract's examples, and what becomes of slips in them.

mod planted;
mod presets;
mod shapes;
mod spend;

use std::cell::RefCell;
use std::path::Path;

use super::*;
use crate::base::money::{Money, Ratio};
use crate::base::time::{Millis, Span};
use crate::model::advertiser::{Advertiser, BidKind, CapScope, RuleSubject, Size};
use crate::model::event::{EventKind, NamedKind};
use crate::model::targeting::WeekWindow;
use crate::model::traffic::InvalidTraffic;

const SERVER: &str = include_str!("tests/winback.json");
const ADVERTISER: &str = include_str!("tests/acme-shoes.json");

/// Numbers in the order they are asked for, and how often they were.
#[derive(Default)]
struct InMemory(RefCell<Vec<String>>);

impl InMemory {
    fn no(&self, name: String) -> u32 {
        let mut names = self.0.borrow_mut();
        let known = names.iter().position(|n| *n == name);
        let place = known.unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        u32::try_from(place + 1).expect("few")
    }
}

impl Numbers for InMemory {
    fn advertiser(&self, id: &str) -> AdvertiserNo {
        AdvertiserNo(self.no(format!("a {id}")))
    }
    fn book(&self, advertiser: &str) -> CampaignNo {
        CampaignNo(self.no(format!("b {advertiser}")))
    }
    fn campaign(&self, advertiser: &str, campaign: &str) -> CampaignNo {
        CampaignNo(self.no(format!("c {advertiser} {campaign}")))
    }
    fn creative(&self, advertiser: &str, creative: &str) -> CreativeNo {
        CreativeNo(u8::try_from(self.no(format!("d {advertiser} {creative}"))).expect("few"))
    }
}

type Read<T> = Result<(T, Vec<Fault>), Vec<Fault>>;

fn read_server(text: &str) -> Read<Server> {
    server_from_text("winback.json", Path::new("/nowhere"), text)
}

fn read_advertiser(text: &str) -> Read<Advertiser> {
    let dir = tempfile::tempdir().expect("folder");
    let read = read_advertiser_in(dir.path(), text);
    assert_eq!(
        read.is_err(),
        !dir.path().join("acme-event-key").exists(),
        "keys only without faults"
    );
    read
}

fn read_advertiser_in(dir: &Path, text: &str) -> Read<Advertiser> {
    let (server, _) = read_server(SERVER).expect("server");
    let (hashes, numbers) = (Hashes::new(&[1; 16]), InMemory::default());
    let context = Context {
        server: &server,
        hashes: &hashes,
        numbers: &numbers,
    };
    let read = advertiser("acme.json", dir, text, &context);
    assert_eq!(read.is_err(), numbers.0.borrow().is_empty(), "numbers only without faults");
    read
}

fn blamed<T>(read: Read<T>) -> Vec<String> {
    let faults = read.err().unwrap_or_default();
    faults.iter().filter(|fault| !fault.warning).map(Fault::to_string).collect()
}

fn warned<T>(read: &Read<T>) -> Vec<String> {
    let (_, warnings) = read.as_ref().unwrap_or_else(|faults| panic!("{faults:?}"));
    warnings
        .iter()
        .map(|w| format!("{}:{} {} {}", w.line, w.column, w.pointer, w.problem))
        .collect()
}

/// Replaces what stands exactly once in `text`.
fn plant(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

#[test]
fn the_contracts_server_is_read() {
    let read = read_server(SERVER);
    assert_eq!(
        warned(&read),
        ["21:32 /privacy/gvl_vendor_id without `gvl_vendor_id` every request under gdpr is no-bid `consent`"]
    );
    let (server, _) = read.expect("read");
    assert_eq!(server.token_file, Path::new("/nowhere/admin-token"));
    assert_eq!(server.url(server.public), "https://ads.example.com");
    let exchange = server.exchange("demo-x").expect("exchange");
    assert_eq!(exchange.auction.shade, Ratio::parse("0.8").expect("ratio"));
    assert_eq!((exchange.exp_s.app, exchange.notice_grace_s), (1800, 60));
    assert_eq!(exchange.sync.as_ref().map(|sync| sync.ttl), Some(Span::days(30)));
    let there = server
        .rates
        .conversion(server.rates.base(), crate::base::money::Currency::parse("VND").expect("code"));
    assert_eq!(there.map(|c| c.to), Some(25_400_000_000_000));
}

#[test]
fn an_empty_server_has_defaults() {
    let (server, _) = read_server("{}").expect("read");
    assert_eq!(server.url(server.public), "http://127.0.0.1:8081");
    assert_eq!(server.compact.map(|compact| compact.at.to_string()), Some("03:00:00".to_owned()));
    let (server, _) = read_server(r#"{"compact": null}"#).expect("read");
    assert_eq!(server.compact, None);
    let (server, _) = read_server(r#"{"compact": {"at": "04:30", "timezone": "Asia/Ho_Chi_Minh"}}"#).expect("read");
    let clock = server
        .compact
        .map(|compact| (compact.at.to_string(), compact.timezone.iana_name().map(str::to_owned)));
    assert_eq!(clock, Some(("04:30:00".to_owned(), Some("Asia/Ho_Chi_Minh".to_owned()))));
    let (server, _) = read_server("{}").expect("read");
    let of = &server.invalid_traffic;
    assert_eq!(
        (
            of.is_tested,
            of.events_per_min,
            of.items_per_day,
            of.bids_per_min,
            of.users_per_foreign_id
        ),
        (true, Some(60), Some(300), Some(20), Some(5))
    );
    let (server, _) = read_server(r#"{"invalid_traffic": null}"#).expect("read");
    assert_eq!(server.invalid_traffic, InvalidTraffic::default());
    let (server, _) = read_server(r#"{"invalid_traffic": {"items_per_day": null}}"#).expect("read");
    let of = server.invalid_traffic;
    assert_eq!((of.is_tested, of.items_per_day, of.bids_per_min), (true, None, Some(20)));
}

#[test]
fn the_contracts_advertiser_is_read_with_warnings_only() {
    let read = read_advertiser(ADVERTISER);
    assert_eq!(warned(&read), ["12:20 /feed/path no such file"]);
    let (shop, _) = read.expect("read");
    assert_eq!(shop.event_key.as_ref().map(String::len), Some(64));
    assert_eq!(shop.origins, ["https://acme-shoes.example"]);
    assert_eq!(shop.landing.domains, ["acme-shoes.example"]);
    assert_eq!(shop.audiences[2].include[0].min_value, Some(Money::units(100)));
    assert_eq!(
        shop.audiences[3].include[0].category.as_ref().map(|c| c.text.as_str()),
        Some("sneakers")
    );
    assert_eq!(shop.audiences[0].include[0].subject, RuleSubject::Cart);
    let card = &shop.creatives[0];
    assert_eq!(
        card.ads.iter().map(|(size, _)| *size).collect::<Vec<_>>(),
        [Size { w: 300, h: 250 }, Size { w: 336, h: 280 }]
    );
    assert!(card.crid.starts_with("acme-shoes.card.") && card.crid.len() == 24, "{}", card.crid);
    let (native, spot) = (&shop.creatives[2], &shop.creatives[3]);
    assert!(native.spot.is_none() && native.native.as_ref().is_some_and(|native| native.spot.is_none()));
    assert_eq!((spot.seconds(), spot.ads.len(), spot.native.is_none()), (15, 1, true));
    let campaign = &shop.campaigns[0];
    assert_eq!((campaign.bid.kind, campaign.bid.amount), (BidKind::Cpc, Money(400_000_000)));
    // 2026-01-01T00:00 in Ho Chi Minh City, seven hours ahead.
    assert_eq!(campaign.start, Some(Millis(1_767_200_400_000)));
    assert_eq!(campaign.audiences[1].multiplier, Ratio(1_500_000_000));
    assert_eq!(campaign.frequency[1].scope, CapScope::Advertiser);
    assert_eq!(campaign.creatives, [0, 1, 2]);
    let hours = campaign.targeting.hours.as_ref().expect("hours");
    assert_eq!((hours.windows.len(), hours.windows[0]), (5, WeekWindow { from: 420, to: 1380 }));
    assert!(campaign.budget.even);
}

#[test]
fn an_own_template_is_read_and_its_slips_have_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = plant(ADVERTISER, r#""template": "product-card""#, r#""template": {"file": "ad.html"}"#);
    let read = |html: &[u8]| {
        std::fs::write(folder.path().join("ad.html"), html).expect("a file");
        read_advertiser_in(folder.path(), &text)
    };
    let link = "<a href=\"{{click}}\">x</a>";
    let (shop, _) = read(format!("{link}{{{{#products}}}}{{{{product.title}}}}{{{{/products}}}}").as_bytes()).expect("read");
    let card = &shop.creatives[0];
    assert_eq!((card.products, card.ads.len(), card.ads[0].1.places()), (3, 2, 3));
    let (again, _) = read(format!("{link}!").as_bytes()).expect("read");
    assert_eq!(again.creatives[0].ads[0].1.places(), 1, "no loop");
    assert_ne!(card.crid, again.creatives[0].crid, "the file is what a reviewer sees");
    let said = |html: &[u8]| -> Vec<String> {
        let faults = read(html).expect_err("refused");
        faults.iter().filter(|fault| !fault.warning).map(ToString::to_string).collect()
    };
    let place = folder.path().join("ad.html").display().to_string();
    assert_eq!(
        said(format!("{link}\n <p title={{{{headline}}}}>\n  é{{{{product.titel}}}}").as_bytes()),
        [
            format!(
                "{place}:2:11: /creatives/0/template/file: `{{{{headline}}}}`: a placeholder in a value without quotes; write `title=\"…\"`"
            ),
            format!(
                "{place}:3:4: /creatives/0/template/file: `{{{{product.titel}}}}`: an unknown placeholder; did you mean `product.title`?"
            ),
        ]
    );
    assert!(said(b"\xff")[0].contains("a template that is not UTF-8"));
    assert!(said(&vec![b' '; 40_000])[0].contains("at most 30720 bytes without its pictures"));
    let heavy = format!("{link}{{{{#products}}}}{}{{{{/products}}}}", "x".repeat(12_000));
    assert!(
        said(heavy.as_bytes())[0].contains("with 3 products; "),
        "{:?}",
        said(heavy.as_bytes())
    );
}

#[test]
fn trackers_are_secure_and_few() {
    let planted = |trackers: &str| plant(ADVERTISER, r#""headline":"#, &format!(r#""trackers": {trackers}, "headline":"#));
    let (shop, _) = read_advertiser(&planted(r#"{"impression": ["https://a.example/?c=${AUCTION_ID}"]}"#)).expect("read");
    assert_eq!(
        shop.creatives[0].crid,
        read_advertiser(ADVERTISER).expect("read").0.creatives[0].crid
    );
    let many = format!(r#"{{"click": [{}]}}"#, [r#""https://a.example/""#; 11].join(","));
    for (trackers, problem) in [
        (r#"{"click": ["http://a.example/"]}"#, "not a secure address"),
        (r#"{"impression": ["https://a.example/ b"]}"#, "not a secure address"),
        (r#"{"impression": ["javascript:x"]}"#, "not a web address"),
        (many.as_str(), "11 trackers"),
    ] {
        let faults = read_advertiser(&planted(trackers)).expect_err(problem);
        assert!(faults.iter().any(|fault| fault.problem == problem), "{faults:?}");
    }
}

#[test]
fn the_revision_goes_with_what_is_seen() {
    let crid = |text: &str| read_advertiser(text).expect("read").0.creatives[0].crid.clone();
    let same = plant(ADVERTISER, "[300, 250]", "\"300x250\"");
    assert_eq!(crid(ADVERTISER), crid(&same));
    assert_ne!(crid(ADVERTISER), crid(&plant(ADVERTISER, "COMEBACK10", "COMEBACK11")));
}

#[test]
fn products_and_custom_events_have_handles_of_their_advertiser() {
    let text = plant(ADVERTISER, r#""category": "Sneakers""#, r#""product": "SKU1""#);
    let text = plant(&text, r#"{"event": "purchase", "within": "90d"}"#, r#"{"event": "custom:quiz"}"#);
    let (shop, _) = read_advertiser(&text).expect("read");
    let hashes = Hashes::new(&[1; 16]);
    assert_eq!(shop.audiences[3].include[0].product, Some(hashes.product(shop.no, "SKU1")));
    let quiz = NamedKind {
        kind: EventKind::Custom,
        custom: hashes.custom_event("custom:quiz"),
    };
    assert_eq!(shop.audiences[1].include[0].subject, RuleSubject::Event(quiz));
    assert_eq!(shop.audiences[1].include[0].within, Span::days(90), "retention");
}

#[test]
fn all_faults_of_a_file_come_in_one_run() {
    let mut text = ADVERTISER.to_owned();
    let slips = [
        (r#""amount": 0.40"#, r#""amunt": 0.40"#),
        (r#""pacing": "even""#, r#""pacing": 1"#),
        (r#""timezone": "Asia/Ho_Chi_Minh""#, r#""timezone": "Mars""#),
        (r#""fallback": "no_bid""#, r#""fallback": "none""#),
        (r#""min_count": 2"#, r#""min_count": "two""#),
        (r#""id": "acme-shoes""#, r#""id": 7"#),
    ];
    for (from, to) in slips {
        text = plant(&text, from, to);
    }
    let pointers: Vec<String> = read_advertiser(&text)
        .expect_err("faults")
        .into_iter()
        .filter(|fault| !fault.warning)
        .map(|fault| fault.pointer)
        .collect();
    assert_eq!(
        pointers,
        [
            "/id",
            "/timezone",
            "/audiences/3/include/0/min_count",
            "/products/fallback",
            "/campaigns/0/bid/amunt",
            "/campaigns/0/budget/pacing",
        ]
    );
}

#[test]
fn keys_for_people_are_allowed_anywhere_and_syntax_has_one_fault() {
    let text = plant(
        ADVERTISER,
        r#""amount": 0.40"#,
        r#""note": "more in May", "labels": {"a": 1}, "amount": 0.40"#,
    );
    assert!(read_advertiser(&text).is_ok());
    assert_eq!(
        blamed(read_server("{\n  \"bid\": {,}\n}")),
        ["winback.json:2:11: not json: key must be a string"]
    );
    assert_eq!(blamed(read_server("[]")), ["winback.json:1:1: `[]`: not an object; write `{...}`"]);
}

#[test]
fn nothing_is_kept_longer_than_our_row_of_the_vendor_list_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let list = r#"{"vendors": {"7": {"purposes": [1, 3], "dataRetention": {"stdRetention": 60}}}}"#;
    std::fs::write(dir.path().join("gvl.json"), list).expect("a list");
    let read = |retention: &str| {
        let text = format!(r#"{{"privacy": {{"gvl_vendor_id": 7, "gvl_file": "gvl.json"{retention}}}}}"#);
        server_from_text("winback.json", dir.path(), &text)
    };
    let days = |retention| read(retention).expect("sound").0.privacy.retention;
    assert_eq!((days(""), days(r#", "retention": "60d""#)), (Span::days(60), Span::days(60)));
    assert_eq!(days(r#", "retention": "30d""#), Span::days(30));
    let said = blamed(read(r#", "retention": "61d""#));
    assert!(
        matches!(&said[..], [one] if one.contains("longer than the row") && one.ends_with("at most `60d`")),
        "{said:?}"
    );
    // No rule may look back further; this shop's does, by a month.
    let (server, _) = read("").expect("sound");
    let (_, found) = draft_advertiser("acme.json", dir.path(), ADVERTISER, &server);
    let is_refused = |fault: &Fault| !fault.warning && fault.to_string().contains("at most `60d`, the server's `privacy.retention`");
    assert!(found.iter().any(is_refused), "{found:?}");
}

#[test]
fn an_open_exchange_needs_loopback() {
    let open = plant(SERVER, r#""auth": {"header": "X-Exchange-Key", "value_file": "demo-x-key"},"#, "");
    assert!(read_server(&open).is_ok());
    let text = plant(&open, "127.0.0.1:8080", "0.0.0.0:8080");
    let expected = "winback.json:2:24: /bid/listen: `\"0.0.0.0:8080\"`: not loopback, while exchange `demo-x` lets everybody in; \
                    give that exchange `auth`, or listen on 127.0.0.1";
    assert_eq!(blamed(read_server(&text)), [expected]);
}

#[test]
fn a_long_list_of_faults_is_cut_and_counted() {
    let text = format!("{{{}}}", (0..300).map(|i| format!("\"k{i}\": 1")).collect::<Vec<_>>().join(","));
    let faults = blamed(read_server(&text));
    assert_eq!(faults.len(), crate::base::limits::FAULTS_MAX + 1);
    assert_eq!(
        faults.last().map(String::as_str),
        Some("winback.json: and 101 more faults and warnings")
    );
    let text = format!("{{{}}}", (0..30_000).map(|i| format!("\"k{i}\": 1")).collect::<Vec<_>>().join(","));
    assert_eq!(
        blamed(read_server(&text)).last().map(String::as_str),
        Some("winback.json: and 29801 more faults and warnings")
    );
}

#[test]
fn tokens_have_names_and_files_of_their_own() {
    let token = |name: &str, file: &str| format!(r#"{{"name": "{name}", "role": "read", "token_file": "{file}"}}"#);
    let of = |tokens: &[String]| read_server(&format!(r#"{{"admin": {{"tokens": [{}]}}}}"#, tokens.join(", ")));
    let (server, _) = of(&[token("ann", "a"), token("bob", "b")]).expect("read");
    assert_eq!((server.tokens[1].name.as_str(), server.tokens[1].role), ("bob", Role::Read));
    let problems = |tokens: &[String]| -> Vec<String> {
        let faults = of(tokens).expect_err("faults").into_iter().filter(|fault| !fault.warning);
        faults.map(|fault| format!("{} {}", fault.pointer, fault.problem)).collect()
    };
    let taken = "/admin/tokens/1/name a name that is taken";
    assert_eq!(problems(&[token("ann", "a"), token("ann", "b")]), [taken]);
    for reserved in ["admin", "file"] {
        assert_eq!(problems(&[token("ann", "a"), token(reserved, "b")]), [taken]);
    }
    assert_eq!(
        problems(&[token("ann", "admin-token")]),
        ["/admin/tokens/0/token_file the file of another token"]
    );
}
