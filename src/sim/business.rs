//! What an exchange does with the bids of a load: auctions at once, then notices, views, clicks and
//! purchases, each after the time it takes in life.
//!
//! Assumes one thread with a local task set. Calls the URLs that stand in the bids and no others, on
//! connections of its own. Bounded: what finds no place is counted as dropped, never forgotten silently.
//! Everything is drawn from the seed but the order in which answers come.

mod model;
mod outcomes;
mod shops;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;
use url::Url;

use super::exchange::{Bid, Verdict, auction, least, read, rivals};
use super::http::{Answer, Client};
use super::macros::Macros;
use super::rng::Rng;
use super::traffic::Asked;
use crate::base::money::{Money, Round};
use crate::base::time::Millis;

pub use model::Model;
use model::Viewers;
pub use outcomes::{Kind, Outcomes, Sent};
pub use shops::{Config, Site, secret};

/// Steps that may wait for their time.
const STEPS_MAX: usize = 200_000;
/// How often what is due is looked at.
const TICK: Duration = Duration::from_millis(5);
/// How often a notice is called again after 503.
const RETRIES: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// From and to, in milliseconds.
pub type Span = (u64, u64);

/// How the exchange behaves.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Answers with bids in a hundred that are auctioned.
    pub share_percent: u64,
    /// From the auction to a notice.
    pub notice_ms: Span,
    /// From the billing notice to the view.
    pub view_ms: Span,
    /// From the view to the click.
    pub click_ms: Span,
    /// From the click to the purchase.
    pub conversion_ms: Span,
    /// How likely clicks and purchases are.
    pub model: Model,
    /// Connections that notices and all else go over.
    pub connections: usize,
    /// Where all that is called, in place of what the URLs say.
    pub public: Option<SocketAddr>,
    /// Of the randomness.
    pub seed: u64,
    /// What the exchange knows of the bidder's shops.
    pub config: Option<Config>,
    /// The exchange's id in that config.
    pub exchange: String,
}

/// Something to do.
#[derive(Debug)]
enum Step {
    /// Calls a URL.
    Call(Kind, String, Money),
    /// Clicks, and buys where there is a shop.
    Click(String, Option<Buyer>),
    /// Buys.
    Buy(Buyer, Landing),
}

/// Who buys, and where.
#[derive(Clone, Debug)]
struct Buyer {
    /// Index of the shop.
    shop: usize,
    user: String,
}

/// Where a click led.
#[derive(Debug)]
struct Landing {
    item: String,
    click_id: Option<String>,
}

/// A step and its time. The number keeps steps of one time in order.
#[derive(Debug)]
struct Timed(Instant, u64, Step);

impl PartialEq for Timed {
    fn eq(&self, other: &Timed) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Timed) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Timed) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// The exchange's business while a load runs.
#[derive(Debug)]
pub struct Business {
    habits: Habits,
    rng: RefCell<Rng>,
    viewers: RefCell<Viewers>,
    totals: RefCell<Outcomes>,
    waiting: RefCell<BinaryHeap<Reverse<Timed>>>,
    due: RefCell<VecDeque<Step>>,
    wake: Notify,
    /// Steps being done.
    busy: Cell<usize>,
    numbered: Cell<u64>,
    is_over: Cell<bool>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    /// Where hosts of URLs are.
    places: RefCell<HashMap<String, SocketAddr>>,
}

impl Business {
    /// Opens it on the local task set.
    pub fn open(habits: Habits) -> Rc<Business> {
        let business = Rc::new(Business {
            // Not the traffic's own: auctions must not change what is asked.
            rng: RefCell::new(Rng::new(habits.seed ^ 0x00a0_c710)),
            viewers: RefCell::default(),
            totals: RefCell::new(Outcomes::new(&habits)),
            waiting: RefCell::default(),
            due: RefCell::default(),
            wake: Notify::new(),
            busy: Cell::new(0),
            numbered: Cell::new(0),
            is_over: Cell::new(false),
            tasks: RefCell::default(),
            places: RefCell::default(),
            habits,
        });
        let mut tasks = vec![spawn_local(clock(business.clone()))];
        tasks.extend((0..business.habits.connections.max(1)).map(|_| spawn_local(worker(business.clone()))));
        business.tasks.replace(tasks);
        business
    }

