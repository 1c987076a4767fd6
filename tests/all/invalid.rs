//! Kinds of traffic, and what becomes of each: what counts, what is invalid and why, whether its user is in
//! an audience (`tests/golden/invalid.json`), on virtual time; and what the real binary makes of headers
//! and addresses.
//!
//! `UPDATE_GOLDEN=1` writes the table anew.

mod calls;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use winback::base::id::ExchangeNo;
use winback::base::seal::Audience;
use winback::base::time::Millis;
use winback::bid::{Ask, Scratch, Silent, decide};
use winback::model::outcome::Outcome;
use winback::model::traffic::Invalid;
use winback::openrtb::response::Form;
use winback::state::DayRow;
use winback::state::holds::{Limits, commit};
use winback::track::events::{self, Sender};
use winback::track::fact::{Evidence, Fact, Sign};
use winback::track::notice::{self, Opened};

use crate::bench_rig::Rig;
use crate::figures::Figures;
use crate::http::Client;
use crate::rig::{Server, ask, bids, call, tell, tracking_paths};
use crate::shop::{cart, item, request, theirs};
use calls::tested;

const KINDS_MIN: usize = 12;
/// Wednesday noon, UTC.
const START: Millis = Millis(1_781_092_800_000);
const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0";
const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const HOME: &str = "192.0.2.1";
const DATA_CENTRE: &str = "198.51.100.9";

/// One kind's traffic, in a world of its own.
struct Traffic {
    rig: Rig,
    now: Millis,
    told: u64,
    asked: u64,
    made: Vec<Opened>,
    refused: Vec<&'static str>,
    scratch: Scratch,
    _dir: tempfile::TempDir,
}

