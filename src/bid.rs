//! The path of a bid request, one line a stage: from bytes to an answer, or to the reason why not.
//!
//! `decide` reads and changes nothing. It never awaits, reads a clock, logs, touches the store, holds
//! a lock across two stages or, once warm, allocates. The same arguments give the same outcome to the
//! byte: ties, bid ids and token nonces come from the seed. What takes effect is `state::holds::commit`,
//! which only the server calls; explain, preview and tests decide and leave no trace.

pub mod admit;
pub mod decode;
pub mod identify;
pub mod lookup;
pub mod narrow;
pub mod pace;
pub mod price;
pub mod render;
pub mod respond;

use std::cell::OnceCell;

use bytes::BytesMut;

use crate::base::id::{CampaignNo, ExchangeNo, UserKey};
use crate::base::time::Millis;
use crate::model::exchange::Exchange;
use crate::model::exposure::Exposure;
use crate::model::outcome::{NoBid, Outcome, Pick};
use crate::model::profile::{CartLine, Profile};
use crate::model::told::{Detail, Step};
use crate::openrtb::attributes::Attributes;
use crate::openrtb::decode::Memory;
use crate::openrtb::request::{Imp, Opportunity};
use crate::openrtb::response::Form;
use crate::privacy::permission::Use;
use crate::privacy::recall::Recall;
use crate::state::State;
use crate::state::holds::BucketView;
use crate::state::sight::Sight;
use crate::state::world::World;

/// One bid request, and all else that a decision may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who asks.
    pub exchange: ExchangeNo,
    /// The body.
    pub body: &'a [u8],
    /// What it is, and the answer is to be.
    pub form: Form,
    /// Now.
    pub now: Millis,
    /// Milliseconds since the request arrived.
    pub waited_ms: u32,
    /// From exchange, request, arrival and a secret of the process; never the same twice.
    pub seed: u128,
    /// A campaign whose budget was refused a moment ago.
    pub barred: Option<CampaignNo>,
    /// Seal with the key that no listener opens: for explain, preview and replay.
    pub inert: bool,
}

