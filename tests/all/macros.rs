//! Every macro of the specification in every place where one may stand, and click macros of every form:
//! bids of the decision itself, macros replaced by the simulated exchange, and what comes of it against a
//! table.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use winback::base::seal::Audience;
use winback::base::time::Millis;
use winback::bid::{Ask, Scratch, Silent, decide};
use winback::model::outcome::Outcome;
use winback::openrtb::response::Form;
use winback::server::notices;
use winback::sim::{Bid, Macros, Offer, Response, Slot};
use winback::track::notice;

use crate::bench_rig::{Rig, ask, item};
use crate::figures::Figures;

const NOW: Millis = Millis(1_781_092_800_000);
const URL: &str = "https://ads.example";
/// OpenRTB 2.6 §4.4, and what each becomes here.
const MACROS: [(&str, &str); 14] = [
    ("AUCTION_ID", "auction-7"),
    ("AUCTION_BID_ID", "@bidid@"),
    ("AUCTION_IMP_ID", "imp-3"),
    ("AUCTION_SEAT_ID", "seat-9"),
    ("AUCTION_AD_ID", "card"),
    ("AUCTION_PRICE", "2"),
    ("AUCTION_CURRENCY", "USD"),
    ("AUCTION_MBR", "0.5000"),
    ("AUCTION_LOSS", "0"),
    ("AUCTION_MIN_TO_WIN", "1.25"),
    ("AUCTION_MULTIPLIER", "1"),
    ("AUCTION_IMP_TS", "1781092800000"),
    ("AUCTION_DISCOUNT_PCT", ""),
    ("AUCTION_DISCOUNT_CPM", ""),
];
const ENCODINGS: [&str; 2] = ["", ":B64"];
/// Notices, the pixel, text, an attribute, trackers of impressions, of clicks and of what was seen.
const PLACES: usize = 9;

/// Click macros and what the exchange has made of them by the time a browser follows.
const CLICK_MACROS: [(Option<&str>, &str, usize); 8] = [
    (None, "", 0),
    (Some("%%CLICK_URL_UNESC%%"), "https://click.exchange.example/?to=", 0),
    (Some("%%CLICK_URL_UNESC%%{url_esc}"), "https://click.exchange.example/?to=", 1),
    (Some("${AN_CLICK_URL}{url_esc}"), "https://click.exchange.example/?to=", 1),
    (Some("https://r.example/?a=1&u={url_esc}"), "https://r.example/?a=1&u=", 1),
    (
        Some("https://r.example/?u=%%CLICK_URL_ESC%%{url_esc_esc}"),
        "https://r.example/?u=https%3A%2F%2Fclick.exchange.example%2F%3Fto%3D",
        2,
    ),
    (Some("https://r.example/go/{url}"), "https://r.example/go/", 0),
    (Some("%%CLICK_URL_UNESC%%{url_esc}&e=1"), "https://click.exchange.example/?to=", 1),
];

/// A template with every macro as text and in an attribute, and trackers with every macro.
fn advertiser() -> Value {
    let all = |before: &str| {
        let each = MACROS.iter().flat_map(|(name, _)| {
            ENCODINGS
                .iter()
                .map(move |encoding| format!("{before}{name}{encoding}=${{{name}{encoding}}}"))
        });
        each.collect::<Vec<_>>()
    };
    let query = |kind: &str| format!("https://track.example/{kind}?{}&end=1", all("").join("&"));
    json!({
        "version": 1, "id": "acme", "name": "Acme", "domain": "acme.example", "site_key": "acme-web",
        "audiences": [{"id": "cart", "include": [{"state": "cart"}]}],
        "creatives": [{"id": "native", "format": "native"},
            {"id": "spot", "format": "video", "sizes": [[640, 360]], "duration_s": 15,
                "media": [{"url": "https://cdn.acme.example/spot.mp4", "mime": "video/mp4", "bitrate_kbps": 800}]},
            {"id": "card", "format": "banner", "sizes": [[300, 250]], "template": {"file": "ad.html"}, "products": 3,
            "trackers": {"impression": [query("i")], "click": [query("c")], "viewable": [query("v")]}}],
        "campaigns": [{"id": "back", "audiences": ["cart"], "creatives": ["card", "native", "spot"], "bid": {"type": "cpm", "amount": 5},
            "budget": {"total": 100, "pacing": "asap"}, "frequency": []}],
    })
}

