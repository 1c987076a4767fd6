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

use super::form;
use super::meter::Meter;
use super::raw::{Field, Halt, PIECE_BYTES_MAX, Rank, RawItem, unreadable};
use super::report::Rejection;
use crate::model::advertiser::FeedFormat;

/// How deep elements may nest.
const DEPTH_MAX: usize = 64;
/// What Merchant Center's namespaces have in common, whatever the scheme and the version.
const MERCHANT: &str = "base.google.com/ns/";
/// Atom's namespace.
const ATOM: &str = "http://www.w3.org/2005/Atom";

/// The items of a feed, one after the other.
pub(super) struct Items<R> {
    reader: Reader<Meter<R>>,
    buffer: Vec<u8>,
    place: Place,
}

impl<R: BufRead> Items<R> {
    /// Refuses the feed where it is not of the format expected.
    pub fn new(input: R, expected: FeedFormat) -> Items<R> {
        let mut reader = Reader::from_reader(Meter::new(input));
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        config.expand_empty_elements = true;
        Items {
            reader,
            buffer: Vec::new(),
            place: Place {
                expected,
                ..Place::default()
            },
        }
    }

    /// The line reading has come to.
    pub fn line(&self) -> u32 {
        self.reader.get_ref().line()
    }

    /// Which of the two it is, once reading has begun.
    pub fn format(&self) -> FeedFormat {
        self.place.format
    }

    /// The next item; `None` at the end of the feed.
    pub fn next_item(&mut self) -> Result<Option<RawItem>, Halt> {
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

fn explain(fault: quick_xml::Error, is_spent: bool) -> Halt {
    use quick_xml::Error;
    let problem = match fault {
        Error::Io(_) if is_spent => format!("one tag or text is larger than {PIECE_BYTES_MAX} bytes: is this a feed?"),
        Error::Io(source) => return Halt::Io(io::Error::new(source.kind(), source)),
        Error::Encoding(_) => "not UTF-8: save the feed as UTF-8".to_owned(),
        other => format!("not well-formed XML: {other}: is the file complete?"),
    };
    Halt::Unreadable(problem)
}

/// Where in the feed reading is: the open elements and what of the current item is known.
#[derive(Default)]
struct Place {
    /// What the feed should be, and what its root element says it is.
    expected: FeedFormat,
    format: FeedFormat,
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
    fn enter(&mut self, event: Event<'_>, line: u32) -> Result<Option<RawItem>, Halt> {
        match event {
            Event::Start(tag) => return self.start(&tag, line),
            Event::End(tag) => return Ok(self.end(tag.name().into_inner())),
            Event::Text(text) => return self.add(&text).map(|()| None),
            Event::CData(text) => return self.add(&text).map(|()| None),
            Event::GeneralRef(reference) => return self.add(&resolved(&reference)).map(|()| None),
            Event::DocType(text) if text.to_ascii_uppercase().contains("<!ENTITY") => {
                return unreadable("it declares entities of its own: remove the DOCTYPE");
            }
            Event::Eof if self.open.is_empty() => return unreadable("no XML in it: give RSS 2.0, Atom 1.0, TSV, CSV or JSON lines"),
            Event::Eof => {
                let name = self.open.last().map_or("", String::as_str);
                return unreadable(format!("the file ends inside <{name}>: was it cut short?"));
            }
            Event::Empty(_) | Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        Ok(None)
    }

    fn start(&mut self, tag: &BytesStart<'_>, line: u32) -> Result<Option<RawItem>, Halt> {
        let name = tag.name();
        let local = name.local_name().into_inner();
        if self.open.is_empty() && !["rss", "feed", "rdf", "channel"].contains(&local.to_ascii_lowercase().as_str()) {
            return unreadable(format!("<{local}> is no feed: give RSS 2.0, Atom 1.0, TSV, CSV or JSON lines"));
        }
        if self.open.is_empty() {
            self.format = if local.eq_ignore_ascii_case("feed") {
                FeedFormat::Atom
            } else {
                FeedFormat::Rss
            };
            form::agree(self.format, self.expected)?;
        }
        let rank = self.rank(tag)?;
        let is_feeds_own = rank == Some(Rank::Plain) || name.prefix().is_none();
        let is_item = matches!(local, "item" | "entry") && is_feeds_own && !self.open.is_empty();
        let unclosed = if is_item { self.abandon() } else { None };
        if self.open.len() >= DEPTH_MAX {
            return unreadable(format!("elements nest deeper than {DEPTH_MAX}: is this a feed?"));
        }
        let depth = self.open.len();
        self.spaces.push(tag).map_err(|fault| Halt::Unreadable(fault.to_string()))?;
        self.open.push(name.into_inner().to_owned());
        match &mut self.item {
            None if is_item => {
                self.item = Some((depth, RawItem::at(line)));
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
    fn rank(&mut self, tag: &BytesStart<'_>) -> Result<Option<Rank>, Halt> {
        let name = tag.name();
        let prefix = name.prefix().map(|p| p.into_inner());
        let rank = |spaces: &NamespaceResolver| match (spaces.resolve_element(name).0, prefix) {
            (ResolveResult::Bound(space), _) if space.into_inner().contains(MERCHANT) => Some(Rank::Merchant),
            (_, None) => Some(Rank::Plain),
            (ResolveResult::Bound(space), _) if space.into_inner() == ATOM => Some(Rank::Plain),
            (ResolveResult::Unknown(_), _) | (_, Some("g")) => Some(Rank::Merchant),
            _ => None,
        };
        self.spaces.with(tag, rank).map_err(|fault| Halt::Unreadable(fault.to_string()))
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
        item.spoil(Rejection::Malformed, "");
        Some(item)
    }

    fn close_to(&mut self, depth: usize) {
        self.open.truncate(depth);
        self.spaces.set_level(u16::try_from(self.open.len()).unwrap_or(u16::MAX));
    }

    fn add(&mut self, text: &str) -> Result<(), Halt> {
        if self.open.is_empty() && !text.trim().is_empty() {
            return unreadable("not XML: give RSS 2.0, Atom 1.0, TSV, CSV or JSON lines");
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
        // What other forms call an attribute may be any extension's element here.
        1 => Field::named(local)
            .filter(|(_, named)| *named != Rank::Substitute)
            .map(|(field, _)| (field, rank)),
        2 if local == "content" && parent.ends_with("structured_title") => Some((Field::Title, Rank::Substitute)),
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
