//! Plays a scenario: requests decided twice and committed as the server does, notices by the tokens
//! found in answers; and tells what came of each in the words of `then`.

use serde_json::{Value, json};
use winback::base::id::CampaignNo;
use winback::base::seal::Audience;
use winback::base::time::Millis;
use winback::bid::{Ask, Scratch, Silent, decide};
use winback::model::advertiser::Budget;
use winback::model::outcome::{NoBid, Outcome, Pick};
use winback::openrtb::response::Form;
use winback::server::notices;
use winback::state::holds::{Limits, Refused, commit};
use winback::track::fact::Fact;
use winback::track::{approval, notice};

use super::given::{Config, EXCHANGE, list, request, rig, sign_of, span_of, tell_batch};
use crate::bench_rig::Rig;
use crate::responses;

/// What bids have now and then.
const SOMETIMES: [&str; 11] = [
    "w", "h", "cat", "cattax", "attr", "apis", "protocol", "dur", "dealid", "wratio", "hratio",
];

/// What is seen of one bid's answer.
struct Made {
    notices: [String; 3],
    markup: String,
}

/// Is told of every decision, with what it was made in.
pub type Watch<'a> = &'a mut dyn FnMut(&Rig, &Ask<'_>, Outcome, &Scratch);

struct Play<'a> {
    watch: Option<Watch<'a>>,
    rig: Rig,
    now: Millis,
    exchange: &'a str,
    look_for: &'a [Value],
    scratch: Scratch,
    again: Scratch,
    asked: u128,
    made: Vec<Made>,
}

/// What comes of `when`: one outcome, or one for each step of a list. `look_for` are texts of which
/// those found in the markup and the notices are told.
pub fn play(given: &Value, config: &Config, when: &Value, look_for: &[Value]) -> Value {
    watched(given, config, when, look_for, None)
}

/// The same, while somebody watches.
pub fn watched<'a>(given: &'a Value, config: &Config, when: &Value, look_for: &'a [Value], watch: Option<Watch<'a>>) -> Value {
    let mut play = match Play::new(given, config, look_for) {
        Ok(play) => play,
        Err(faults) => return json!({"refused": faults}),
    };
    play.watch = watch;
    match when {
        Value::Array(steps) => steps.iter().flat_map(|step| play.step(step)).collect(),
        only => play.ask(only, 0),
    }
}

/// What comes of the last of some requests that have waited so long, and the answer's bytes.
pub fn answer(given: &Value, config: &Config, asked: &[Value], waited_ms: u32) -> (Value, Vec<u8>) {
    let mut play = Play::new(given, config, &[]).unwrap_or_else(|faults| panic!("{faults:?}"));
    let came = asked.iter().map(|request| play.ask(request, waited_ms)).last();
    (came.unwrap_or(Value::Null), play.scratch.out.to_vec())
}

