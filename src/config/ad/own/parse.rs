//! From a file's text to nodes: HTML followed as a browser's tokenizer would, so that each value is
//! escaped for where it lands or refused.
//!
//! A strict subset of HTML is read: wherever browsers repair what is written, the file is refused, for
//! there one could not be sure to be in the same place as they are. Every slip of a file is reported.

mod braces;

use super::attributes::{self, Slot};
use super::{Node, OwnTemplate, Slip, Test};
use crate::base::limits::AD_BYTES_MAX;
use crate::config::fault::shorten;

/// Elements whose content is no markup.
const RAW: [&str; 9] = [
    "script", "style", "textarea", "title", "iframe", "noscript", "xmp", "noembed", "noframes",
];

/// Reads a file.
pub fn parse(text: &str) -> Result<OwnTemplate, Vec<Slip>> {
    let mut parser = Parser { text, ..Parser::default() };
    if text.len() > AD_BYTES_MAX {
        let problem = format!("{} bytes", text.len());
        parser.slip(
            0,
            "",
            problem,
            format!("an ad has at most {AD_BYTES_MAX} bytes without its pictures"),
        );
        return Err(parser.slips);
    }
    while parser.at < text.len() {
        parser.step();
    }
    parser.end()
}

/// Where in the HTML the parser is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between tags.
    #[default]
    Text,
    /// Within the tag of this number, between attributes.
    Tag(u32),
    /// Within an attribute's value, by number of the attribute and quote.
    Value(u32, char),
    /// Within an element whose content is no markup.
    Raw(&'static str),
    /// Within a comment.
    Comment,
}

/// The tag and the attribute that are open.
#[derive(Debug, Default)]
struct Tag {
    serial: u32,
    name: String,
    attribute: String,
    /// The attribute's value as far as it is written out.
    literal: String,
    /// Where the value begins.
    at: usize,
    /// Whether a whole address was filled in, or a part.
    has_address: bool,
    has_part: bool,
    /// Whether it is a link clicked through us, and what it says itself.
    is_clicked: bool,
    has_target: bool,
    ping: Option<usize>,
}

impl Tag {
    fn slot(&self) -> Slot {
        attributes::slot(&self.name, &self.attribute)
    }
}

/// A block that is open.
#[derive(Debug)]
struct Frame {
    /// As it was opened.
    at: usize,
    /// What an `{{#if}}` asks; none for the loop.
    test: Option<Test>,
    /// Where in the HTML it was opened: there each side must end.
    state: State,
    /// The nodes before it.
    before: Vec<Node>,
    /// The first side, once there is an `{{else}}`.
    then: Option<Vec<Node>>,
}

#[derive(Debug, Default)]
struct Parser<'t> {
    text: &'t str,
    at: usize,
    state: State,
    /// Where what the state is about was opened.
    opened: usize,
    serial: u32,
    tag: Tag,
    frames: Vec<Frame>,
    nodes: Vec<Node>,
    run: String,
    slips: Vec<Slip>,
    links: u32,
    has_pixel: bool,
    has_loop: bool,
    asks_for_product: bool,
}

impl<'t> Parser<'t> {
    fn slip(&mut self, at: usize, value: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.slips.push(Slip {
            at,
            value: shorten(value),
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Keeps the next `bytes` as they are.
    fn keep(&mut self, bytes: usize) {
        let kept = &self.rest()[..bytes];
        self.write(kept);
        self.at += bytes;
    }

    fn write(&mut self, text: &str) {
        self.run.push_str(text);
        if let State::Value(..) = self.state {
            self.tag.literal.push_str(text);
        }
    }

    fn node(&mut self, node: Node) {
        self.flush();
        self.nodes.push(node);
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.nodes.push(Node::Text(std::mem::take(&mut self.run)));
        }
    }

    fn step(&mut self) {
        let rest = self.rest();
        let next = rest.chars().next().map_or(1, char::len_utf8);
        if rest.starts_with(r"\{{") {
            self.write("{{");
            self.at += 3;
        } else if rest.starts_with("{{") {
            self.braces();
        } else {
            match self.state {
                State::Text if rest.starts_with('<') => self.open_angle(),
                State::Text => self.keep(next),
                State::Tag(_) => self.in_tag(),
                State::Value(_, quote) if rest.starts_with(quote) => self.end_value(),
                State::Value(..) => self.keep(next),
                State::Raw(name) if is_end_of(name, rest) => self.end_raw(name),
                State::Raw(_) => self.keep(next),
                State::Comment if rest.starts_with("-->") => {
                    self.keep(3);
                    self.state = State::Text;
                }
                State::Comment => {
                    if rest.starts_with("--!>") {
                        self.slip(self.at, "--!>", "not the end of a comment", "a comment ends with `-->`");
                    }
                    self.keep(next);
                }
            }
        }
    }

    /// `<` between tags.
    fn open_angle(&mut self) {
        let rest = self.rest();
        let is_letter = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_alphabetic);
        if rest.starts_with("<!--") {
            if rest.starts_with("<!-->") || rest.starts_with("<!--->") {
                self.slip(self.at, "<!-->", "not a whole comment", "write `<!-- … -->`");
            }
            self.opened = self.at;
            self.keep(4);
            self.state = State::Comment;
        } else if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype")) || rest.starts_with("</") && is_letter(2) {
            self.through_angle();
        } else if is_letter(1) {
            self.open_tag();
        } else {
            self.slip(
                self.at,
                rest.get(..2).unwrap_or("<"),
                "not a tag",
                "write `&lt;` for a `<` that is text",
            );
            self.keep(1);
        }
    }

