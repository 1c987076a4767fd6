//! An advertiser as used: audiences, creatives and campaigns, checked and resolved (contract §3).
//!
//! Built by `config` only. Cross references are indexes into the advertiser's own lists.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::base::domain::Site;
use crate::base::id::{AdvertiserNo, CampaignNo, CreativeNo, CridKey, ProductKey};
use crate::base::money::{Currency, Money, Ratio, Round};
use crate::base::time::{Millis, Span};
use crate::model::event::{Aspect, Mark, NamedKind};
use crate::model::native::Native;
use crate::model::product::Catalog;
use crate::model::spot::Spot;
use crate::model::targeting::{Adjustment, Format, Targeting};
use crate::model::taxonomy::Categories;
use crate::model::template::Template;

/// One advertiser with its products: the unit in which a World is swapped.
#[derive(Debug)]
pub struct Shop {
    /// What it configured.
    pub advertiser: Arc<Advertiser>,
    /// What it sells.
    pub catalog: Arc<Catalog>,
}

/// An advertiser.
#[derive(Debug)]
pub struct Advertiser {
    /// Its number.
    pub no: AdvertiserNo,
    /// Its own book: spend over all campaigns.
    pub book: CampaignNo,
    /// `id`.
    pub id: String,
    /// `name`.
    pub name: String,
    /// `domain`: what `adomain` says.
    pub domain: String,
    /// The same, for lists of blocked and of allowed advertisers.
    pub site: Site,
    /// `apps`: store ids of its apps, for lists of blocked ones.
    pub apps: Vec<String>,
    /// `currency` of every amount here and in reports.
    pub currency: Currency,
    /// `timezone` of days, flights and hours.
    pub timezone: TimeZone,
    /// `timezone` as written.
    pub timezone_name: String,
    /// `language`, BCP 47.
    pub language: String,
    /// `categories`, for `cat` and blocked categories.
    pub categories: Vec<String>,
    /// Their taxonomy.
    pub cattax: u32,
    /// What they are called in every taxonomy.
    pub names: Categories,
    /// `logo_url`.
    pub logo_url: Option<String>,
    /// `site_key`: what events are sent to.
    pub site_key: String,
    /// The secret of server events, where `event_key_file` is given.
    pub event_key: Option<String>,
    /// The product feed.
    pub feed: Option<FeedSource>,
    /// What a click leads to.
    pub landing: Landing,
    /// Origins that browsers may send events from, as `https://host`; else any of its domain.
    pub origins: Vec<String>,
    /// Over all campaigns.
    pub budget: Budget,
    /// Over all campaigns.
    pub frequency: Vec<Cap>,
    /// `fee_percent` as a ratio: 15 % is 0.15.
    pub fee: Ratio,
    /// Seats by exchange id.
    pub seats: Vec<(String, String)>,
    /// Billing ids by exchange id.
    pub billing_ids: Vec<(String, Vec<i64>)>,
    /// Imps of one request it may have.
    pub per_request: u32,
    /// What conversions are credited to.
    pub attribution: Attribution,
    /// Audiences.
    pub audiences: Vec<Audience>,
    /// What their rules look for in events' own texts, each once.
    pub needles: Vec<Needle>,
    /// What is shown of what.
    pub products: ProductRules,
    /// Creatives.
    pub creatives: Vec<Creative>,
    /// Campaigns.
    pub campaigns: Vec<Campaign>,
}

impl Advertiser {
    /// Whether any cap counts a campaign's impressions: its own, the advertiser's, or another
    /// campaign's over the advertiser or a creative.
    pub fn is_capped(&self, campaign: &Campaign) -> bool {
        let counts_others = |cap: &Cap| cap.scope != CapScope::Campaign;
        !self.frequency.is_empty()
            || !campaign.frequency.is_empty()
            || self.campaigns.iter().any(|other| other.frequency.iter().any(counts_others))
    }
}

/// `feed.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedFormat {
    /// Told by content.
    #[default]
    Auto,
    /// RSS 2.0.
    Rss,
    /// Atom 1.0.
    Atom,
    /// Fields between tabs.
    Tsv,
    /// Fields between commas, semicolons or bars.
    Csv,
    /// JSON, an object a line or in a list.
    Jsonl,
}

impl std::fmt::Display for FeedFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FeedFormat::Auto => "auto",
            FeedFormat::Rss => "rss",
            FeedFormat::Atom => "atom",
            FeedFormat::Tsv => "tsv",
            FeedFormat::Csv => "csv",
            FeedFormat::Jsonl => "jsonl",
        })
    }
}