impl<'a> Play<'a> {
    fn new(given: &'a Value, config: &Config, look_for: &'a [Value]) -> Result<Play<'a>, Vec<String>> {
        let (rig, now) = rig(given, config)?;
        Ok(Play {
            watch: None,
            rig,
            now,
            exchange: given["exchange"].as_str().unwrap_or(EXCHANGE),
            look_for,
            scratch: Scratch::default(),
            again: Scratch::default(),
            asked: 0,
            made: Vec::new(),
        })
    }

    /// A step, as often as it says, each time `after` the one before.
    fn step(&mut self, step: &Value) -> Vec<Value> {
        let after = step["after"].as_str().map_or(span_of("0s"), span_of);
        let times = 0..step["times"].as_u64().unwrap_or(1);
        let mut outcomes = Vec::new();
        for _ in times {
            self.now = self.now.after(after);
            outcomes.push(self.act(step));
        }
        outcomes
    }

    fn act(&mut self, step: &Value) -> Value {
        if let Some(request) = step.get("request") {
            let waited = step["waited_ms"].as_u64().unwrap_or(0);
            return self.ask(request, u32::try_from(waited).expect("milliseconds"));
        }
        if let Some(book) = step["book"].as_str() {
            return self.book(book);
        }
        if let Some(name) = step["losses"].as_str() {
            return self.losses(name);
        }
        if let Some(campaign) = step["day"].as_str() {
            return self.day(campaign);
        }
        if step["tell"].is_object() {
            let advertiser = self.rig.world.shops().next().expect("a shop").advertiser.id.clone();
            tell_batch(&mut self.rig, &step["tell"], &advertiser, self.now);
            return json!("told");
        }
        let signs = ["win", "bill", "pixel", "click", "lose"];
        let named = signs.iter().find_map(|sign| Some((*sign, step[*sign].as_u64()?)));
        let (sign, bid) = named.unwrap_or_else(|| panic!("nothing to do: {step}"));
        self.notice(sign, usize::try_from(bid).expect("an index"), step)
    }

    /// Decides as the server does: refused, once more without the campaign whose budget gave out.
    fn ask(&mut self, request_of: &Value, waited_ms: u32) -> Value {
        let body = match request_of {
            Value::String(raw) => raw.clone(),
            patch => self.with_crids(request(patch).to_string()),
        };
        let exchange = self.rig.world.exchange_by_id(self.exchange).expect("a known exchange").no;
        self.rig.state.popular.rank(&self.rig.world, self.now.to_secs());
        let mut barred = None;
        for _ in 0..2 {
            self.asked += 1;
            let seed = self.asked << 64 | self.asked;
            let ask = Ask {
                exchange,
                body: body.as_bytes(),
                form: Form::Json,
                now: self.now,
                waited_ms,
                seed,
                barred,
                inert: false,
            };
            let outcome = self.decide_twice(&ask);
            let Outcome::Bid { epoch, .. } = outcome else {
                return told(outcome);
            };
            let committed = commit(&self.rig.state, &self.scratch.picks, epoch, self.now, |pick| {
                limits(&self.rig, pick, self.now)
            });
            match committed {
                Ok(()) => return self.answer(&body),
                Err(Refused::Budget(campaign)) => barred = Some(campaign),
                Err(Refused::Stale) => panic!("nobody else commits here"),
            }
        }
        told(Outcome::NoBid(NoBid::Contended))
    }

    /// A request that names creatives by `advertiser.creative.CRID`, with their revisions of today.
    fn with_crids(&self, body: String) -> String {
        let creatives = self.rig.world.shops().flat_map(|shop| &shop.advertiser.creatives);
        creatives.into_iter().fold(body, |body, creative| {
            let name = creative.crid.rsplit_once('.').map_or("", |(name, _)| name);
            body.replace(&format!("{name}.CRID"), &creative.crid)
        })
    }

    /// The same arguments give the same bytes, whatever scratch held before.
    fn decide_twice(&mut self, ask: &Ask<'_>) -> Outcome {
        let (world, state) = (&self.rig.world, &self.rig.state);
        let outcome = decide(world, state, ask, &mut self.scratch, &mut Silent);
        self.again = Scratch::default();
        let again = decide(world, state, ask, &mut self.again, &mut Silent);
        assert_eq!(outcome, again);
        assert_eq!(self.scratch.out, self.again.out, "the same arguments, other bytes");
        assert_eq!(self.scratch.picks, self.again.picks);
        if let Some(watch) = &mut self.watch {
            watch(&self.rig, ask, outcome, &self.scratch);
        }
        approval::of_feedback(world, state, ask.exchange, &self.scratch.feedback, ask.now.to_secs());
        outcome
    }

    /// The bids of the answer, in the words of `then`: what is as everywhere is left out.
    fn answer(&mut self, body: &str) -> Value {
        responses::check(&self.scratch.out);
        let answer: Value = serde_json::from_slice(&self.scratch.out).expect("the answer is JSON");
        let asked: Value = serde_json::from_str(body).expect("what is bid on is JSON");
        assert_eq!(
            answer["id"],
            asked["id"].as_str().map_or_else(|| asked["id"].to_string(), str::to_owned)
        );
        let mut bids = Vec::new();
        for seatbid in list(&answer["seatbid"]) {
            for bid in list(&seatbid["bid"]) {
                let mut told = self.bid(bid);
                if seatbid["seat"] != "winback" {
                    told["seat"] = seatbid["seat"].clone();
                }
                if answer["ext"] != Value::Null {
                    told["ext of the answer"] = answer["ext"].clone();
                }
                if answer["cur"] != "USD" {
                    told["cur"] = answer["cur"].clone();
                }
                bids.push(told);
            }
        }
        assert_eq!(bids.len(), self.scratch.picks.len());
        json!({"bids": bids})
    }

    fn bid(&mut self, bid: &Value) -> Value {
        let text = |name: &str| bid[name].as_str().unwrap_or_else(|| panic!("no {name} in {bid}")).to_owned();
        let made = Made {
            notices: ["nurl", "burl", "lurl"].map(|name| bid[name].as_str().unwrap_or_default().to_owned()),
            markup: text("adm"),
        };
        let opened = notice::open(&self.rig.world, Audience::Notice, &token(&made.notices[1])).expect("our own token");
        let of_bid = |pick: &&Pick| pick.tag == opened.tag;
        let pick = *self.scratch.picks.iter().find(of_bid).expect("a pick for each bid");
        let shop = self.rig.world.shop(pick.advertiser).expect("its shop").clone();
        let product = shop.catalog.get(pick.product);
        assert_eq!(opened.ticket.price, pick.price);
        let is_shown = |title: &str| made.markup.contains(title) || made.markup.contains(&*html_escape::encode_quoted_attribute(title));
        // A native ad may be asked for anything but the title.
        assert!(
            bid["mtype"] == 4 || product.is_none_or(|product| is_shown(&product.title)),
            "{product:?} in {}",
            made.markup
        );
        let titled = |product: &&winback::model::product::Product| is_shown(&format!(">{}<", product.title));
        let shown: Vec<&str> = shop.catalog.iter().filter(titled).map(|product| &*product.item_id).collect();
        let mut told = json!({
            "impid": bid["impid"], "cid": bid["cid"], "product": product.map(|product| &*product.item_id), "price": pick.price.to_string(),
        });
        if bid["mtype"] == 4 {
            let shortened = made.markup.replace(&token(in_markup(&made.markup, "/click/")), "TOKEN");
            told["native"] = serde_json::from_str(&shortened).expect("a native ad is JSON");
        }
        let crid = bid["crid"]
            .as_str()
            .and_then(|crid| crid.rsplit_once('.'))
            .map_or("", |(name, _)| name);
        let own_crid = format!("{}.{}", shop.advertiser.id, bid["adid"].as_str().unwrap_or("?"));
        assert_eq!(crid, own_crid, "{bid}");
        let usual = [
            ("adid", json!("card")),
            ("exp", json!(300)),
            ("adomain", json!(["acme.example"])),
            ("language", json!("en")),
            ("mtype", json!(1)),
        ];
        for (name, usual) in usual.into_iter().filter(|(name, usual)| bid[*name] != *usual) {
            assert_ne!(bid[name], Value::Null, "no {name}, mostly {usual}");
            told[name] = bid[name].clone();
        }
        let absent: Vec<&str> = ["nurl", "burl", "lurl"].into_iter().filter(|name| bid[*name].is_null()).collect();
        if !absent.is_empty() {
            told["without"] = json!(absent);
        }
        if shown.len() > 1 {
            told["products"] = json!(shown);
        }
        for name in SOMETIMES.into_iter().filter(|name| bid[*name] != Value::Null) {
            told[name] = bid[name].clone();
        }
        if bid["ext"] != Value::Null {
            told["ext"] = without_token(&bid["ext"]);
        }
        if !self.look_for.is_empty() {
            let is_there = |wanted: &&Value| {
                let wanted = wanted.as_str().expect("texts are looked for");
                made.markup.contains(wanted) || made.notices.iter().any(|notice| notice.contains(wanted))
            };
            told["found"] = self.look_for.iter().filter(is_there).cloned().collect();
        }
        self.made.push(made);
        told
    }

    /// A notice, pixel or click of an earlier bid: its `price`, the `code` of a loss, the `product` clicked.
    fn notice(&mut self, sign: &str, bid: usize, step: &Value) -> Value {
        let price = step["price"].as_str().unwrap_or("1");
        let made = self.made.get(bid).unwrap_or_else(|| panic!("no bid {bid} so far"));
        let (audience, url) = match sign {
            "win" => (Audience::Notice, made.notices[0].as_str()),
            "bill" => (Audience::Notice, made.notices[1].as_str()),
            "lose" => (Audience::Notice, made.notices[2].as_str()),
            of_markup => (
                Audience::View,
                in_markup(&made.markup, if of_markup == "click" { "/click/" } else { "/imp/" }),
            ),
        };
        let world = &self.rig.world;
        let opened = notice::open(world, audience, &token(url)).expect("our own token");
        if sign == "lose" {
            let (state, now) = (&self.rig.state, self.now.to_secs());
            let freed = notice::lose(world, state, &opened, now);
            let query = step["code"]
                .as_u64()
                .map(|code| format!("reason={code}&mtw={}", step["mtw"].as_str().unwrap_or("")));
            let suspended = freed
                .then(|| approval::of_loss(world, state, &opened, query.as_deref(), now))
                .flatten();
            return match suspended {
                Some(_) => json!({"freed": freed, "suspended": true}),
                None => json!({"freed": freed}),
            };
        }
        let lands = (sign == "click").then(|| self.landing(&opened, &token(url), step["product"].as_u64()));
        let evidence = notice::evidence(world, sign_of(sign), opened, Some(&format!("price={price}")), self.now);
        let effect = self.rig.record(Fact::Evidence(evidence), self.now);
        match lands {
            Some(lands) => json!({"effect": effect.label(), "lands": lands}),
            None => json!({"effect": effect.label()}),
        }
    }

    /// Where a click leads, without the token that it carries.
    fn landing(&self, opened: &notice::Opened, token: &str, product: Option<u64>) -> String {
        let world = &self.rig.world;
        let shop = world.shop(opened.ticket.advertiser).expect("its shop");
        let query = product.map(|n| format!("n={n}"));
        let product = notices::clicked(opened, query.as_deref());
        let page = notices::landing(world, shop, &opened.ticket, product, token);
        page.replace(token, "TOKEN")
    }

    /// What a campaign's row of today says.
    fn day(&self, name: &str) -> Value {
        let (advertiser, campaign) = name.split_once('/').expect("advertiser/campaign");
        let shop = self.rig.shop(advertiser);
        let campaign = shop.advertiser.campaigns.iter().find(|c| c.id == campaign).expect("a campaign");
        let day = self.now.local_day(&shop.advertiser.timezone);
        let row = self.rig.state.days.lock().get(&(campaign.no, day)).copied().unwrap_or_default();
        let mut told = json!({
            "impressions": row.impressions, "clicks": row.clicks, "conversions": row.conversions,
            "media_cost": row.media_cost.to_string(), "billed": row.billed.to_string(),
            "conversion_value": row.conversion_value.to_string(),
        });
        if row.invalid_clicks > 0 {
            told["invalid_clicks"] = json!(row.invalid_clicks);
        }
        told
    }

    /// A campaign's number, or that of its advertiser's book.
    fn number(&self, name: &str) -> CampaignNo {
        let (advertiser, campaign) = name.split_once('/').unwrap_or((name, ""));
        let shop = self.rig.shop(advertiser);
        let of_campaign = shop.advertiser.campaigns.iter().find(|c| c.id == campaign).map(|c| c.no);
        of_campaign.unwrap_or(shop.advertiser.book)
    }

    /// What the exchange told of a campaign's lost bids.
    fn losses(&self, name: &str) -> Value {
        let exchange = self.rig.world.exchange_by_id(self.exchange).expect("a known exchange").no;
        let told = self.rig.state.losses.of((exchange, self.number(name))).unwrap_or_default();
        let reasons: serde_json::Map<_, _> = told
            .reasons
            .iter()
            .map(|(reason, bids)| (reason.label().into_owned(), json!(bids)))
            .collect();
        json!({"lost": reasons, "min_to_win": told.median_to_win().map(|price| price.to_string())})
    }

    /// What a campaign (or its advertiser) has spent and holds.
    fn book(&self, name: &str) -> Value {
        let no = self.number(name);
        let (spent, held) = self.rig.state.books.totals(no, self.now.to_secs());
        json!({"spent": spent.to_string(), "held": held.to_string()})
    }
}