    /// An end tag or doctype: nothing stands in it but its name.
    fn through_angle(&mut self) {
        let rest = self.rest();
        let Some(end) = rest.find('>') else {
            self.slip(self.at, rest, "a tag that never ends", "close it with `>`");
            return self.keep(rest.len());
        };
        let tag = &rest[..end];
        let is_doctype = tag.starts_with("<!");
        if tag.contains("{{") || tag[1..].contains('<') || !is_doctype && tag.contains(['"', '\'']) {
            self.slip(self.at, tag, "an end tag with more than a name", "write it like `</a>`");
        }
        self.keep(end + 1);
    }

    fn open_tag(&mut self) {
        let rest = self.rest();
        let end = rest[1..].find(is_name_end).map_or(rest.len(), |end| end + 1);
        let end = rest.find("{{").map_or(end, |braces| end.min(braces));
        let name = &rest[1..end];
        if rest[end..].starts_with("{{") {
            self.slip(
                self.at,
                &rest[..end + 2],
                "a placeholder in a tag's name",
                "leave white space after the name",
            );
        }
        if name.contains(['"', '\'', '<', '=']) {
            self.slip(self.at, name, "not a tag's name", "letters and digits");
        }
        if name.eq_ignore_ascii_case("plaintext") {
            self.slip(self.at, name, "an element that never ends", "leave it out");
        }
        self.serial += 1;
        self.opened = self.at;
        self.tag = Tag {
            serial: self.serial,
            name: name.to_ascii_lowercase(),
            ..Tag::default()
        };
        self.keep(end);
        self.state = State::Tag(self.serial);
    }

    fn in_tag(&mut self) {
        let rest = self.rest();
        let c = rest.chars().next().unwrap_or('>');
        match c {
            '>' => self.end_tag(1),
            '/' if rest.starts_with("/>") => self.end_tag(2),
            '/' => self.keep(1),
            c if c.is_ascii_whitespace() => self.keep(1),
            _ => self.attribute(),
        }
    }

    fn end_tag(&mut self, bytes: usize) {
        if self.tag.is_clicked {
            if let Some(at) = self.tag.ping {
                self.slip(
                    at,
                    "ping",
                    "`ping` on a link that is clicked through us",
                    "name click trackers in the creative's `trackers`",
                );
            }
            self.node(Node::LinkEnd {
                needs_target: !self.tag.has_target,
            });
        }
        self.keep(bytes);
        let raw = RAW.into_iter().find(|raw| *raw == self.tag.name);
        self.state = raw.map_or(State::Text, State::Raw);
    }