    /// An answer with bids came.
    pub fn answered(&self, asked: &Asked, body: &[u8], bids: u64, now: Instant) {
        let mut rng = self.rng.borrow_mut();
        if bids == 0 || !rng.chance(self.habits.share_percent) {
            return;
        }
        let base = self.habits.config.as_ref().map_or("", |config| config.public_url.as_str());
        let (sound, faults) = read(&asked.offer, body, base);
        self.totals.borrow_mut().judge(bids, sound.len() as u64, &faults);
        for (bid, price) in sound {
            let Some(slot) = asked.offer.imps.iter().find(|slot| slot.id == bid.impid) else {
                continue;
            };
            let rivals = rivals(&mut rng);
            self.totals.borrow_mut().sound(slot.format);
            let (paid, lost) = match auction(asked.offer.at, slot, price, &rivals) {
                Verdict::Won(paid) => (paid, None),
                Verdict::Lost(to) => (to, Some(true)),
            };
            let macros = Macros {
                least: least(slot, &rivals),
                paying: self.habits.config.as_ref().map(|config| &config.paying),
                now_ms: Millis::wall_clock().0.unsigned_abs(),
                ..Macros::of(&asked.offer, &bid, paid, lost)
            };
            self.totals.borrow_mut().auctioned(lost.is_none(), paid);
            match lost {
                None => self.won(asked, &macros, &mut rng, now),
                Some(_) => {
                    let at = now + within(&mut rng, self.habits.notice_ms);
                    self.plan(at, Step::Call(Kind::Lurl, macros.fill(&bid.lurl), Money::ZERO));
                }
            }
        }
    }

    /// Plans what follows from a bid that won.
    fn won(&self, asked: &Asked, macros: &Macros<'_>, rng: &mut Rng, now: Instant) {
        let (habits, bid) = (&self.habits, macros.bid);
        let paid = macros.price.per_impression(Round::Nearest);
        let told = now + within(rng, habits.notice_ms);
        let billed = told + within(rng, habits.notice_ms);
        let viewed = billed + within(rng, habits.view_ms);
        let clicked = viewed + within(rng, habits.click_ms);
        let (mut viewers, user) = (self.viewers.borrow_mut(), &asked.user);
        let place = asked.offer.imps.iter().position(|slot| slot.id == bid.impid).unwrap_or(0);
        let clicks = happens(rng, viewers.view(&habits.model, user, place));
        let buys = happens(rng, viewers.purchase(&habits.model, user));
        let buyer = self.shop_of(bid).filter(|_| buys).map(|shop| Buyer { shop, user: user.clone() });
        if clicks && buyer.is_some() {
            viewers.bought(user);
        }
        self.plan(told, Step::Call(Kind::Nurl, macros.fill(&bid.nurl), Money::ZERO));
        self.plan(billed, Step::Call(Kind::Burl, macros.fill(&bid.burl), paid));
        // The pixel and the click are below the address that the notices are below.
        let base = bid.burl.split_once("/n/").map_or("", |(base, _)| base);
        let tracked = |kind: &str| bid.url_in_markup(&format!("{base}/{kind}/")).map(|url| macros.fill(&url));
        match tracked("imp") {
            Some(url) => self.plan(viewed, Step::Call(Kind::View, url, Money::ZERO)),
            None => self.totals.borrow_mut().without_pixel += 1,
        }
        if let Some(url) = tracked("click").filter(|_| clicks) {
            self.plan(clicked, Step::Click(url, buyer));
        }
    }

    /// The shop that a bid is of, where the config tells.
    fn shop_of(&self, bid: &Bid) -> Option<usize> {
        let sites = &self.habits.config.as_ref()?.sites;
        sites.iter().position(|site| bid.adomain.contains(&site.domain))
    }

    fn plan(&self, at: Instant, step: Step) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= STEPS_MAX {
            self.totals.borrow_mut().dropped += 1;
            return;
        }
        let number = self.numbered.get();
        self.numbered.set(number + 1);
        waiting.push(Reverse(Timed(at, number, step)));
    }

    /// Hands over what is due.
    fn turn(&self, now: Instant) {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.peek().is_some_and(|Reverse(next)| next.0 <= now) {
            if let Some(Reverse(Timed(_, _, step))) = waiting.pop() {
                self.due.borrow_mut().push_back(step);
                self.wake.notify_one();
            }
        }
    }

    /// Whether nothing is left to do.
    fn is_idle(&self) -> bool {
        self.waiting.borrow().is_empty() && self.due.borrow().is_empty() && self.busy.get() == 0
    }

    /// Waits until all that follows is done, but no longer than this, and closes. What came of it all.
    pub async fn drain(&self, longest: Duration) -> Outcomes {
        let until = Instant::now() + longest;
        while !self.is_idle() && Instant::now() < until {
            sleep(TICK).await;
        }
        self.is_over.set(true);
        for task in self.tasks.take() {
            task.abort();
        }
        let mut totals = self.totals.borrow().clone();
        totals.undone = (self.waiting.borrow().len() + self.due.borrow().len() + self.busy.get()) as u64;
        totals
    }
}

fn within(rng: &mut Rng, (from, to): Span) -> Duration {
    Duration::from_millis(from + rng.below((to + 1).saturating_sub(from)))
}

/// Whether something of this likelihood, of one, happens.
fn happens(rng: &mut Rng, likelihood: f64) -> bool {
    (rng.below(1_000_000) as f64) < likelihood * 1_000_000.0
}

