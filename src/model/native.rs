//! A native ad as its creative and shop have it: the texts and pictures that assets are filled with.
//!
//! Built by `config` when a creative is loaded. The product's part is filled in on the decision path, by
//! `openrtb::native`, which knows the assets an imp asks for.

use crate::base::time::Millis;
use crate::model::spot::{Media, Spot, Verification};

/// What every product of the shop shares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Native {
    /// The shop's `name`.
    pub sponsor: Box<str>,
    /// Its `domain`.
    pub domain: Box<str>,
    /// `headline`, else the one of the shop's language.
    pub headline: Box<str>,
    /// `call_to_action`, likewise.
    pub call_to_action: Box<str>,
    /// `promotion`: its text, and when it ends.
    pub promotion: Option<(Box<str>, Option<Millis>)>,
    /// The shop's `logo_url`.
    pub logo_url: Option<Box<str>>,
    /// Those of `media` that are pictures.
    pub pictures: Box<[Media]>,
    /// Those of `media` that are video, where there are any.
    pub spot: Option<Spot>,
    /// The house's `ad_choices_url`.
    pub privacy_url: Option<Box<str>>,
    /// `trackers.impression`.
    pub impression: Box<[String]>,
    /// `trackers.click`.
    pub click: Box<[String]>,
    /// `trackers.viewable`.
    pub viewable: Box<[String]>,
    /// `verification`.
    pub verification: Box<[Verification]>,
}

impl Native {
    /// The promotion's text while it runs.
    pub fn promotion_at(&self, now: Millis) -> Option<&str> {
        let (text, ends) = self.promotion.as_ref()?;
        ends.is_none_or(|end| now < end).then_some(text)
    }
}
