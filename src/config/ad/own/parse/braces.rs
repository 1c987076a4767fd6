//! What stands between double braces: blocks, and values by where they stand.

use super::super::{Kind, NAMES, Node, TESTS, Test, Value, placeholder, test};
use super::attributes::{self, Slot};
use super::{Frame, Parser, State};
use crate::config::fault::{position, suggest};
use crate::model::template::{Field, Place};

impl Parser<'_> {
    /// `{{`
    pub(super) fn braces(&mut self) {
        let (at, rest) = (self.at, self.rest());
        let close = if rest.starts_with("{{!--") { "--}}" } else { "}}" };
        let Some(end) = rest.find(close) else {
            self.slip(
                at,
                "{{",
                "a placeholder that is never closed",
                "close it with `}}`, or write `\\{{` for the braces themselves",
            );
            self.at += 2;
            return;
        };
        let whole = &rest[..end + close.len()];
        self.at += whole.len();
        let inner = rest[2..end].trim();
        if inner.starts_with('!') {
            return;
        }
        if let Some(name) = inner.strip_prefix(['{', '&']) {
            self.at += usize::from(self.rest().starts_with('}'));
            let remedy = format!("values are always escaped: write `{{{{{}}}}}`", name.trim());
            return self.slip(at, whole, "not a placeholder", remedy);
        }
        let (word, argument) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        match word {
            "#if" => self.open_if(at, whole, argument.trim()),
            "#products" if argument.is_empty() => self.open_loop(at, whole),
            "else" if argument.is_empty() => self.other_side(at, whole),
            "/if" | "/products" if argument.is_empty() => self.close(at, whole, word == "/if"),
            _ if word.starts_with(['#', '/', '^']) => {
                let known = ["#products", "/products", "#if", "/if", "else"];
                self.slip(at, whole, "not a block", suggest(word, known.into_iter()));
            }
            _ => self.placeholder(at, whole, inner),
        }
    }

    fn open_if(&mut self, at: usize, whole: &str, name: &str) {
        let asked = test(name);
        if asked.is_none() {
            let known = NAMES.iter().map(|(name, ..)| *name).chain(TESTS.iter().map(|(name, _)| *name));
            self.slip(at, whole, "an unknown condition", suggest(name, known));
        }
        self.asks_for_product |= asked == Some(Test::Product);
        let is_plain = match self.state {
            State::Text => true,
            State::Tag(_) => self.text[..at].ends_with(|c: char| c.is_ascii_whitespace()),
            State::Value(..) => matches!(self.tag.slot(), Slot::Text | Slot::Style),
            State::Raw(_) | State::Comment => false,
        };
        if !is_plain {
            let remedy = "put it around the whole tag, or after white space around a whole attribute";
            self.slip(at, whole, "a condition where it cannot stand", remedy);
        }
        self.open(at, Some(asked.unwrap_or(Test::Product)));
    }

    fn open_loop(&mut self, at: usize, whole: &str) {
        if self.state != State::Text {
            self.slip(at, whole, "a loop within a tag", "put it around whole tags");
        }
        if self.frames.iter().any(|frame| frame.test.is_none()) {
            self.slip(at, whole, "a loop within a loop", "one loop goes over the products");
        }
        self.has_loop = true;
        self.open(at, None);
    }

    fn open(&mut self, at: usize, test: Option<Test>) {
        self.flush();
        self.frames.push(Frame {
            at,
            test,
            state: self.state,
            before: std::mem::take(&mut self.nodes),
            then: None,
        });
    }

    /// Each side of a block must leave the HTML where it found it.
    fn check_side(&mut self, at: usize, whole: &str, opened: usize, state: State) {
        if self.state != state {
            let line = position(self.text, opened).0;
            let problem = format!("the block of line {line} does not end where it began: a tag, quote or comment in it is not closed");
            self.slip(at, whole, problem, "close within a block what is opened in it");
        }
    }

    fn other_side(&mut self, at: usize, whole: &str) {
        self.flush();
        let Some((opened, state)) = self
            .frames
            .last()
            .filter(|frame| frame.test.is_some() && frame.then.is_none())
            .map(|frame| (frame.at, frame.state))
        else {
            return self.slip(
                at,
                whole,
                "no `{{#if}}` is open",
                "one `{{else}}` stands between `{{#if}}` and `{{/if}}`",
            );
        };
        self.check_side(at, whole, opened, state);
        let then = std::mem::take(&mut self.nodes);
        if let Some(frame) = self.frames.last_mut() {
            frame.then = Some(then);
        }
    }

    fn close(&mut self, at: usize, whole: &str, is_if: bool) {
        self.flush();
        let Some(frame) = self.frames.pop_if(|frame| frame.test.is_some() == is_if) else {
            let remedy = match self.frames.last().map(|frame| frame.test.is_some()) {
                Some(true) => "`{{/if}}` comes first",
                Some(false) => "`{{/products}}` comes first",
                None => "leave it out",
            };
            return self.slip(at, whole, "no such block is open", remedy);
        };
        self.check_side(at, whole, frame.at, frame.state);
        let inner = std::mem::replace(&mut self.nodes, frame.before);
        self.nodes.push(match (frame.test, frame.then) {
            (None, _) => Node::Products(inner),
            (Some(test), None) => Node::If(test, inner, Vec::new()),
            (Some(test), Some(then)) => Node::If(test, then, inner),
        });
    }

    fn placeholder(&mut self, at: usize, whole: &str, name: &str) {
        let Some((value, kind)) = placeholder(name) else {
            let remedy = match TESTS.iter().any(|(test, _)| *test == name) {
                true => format!("ask for it: `{{{{#if {name}}}}} … {{{{/if}}}}`"),
                false => suggest(name, NAMES.iter().map(|(name, ..)| *name)),
            };
            return self.slip(at, whole, "an unknown placeholder", remedy);
        };
        let (problem, remedy) = match (self.state, kind) {
            (State::Text, Kind::Text | Kind::Number) => return self.node(Node::Value(value, Place::Markup)),
            (State::Text, _) => ("an address as text", "it belongs in `href` of a link or `src` of a picture"),
            (State::Tag(_), _) => (
                "a placeholder as an attribute or its name",
                "put it in quotes, as the value of an attribute",
            ),
            (State::Raw("style"), Kind::Number) => return self.node(Node::Value(value, Place::Markup)),
            (State::Raw("script"), _) => ("a placeholder in a script", "put it in a `data-` attribute, and read that"),
            (State::Raw("style"), _) => ("a placeholder in a style", "only `{{width}}` and `{{height}}` may stand there"),
            (State::Raw(_), _) => ("a placeholder in an element whose content is no markup", "put it in text"),
            (State::Comment, _) => ("a placeholder in a comment", "leave it out, or write `{{! … }}` for a remark"),
            (State::Value(..), _) => match self.in_value(at, value, kind) {
                Ok(place) => return self.node(Node::Value(value, place)),
                Err(fault) => fault,
            },
        };
        self.slip(at, whole, problem, remedy);
    }

    /// A value within an attribute's.
    fn in_value(&mut self, at: usize, value: Value, kind: Kind) -> Result<Place, (&'static str, &'static str)> {
        let slot = self.tag.slot();
        match (slot, kind) {
            (Slot::Text, Kind::Text) | (Slot::Text | Slot::Style | Slot::Other, Kind::Number) => Ok(Place::Markup),
            (Slot::Style, _) => Err(("a placeholder in a style", "only `{{width}}` and `{{height}}` may stand there")),
            (Slot::Code, _) => Err((
                "a placeholder in an attribute that is script or a document",
                "put it in a `data-` attribute, and read that",
            )),
            (Slot::Text | Slot::Other, Kind::Link | Kind::Picture) => Err((
                "an address in an attribute that takes none",
                "it belongs in `href` of a link or `src` of a picture",
            )),
            (Slot::Other, Kind::Text) => Err((
                "a placeholder in an attribute that may do more than describe",
                "it may stand in `alt`, `title`, `class`, `aria-*`, `data-*` and their like",
            )),
            (Slot::Address, _) => Err((
                "a placeholder in this address",
                "only where links lead and pictures come from is filled in",
            )),
            (Slot::Link | Slot::Picture, _) if self.tag.has_address => Err((
                "a placeholder beside a whole address",
                "the address stands alone between its quotes",
            )),
            (Slot::Link | Slot::Picture, _) if self.tag.literal.is_empty() && !self.tag.has_part => {
                self.whole_address(at, slot, value, kind)
            }
            (Slot::Link | Slot::Picture, Kind::Link) | (_, Kind::Picture)
                if value == Value::Product(Field::Pixel) || kind == Kind::Link =>
            {
                Err((
                    "an address within another",
                    "`{{click}}`, `{{product.link}}` and `{{pixel}}` stand alone between their quotes",
                ))
            }
            (Slot::Link | Slot::Picture, _) if self.tag.has_part || attributes::has_host(&self.tag.literal) => {
                self.tag.has_part = true;
                Ok(Place::UrlPart)
            }
            (Slot::Link | Slot::Picture, _) => Err((
                "a placeholder where the host of an address would be",
                "begin the address with `https://host/`",
            )),
        }
    }

    fn whole_address(&mut self, at: usize, slot: Slot, value: Value, kind: Kind) -> Result<Place, (&'static str, &'static str)> {
        match (slot, kind) {
            (Slot::Link, Kind::Link) => {
                self.links += 1;
                self.tag.is_clicked = true;
            }
            (Slot::Picture, Kind::Picture) if value == Value::Product(Field::Pixel) => {
                if !self.frames.is_empty() {
                    self.slip(
                        at,
                        "{{pixel}}",
                        "the pixel in a loop or condition",
                        "it is loaded once whatever is shown: put it outside",
                    );
                }
                self.has_pixel = true;
            }
            (Slot::Picture, Kind::Picture) => {}
            (Slot::Picture, Kind::Link) => {
                return Err((
                    "a click address that is loaded with the ad: each view would count as a click",
                    "it belongs in `href` of a link",
                ));
            }
            (_, Kind::Picture) => return Err(("a link to a picture", "links lead to `{{click}}` or `{{product.link}}`")),
            _ => {
                return Err((
                    "not an address",
                    "links lead to `{{click}}` or `{{product.link}}`, pictures come from `{{product.image}}` or `{{shop.logo}}`",
                ));
            }
        }
        self.tag.has_address = true;
        Ok(Place::Markup)
    }
}