impl Traffic {
    /// A shop, and whoever looks at two of its items.
    fn new() -> Traffic {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("ranges.txt"), "198.51.100.0/24\n").expect("a file");
        let server = json!({
            "public": {"url": "https://ads.example"}, "privacy": {"gdpr_when_unknown": false}, "exchanges": [{"id": "x"}],
            "invalid_traffic": {"ranges_file": "ranges.txt"},
        });
        let shop = json!({
            "version": 1, "id": "acme", "name": "Acme", "domain": "acme.example", "site_key": "acme-web",
            "audiences": [{"id": "lookers", "include": [{"event": "view_item", "within": "7d", "min_count": 2}]}],
            "products": {"fallback": "brand"},
            "creatives": [{"id": "card", "format": "banner", "sizes": [[300, 250]]}],
            "campaigns": [{"id": "back", "audiences": ["lookers"], "bid": {"type": "cpm", "amount": 5}, "budget": {"total": 1000, "pacing": "asap"},
                "frequency": [], "creatives": ["card"]}],
        });
        let feed: Vec<Value> = (0..3)
            .map(|n| crate::bench_rig::item(&json!({"id": format!("item-{n}")}), "acme.example", "USD"))
            .collect();
        let mut rig = Rig::new(&server, dir.path()).expect("a sound server config");
        rig.add(&shop, &feed).expect("a shop");
        Traffic {
            rig,
            now: START,
            told: 0,
            asked: 0,
            made: Vec::new(),
            refused: Vec::new(),
            scratch: Scratch::default(),
            _dir: dir,
        }
    }

    fn wait_ms(&mut self, ms: i64) -> &mut Traffic {
        self.now = Millis(self.now.0 + ms);
        self
    }

    /// So many views, each of an item of its own out of `items`, so far apart.
    fn looks(&mut self, sender: &Sender, times: u64, items: u64, apart_ms: i64) -> &mut Traffic {
        for n in 0..times {
            let event = json!({"event": "view_item", "items": [{"item_id": format!("item-{}", n % items)}]});
            let user = if *sender == Sender::Server {
                json!({"exchange_ids": {"x": "u"}})
            } else {
                json!({"first_party_id": "u"})
            };
            let batch = json!({"user": user, "events": [event]}).to_string();
            let fresh = (self.rig.world.hashes.user(b"somebody"), "somebody".to_owned());
            let read = events::read(&self.rig.world, &self.rig.shop("acme"), sender, &batch, self.now, fresh).expect("a batch");
            assert!(read.rejected.is_empty(), "{:?}", read.rejected);
            self.rig.record(Fact::Events(read.batch.expect("events")), self.now);
            self.told += 1;
            self.wait_ms(apart_ms);
        }
        self
    }

    fn person(&mut self) -> &mut Traffic {
        self.looks(&Sender::Server, 3, 3, 20_000)
    }

    /// A bid request about the user from a device; bids are committed.
    fn asks(&mut self, agent: &str, ip: &str) -> Option<Opened> {
        self.asked += 1;
        let imp = json!({"id": "1", "tagid": format!("{}", self.asked), "banner": {"format": [{"w": 300, "h": 250}]}});
        let body = json!({"id": "r", "at": 1, "tmax": 200, "imp": [imp], "site": {"domain": "news.example"},
            "device": {"ua": agent, "ip": ip, "geo": {"country": "USA"}}, "user": {"id": "u", "eids": [{"source": "acme.example", "uids": [{"id": "u"}]}]}})
        .to_string();
        let ask = Ask {
            exchange: ExchangeNo(0),
            body: body.as_bytes(),
            form: Form::Json,
            now: self.now,
            waited_ms: 0,
            seed: u128::from(self.asked) << 64 | u128::from(self.asked),
            barred: None,
            inert: false,
        };
        let (world, state) = (&self.rig.world, &self.rig.state);
        let epoch = match decide(world, state, &ask, &mut self.scratch, &mut Silent) {
            Outcome::Bid { epoch, .. } => epoch,
            Outcome::NoBid(why) => {
                self.refused.push(why.label());
                return None;
            }
        };
        let shop = self.rig.shop("acme");
        let limits = Limits {
            campaign: shop.advertiser.campaigns[0].budget,
            advertiser: shop.advertiser.budget,
            day: self.now.local_day(&shop.advertiser.timezone),
        };
        commit(state, &self.scratch.picks, epoch, self.now, |_| limits).expect("nobody else commits");
        let answer: Value = serde_json::from_slice(&self.scratch.out).expect("an answer");
        let path = tracking_paths(&bids_of(&answer)[0], "/imp/").remove(0);
        let opened = notice::open(world, Audience::View, path.trim_start_matches("/imp/")).expect("our own token");
        self.made.push(opened);
        Some(opened)
    }

    /// A person's bid, whose ad is shown.
    fn shown(&mut self) -> Opened {
        let opened = self.asks(PERSON, HOME).expect("a bid");
        self.sign(Sign::Bill, opened, None);
        self.sign(Sign::Pixel, opened, None);
        opened
    }

    fn sign(&mut self, sign: Sign, opened: Opened, invalid: Option<Invalid>) {
        let evidence = notice::evidence(&self.rig.world, sign, opened, Some("price=1"), self.now);
        self.rig.record(Fact::Evidence(Evidence { invalid, ..evidence }), self.now);
    }

    /// What all of it came to.
    fn told(mut self, kind: &str) -> Value {
        let shop = self.rig.shop("acme");
        let of = |no| {
            let days = self.rig.state.days.lock();
            let rows = days.iter().filter(|((campaign, _), _)| *campaign == no).map(|(_, row)| *row);
            rows.collect::<Vec<DayRow>>()
        };
        let campaign = of(shop.advertiser.campaigns[0].no);
        let invalid_events: u64 = of(shop.advertiser.book).iter().map(|row| row.invalid_events).sum();
        let sum = |of: fn(&DayRow) -> u64| campaign.iter().map(of).sum::<u64>();
        let why: serde_json::Map<String, Value> = Invalid::ALL
            .iter()
            .zip(&self.rig.state.invalid)
            .map(|(why, count)| (why.label().to_owned(), json!(count.load(Relaxed))))
            .filter(|(_, count)| *count != 0)
            .collect();
        let rates = self.rig.state.books.entry(shop.advertiser.campaigns[0].no);
        let rates = [rates.impressions.load(Relaxed), rates.clicks.load(Relaxed)];
        let bids = (self.made.len(), std::mem::take(&mut self.refused));
        let row = json!({
            "kind": kind,
            "events": {"told": self.told, "valid": self.told - invalid_events, "invalid": invalid_events},
            "bids": {"made": bids.0, "refused": bids.1.len(), "why": bids.1.first()},
            "impressions": {"billed": sum(|row| row.impressions), "invalid": sum(|row| row.invalid_impressions)},
            "clicks": {"valid": sum(|row| row.clicks), "invalid": sum(|row| row.invalid_clicks)},
            "in_rates": {"impressions": rates[0], "clicks": rates[1]},
            "reported_as": why,
        });
        // Whether a person who asks a minute later would be bid for.
        self.wait_ms(61_000);
        let in_audience = self.asks(PERSON, HOME).is_some();
        let mut row = row;
        row["in_audience"] = json!(in_audience);
        row["otherwise"] = json!(self.refused.first());
        row
    }
}

