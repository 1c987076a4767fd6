//! RSS 2.0 and Atom 1.0 as a stream of items, each as the texts of the attributes that matter.
//!
//! Attributes are told by namespace, under any prefix; a `g:` without its declaration, or no prefix
//! at all, is understood too, and so are bare ampersands and HTML's entities. An item whose elements
//! are not closed is marked, and reading goes on behind it. Entities that the file declares are
//! refused; nothing outside the file is ever read.

use std::io::{self, BufRead};

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceResolver, ResolveResult};
use quick_xml::reader::Reader;

use super::meter::Meter;
use super::report::{Refusal, Rejection};
use crate::base::limits::FEED_ITEM_BYTES_MAX;

/// The largest tag or run of text before a feed is refused as a whole.
const PIECE_BYTES_MAX: usize = 16 * FEED_ITEM_BYTES_MAX;
/// How deep elements may nest.
const DEPTH_MAX: usize = 64;
/// What Merchant Center's namespaces have in common, whatever the scheme and the version.
const MERCHANT: &str = "base.google.com/ns/";
/// Atom's namespace.
const ATOM: &str = "http://www.w3.org/2005/Atom";

/// An attribute of an item that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Title,
    Link,
    ImageLink,
    Price,
    SalePrice,
    SaleDates,
    Availability,
    Adult,
    Pause,
    Excluded,
    Expires,
    Group,
    Brand,
    Category,
}

impl Field {
    fn named(local: &str) -> Option<Field> {
        Some(match local.to_ascii_lowercase().replace('-', "_").as_str() {
            "id" => Field::Id,
            "title" => Field::Title,
            "link" => Field::Link,
            "image_link" => Field::ImageLink,
            "price" => Field::Price,
            "sale_price" => Field::SalePrice,
            "sale_price_effective_date" => Field::SaleDates,
            "availability" => Field::Availability,
            "adult" => Field::Adult,
            "pause" => Field::Pause,
            "excluded_destination" => Field::Excluded,
            "expiration_date" => Field::Expires,
            "item_group_id" => Field::Group,
            "brand" => Field::Brand,
            "product_type" | "google_product_category" | "fb_product_category" => Field::Category,
            _ => return None,
        })
    }
}

/// How much a namespace says: Merchant Center's `title` counts more than RSS's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Plain,
    Merchant,
}

/// One item as read.
#[derive(Debug, Default)]
pub(super) struct RawItem {
    /// The line it starts at.
    pub line: u32,
    fault: Option<Rejection>,
    bytes: usize,
    values: Vec<(Field, Rank, String)>,
}

impl RawItem {
    /// What keeps the item from being used at all.
    pub fn fault(&self) -> Result<(), Refusal> {
        self.fault.map_or(Ok(()), |reason| Err(Refusal::new(reason, "")))
    }

    /// An attribute's text, trimmed and never empty; of several Merchant Center's, else the first.
    pub fn get(&self, field: Field) -> Option<&str> {
        let of_rank = |rank| self.values.iter().find(|(f, r, _)| *f == field && *r == rank);
        let found = of_rank(Rank::Merchant).or_else(|| of_rank(Rank::Plain));
        found.map(|(_, _, value)| value.as_str())
    }

    /// All texts of an attribute that may be repeated.
    pub fn all(&self, field: Field) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .filter(move |(f, _, _)| *f == field)
            .map(|(_, _, value)| value.as_str())
    }

    /// `id`, for reports.
    pub fn id(&self) -> &str {
        self.get(Field::Id).unwrap_or_default()
    }

    fn put(&mut self, field: Field, rank: Rank, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.values.push((field, rank, text.to_owned()));
        }
    }

    /// Counts text of the item; false once there is too much.
    fn weigh(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > FEED_ITEM_BYTES_MAX {
            self.fault = Some(Rejection::TooLarge);
        }
        self.fault.is_none()
    }
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(super) enum XmlFault {
    /// The system's fault.
    Io(io::Error),
    /// The file's, and what to do.
    Unreadable(String),
}

fn unreadable<T>(problem: impl Into<String>) -> Result<T, XmlFault> {
    Err(XmlFault::Unreadable(problem.into()))
}

/// The items of a feed, one after the other.
pub(super) struct Items<R> {
    reader: Reader<Meter<R>>,
    buffer: Vec<u8>,
    place: Place,
}