    /// A name, and the beginning of its value if it has one.
    fn attribute(&mut self) {
        let (start, rest) = (self.at, self.rest());
        let end = rest.find(|c| is_name_end(c) || c == '=').unwrap_or(rest.len());
        let end = rest.find("{{").map_or(end, |braces| end.min(braces));
        let name = &rest[..end];
        if end == 0 || name.contains(['"', '\'', '<', '`']) {
            self.slip(
                start,
                rest.get(..1.max(end)).unwrap_or(""),
                "not an attribute's name",
                "letters, digits and `-`",
            );
            return self.keep(rest.chars().next().map_or(1, |c| c.len_utf8().max(end)));
        }
        self.serial += 1;
        self.tag.attribute = name.to_ascii_lowercase();
        (self.tag.literal, self.tag.has_address, self.tag.has_part) = (String::new(), false, false);
        match self.tag.attribute.as_str() {
            "target" => self.tag.has_target = true,
            "ping" => self.tag.ping = Some(start),
            _ => {}
        }
        self.keep(end);
        let rest = self.rest();
        let Some(value) = rest.trim_ascii_start().strip_prefix('=').map(str::trim_ascii_start) else {
            return;
        };
        self.keep(rest.len() - value.len());
        self.tag.at = self.at;
        match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                self.keep(1);
                self.state = State::Value(self.serial, quote);
            }
            _ => self.unquoted(value),
        }
    }

    fn unquoted(&mut self, value: &str) {
        let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len());
        let written = &value[..end];
        if written.contains("{{") {
            let problem = "a placeholder in a value without quotes";
            self.slip(self.at, written, problem, format!("write `{}=\"…\"`", self.tag.attribute));
            // What stands between braces may have spaces and angles of its own.
            let end = value.find("}}").map_or(end, |braces| end.max(braces + 2));
            return self.keep(end);
        }
        if written.is_empty() || written.contains(['"', '\'', '<', '`']) {
            self.slip(self.at, written, "not a value", "put it in double quotes");
        }
        self.check_literal(written);
        self.keep(end);
    }

    fn end_value(&mut self) {
        let State::Value(_, _) = self.state else { return };
        let literal = std::mem::take(&mut self.tag.literal);
        if self.tag.has_address && !literal.is_empty() {
            self.slip(
                self.tag.at,
                &literal,
                "text beside a whole address",
                "the address stands alone between its quotes",
            );
        } else if !self.tag.has_address && !self.tag.has_part {
            self.check_literal(&literal);
        }
        self.state = State::Tag(self.tag.serial);
        self.keep(1);
    }

    fn check_literal(&mut self, value: &str) {
        if let Some((problem, remedy)) = attributes::fault(self.tag.slot(), &self.tag.attribute, value) {
            self.slip(self.tag.at, value, problem, remedy);
        }
    }

    fn end_raw(&mut self, name: &'static str) {
        let content = &self.text[self.opened..self.at];
        if name == "style"
            && let Some((problem, remedy)) = attributes::style(content)
        {
            self.slip(self.opened, "", problem, remedy);
        }
        if name == "script" && content.contains("<!--") {
            self.slip(self.opened, "", "`<!--` in a script, which hides its end", "leave it out");
        }
        self.state = State::Text;
        self.through_angle();
    }

    fn end(mut self) -> Result<OwnTemplate, Vec<Slip>> {
        self.flush();
        let unclosed = match self.state {
            State::Text => None,
            State::Tag(_) | State::Value(..) => Some("a tag that never ends"),
            State::Raw(_) => Some("an element that never ends"),
            State::Comment => Some("a comment that never ends"),
        };
        if let Some(problem) = unclosed {
            let value = &self.text[self.opened..];
            self.slip(self.opened, value, problem, "close it");
        }
        for frame in std::mem::take(&mut self.frames) {
            let (value, close) = if frame.test.is_some() {
                ("{{#if}}", "{{/if}}")
            } else {
                ("{{#products}}", "{{/products}}")
            };
            self.slip(frame.at, value, "a block that is never closed", format!("close it with `{close}`"));
        }
        if self.links == 0 {
            let remedy = "give the ad `<a href=\"{{click}}\">` or `<a href=\"{{product.link}}\">`";
            self.slip(0, "", "no link leads to the shop", remedy);
        }
        if !self.slips.is_empty() {
            self.slips.sort_by_key(|slip| slip.at);
            return Err(self.slips);
        }
        Ok(OwnTemplate {
            nodes: self.nodes,
            has_pixel: self.has_pixel,
            has_loop: self.has_loop,
            asks_for_product: self.asks_for_product,
        })
    }
}

fn is_name_end(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '/' | '>')
}

/// Whether the end tag of `name` begins here.
fn is_end_of(name: &str, rest: &str) -> bool {
    let Some(after) = rest
        .strip_prefix("</")
        .filter(|rest| rest.get(..name.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(name)))
    else {
        return false;
    };
    after[name.len()..].starts_with(is_name_end)
}