fn told(outcome: Outcome) -> Value {
    match outcome {
        Outcome::NoBid(why) => json!({"no_bid": why.label()}),
        Outcome::Bid { bids, .. } => panic!("{bids} bids are told by their answer"),
    }
}

/// What `ext` says, but for the token of the pixel.
fn without_token(ext: &Value) -> Value {
    let text = ext.to_string();
    let pixel = text.contains("/imp/").then(|| token(in_markup(&text, "/imp/")));
    pixel.map_or(ext.clone(), |token| text.replace(&token, "TOKEN").parse().expect("JSON"))
}

/// The last part of a URL's path.
fn token(url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// From the token that follows `kind` in markup to the end of its URL.
fn in_markup<'m>(markup: &'m str, kind: &str) -> &'m str {
    let (_, rest) = markup.split_once(kind).unwrap_or_else(|| panic!("no {kind} in {markup}"));
    rest.split(['"', '\'', '&', '<', ' ', ']']).next().unwrap_or_default()
}

/// The budgets a pick is held against, as the server reads them.
fn limits(rig: &Rig, pick: &Pick, now: Millis) -> Limits {
    let shop = rig.world.shop(pick.advertiser).expect("its shop");
    let campaign: Budget = shop.advertiser.campaigns[pick.campaign_index as usize].budget;
    Limits {
        campaign,
        advertiser: shop.advertiser.budget,
        day: now.local_day(&shop.advertiser.timezone),
    }
}