/// What a decision is told about, where someone listens. Compiles away in the server.
pub trait Trace {
    /// Whether anyone listens.
    const ON: bool;
    /// A stage begins.
    fn stage(&mut self, stage: &'static str);
    /// A campaign was dropped; `detail` gives the figures and runs only if `ON`.
    fn dropped(&mut self, campaign: CampaignNo, why: NoBid, detail: impl FnOnce() -> Detail);
    /// A step of how a price came about, likewise.
    fn priced(&mut self, campaign: CampaignNo, step: impl FnOnce() -> Step);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Trace for Silent {
    const ON: bool = false;
    fn stage(&mut self, _: &'static str) {}
    fn dropped(&mut self, _: CampaignNo, _: NoBid, _: impl FnOnce() -> Detail) {}
    fn priced(&mut self, _: CampaignNo, _: impl FnOnce() -> Step) {}
}

/// Memory that decisions of one core share, one after the other.
#[derive(Default)]
pub struct Scratch {
    imps: Vec<Imp<'static>>,
    memory: Memory,
    text: String,
    recall: Recall,
    keys: Vec<UserKey>,
    /// Whom the last request was about, where it got beyond `lookup`.
    pub known: Known,
    narrowed: narrow::Narrowed,
    ads: render::Ads,
    /// The bids made; what `commit` takes holds for.
    pub picks: Vec<Pick>,
    /// The answer's bytes.
    pub out: BytesMut,
    /// What an exchange says of earlier bids, as raw JSON; empty where it says nothing.
    pub feedback: Vec<u8>,
    /// What ids the request carries, and what they led to.
    pub sight: Sight,
    /// Milliseconds from arrival within which an answer is in time.
    pub patience_ms: u32,
}

impl Scratch {
    /// Books with an even pace that the last request was a chance to bid for.
    pub fn chances(&self) -> &[CampaignNo] {
        &self.narrowed.chances
    }

    /// Who the last request was about, where it got so far.
    pub fn known(&self) -> &Known {
        &self.known
    }
}

/// What is known of the user asked about.
#[derive(Debug, Default)]
pub struct Known {
    /// Who it is.
    pub key: UserKey,
    /// Whether purchases may be led back to what they are shown.
    pub tracked: bool,
    /// What they did.
    pub profile: Profile,
    /// What they were shown.
    pub exposures: Vec<Exposure>,
    /// What they may be shown any moment.
    pub holds: BucketView,
    cart: Vec<CartLine>,
    memory: (Profile, Vec<Exposure>),
}

/// The reason of the candidate that got furthest.
#[derive(Clone, Copy, Debug)]
pub struct Furthest(NoBid);

impl Furthest {
    fn note(&mut self, why: NoBid) {
        self.0 = self.0.max(why);
    }
}

/// What every stage from `narrow` on works with.
pub struct Case<'a> {
    world: &'a World,
    state: &'a State,
    ask: &'a Ask<'a>,
    exchange: &'a Exchange,
    request: &'a Opportunity<'a>,
    attributes: OnceCell<Attributes<'a>>,
}

impl<'a> Case<'a> {
    /// What targeting asks of the request; read when first asked for.
    fn attributes(&self) -> &Attributes<'a> {
        self.attributes.get_or_init(|| Attributes::of(self.request))
    }
}

/// Decides on one request. `scratch.picks` and `scratch.out` hold the bids and the answer.
#[inline(never)]
pub fn decide<T: Trace>(world: &World, state: &State, ask: &Ask<'_>, scratch: &mut Scratch, trace: &mut T) -> Outcome {
    scratch.picks.clear();
    scratch.out.clear();
    scratch.feedback.clear();
    scratch.narrowed.chances.clear();
    match path(world, state, ask, scratch, trace) {
        Ok(outcome) => outcome,
        Err(why) => Outcome::NoBid(why),
    }
}

fn path<T: Trace>(world: &World, state: &State, ask: &Ask<'_>, scratch: &mut Scratch, trace: &mut T) -> Result<Outcome, NoBid> {
    let Scratch {
        imps,
        memory,
        text,
        recall,
        keys,
        known,
        narrowed,
        ads,
        picks,
        out,
        feedback,
        sight,
        patience_ms,
    } = scratch;
    let mut furthest = Furthest(NoBid::NoAudience);
    trace.stage("admit");
    let exchange = admit::admit(world, state, ask)?;
    trace.stage("decode");
    let mut request = decode::lend(imps);
    let decoded = decode::decode(ask, exchange, memory, &mut request);
    *patience_ms = exchange.patience_ms(request.tmax);
    let outcome = decoded.and_then(|()| {
        feedback.extend_from_slice(request.feedback);
        let case = Case {
            world,
            state,
            ask,
            exchange,
            request: &request,
            attributes: OnceCell::new(),
        };
        trace.stage("identify");
        known.tracked = identify::identify(&case, recall, text, keys, sight)?.allows(Use::Track);
        trace.stage("lookup");
        lookup::lookup(&case, keys, known)?;
        trace.stage("narrow");
        narrow::narrow(&case, known, narrowed, &mut furthest, trace)?;
        trace.stage("pace");
        pace::pace(&case, known, narrowed, &mut furthest, trace)?;
        trace.stage("price");
        let currency = price::price(&case, known, narrowed, &mut furthest, trace)?;
        trace.stage("render");
        render::render(&case, known, narrowed, currency, ads, picks, &mut furthest, trace)?;
        trace.stage("respond");
        respond::respond(&case, currency, picks, ads, out);
        Ok(Outcome::Bid {
            bids: picks.len() as u16,
            epoch: known.holds.epoch,
        })
    });
    decode::take_back(request, imps);
    outcome
}
