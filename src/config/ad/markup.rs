//! Pieces in the making: what the templates are written with.
//!
//! Everything that is not our own markup goes through `text` or `field` and is escaped there.

use serde_json::json;

use super::{AdSpec, Promotion, is_web};
use crate::base::quoted::Ready;
use crate::model::advertiser::Size;
use crate::model::template::{Cond, Field, Piece, Place, escape, escape_link};

/// Calls addresses once an element has been seen for a second without a break, so much of it.
const VIEWABLE: &str = include_str!("viewable.js");
/// Of an ad from here on 30 % suffice (MRC Viewable Ad Impression Measurement Guidelines: 970 by 250).
const LARGE_PIXELS: u64 = 242_500;

/// Pieces in the making; neighbouring fixed texts become one.
#[derive(Default)]
pub(super) struct Markup {
    pieces: Vec<Piece>,
    text: Vec<u8>,
}

impl Markup {
    /// Our own markup, as it is.
    pub fn raw(&mut self, markup: &str) -> &mut Markup {
        self.text.extend_from_slice(markup.as_bytes());
        self
    }

    /// Someone else's text, escaped.
    pub fn text(&mut self, text: &str) -> &mut Markup {
        escape(text, &mut self.text);
        self
    }

    /// Someone else's text, escaped for where it stands.
    pub fn placed(&mut self, text: &str, place: Place) -> &mut Markup {
        place.write(text, &mut self.text);
        self
    }

    /// A style sheet without its comments and line breaks.
    pub fn css(&mut self, css: &str) -> &mut Markup {
        for line in css.lines().filter(|line| !line.starts_with("/*")) {
            self.raw(line);
        }
        self
    }

    /// A text with a direction of its own, so that it cannot reorder what stands beside it.
    pub fn bdi(&mut self, class: &str, lang: &str, text: &str) -> &mut Markup {
        self.raw(r#"<bdi class=""#).raw(class);
        if !lang.is_empty() {
            self.raw(r#"" lang=""#).raw(lang);
        }
        self.raw(r#"">"#).text(text).raw("</bdi>")
    }

    /// What is filled in.
    pub fn field(&mut self, field: Field) -> &mut Markup {
        self.flush();
        self.pieces.push(Piece::Field(field, Place::Markup));
        self
    }

    /// Pieces made elsewhere.
    pub fn piece(&mut self, piece: Piece) {
        self.flush();
        self.pieces.push(piece);
    }

    /// A part shown only if.
    pub fn when(&mut self, cond: Cond, then: impl FnOnce(&mut Markup)) {
        let then = Markup::of(then);
        if !then.is_empty() {
            self.piece(Piece::When(cond, then.into()));
        }
    }

    /// A part shown only if not.
    pub fn unless(&mut self, cond: Cond, then: impl FnOnce(&mut Markup)) {
        let then = Markup::of(then);
        if !then.is_empty() {
            self.piece(Piece::Unless(cond, then.into()));
        }
    }

    /// A part for each product.
    pub fn each(&mut self, inner: impl FnOnce(&mut Markup)) {
        let inner = Markup::of(inner);
        self.piece(Piece::Each(inner.into()));
    }

    /// A part that is there while the promotion runs, if there is one.
    pub fn while_promoted<'a>(&mut self, spec: &AdSpec<'a>, then: impl FnOnce(&mut Markup, Promotion<'a>)) {
        let Some(promotion) = spec.promotion else { return };
        match promotion.ends {
            Some(end) => self.when(Cond::Until(end), |ad| then(ad, promotion)),
            None => then(self, promotion),
        }
    }

    /// The attribute by which a browser tells click trackers that a link was followed.
    pub fn ping(&mut self, spec: &AdSpec<'_>) -> &mut Markup {
        let urls = spec.trackers.click;
        if !urls.is_empty() {
            self.raw(r#" ping=""#);
            escape_link(urls.join(" ").as_bytes(), &mut self.text);
            self.raw(r#"""#);
        }
        self
    }

    /// What is loaded and not seen: the pixel, where it is not there yet, impression trackers, and what calls the
    /// viewable ones.
    pub fn counted(&mut self, spec: &AdSpec<'_>, size: Size, has_pixel: bool) -> &mut Markup {
        const UNSEEN: &str = r#"" width="1" height="1" alt="" style="position:absolute;left:0;bottom:0">"#;
        if !has_pixel {
            self.raw(r#"<img src=""#).field(Field::Pixel).raw(UNSEEN);
        }
        for url in spec.trackers.impression {
            self.raw(r#"<img src=""#);
            escape_link(url.as_bytes(), &mut self.text);
            self.raw(UNSEEN);
        }
        if !spec.trackers.viewable.is_empty() {
            let is_large = u64::from(size.w) * u64::from(size.h) >= LARGE_PIXELS;
            let share = if is_large { "0.3" } else { "0.5" };
            // Within a script nothing but its end tag is markup.
            let urls = json!(spec.trackers.viewable).to_string().replace('<', "\\u003c");
            self.raw("<script>").raw(VIEWABLE.trim_end());
            self.raw(&format!("(document.currentScript.parentElement,{urls},{share})</script>"));
        }
        self
    }

    /// The link to the house's ad choices, with `look` as further attributes.
    pub fn choices(&mut self, spec: &AdSpec<'_>, look: &str) -> &mut Markup {
        if let Some(url) = spec.ad_choices_url.filter(is_web) {
            self.raw("<a ").raw(look);
            self.raw(r#" target="_blank" rel="noopener" aria-label="AdChoices" href=""#);
            self.text(url).raw(r#"">i</a>"#);
        }
        self
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(Ready::new(&String::from_utf8_lossy(&self.text))));
            self.text.clear();
        }
    }

    /// What `write` writes.
    pub fn of(write: impl FnOnce(&mut Markup)) -> Vec<Piece> {
        let mut markup = Markup::default();
        write(&mut markup);
        markup.flush();
        markup.pieces
    }
}
