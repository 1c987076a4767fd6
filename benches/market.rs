//! Markets to decide in: so many campaigns, so many shoppers, and a handful of people whose requests
//! come out as named: `buyer` gets a bid, `looker` is in no audience, `everywhere` is known to twenty
//! shops, `stranger` to none.
//!
//! What is the same in every market: the shop of `buyer` and `looker`, and its one campaign.

use std::path::Path;

use serde_json::{Value, json};
use winback::base::id::ExchangeNo;
use winback::base::time::{Day, Millis};
use winback::bid::Ask;
use winback::model::advertiser::Budget;
use winback::model::outcome::Pick;
use winback::openrtb::response::Form;
use winback::state::holds::{Limits, commit};

use crate::bench_rig::{NOWHERE, Rig};
use crate::canon::{self, CAMPAIGNS_PER_SHOP};
use crate::speech::{Dialect, encode};

/// When it all happens.
pub const NOW: Millis = Millis(1_781_092_800_000);
/// Shops that know `everywhere`.
const EVERYWHERE: usize = 20;

/// A World and a State.
pub struct Market {
    /// What decides.
    pub rig: Rig,
}

impl Market {
    /// One shop with one campaign, so many campaigns of other shops, and so many shoppers of theirs.
    pub fn new(campaigns: usize, users: usize) -> Market {
        let mut rig = Rig::new(&canon::server(), Path::new(NOWHERE)).expect("a sound config");
        let shops = campaigns / CAMPAIGNS_PER_SHOP;
        for shop in 0..=shops {
            let size = if shop == 0 { 1 } else { CAMPAIGNS_PER_SHOP };
            let items: Vec<Value> = canon::items(shop).collect();
            // Feeds of shops that are only there are short.
            let items = if shop <= 100 { &items[..] } else { &items[..4] };
            rig.add(&canon::advertiser(shop, size), items).expect("a sound advertiser");
        }
        for user in 0..users {
            tell(&mut rig, 1 + user % shops.max(1), &canon::batch(&uid(user), user));
        }
        tell(&mut rig, 0, &canon::batch("buyer", 0));
        tell(&mut rig, 0, &canon::batch("looker", 29));
        for shop in 1..=EVERYWHERE.min(shops) {
            tell(&mut rig, shop, &canon::batch("everywhere", 0));
        }
        Market { rig }
    }

    /// Commits picks; whether it was taken.
    pub fn commit(&self, picks: &[Pick], epoch: u32) -> bool {
        let limits = Limits {
            campaign: Budget::default(),
            advertiser: Budget::default(),
            day: Day(0),
        };
        commit(&self.rig.state, picks, epoch, NOW, |_| limits).is_ok()
    }

    /// Frees what was committed.
    pub fn lose(&self, picks: &[Pick]) {
        let state = &self.rig.state;
        for pick in picks {
            state.cap_holds.free(pick.user, pick.tag, NOW);
            for book in [pick.campaign, pick.advertiser_book] {
                state.books.release(book, &pick.taken(), NOW.to_secs());
            }
        }
    }
}

fn tell(rig: &mut Rig, shop: usize, batch: &Value) {
    assert_eq!(rig.tell(&format!("shop{shop}"), batch, NOW), 0, "{batch}");
}

/// What the exchange calls the n-th shopper.
pub fn uid(n: usize) -> String {
    format!("u{n}")
}

/// Asks about a body, as the exchange of the market.
pub fn ask(body: &[u8], seed: u128) -> Ask<'_> {
    Ask {
        exchange: ExchangeNo(0),
        body,
        form: Form::Json,
        now: NOW,
        waited_ms: 0,
        seed,
        barred: None,
        inert: false,
    }
}

/// A request as an exchange sends it for a phone's browser, about 1.5 KB.
pub fn request(user: &str) -> Vec<u8> {
    asked(user).to_string().into_bytes()
}

/// The same for so many imps, each with an id and a placement of its own, in both forms: JSON and protobuf.
pub fn requests(imps: usize) -> [Vec<u8>; 2] {
    let mut request = asked("buyer");
    let one = request["imp"][0].take();
    let nth = |n: usize| {
        let mut imp = one.clone();
        imp["id"] = json!(n.to_string());
        imp["tagid"] = json!(format!("article-{n}"));
        imp["bidfloor"] = json!(0.35 + n as f64 / 100.0);
        imp
    };
    request["imp"] = (1..=imps).map(nth).collect();
    [request.to_string().into_bytes(), encode(Dialect::Iab, &request)]
}

fn asked(user: &str) -> Value {
    json!({
        "id": "7b1f0c9e-52a4-4d0f-9a64-0d6f8e1c2b3a",
        "at": 1, "tmax": 120, "cur": ["USD"], "bcat": ["IAB7-39", "IAB8-18", "IAB25", "IAB26"],
        "badv": ["one.example", "two.example", "three.example"],
        "imp": [{
            "id": "1", "tagid": "article-top", "bidfloor": 0.35, "bidfloorcur": "USD", "secure": 1, "exp": 300,
            "banner": {"format": [{"w": 728, "h": 90}, {"w": 300, "h": 250}], "pos": 1, "battr": [1, 3, 9], "api": [5, 6, 7],
                "mimes": ["text/html", "image/png", "image/jpeg"]},
            "ext": {"gpid": "/21800000/news/article-top", "tid": "a9d1d2c4-6f0e-4b89-8a07-4f6c2f1f5f10"},
        }],
        "site": {
            "id": "s-4411", "name": "The News", "domain": "news.example", "cat": ["IAB12", "IAB12-2"],
            "page": "https://www.news.example/world/2026/06/10/a-rather-long-headline-as-papers-write-them.html?ref=home",
            "ref": "https://www.search.example/", "publisher": {"id": "pub-7", "name": "News Company", "domain": "news.example"},
            "content": {"language": "en", "keywords": "world, trade, ports"},
        },
        "device": {
            "ua": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36",
            "ip": "198.51.100.0", "devicetype": 4, "make": "Google", "model": "Pixel 9", "os": "Android", "osv": "15", "language": "en",
            "w": 412, "h": 915, "pxratio": 2.625, "js": 1, "connectiontype": 2, "lmt": 0,
            "geo": {"country": "USA", "region": "CA", "city": "San Jose", "zip": "95112", "utcoffset": -420, "type": 2},
        },
        "user": {"id": user, "eids": [{"source": "ids.example", "uids": [{"id": "AQIC5wM2LY4Sfcxn", "atype": 1}]}]},
        "regs": {"coppa": 0, "gdpr": 0, "us_privacy": "1YNN"},
        "source": {"tid": "7b1f0c9e", "schain": {"ver": "1.0", "complete": 1,
            "nodes": [{"asi": "exchange.example", "sid": "1234", "hp": 1}]}},
    })
}