/// Hands what is due to the workers.
async fn clock(business: Rc<Business>) {
    while !business.is_over.get() {
        business.turn(Instant::now());
        sleep(TICK).await;
    }
}

/// Does one step after the other.
async fn worker(business: Rc<Business>) {
    let mut clients = HashMap::new();
    loop {
        let step = business.due.borrow_mut().pop_front();
        let Some(step) = step else {
            business.wake.notified().await;
            continue;
        };
        business.busy.set(business.busy.get() + 1);
        business.act(&mut clients, step).await;
        business.busy.set(business.busy.get() - 1);
    }
}

type Clients = HashMap<SocketAddr, Client>;

impl Business {
    async fn act(&self, clients: &mut Clients, step: Step) {
        match step {
            Step::Call(kind, url, paid) => {
                let answer = self.get(clients, &url).await;
                let mut totals = self.totals.borrow_mut();
                totals.done(kind, &answer);
                if kind == Kind::Burl && answer.is_ok_and(|answer| answer.status == 200) {
                    totals.bill(paid);
                }
            }
            Step::Click(url, buyer) => {
                let answer = self.get(clients, &url).await;
                self.totals.borrow_mut().done(Kind::Click, &answer);
                let landing = answer.ok().as_ref().and_then(landing);
                if let (Some(buyer), Some(landing)) = (buyer, landing) {
                    let after = within(&mut self.rng.borrow_mut(), self.habits.conversion_ms);
                    self.plan(Instant::now() + after, Step::Buy(buyer, landing));
                }
            }
            Step::Buy(buyer, landing) => {
                let answer = self.buy(clients, &buyer, &landing).await;
                self.totals.borrow_mut().done(Kind::Conversion, &answer);
            }
        }
    }

    async fn get(&self, clients: &mut Clients, url: &str) -> Result<Answer, String> {
        let url = Url::parse(url).map_err(|fault| format!("{url}: {fault}"))?;
        let place = self.place(&url).await?;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let client = clients.entry(place).or_insert_with(|| Client::new(place));
        let mut answer = client.get(path, &[]).await;
        for _ in 0..RETRIES {
            if !answer.as_ref().is_ok_and(|answer| answer.status == 503) {
                break;
            }
            sleep(RETRY_AFTER).await;
            answer = client.get(path, &[]).await;
        }
        answer
    }

    /// Where a URL leads: to `public` where that is given, else to its host.
    async fn place(&self, url: &Url) -> Result<SocketAddr, String> {
        if let Some(public) = self.habits.public {
            return Ok(public);
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(format!("{url}: no host"));
        };
        let name = format!("{host}:{port}");
        if url.scheme() != "http" {
            return Err(format!(
                "{}://{name}: only http is spoken here: name the listener by --public",
                url.scheme()
            ));
        }
        if let Some(place) = self.places.borrow().get(&name) {
            return Ok(*place);
        }
        let found = tokio::net::lookup_host(&name).await.ok().and_then(|mut found| found.next());
        let place = found.ok_or_else(|| format!("{name}: no such host: name the listener by --public"))?;
        self.places.borrow_mut().insert(name, place);
        Ok(place)
    }

    /// The shop's server tells of a purchase.
    async fn buy(&self, clients: &mut Clients, buyer: &Buyer, landing: &Landing) -> Result<Answer, String> {
        let Some(config) = &self.habits.config else {
            return Err("no config".to_owned());
        };
        let site = config.sites.get(buyer.shop).ok_or("no such shop")?;
        let place = self
            .habits
            .public
            .or(config.public)
            .ok_or("no public listener: name it by --public")?;
        let (order, cents) = {
            let mut rng = self.rng.borrow_mut();
            (rng.next(), 1_000 + rng.below(14_000))
        };
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        let item = json!({"item_id": landing.item, "quantity": 1, "price": amount});
        let mut event = json!({"event": "purchase", "transaction_id": format!("sim-{order:016x}"), "items": [item],
            "value": amount, "currency": site.currency});
        if let Some(click) = &landing.click_id {
            event["click_id"] = json!(click);
        }
        let batch =
            json!({"user": {"exchange_ids": {self.habits.exchange.as_str(): buyer.user}}, "consent": {"gdpr": 0}, "events": [event]});
        let key = format!("Bearer {}", site.event_key);
        let client = clients.entry(place).or_insert_with(|| Client::new(place));
        client
            .post(&format!("/e/{}", site.site_key), &[("authorization", &key)], batch.to_string())
            .await
    }
}

/// Where a click's answer leads.
fn landing(answer: &Answer) -> Option<Landing> {
    let url = Url::parse(answer.location()?).ok()?;
    let click_id = url.query_pairs().find(|(key, _)| key == "wb_click");
    Some(Landing {
        item: url.path().rsplit('/').next().unwrap_or_default().to_owned(),
        click_id: click_id.map(|(_, value)| value.into_owned()),
    })
}