fn bids_of(answer: &Value) -> Vec<String> {
    let bids = answer["seatbid"][0]["bid"].as_array().cloned().unwrap_or_default();
    bids.iter().filter_map(|bid| bid["adm"].as_str().map(str::to_owned)).collect()
}

/// A browser whose headers say this, as the server judges them.
fn browser(traffic: &Traffic, is_prefetch: bool, agent: &str, ip: &str) -> Sender {
    let ip: IpAddr = ip.parse().expect("an address");
    Sender::Browser {
        cookie: None,
        invalid: traffic.rig.world.invalid_traffic.of_sender(is_prefetch, Some(agent), Some(ip)),
    }
}

type Kind = (&'static str, fn(&mut Traffic));

/// Every kind, one after the other.
const KINDS: [Kind; 26] = [
    ("a person", |t| {
        t.person();
        let shown = t.shown();
        t.wait_ms(5_000).sign(Sign::Click, shown, None);
    }),
    ("60 events in a minute", |t| {
        t.looks(&Sender::Server, 60, 3, 1_000);
    }),
    ("61 events in a minute", |t| {
        t.looks(&Sender::Server, 61, 3, 980);
    }),
    ("a minute's events at once, and again a minute later", |t| {
        t.looks(&Sender::Server, 60, 3, 0).wait_ms(60_000).looks(&Sender::Server, 60, 3, 0);
    }),
    ("300 items in a day", |t| {
        t.looks(&Sender::Server, 600, 300, 120_000);
    }),
    ("310 items in a day", |t| {
        t.looks(&Sender::Server, 310, 310, 120_000);
    }),
    ("20 bids in a minute", |t| {
        t.person();
        for _ in 0..20 {
            t.wait_ms(2_000).asks(PERSON, HOME);
        }
    }),
    ("25 requests in a minute", |t| {
        t.person();
        for _ in 0..25 {
            t.wait_ms(2_000).asks(PERSON, HOME);
        }
    }),
    ("a crawler's events", |t| {
        let sender = browser(t, false, CRAWLER, HOME);
        t.looks(&sender, 4, 3, 5_000);
    }),
    ("events of a page loaded in advance", |t| {
        let sender = browser(t, true, PERSON, HOME);
        t.looks(&sender, 4, 3, 5_000);
    }),
    ("events from a data centre", |t| {
        let sender = browser(t, false, PERSON, DATA_CENTRE);
        t.looks(&sender, 4, 3, 5_000);
    }),
    ("a browser's events", |t| {
        let sender = browser(t, false, PERSON, HOME);
        t.looks(&sender, 4, 3, 5_000);
    }),
    ("a shop's server in a data centre", |t| {
        t.looks(&Sender::Server, 4, 3, 5_000);
    }),
    ("a crawler on the page with the ad", |t| {
        t.person().asks(CRAWLER, HOME);
    }),
    ("a device in a data centre", |t| {
        t.person().asks(PERSON, DATA_CENTRE);
    }),
    ("a click without an impression", |t| {
        let bid = t.person().asks(PERSON, HOME).expect("a bid");
        t.wait_ms(5_000).sign(Sign::Click, bid, None);
    }),
    ("a click on an auction won", |t| {
        let bid = t.person().asks(PERSON, HOME).expect("a bid");
        t.sign(Sign::Win, bid, None);
        t.wait_ms(5_000).sign(Sign::Click, bid, None);
    }),
    ("a click 999 ms after the impression", |t| {
        let shown = t.person().wait_ms(700).shown();
        t.wait_ms(999).sign(Sign::Click, shown, None);
    }),
    ("a click 1 s after the impression", |t| {
        let shown = t.person().wait_ms(700).shown();
        t.wait_ms(1_000).sign(Sign::Click, shown, None);
    }),
    ("a click 24 h after the impression", |t| {
        let shown = t.person().shown();
        t.wait_ms(86_400_000).sign(Sign::Click, shown, None);
    }),
    ("a click more than 24 h after the impression", |t| {
        let shown = t.person().shown();
        t.wait_ms(86_401_000).sign(Sign::Click, shown, None);
    }),
    ("three clicks on one ad", |t| {
        let shown = t.person().shown();
        (0..3).for_each(|_| t.wait_ms(5_000).sign(Sign::Click, shown, None));
    }),
    ("a crawler's click, then a person's", |t| {
        let shown = t.person().shown();
        t.wait_ms(5_000).sign(Sign::Click, shown, Some(Invalid::Crawler));
        t.wait_ms(5_000).sign(Sign::Click, shown, None);
    }),
    ("a click loaded in advance", |t| {
        let shown = t.person().shown();
        t.wait_ms(5_000).sign(Sign::Click, shown, Some(Invalid::Prefetch));
    }),
    ("a crawler that loads the pixel", |t| {
        let bid = t.person().asks(PERSON, HOME).expect("a bid");
        t.sign(Sign::Bill, bid, None);
        t.sign(Sign::Pixel, bid, Some(Invalid::Crawler));
    }),
    ("a crawler that loads the pixel before it is billed", |t| {
        let bid = t.person().asks(PERSON, HOME).expect("a bid");
        t.sign(Sign::Pixel, bid, Some(Invalid::Crawler));
        t.sign(Sign::Bill, bid, None);
    }),
];

#[test]
fn every_kind_of_traffic_is_counted_as_what_it_is() {
    let played = KINDS.iter().map(|(kind, play)| {
        let mut traffic = Traffic::new();
        play(&mut traffic);
        traffic.told(kind)
    });
    let rows: Vec<Value> = played.chain(calls::called()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/invalid.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        std::fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n"))).expect("the golden file");
    }
    let golden: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).expect("the golden file")).expect("json");
    let differ = |(row, golden): &(&Value, &Value)| {
        let differs = row != golden;
        if differs {
            println!("must be {golden}\ncame    {row}");
        }
        differs
    };
    let wrong = rows.iter().zip(&golden).filter(differ).count() + rows.len().abs_diff(golden.len());
    for row in &rows[KINDS.len()..] {
        println!("{:<55} {}", row["kind"].as_str().unwrap_or(""), row["comes_to"]);
    }
    for row in &rows[..KINDS.len()] {
        let (events, clicks) = (&row["events"], &row["clicks"]);
        println!(
            "{:<55} events {}/{} clicks {}/{} bids {}/{} in an audience {} {}",
            row["kind"].as_str().unwrap_or(""),
            events["valid"],
            events["invalid"],
            clicks["valid"],
            clicks["invalid"],
            row["bids"]["made"],
            row["bids"]["refused"],
            row["in_audience"],
            row["reported_as"]
        );
    }
    let mut figures = Figures::new();
    figures.at_least("invalid.kinds", rows.len(), KINDS_MIN);
    figures.exactly("invalid.kinds_otherwise", wrong, 0);
    figures.settle();
}