/// `feed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSource {
    /// The file, made absolute; empty where the feed is by `url`.
    pub path: std::path::PathBuf,
    /// The address, where it is by URL.
    pub url: Option<String>,
    /// What the file must be.
    pub format: FeedFormat,
    /// How often it is read again.
    pub refresh: Span,
    /// Prefixes cut from ids in events.
    pub id_prefixes: Vec<String>,
    /// What proves who asks for it, where it is by URL.
    pub auth: Option<FeedAuth>,
}

/// `feed.auth`: a secret that is read whenever the feed is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedAuth {
    /// The header that carries it.
    pub header: String,
    /// Whose password it is, where it is one (RFC 7617).
    pub user: Option<String>,
    /// The file that holds it, made absolute.
    pub file: std::path::PathBuf,
}

/// `landing`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// Query text added to the product's page, with `{campaign} {creative} {exchange}`.
    pub append: String,
    /// Domains a click may lead to, the advertiser's own among them.
    pub domains: Vec<String>,
}

/// `attribution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// What is a conversion.
    pub goal: NamedKind,
    /// A click counts for so long.
    pub click: Span,
    /// An impression counts for so long.
    pub view: Span,
}

/// `audiences[]`: all of `include` and none of `exclude`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Its id.
    pub id: String,
    /// Every one must hold.
    pub include: Vec<Rule>,
    /// None may hold.
    pub exclude: Vec<Rule>,
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSubject {
    /// Events of a kind.
    Event(NamedKind),
    /// `state: "cart"`.
    Cart,
}

/// One condition on what a user did (contract §3 `rule`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it looks at.
    pub subject: RuleSubject,
    /// Events at most this old.
    pub within: Span,
    /// Events older than this.
    pub older_than: Option<Span>,
    /// At least so many.
    pub min_count: u32,
    /// At most so many.
    pub max_count: Option<u32>,
    /// The sum of price × quantity is at least this.
    pub min_value: Option<Money>,
    /// Whole levels of a category path.
    pub category: Option<Needle>,
    /// A brand.
    pub brand: Option<Needle>,
    /// A product.
    pub product: Option<ProductKey>,
    /// The channel it came by.
    pub channel: Option<Needle>,
    /// A part of the address of its page.
    pub url: Option<Needle>,
    /// Only events after the last event of this kind.
    pub since: Option<NamedKind>,
}

impl Rule {
    /// What it looks for in an event's own texts.
    pub fn needles(&self) -> impl Iterator<Item = &Needle> {
        [&self.category, &self.brand, &self.channel, &self.url].into_iter().flatten()
    }
}

/// A text that a rule looks for in what an event says of itself. Events are told apart when they come,
/// so a rule on `channel` or `url` counts those that came while it, or one like it, was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// Where it is looked for.
    pub aspect: Aspect,
    /// What is looked for, lower case.
    pub text: String,
    /// What a record keeps of an event that has it.
    pub mark: Mark,
}

/// `products`: what an ad shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductRules {
    /// Sources, in order.
    pub from: Vec<ProductSource>,
    /// Never what was bought within this.
    pub exclude_bought: Span,
    /// One variant of a group.
    pub one_per_group: bool,
    /// Where nothing is left.
    pub fallback: Fallback,
}

/// Where products come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductSource {
    /// The cart.
    Cart,
    /// What was viewed.
    Viewed,
    /// More of a category viewed.
    Category,
    /// What others look at.
    Popular,
}

/// What is shown where no product is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// What others look at.
    Popular,
    /// The shop itself.
    Brand,
    /// Nothing: no bid.
    NoBid,
}

/// Width and height in device-independent pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Size {
    /// Width.
    pub w: u32,
    /// Height.
    pub h: u32,
}

/// `creatives[]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Creative {
    /// Its number within the advertiser.
    pub no: CreativeNo,
    /// Its id.
    pub id: String,
    /// Its kind.
    pub format: Format,
    /// `crid`: advertiser, creative and revision (contract §6).
    pub crid: String,
    /// What stands for it.
    pub crid_key: CridKey,
    /// Creative attributes it has.
    pub attr: Vec<u32>,
    /// What else of it a publisher may not take.
    pub traits: Traits,
    /// What an exchange is to be told of it, by exchange id.
    pub declared: Vec<(String, Declared)>,
    /// How many products it may show; at a size, [`Template::places`] may be fewer.
    pub products: u32,
    /// Compiled markup for each of its sizes: a banner's own, the end card of video.
    pub ads: Vec<(Size, Template)>,
    /// What a video or audio ad plays.
    pub spot: Option<Box<Spot>>,
    /// What a native ad's assets are filled with.
    pub native: Option<Box<Native>>,
}

