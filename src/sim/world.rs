//! The world at work: one exchange, its visitors and the shops, acting on a server step by step.
//!
//! Assumes one caller that acts in sequence. What the server answers is checked, never trusted; an
//! answer that no outsider could live with ends the run with a sentence.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use url::Url;

use super::exchange::{Verdict, auction, read, rivals};
use super::http::{COOKIE_HEADER, Client, path_on};
use super::ledger::Ledger;
use super::macros::Macros;
use super::request::{Ask, Slot, Viewer};
use super::rng::Rng;
use super::shop::{Shop, rates, shops};
use super::shopper::{Door, Habit, Identity, Shopper, purchase};
use super::{ShopDoor, Stage};
use crate::base::money::Money;

pub use super::exchange::Bid;

/// The seed of the demo's world.
const SEED: u64 = 2_026;
/// The least time between two offers of one visitor: slower than a machine that reloads.
const REST_MS: u64 = 4_000;
/// Requests in a hundred that ask for somebody who was in no shop.
const STRANGERS_PERCENT: u64 = 25;
/// Views in a hundred that are clicked; far above life, so that a demo is short.
const CLICKS_PERCENT: u64 = 12;
/// The same for a campaign that was never clicked.
const FIRST_CLICK_PERCENT: u64 = 60;
/// Clicks in a hundred that end in a purchase.
const PURCHASES_PERCENT: u64 = 20;
/// How often a notice is called again after 503.
const NOTICE_RETRIES: u32 = 5;

/// Everything outside the server.
pub struct World<'a> {
    /// The server.
    pub stage: &'a Stage,
    /// The shops.
    pub shops: Vec<Shop>,
    /// Their keys, in the same order.
    pub doors: Vec<ShopDoor>,
    /// To the bid listener.
    pub bid: Client,
    /// To the public listener.
    pub public: Client,
    /// To the admin listener.
    pub admin: Client,
    /// The exchange's book.
    pub ledger: Ledger,
    /// Chance.
    pub rng: Rng,
    /// Who visited a shop.
    pub shoppers: Vec<Shopper>,
    /// Ads written as pages.
    pub ads: Vec<PathBuf>,
    started: Instant,
}

/// Where a click led.
#[derive(Debug)]
pub struct Landing {
    /// The address.
    pub url: String,
    /// The product's id in the shop.
    pub item: String,
    /// `wb_click`.
    pub click_id: Option<String>,
}

impl<'a> World<'a> {
    /// A world that has not begun.
    pub fn new(stage: &'a Stage) -> Result<World<'a>, String> {
        let shops = shops()?;
        let door = |shop: &Shop| {
            let door = stage.shops.iter().find(|door| door.id == shop.id);
            door.cloned()
                .ok_or_else(|| format!("no keys for shop `{}`: hand them over in the stage", shop.id))
        };
        Ok(World {
            stage,
            doors: shops.iter().map(door).collect::<Result<_, _>>()?,
            ledger: Ledger::new(&shops, &rates()?)?,
            shops,
            bid: Client::new(stage.bid),
            public: Client::new(stage.public),
            admin: Client::new(stage.admin),
            rng: Rng::new(SEED),
            shoppers: Vec::new(),
            ads: Vec::new(),
            started: Instant::now(),
        })
    }

    /// Since the world began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The door of a shop; `None` where there is no such shop.
    pub fn door(&mut self, shop: usize) -> Option<Door<'_>> {
        Some(Door {
            stage: self.stage,
            public: &mut self.public,
            shop: self.shops.get(shop)?,
            door: self.doors.get(shop)?,
        })
    }

    /// Somebody new visits a shop.
    pub async fn arrive(&mut self) -> Result<(), String> {
        let mut rng = self.rng.clone();
        let mut shopper = Shopper::new(self.shoppers.len() as u64, &self.shops, &mut rng);
        if let Some(mut door) = self.door(shopper.shop) {
            shopper.visit(&mut door, &mut rng).await?;
        }
        self.rng = rng;
        self.shoppers.push(shopper);
        Ok(())
    }