/// The report's row of the whole shop.
fn reported(api: &mut Client) -> Value {
    let answer = api.get("/api/report?advertiser=acme&by=advertiser").expect("a report");
    answer.json()["rows"][0].clone()
}

/// Headers and addresses are judged where they come in: of browsers, never of a shop's own server.
#[test]
fn who_calls_is_told_by_headers_and_addresses() {
    let server = tested(|_| {});
    let (mut visitor, mut api) = (server.visitor(), server.api());
    let batch = |id: &str| cart(json!({"first_party_id": id}), "acme", 1).to_string();
    let origin = ("Origin", "https://acme.example");
    let machines: [&[(&str, &str)]; 5] = [
        &[origin, ("User-Agent", CRAWLER)],
        &[origin, ("User-Agent", PERSON), ("Sec-Purpose", "prefetch;prerender")],
        &[origin, ("User-Agent", PERSON), ("X-Moz", "prefetch")],
        &[origin, ("User-Agent", PERSON), ("X-Forwarded-For", DATA_CENTRE)],
        &[
            origin,
            ("User-Agent", PERSON),
            ("X-Forwarded-For", "::ffff:198.51.100.200, 127.0.0.9"),
        ],
    ];
    for (n, headers) in machines.iter().enumerate() {
        let body = batch(&format!("machine-{n}"));
        let answer = visitor.send("POST", "/e/acme-web", headers, body.as_bytes()).expect("an answer");
        assert_eq!(
            (answer.status, &answer.json()["accepted"]),
            (200, &json!(1)),
            "kept, and said so: {headers:?}"
        );
        assert!(answer.header("set-cookie").is_none(), "{headers:?}");
        let known = api.get(&format!("/api/users/acme.example:machine-{n}")).expect("an answer").status;
        assert_eq!(known, 404, "{headers:?}");
    }
    let people: [&[(&str, &str)]; 3] = [
        &[origin],
        &[origin, ("User-Agent", PERSON)],
        &[origin, ("User-Agent", PERSON), ("X-Forwarded-For", "198.51.100.9, 192.0.2.1")],
    ];
    for (n, headers) in people.iter().enumerate() {
        let body = batch(&format!("person-{n}"));
        assert_eq!(
            visitor
                .send("POST", "/e/acme-web", headers, body.as_bytes())
                .expect("an answer")
                .status,
            200
        );
        let known = api.get(&format!("/api/users/acme.example:person-{n}")).expect("an answer").status;
        assert_eq!(known, 200, "{headers:?}");
    }
    // A shop's server is where servers are, and may say so.
    let bot = [("User-Agent", CRAWLER), ("X-Forwarded-For", DATA_CENTRE)];
    let told = server
        .shop()
        .send("POST", "/e/acme-web", &bot, cart(theirs("u"), "acme", 7).to_string().as_bytes());
    assert_eq!(told.expect("an answer").status, 200);
    let mut exchange = server.exchange();
    assert_eq!(ask(&mut exchange, &request("r", "u", 1)).status, 200);
    let row = reported(&mut api);
    assert_eq!(row["invalid_events"], machines.len(), "{row}");
    let metrics = api.get("/metrics").expect("metrics").text();
    for line in [
        "{reason=\"crawler\"} 1",
        "{reason=\"prefetch\"} 2",
        "{reason=\"data_centre\"} 2",
        "{reason=\"click_again\"} 0",
    ] {
        assert!(
            metrics.contains(&format!("winback_invalid_total{line}\n")),
            "{line} is not in {metrics}"
        );
    }
}