fn template() -> String {
    let all = |before: &str, after: &str| {
        let each = MACROS.iter().flat_map(|(name, _)| {
            ENCODINGS
                .iter()
                .map(move |encoding| format!("{before}{name}{encoding}=${{{name}{encoding}}}{after}"))
        });
        each.collect::<String>()
    };
    format!(
        "{{{{#products}}}}<a href=\"{{{{product.link}}}}\">{{{{product.title}}}}</a>{{{{/products}}}}<p title=\"{}\">{}</p>",
        all("&", ";"),
        all("(", ")")
    )
}

/// Asks an exchange of the rig for the one bid it makes on a banner.
fn bid(rig: &Rig, exchange: &str) -> Bid {
    bid_on(rig, exchange, &json!({"id": "imp-3", "banner": {"w": 300, "h": 250}, "secure": 1}))
}

fn bid_on(rig: &Rig, exchange: &str, imp: &Value) -> Bid {
    let body = json!({"id": "auction-7", "at": 1, "imp": [imp],
        "site": {"domain": "news.example"}, "user": {"buyeruid": "somebody"}})
    .to_string();
    let ask = Ask {
        exchange: rig.world.exchange_by_id(exchange).expect("known").no,
        ..ask(body.as_bytes(), Form::Json, NOW)
    };
    let mut scratch = Scratch::default();
    let outcome = decide(&rig.world, &rig.state, &ask, &mut scratch, &mut Silent);
    assert!(matches!(outcome, Outcome::Bid { bids: 1, .. }), "{exchange}: {outcome:?}");
    let response: Response = serde_json::from_slice(&scratch.out).expect("an answer");
    let seat = response.seatbid.into_iter().next().expect("a seat");
    let bid = seat.bid.into_iter().next().expect("a bid");
    Bid {
        seat: seat.seat,
        bidid: response.bidid,
        ..bid
    }
}

fn rig(exchanges: Vec<Value>) -> Rig {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ad.html"), template()).expect("the template");
    let config = json!({"public": {"url": URL}, "privacy": {"gdpr_when_unknown": false}, "exchanges": exchanges});
    let mut rig = rig_in(&config, folder.path());
    let items: Vec<Value> = ["boot", "hat", "shirt"]
        .iter()
        .map(|id| item(&json!({"id": id}), "acme.example", "USD"))
        .collect();
    rig.add(&advertiser(), &items).unwrap_or_else(|faults| panic!("{faults:?}"));
    let lines: Vec<Value> = ["boot", "hat", "shirt"].iter().map(|id| json!({"item_id": id})).collect();
    let batch = json!({"user": {"id": "somebody"}, "events": [{"event": "add_to_cart", "items": lines}]});
    assert_eq!(rig.tell("acme", &batch, NOW), 0);
    rig
}

fn rig_in(config: &Value, folder: &Path) -> Rig {
    Rig::new(config, folder).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn offer() -> Offer {
    Offer {
        id: "auction-7".to_owned(),
        at: 1,
        imps: vec![Slot {
            id: "imp-3".to_owned(),
            format: winback::model::targeting::Format::Banner,
            sizes: &[(300, 250)],
            floor: money("0"),
        }],
    }
}

fn money(text: &str) -> winback::base::money::Money {
    winback::base::money::Money::parse(text).expect("an amount")
}

/// What a text holds between a mark and one of the characters that end a value.
fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(mark)?;
    rest.split(['&', ')', ';', '"']).next()
}

/// What of macros is left in a text.
fn left(text: &str) -> usize {
    text.matches("${").count() + text.matches("%%").count()
}