impl<R: BufRead> Items<R> {
    pub fn new(input: R) -> Items<R> {
        let mut reader = Reader::from_reader(Meter::new(input));
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        config.expand_empty_elements = true;
        Items {
            reader,
            buffer: Vec::new(),
            place: Place::default(),
        }
    }

    /// The line reading has come to.
    pub fn line(&self) -> u32 {
        self.reader.get_ref().line()
    }

    /// The next item; `None` at the end of the feed.
    pub fn next_item(&mut self) -> Result<Option<RawItem>, XmlFault> {
        while !self.place.is_over {
            self.buffer.clear();
            self.reader.get_mut().allow(PIECE_BYTES_MAX);
            let line = self.reader.get_ref().line();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(fault) => return Err(explain(fault, self.reader.get_ref().is_spent())),
            };
            if let Some(item) = self.place.enter(event, line)? {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }
}

fn explain(fault: quick_xml::Error, is_spent: bool) -> XmlFault {
    use quick_xml::Error;
    let problem = match fault {
        Error::Io(_) if is_spent => format!("one tag or text is larger than {PIECE_BYTES_MAX} bytes: is this a feed?"),
        Error::Io(source) => return XmlFault::Io(io::Error::new(source.kind(), source)),
        Error::Encoding(_) => "not UTF-8: save the feed as UTF-8".to_owned(),
        other => format!("not well-formed XML: {other}: is the file complete?"),
    };
    XmlFault::Unreadable(problem)
}

/// Where in the feed reading is: the open elements and what of the current item is known.
#[derive(Default)]
struct Place {
    open: Vec<String>,
    spaces: NamespaceResolver,
    /// The current item and how many elements are open around it.
    item: Option<(usize, RawItem)>,
    /// The attribute being read and how many elements are open around it.
    field: Option<(usize, Field, Rank)>,
    text: String,
    is_over: bool,
}

impl Place {
    /// Takes one event that started at `line`; gives the item that it ends.
    fn enter(&mut self, event: Event<'_>, line: u32) -> Result<Option<RawItem>, XmlFault> {
        match event {
            Event::Start(tag) => return self.start(&tag, line),
            Event::End(tag) => return Ok(self.end(tag.name().into_inner())),
            Event::Text(text) => return self.add(&text).map(|()| None),
            Event::CData(text) => return self.add(&text).map(|()| None),
            Event::GeneralRef(reference) => return self.add(&resolved(&reference)).map(|()| None),
            Event::DocType(text) if text.to_ascii_uppercase().contains("<!ENTITY") => {
                return unreadable("it declares entities of its own: remove the DOCTYPE");
            }
            Event::Eof if self.open.is_empty() => return unreadable("no XML in it: give an RSS 2.0 or Atom 1.0 feed"),
            Event::Eof => {
                let name = self.open.last().map_or("", String::as_str);
                return unreadable(format!("the file ends inside <{name}>: was it cut short?"));
            }
            Event::Empty(_) | Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        Ok(None)
    }

    fn start(&mut self, tag: &BytesStart<'_>, line: u32) -> Result<Option<RawItem>, XmlFault> {
        let name = tag.name();
        let local = name.local_name().into_inner();
        if self.open.is_empty() && !["rss", "feed", "rdf", "channel"].contains(&local.to_ascii_lowercase().as_str()) {
            return unreadable(format!("<{local}> is no feed: give an RSS 2.0 or Atom 1.0 feed"));
        }
        let rank = self.rank(tag)?;
        let is_feeds_own = rank == Some(Rank::Plain) || name.prefix().is_none();
        let is_item = matches!(local, "item" | "entry") && is_feeds_own && !self.open.is_empty();
        let unclosed = if is_item { self.abandon() } else { None };
        if self.open.len() >= DEPTH_MAX {
            return unreadable(format!("elements nest deeper than {DEPTH_MAX}: is this a feed?"));
        }
        let depth = self.open.len();
        self.spaces.push(tag).map_err(|fault| XmlFault::Unreadable(fault.to_string()))?;
        self.open.push(name.into_inner().to_owned());
        match &mut self.item {
            None if is_item => {
                let item = RawItem {
                    line,
                    ..RawItem::default()
                };
                self.item = Some((depth, item));
            }
            Some((around, item)) if self.field.is_none() => {
                let level = depth - *around;
                let parent = self.open.iter().rev().nth(1).map_or("", String::as_str);
                if let Some((field, rank)) = attribute(local, rank, level, parent) {
                    match href(tag) {
                        Some(link) if field == Field::Link => item.put(field, rank, &link),
                        None if field == Field::Link && has_attribute(tag, "rel") => {}
                        _ => self.field = Some((depth, field, rank)),
                    }
                }
            }
            _ => {}
        }
        Ok(unclosed)
    }

    /// What the element's namespace says; `None` where it is a foreign one.
    fn rank(&mut self, tag: &BytesStart<'_>) -> Result<Option<Rank>, XmlFault> {
        let name = tag.name();
        let prefix = name.prefix().map(|p| p.into_inner());
        let rank = |spaces: &NamespaceResolver| match (spaces.resolve_element(name).0, prefix) {
            (ResolveResult::Bound(space), _) if space.into_inner().contains(MERCHANT) => Some(Rank::Merchant),
            (_, None) => Some(Rank::Plain),
            (ResolveResult::Bound(space), _) if space.into_inner() == ATOM => Some(Rank::Plain),
            (ResolveResult::Unknown(_), _) | (_, Some("g")) => Some(Rank::Merchant),
            _ => None,
        };
        self.spaces.with(tag, rank).map_err(|fault| XmlFault::Unreadable(fault.to_string()))
    }

    fn end(&mut self, name: &str) -> Option<RawItem> {
        // An end without a start closes nothing.
        let at = self.open.iter().rposition(|open| open == name)?;
        let around = self.item.as_ref().map(|(around, _)| *around);
        if let Some((depth, field, rank)) = self.field
            && depth >= at
        {
            if depth == at
                && let Some((_, item)) = &mut self.item
            {
                item.put(field, rank, &self.text);
            }
            self.field = None;
            self.text.clear();
        }
        let item = match around {
            Some(around) if around == at && self.open.len() == at + 1 => self.item.take().map(|(_, item)| item),
            Some(around) if around >= at => self.abandon(),
            _ => None,
        };
        self.close_to(at);
        self.is_over = self.open.is_empty();
        item
    }

    /// Gives up the current item, if any, as one that is not closed properly.
    fn abandon(&mut self) -> Option<RawItem> {
        let (around, mut item) = self.item.take()?;
        self.field = None;
        self.text.clear();
        self.close_to(around);
        item.fault = item.fault.or(Some(Rejection::Malformed));
        Some(item)
    }

    fn close_to(&mut self, depth: usize) {
        self.open.truncate(depth);
        self.spaces.set_level(u16::try_from(self.open.len()).unwrap_or(u16::MAX));
    }

    fn add(&mut self, text: &str) -> Result<(), XmlFault> {
        if self.open.is_empty() && !text.trim_start_matches('\u{feff}').trim().is_empty() {
            return unreadable("not XML: give an RSS 2.0 or Atom 1.0 feed");
        }
        if let Some((_, item)) = &mut self.item
            && item.weigh(text.len())
            && self.field.is_some()
        {
            self.text.push_str(text);
        }
        Ok(())
    }
}

/// The attribute that an element `level` below its item stands for.
fn attribute(local: &str, rank: Option<Rank>, level: usize, parent: &str) -> Option<(Field, Rank)> {
    let rank = rank?;
    match level {
        1 => Field::named(local).map(|field| (field, rank)),
        2 if local == "content" && parent.ends_with("structured_title") => Some((Field::Title, Rank::Plain)),
        _ => None,
    }
}

/// `href` of a link to the product itself, as Atom has it.
fn href(tag: &BytesStart<'_>) -> Option<String> {
    let value = |key: &str| {
        let found = tag
            .html_attributes()
            .with_checks(false)
            .flatten()
            .find(|a| a.key.into_inner() == key);
        found.map(|a| html_escape::decode_html_entities(&a.value).into_owned())
    };
    let rel = value("rel");
    if rel.is_some_and(|rel| rel != "alternate") {
        return None;
    }
    value("href")
}

fn has_attribute(tag: &BytesStart<'_>, key: &str) -> bool {
    tag.html_attributes()
        .with_checks(false)
        .flatten()
        .any(|a| a.key.into_inner() == key)
}

/// The text of a reference; as written where it means nothing, such as a bare ampersand in a URL.
fn resolved(reference: &BytesRef<'_>) -> String {
    let written = format!("&{};", &**reference);
    match reference.resolve_char_ref() {
        Ok(Some(c)) => c.to_string(),
        _ => html_escape::decode_html_entities(&written).into_owned(),
    }
}