/// Clicks go where they lead, whatever they count for; and a restart forgets nothing of it.
#[test]
fn clicks_redirect_and_are_reported_over_a_restart() {
    let mut server = tested(|_| {});
    tell(&mut server.shop(), "acme", &cart(theirs("u"), "acme", 7));
    let (mut exchange, mut visitor) = (server.exchange(), server.visitor());
    let bid = bids(&ask(&mut exchange, &request("r", "u", 1))).remove(0);
    let markup = bid["adm"].as_str().expect("adm");
    let (pixel, click) = (
        tracking_paths(markup, "/imp/").remove(0),
        tracking_paths(markup, "/click/").remove(0),
    );
    let mut clicks = |headers: &[(&str, &str)]| {
        let answer = visitor.send("GET", &click, headers, b"").expect("an answer");
        let to = answer.header("location").unwrap_or_default().to_owned();
        assert!(answer.status == 302 && to.contains(&item("acme", 7)), "{} {to}", answer.status);
    };
    clicks(&[]);
    assert_eq!(exchange.get(&call(&bid["burl"], "1.00")).expect("an answer").status, 200);
    assert_eq!(server.visitor().get(&pixel).expect("an answer").status, 200);
    clicks(&[]);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    clicks(&[("Purpose", "prefetch")]);
    clicks(&[]);
    clicks(&[]);
    let expected = |api: &mut Client| {
        let row = reported(api);
        let counts = ["impressions", "clicks", "invalid_clicks", "ctr"].map(|name| row[name].clone());
        assert_eq!(counts, [json!(1), json!(1), json!(4), json!("1")], "{row}");
    };
    expected(&mut server.api());
    let metrics = server.api().get("/metrics").expect("metrics").text();
    assert!(
        metrics.contains("winback_notices_total{exchange=\"x\",kind=\"click\",effect=\"invalid\"} 4"),
        "{metrics}"
    );
    server.kill();
    let again = Server::start(server.folder());
    expected(&mut again.api());
}