#[test]
fn every_macro_in_every_place() {
    let combined: Vec<(usize, String, String)> = MACROS
        .iter()
        .enumerate()
        .flat_map(|(n, (name, _))| ENCODINGS.map(|encoding| (n, format!("{name}{encoding}"), encoding.to_owned())))
        .collect();
    let exchange = |(at, (_, name, _)): (usize, &(usize, String, String))| {
        json!({"id": format!("x{at}"), "seat": "seat-9", "macros": {"append": format!("{name}=${{{name}}}")},
            "click_macro": "%%CLICK_URL_UNESC%%{url_esc}"})
    };
    let rig = rig(combined.iter().enumerate().map(exchange).collect());
    let offer = offer();
    let (mut tried, mut wrong, mut unreplaced) = (0, Vec::new(), 0);
    for (at, (n, name, encoding)) in combined.iter().enumerate() {
        let bid = bid(&rig, &format!("x{at}"));
        let macros = Macros {
            least: money("1.25"),
            now_ms: NOW.0.unsigned_abs(),
            ..Macros::of(&offer, &bid, money("2"), None)
        };
        let plain = MACROS[*n].1.replace("@bidid@", &bid.bidid);
        let expected = if encoding.is_empty() { plain } else { base64(&plain) };
        let markup = macros.fill(&bid.adm);
        let pixel = macros.fill(&bid.url_in_markup(&format!("{URL}/imp/")).expect("a pixel"));
        let tracked = |kind: &str| {
            markup
                .split_once(&format!("https://track.example/{kind}?"))
                .map_or("", |(_, rest)| rest)
                .to_owned()
        };
        let places: [(&str, String, String); PLACES] = [
            ("nurl", macros.fill(&bid.nurl), format!("&{name}=")),
            ("burl", macros.fill(&bid.burl), format!("&{name}=")),
            ("lurl", macros.fill(&bid.lurl), format!("&{name}=")),
            ("pixel", pixel, format!("&{name}=")),
            ("text", markup.clone(), format!("({name}=")),
            ("attribute", markup.clone(), format!("&{name}=")),
            ("impression tracker", tracked("i"), format!("{name}=")),
            ("click tracker", tracked("c"), format!("{name}=")),
            ("viewable tracker", tracked("v"), format!("{name}=")),
        ];
        unreplaced += left(&markup);
        for (place, text, mark) in &places {
            tried += 1;
            unreplaced += if *place == "text" || *place == "attribute" {
                0
            } else {
                left(text.split('"').next().unwrap_or(""))
            };
            let found = after(text, mark);
            if found != Some(expected.as_str()) {
                wrong.push(format!("{name} in {place}: {found:?} in place of {expected:?} in {text}"));
            }
        }
        for notice in [&bid.nurl, &bid.burl, &bid.lurl] {
            assert!(notice.len() <= 400, "{} characters: {notice}", notice.len());
        }
    }
    wrong.iter().take(5).for_each(|wrong| println!("{wrong}"));
    let mut figures = Figures::new();
    figures.exactly("macros.tried", tried, MACROS.len() * ENCODINGS.len() * PLACES);
    figures.exactly("macros.unreplaced", unreplaced, 0);
    figures.exactly("macros.wrong", wrong.len(), 0);
    figures.settle();
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The links of an ad, character references resolved.
fn links(markup: &str) -> Vec<String> {
    let parts = markup.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    parts.map(|link| html_escape::decode_html_entities(link).into_owned()).collect()
}

#[test]
fn clicks_go_through_the_exchange_in_each_of_its_forms() {
    let exchange = |(at, (form, ..)): (usize, &(Option<&str>, &str, usize))| {
        let mut exchange = json!({"id": format!("x{at}"), "seat": "seat-9"});
        if let Some(form) = form {
            exchange["click_macro"] = json!(form);
        }
        exchange
    };
    let rig = rig(CLICK_MACROS.iter().enumerate().map(exchange).collect());
    let (offer, mut followed) = (offer(), 0);
    for (at, (form, before, escaped)) in CLICK_MACROS.iter().enumerate() {
        let bid = bid(&rig, &format!("x{at}"));
        let markup = Macros::of(&offer, &bid, money("2"), None).fill(&bid.adm);
        let mut products = BTreeMap::new();
        for link in links(&markup).iter().take(3) {
            let rest = link.strip_prefix(before).unwrap_or_else(|| panic!("{form:?}: {link}"));
            // Redirects on the way take what follows as one value, and unescape it.
            let value = if *escaped > 0 { rest.split('&').next().unwrap_or("") } else { rest };
            let ours = (0..*escaped).fold(value.to_owned(), |url, _| percent_decode_str(&url).decode_utf8_lossy().into_owned());
            let path = ours
                .strip_prefix(&format!("{URL}/click/"))
                .unwrap_or_else(|| panic!("{form:?}: {ours}"));
            let (token, query) = path.split_once('?').map_or((path, None), |(token, query)| (token, Some(query)));
            let opened = notice::open(&rig.world, Audience::View, token).expect("our own token");
            *products.entry(notices::clicked(&opened, query)).or_insert(0) += 1;
            followed += 1;
        }
        assert_eq!(products.len(), 3, "{form:?}: each link has its product");
        assert!(bid.url_in_markup(&format!("{URL}/click/")).is_some(), "{form:?}");
    }
    let mut figures = Figures::new();
    figures.exactly("macros.clicks_followed", followed, CLICK_MACROS.len() * 3);
    figures.settle();
}

/// The pixel by way of the exchange, whose macros are encoded with its address, in each format.
#[test]
fn pixels_go_through_the_exchange_in_every_format() {
    let rig = rig(vec![json!({"id": "x", "seat": "seat-9", "pixel_macro": "${AN_IMP_URL}{url_esc}"})]);
    let native = |methods: Value| {
        let request =
            json!({"ver": "1.2", "assets": [{"id": 1, "title": {"len": 90}}], "eventtrackers": [{"event": 1, "methods": methods}]});
        json!({"id": "imp-3", "native": {"request": request}})
    };
    let imps = [
        json!({"id": "imp-3", "banner": {"w": 300, "h": 250}}),
        json!({"id": "imp-3", "video": {"mimes": ["video/mp4"], "protocols": [13], "w": 640, "h": 360}}),
        native(json!([1])),
        native(json!([2])),
    ];
    for (n, imp) in imps.iter().enumerate() {
        let bid = bid_on(&rig, "x", imp);
        let (_, rest) = bid.adm.split_once("${AN_IMP_URL}").unwrap_or_else(|| panic!("{}", bid.adm));
        let encoded = rest.split(['"', ']', '\\']).next().unwrap_or_default();
        assert!(!encoded.contains(['/', '?', '&', '$', '{']), "{encoded}");
        // What stands behind the macro reaches us as the exchange fills it in.
        let url = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
        let path = url.strip_prefix(&format!("{URL}/imp/")).unwrap_or_else(|| panic!("{url}"));
        let (token, query) = path.split_once('?').expect("a query");
        let script = if n == 3 { ".js" } else { "" };
        assert!(
            token.ends_with(script) && query == "price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}",
            "{url}"
        );
        let token = token.strip_suffix(script).expect("the token");
        assert!(notice::open(&rig.world, Audience::View, token).is_some(), "{url}");
    }
}

/// Where a click on a native ad or a spot leads, and what counts its impression.
fn addresses(markup: &str) -> [String; 2] {
    let within = |before: &str| {
        let rest = markup.split_once(before).unwrap_or_else(|| panic!("no {before} in {markup}")).1;
        rest.split("]]>").next().unwrap_or_default().to_owned()
    };
    match serde_json::from_str::<Value>(markup) {
        Ok(native) => [&native["link"]["url"], &native["eventtrackers"][0]["url"]].map(|url| url.as_str().expect("an address").to_owned()),
        Err(_) => ["ClickThrough", "Impression"].map(|name| within(&format!("<{name}><![CDATA["))),
    }
}

/// An exchange with names of its own for macros: they stand as they are in every format, and no others.
#[test]
fn renamed_macros_stand_in_native_ads_and_in_documents() {
    let exchange = |(at, (form, ..)): (usize, &(Option<&str>, &str, usize))| {
        json!({"id": format!("x{at}"), "seat": "seat-9", "click_macro": form.unwrap_or("{url}"), "macros": {"price": "%%WINNING_PRICE%%",
            "currency": null, "loss": "%%LOSS%%", "min_to_win": null, "append": "m=%%CACHEBUSTER%%"}})
    };
    let rig = rig(CLICK_MACROS.iter().enumerate().map(exchange).collect());
    let native = json!({"ver": "1.2", "assets": [{"id": 1, "title": {"len": 90}}], "eventtrackers": [{"event": 1, "methods": [1]}]});
    let imps = [
        json!({"id": "imp-3", "native": {"request": native.to_string()}}),
        json!({"id": "imp-3", "video": {"mimes": ["video/mp4"], "protocols": [3], "w": 640, "h": 360}}),
        json!({"id": "imp-3", "video": {"mimes": ["video/mp4"], "protocols": [13], "w": 640, "h": 360}}),
    ];
    let mut seen = 0;
    for (at, (form, ..)) in CLICK_MACROS.iter().enumerate() {
        let before = form.unwrap_or("").split("{url").next().unwrap_or_default();
        for imp in &imps {
            let bid = bid_on(&rig, &format!("x{at}"), imp);
            let [click, pixel] = addresses(&bid.adm);
            assert!(click.starts_with(before), "{form:?}: {click}");
            for url in [&pixel, &bid.nurl, &bid.burl, &bid.lurl] {
                assert!(url.contains("=%%WINNING_PRICE%%&") || url.ends_with("=%%WINNING_PRICE%%"), "{url}");
                assert!(url.contains("m=%%CACHEBUSTER%%") && !url.contains("${"), "{url}");
                seen += 1;
            }
        }
    }
    let mut figures = Figures::new();
    figures.exactly("macros.renamed_seen", seen, CLICK_MACROS.len() * imps.len() * 4);
    figures.settle();
}
