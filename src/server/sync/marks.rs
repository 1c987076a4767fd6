//! When a browser was last sent to each exchange: a cookie of its own, beside that with our id.
//!
//! An exchange keeps its id in the very browser, so that is where it is known best whether it is due to be asked
//! again: whoever clears their cookies clears both, two browsers of one person are two, and neither memory nor store
//! has to hold more about anybody. Pure; what a browser makes up itself is at worst its own loss.

use std::sync::Arc;

use crate::base::id::ExchangeNo;
use crate::base::limits::EXCHANGES_MAX;
use crate::base::time::{Secs, Span};
use crate::model::exchange::Exchange;
use crate::state::world::World;

/// The cookie's name.
pub const COOKIE: &str = "wb_sync";
/// An exchange that was asked for its id and did not tell it is asked again after so long, or after its `ttl`.
const RETRY: Span = Span::DAY;

/// What became of a browser and an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    exchange: ExchangeNo,
    /// When.
    pub at: Secs,
    /// It was asked for its id, and has not told it yet.
    pub is_asked: bool,
}

/// One mark an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// Of the cookie, such as `3.91812345-7_91810000`: by number, matched (`.`) or asked (`_`), and when. What is no
    /// mark, of no exchange or of the future is passed over.
    pub fn read(text: &str, world: &World, now: Secs) -> Marks {
        let mark = |text: &str| {
            let (no, at) = text.split_once(['.', '_'])?;
            let mark = Mark {
                exchange: ExchangeNo(no.parse().ok()?),
                at: Secs(at.parse().ok()?),
                is_asked: text.contains('_'),
            };
            (world.exchange(mark.exchange).is_some() && mark.at <= now).then_some(mark)
        };
        let mut marks = Marks::default();
        text.split('-')
            .take(EXCHANGES_MAX)
            .filter_map(mark)
            .for_each(|mark| marks.put(mark));
        marks
    }

    /// As the cookie's value.
    pub fn write(&self) -> String {
        let text = |mark: &Mark| format!("{}{}{}", mark.exchange.0, if mark.is_asked { '_' } else { '.' }, mark.at.0);
        self.0.iter().map(text).collect::<Vec<_>>().join("-")
    }

    /// Of an exchange.
    pub fn of(&self, exchange: &Exchange) -> Option<Mark> {
        self.0.iter().find(|mark| mark.exchange == exchange.no).copied()
    }

    fn put(&mut self, new: Mark) {
        self.0.retain(|mark| mark.exchange != new.exchange);
        self.0.push(new);
    }

    /// The exchange knows the browser by our id, or we know it by theirs.
    pub fn matched(&mut self, exchange: &Exchange, at: Secs) {
        self.put(Mark {
            exchange: exchange.no,
            at,
            is_asked: false,
        });
    }

    /// The browser is sent to the exchange, which may bring it back.
    pub fn sent(&mut self, exchange: &Exchange, at: Secs) {
        let is_asked = exchange.sync.as_ref().is_some_and(|sync| sync.returns());
        self.put(Mark {
            exchange: exchange.no,
            at,
            is_asked,
        });
    }

    /// The exchanges that are due to be sent to: those never sent to first, then those longest ago.
    pub fn due<'w>(&self, world: &'w World, now: Secs) -> Vec<&'w Arc<Exchange>> {
        let is_due = |exchange: &&Arc<Exchange>| {
            let Some(sync) = exchange.sync.as_ref().filter(|sync| sync.push_url.is_some()) else {
                return false;
            };
            self.of(exchange).is_none_or(|mark| {
                let holds_s = if mark.is_asked { sync.ttl.0.min(RETRY.0) } else { sync.ttl.0 };
                now.since(mark.at) >= holds_s
            })
        };
        let mut due: Vec<_> = world.exchanges().filter(is_due).collect();
        due.sort_by_key(|exchange| (self.of(exchange).map(|mark| mark.at), exchange.no));
        due
    }
}