impl Creative {
    /// How many products its ad of a size has places for; without markup of its own, one.
    pub fn places(&self, size: usize) -> usize {
        let places = self.ads.get(size).map_or(1, |(_, template)| template.places());
        places.min(self.products) as usize
    }

    /// What an exchange is to be told of it.
    pub fn declared(&self, exchange: &str) -> Option<&Declared> {
        self.declared.iter().find(|(of, _)| of == exchange).map(|(_, declared)| declared)
    }

    /// The length of what it plays, in seconds; zero where it plays nothing.
    pub fn seconds(&self) -> u32 {
        self.spot.as_ref().map_or(0, |spot| spot.seconds)
    }
}

/// `declared`: what a creative is or uses, by the numbers that one exchange has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Attributes, of the exchange's own list.
    pub attributes: Vec<u32>,
    /// Categories that an imp must allow.
    pub restricted_categories: Vec<u32>,
    /// Vendors of what it loads, which an imp must allow.
    pub vendor_types: Vec<u32>,
}

/// What a creative's markup is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// It runs scripts of its own.
    pub scripts: bool,
    /// It loads frames.
    pub frames: bool,
    /// It asks the app it is shown in for MRAID.
    pub mraid: bool,
    /// It leads to who pays for it and why it is shown.
    pub says_why: bool,
}

/// A campaign's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It bids.
    Active,
    /// It does not, for now.
    Paused,
    /// It never will again.
    Archived,
}

/// What an impression is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BidKind {
    /// `amount` for a thousand impressions.
    Cpm,
    /// `amount` for a click.
    Cpc,
    /// `amount` for a conversion.
    Cpa,
}

/// `bid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BidRule {
    /// For what.
    pub kind: BidKind,
    /// How much, in the advertiser's currency.
    pub amount: Money,
    /// Never more than this CPM.
    pub max_cpm: Option<Money>,
    /// Click rate before anything is observed.
    pub prior_ctr: Ratio,
    /// Conversion rate of clicks before anything is observed.
    pub prior_cvr: Ratio,
}

impl BidRule {
    /// The amount as CPM, at the click and conversion rates expected.
    pub fn cpm(&self, (ctr, cvr): (Ratio, Ratio)) -> Money {
        match self.kind {
            BidKind::Cpm => self.amount,
            BidKind::Cpc => self.amount.to_cpm().times(ctr, Round::Down),
            BidKind::Cpa => self.amount.to_cpm().times(ctr, Round::Down).times(cvr, Round::Down),
        }
    }
}

/// `budget`; no limit where absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// On one of the advertiser's local days.
    pub daily: Option<Money>,
    /// Ever.
    pub total: Option<Money>,
    /// Spread over the day.
    pub even: bool,
}

/// What a cap counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapScope {
    /// The campaign's impressions.
    Campaign,
    /// The creative's.
    Creative,
    /// All of the advertiser's.
    Advertiser,
}

/// One frequency cap: at most `max` in any window of `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Impressions.
    pub max: u32,
    /// The rolling window.
    pub per: Span,
    /// Of what.
    pub scope: CapScope,
}

/// A campaign's audience and what it is worth there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudienceUse {
    /// Index into the advertiser's audiences.
    pub audience: u32,
    /// `bid_multiplier`.
    pub multiplier: Ratio,
}

/// `campaigns[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Its number.
    pub no: CampaignNo,
    /// Its id.
    pub id: String,
    /// Whether it bids.
    pub status: Status,
    /// First instant.
    pub start: Option<Millis>,
    /// First instant after.
    pub end: Option<Millis>,
    /// The user must be in any.
    pub audiences: Vec<AudienceUse>,
    /// And in none of these.
    pub exclude_audiences: Vec<u32>,
    /// What an impression is worth.
    pub bid: BidRule,
    /// What changes that.
    pub adjustments: Vec<Adjustment>,
    /// What may be spent.
    pub budget: Budget,
    /// How often it may be shown.
    pub frequency: Vec<Cap>,
    /// Where and when it may be shown.
    pub targeting: Targeting,
    /// Indexes into the advertiser's creatives.
    pub creatives: Vec<u32>,
    /// Only where the supply chain is complete.
    pub schain_complete: bool,
}
