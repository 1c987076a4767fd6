//! Compiles an ad's markup for one size.
//!
//! Assumes checked texts; never fails.

use crate::model::advertiser::Size;
use crate::model::template::Template;

/// What an ad is made of.
pub struct AdSpec<'a> {
    /// `template`.
    pub template: &'a str,
    /// The advertiser's language.
    pub language: &'a str,
    /// The advertiser's name.
    pub shop: &'a str,
    /// The advertiser's domain.
    pub domain: &'a str,
    /// The advertiser's logo.
    pub logo_url: Option<&'a str>,
    /// `headline`.
    pub headline: Option<&'a str>,
    /// `call_to_action`.
    pub call_to_action: Option<&'a str>,
    /// `promotion`: text and code.
    pub promotion: Option<(&'a str, Option<&'a str>)>,
    /// Where the AdChoices mark leads.
    pub ad_choices_url: Option<&'a str>,
}

/// The markup of `spec` at `size`.
pub fn compile(_spec: &AdSpec<'_>, _size: Size) -> Template {
    Template::default()
}