    /// Sends a request; the sound bids with their prices, none for a no-bid.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Vec<(Bid, Money)>, String> {
        self.ledger.asked += 1;
        let path = format!("/bid/{}", self.stage.exchange);
        let key = self.stage.exchange_key.as_ref();
        let mut headers = vec![("x-openrtb-version", "2.6")];
        headers.extend(key.map(|(name, value)| (name.as_str(), value.as_str())));
        let answer = self.bid.post(&path, &headers, ask.body()).await?.expect(&[200, 204])?;
        if answer.status == 204 {
            return Ok(Vec::new());
        }
        let (bids, faults) = read(&ask.offer, &answer.body, &self.stage.public_url);
        self.ledger.reject(faults);
        for (bid, _) in &bids {
            if let Some(line) = self.ledger.line(&self.shops, &bid.cid, &bid.adomain) {
                line.bids += 1;
            }
        }
        Ok(bids)
    }

    /// One request for one visitor or stranger, with all that follows from it.
    pub async fn trade(&mut self) -> Result<(), String> {
        let n = self.ledger.asked;
        let shopper = self.visitor();
        let ask = match shopper.and_then(|at| self.shoppers.get(at)) {
            Some(shopper) => {
                let ifa = match &shopper.identity {
                    Identity::Device(ifa) => Some(ifa.as_str()),
                    _ => None,
                };
                let viewer = Viewer {
                    uid: &shopper.uid,
                    ifa,
                    country: shopper.country,
                };
                Ask::new(n, viewer, &mut self.rng)
            }
            None => {
                let uid = format!("y-{:016x}", self.rng.next());
                Ask::new(
                    n,
                    Viewer {
                        uid: &uid,
                        ifa: None,
                        country: "USA",
                    },
                    &mut self.rng,
                )
            }
        };
        for (bid, price) in self.ask(&ask).await? {
            let Some(slot) = ask.offer.imps.iter().find(|slot| slot.id == bid.impid).cloned() else {
                continue;
            };
            let rivals = rivals(&mut self.rng);
            let paid = self.settle(&ask, &slot, &bid, price, &rivals).await?;
            if let (Some(paid), Some(shopper)) = (paid, shopper) {
                self.show(&ask, &bid, paid, shopper).await?;
            }
        }
        Ok(())
    }

    /// A visitor who was not offered for a while; `None` means a stranger.
    fn visitor(&mut self) -> Option<usize> {
        if self.rng.chance(STRANGERS_PERCENT) {
            return None;
        }
        let now = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        for _ in 0..8 {
            let at = self.rng.below(self.shoppers.len() as u64) as usize;
            let shopper = self.shoppers.get_mut(at)?;
            if shopper.offered_at.is_none_or(|then| now.saturating_sub(then) >= REST_MS) {
                shopper.offered_at = Some(now);
                return Some(at);
            }
        }
        None
    }

    /// Auctions a bid against rivals and sends the notices. The price paid where it won, CPM.
    pub async fn settle(&mut self, ask: &Ask, slot: &Slot, bid: &Bid, price: Money, rivals: &[Money]) -> Result<Option<Money>, String> {
        match auction(ask.offer.at, slot, price, rivals) {
            Verdict::Lost(to) => {
                let macros = Macros::of(&ask.offer, bid, to, Some(true));
                self.notify(&macros.fill(&bid.lurl)).await?;
                Ok(None)
            }
            Verdict::Won(paid) => {
                let macros = Macros::of(&ask.offer, bid, paid, None);
                self.notify(&macros.fill(&bid.nurl)).await?;
                if let Some(line) = self.ledger.line(&self.shops, &bid.cid, &bid.adomain) {
                    line.wins += 1;
                }
                self.notify(&macros.fill(&bid.burl)).await?;
                self.ledger.bill(&self.shops, &bid.cid, &bid.adomain, paid);
                Ok(Some(paid))
            }
        }
    }

    async fn notify(&mut self, url: &str) -> Result<(), String> {
        let path = path_on(&self.stage.public_url, url).ok_or_else(|| format!("notice URL {url} is not the server's"))?;
        for _ in 0..NOTICE_RETRIES {
            let answer = self.public.get(path, &[]).await?;
            if answer.status != 503 {
                return answer.expect(&[200]).map(|_| ());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("notice {path}: answered 503 {NOTICE_RETRIES} times"))
    }

    /// Shows a won ad to a visitor, who may click and buy.
    async fn show(&mut self, ask: &Ask, bid: &Bid, paid: Money, shopper: usize) -> Result<(), String> {
        let jar = match self.shoppers.get(shopper).map(|s| &s.identity) {
            Some(Identity::Cookie(jar)) => Some(jar.clone()),
            _ => None,
        };
        self.keep_first(ask, bid, paid)?;
        self.view(ask, bid, paid, jar.as_deref()).await?;
        let never = self
            .ledger
            .line(&self.shops, &bid.cid, &bid.adomain)
            .is_some_and(|line| line.clicks == 0);
        if !self.rng.chance(if never { FIRST_CLICK_PERCENT } else { CLICKS_PERCENT }) {
            return Ok(());
        }
        let landing = self.click(ask, bid, paid, jar.as_deref()).await?;
        if self.rng.chance(PURCHASES_PERCENT) {
            self.buy(shopper, &landing).await?;
        }
        Ok(())
    }

    /// Loads the pixel in the markup.
    pub async fn view(&mut self, ask: &Ask, bid: &Bid, paid: Money, jar: Option<&str>) -> Result<(), String> {
        let path = self.tracked("imp", ask, bid, paid)?;
        self.browse(&path, jar).await?.expect(&[200]).map(|_| ())
    }

    /// Clicks the ad; where it led.
    pub async fn click(&mut self, ask: &Ask, bid: &Bid, paid: Money, jar: Option<&str>) -> Result<Landing, String> {
        let path = self.tracked("click", ask, bid, paid)?;
        let answer = self.browse(&path, jar).await?.expect(&[302])?;
        let to = answer.location().ok_or("a click was redirected to nowhere")?;
        let url = Url::parse(to).map_err(|fault| format!("a click was redirected to {to}: {fault}"))?;
        if let Some(line) = self.ledger.line(&self.shops, &bid.cid, &bid.adomain) {
            line.clicks += 1;
        }
        Ok(Landing {
            url: to.to_owned(),
            item: url.path().rsplit('/').next().unwrap_or_default().to_owned(),
            click_id: url
                .query_pairs()
                .find(|(key, _)| key == "wb_click")
                .map(|(_, value)| value.into_owned()),
        })
    }

    /// The path of a tracking URL in the markup, macros replaced.
    fn tracked(&self, kind: &str, ask: &Ask, bid: &Bid, paid: Money) -> Result<String, String> {
        let base = format!("{}/{kind}/", self.stage.public_url);
        let url = bid
            .url_in_markup(&base)
            .ok_or_else(|| format!("the markup of {} has no address that begins with {base}", bid.crid))?;
        let url = Macros::of(&ask.offer, bid, paid, None).fill(&url);
        path_on(&self.stage.public_url, &url)
            .map(str::to_owned)
            .ok_or_else(|| format!("{url} is not the server's"))
    }

    async fn browse(&mut self, path: &str, jar: Option<&str>) -> Result<super::http::Answer, String> {
        match jar {
            Some(jar) => self.public.get(path, &[(COOKIE_HEADER, jar)]).await,
            None => self.public.get(path, &[]).await,
        }
    }

    /// A visitor buys what the click led to.
    async fn buy(&mut self, shopper: usize, landing: &Landing) -> Result<(), String> {
        let Some(visitor) = self.shoppers.get_mut(shopper) else {
            return Ok(());
        };
        visitor.habit = Habit::Buyer;
        let visitor = visitor.clone();
        let transaction = format!("order-{:012x}", self.rng.next() >> 16);
        let Some(mut door) = self.door(visitor.shop) else {
            return Ok(());
        };
        let Some(item) = door.shop.item(&landing.item) else {
            return Err(format!("a click led to {}, where no product is", landing.url));
        };
        let mut event = purchase(item, door.shop, transaction);
        if let Some(click) = &landing.click_id {
            event["click_id"] = serde_json::json!(click);
        }
        door.send(&visitor, vec![event]).await.map(|_| ())
    }

    /// Writes the first ad of each campaign as a page.
    fn keep_first(&mut self, ask: &Ask, bid: &Bid, paid: Money) -> Result<(), String> {
        let won_before = self
            .ledger
            .line(&self.shops, &bid.cid, &bid.adomain)
            .is_none_or(|line| line.wins > 1);
        if won_before {
            return Ok(());
        }
        let shop = self.shops.iter().find(|shop| bid.adomain.contains(&shop.domain));
        let name = format!("{}-{}", shop.map_or("shop", |shop| &shop.id), bid.cid.replace(['/', ':'], "-"));
        self.write_ad(&name, ask, bid, paid).map(|_| ())
    }

    /// Writes an ad as a page of its own, `ad-{name}.html`.
    pub fn write_ad(&mut self, name: &str, ask: &Ask, bid: &Bid, paid: Money) -> Result<PathBuf, String> {
        let markup = Macros::of(&ask.offer, bid, paid, None).fill(&bid.adm);
        let page = format!(
            "<!doctype html><html><meta charset=\"utf-8\"><title>{title}</title>\
             <style>body{{font:14px/1.5 system-ui,sans-serif;color:#555;display:grid;place-items:center;gap:1rem;margin:3rem}}\
             .ad{{width:{w}px;height:{h}px;box-shadow:0 0 0 1px #ddd}}</style>\
             <p>{title}, {w} x {h}, sold for {paid} USD CPM</p><div class=\"ad\">{markup}</div></html>\n",
            title = html_escape::encode_text(&bid.crid),
            w = bid.w,
            h = bid.h,
        );
        let path = self.stage.dir.join(format!("ad-{name}.html"));
        std::fs::write(&path, page).map_err(|fault| format!("cannot write {}: {fault}", path.display()))?;
        self.ads.push(path.clone());
        Ok(path)
    }
}
