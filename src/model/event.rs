//! What a shopper does on an advertiser's site, by the names of contract §4.
//!
//! Plain data; reading it from JSON is `track`'s, remembering it is `profile`'s.

use crate::base::hash::Hashes;
use crate::base::id::ProductKey;
use crate::base::limits::MARKS_MAX;
use crate::base::money::Money;
use crate::base::time::Secs;

macro_rules! kinds {
    ($($name:ident $code:literal $label:literal),+ $(,)?) => {
        /// An event's kind. The code is what records keep: never reuse one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum EventKind {
            $(#[doc = concat!("`", $label, "`")] $name = $code),+
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$name),+];

            /// The kind of a stored code.
            pub fn from_code(code: u8) -> Option<EventKind> {
                match code { $($code => Some(EventKind::$name),)+ _ => None }
            }

            /// The kind's name; custom events share one.
            pub const fn label(self) -> &'static str {
                match self { $(EventKind::$name => $label),+ }
            }
        }
    };
}

kinds! {
    PageView 0 "page_view",
    ViewItemList 1 "view_item_list",
    ViewItem 2 "view_item",
    Search 3 "search",
    ViewCart 4 "view_cart",
    AddToCart 5 "add_to_cart",
    RemoveFromCart 6 "remove_from_cart",
    AddToWishlist 7 "add_to_wishlist",
    BeginCheckout 8 "begin_checkout",
    Purchase 9 "purchase",
    Refund 10 "refund",
    SignUp 11 "sign_up",
    Custom 12 "custom",
}

impl EventKind {
    /// The kind of a name as events and rules write it; `custom:<name>` is custom, its name being
    /// kept as the product handle of [`Happening::product`].
    pub fn parse(name: &str) -> Option<EventKind> {
        if let Some(custom) = name.strip_prefix("custom:") {
            return (!custom.is_empty() && custom.len() <= 64).then_some(EventKind::Custom);
        }
        EventKind::ALL
            .iter()
            .copied()
            .find(|kind| kind.label() == name && *kind != EventKind::Custom)
    }

    /// What is forgotten first when a record is full: the higher, the longer it is kept.
    pub const fn rank(self) -> u8 {
        match self {
            EventKind::PageView => 0,
            EventKind::ViewItemList | EventKind::Search => 1,
            EventKind::ViewItem | EventKind::ViewCart | EventKind::SignUp | EventKind::Custom => 2,
            EventKind::AddToWishlist | EventKind::BeginCheckout => 3,
            EventKind::AddToCart | EventKind::RemoveFromCart | EventKind::Refund => 4,
            EventKind::Purchase => 5,
        }
    }
}

/// A kind, and of custom events which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedKind {
    /// The kind.
    pub kind: EventKind,
    /// What stands for a custom event's name; none for the others.
    pub custom: ProductKey,
}

impl NamedKind {
    /// A kind that has no name of its own.
    pub const fn plain(kind: EventKind) -> NamedKind {
        NamedKind {
            kind,
            custom: ProductKey::NONE,
        }
    }

    /// Whether an event is of it.
    pub fn is(&self, event: &Happening) -> bool {
        event.kind == self.kind && (!self.custom.is_some() || event.product == self.custom)
    }
}

/// What of an event's own texts a rule can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// `item_category`.
    Category,
    /// `item_brand`.
    Brand,
    /// `channel`.
    Channel,
    /// `url`.
    Url,
}

/// Stands in a record for a text that a rule asks for and an event has: a keyed hash, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u16);

impl Mark {
    /// Of what a rule asks for.
    pub fn of(hashes: &Hashes, aspect: Aspect, text: &str) -> Mark {
        Mark((hashes.of("mark", &[&[aspect as u8], text.as_bytes()]) as u16).max(1))
    }
}

/// The marks of one event, the first in the order of the rules; further ones are not remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marks([u16; MARKS_MAX]);

impl Marks {
    /// Adds one, where there is room.
    pub fn add(&mut self, mark: Mark) {
        if !self.has(mark)
            && let Some(free) = self.0.iter_mut().find(|kept| **kept == 0)
        {
            *free = mark.0;
        }
    }

    /// Whether it is among them.
    pub fn has(&self, mark: Mark) -> bool {
        self.0.contains(&mark.0)
    }

    /// As stored: those that are there.
    pub fn codes(&self) -> impl Iterator<Item = u16> {
        self.0.into_iter().take_while(|code| *code != 0)
    }

    /// From what is stored.
    pub fn from_codes(codes: impl Iterator<Item = u16>) -> Marks {
        let mut marks = Marks::default();
        codes.filter(|code| *code != 0).for_each(|code| marks.add(Mark(code)));
        marks
    }
}

/// One event as remembered: one entry for each item, the first of an event not `continued`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Secs,
    /// Whether this is a further item of the event before it.
    pub continued: bool,
    /// The item, or the hash of a custom event's name.
    pub product: ProductKey,
    /// How many.
    pub quantity: u32,
    /// price × quantity (or the event's value) in the advertiser's currency; cut to minor units.
    pub value: Money,
    /// Which texts of the advertiser's rules it has.
    pub marks: Marks,
}
