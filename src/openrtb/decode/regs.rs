//! `regs`: the privacy signals, from the places of 2.5 and 2.6.
//!
//! Of a signal given twice the stricter holds. Judges none of them.

use super::Rivals;
use crate::openrtb::json::{List, Scan, Text};
use crate::openrtb::request::{Dsa, Signals};
use crate::openrtb::source::Source;

/// `regs`, or `regs.ext`.
#[derive(Default)]
pub(super) struct Regs<'b> {
    pub(super) gdpr: Option<i64>,
    pub(super) us_privacy: Text<'b>,
    pub(super) gpp: Text<'b>,
    pub(super) gpp_sid: List<'b>,
}

/// Reads `regs`.
pub(super) fn regs<'b>(s: &mut impl Source<'b>, signals: &mut Signals<'b>, rivals: &mut Rivals<'b>) -> Scan {
    s.object(|s, key| match key {
        b"ext" => s.object(|s, key| regulation(s, key, signals, &mut rivals.regs_ext)).map(drop),
        _ => regulation(s, key, signals, &mut rivals.regs),
    })
    .map(drop)
}

/// One member of `regs` or `regs.ext`; given twice, the stricter holds.
fn regulation<'b>(s: &mut impl Source<'b>, key: &[u8], signals: &mut Signals<'b>, regs: &mut Regs<'b>) -> Scan {
    match key {
        // California's s22580 tells of minors as well.
        b"coppa" | b"s22580" => s.flag().map(|set| signals.coppa |= set),
        b"gpc" => s.flag().map(|set| signals.gpc |= set),
        b"gdpr" => s.integer().map(|n| regs.gdpr = stricter_gdpr(regs.gdpr, n)),
        b"us_privacy" => s.text().map(|text| regs.us_privacy = stricter_us_privacy(regs.us_privacy, text)),
        b"gpp" => s.text().map(|text| regs.gpp = text.or(regs.gpp)),
        b"gpp_sid" => s.list().map(|list| regs.gpp_sid = list.or(regs.gpp_sid)),
        b"dsa" => dsa(s).map(|found| signals.dsa = found.or(signals.dsa)),
        _ => s.skip(),
    }
}

/// Its first names were `required` (DSA transparency, 2024-01).
fn dsa<'b>(s: &mut impl Source<'b>) -> Scan<Option<Dsa>> {
    let mut dsa = Dsa::default();
    let found = s.object(|s, key| match key {
        b"dsarequired" | b"required" => s.integer().map(|n| dsa.required = n.unwrap_or(0)),
        b"pubrender" => s.integer().map(|n| dsa.publisher_renders = n),
        b"datatopub" => s.integer().map(|n| dsa.data_to_publisher = n.unwrap_or(0)),
        _ => s.skip(),
    })?;
    Ok(found.then_some(dsa))
}

fn stricter_gdpr(before: Option<i64>, now: Option<i64>) -> Option<i64> {
    if before == Some(1) { before } else { now.or(before) }
}

/// The one with the opt-out of sale (third character), else the later.
fn stricter_us_privacy<'b>(before: Text<'b>, now: Text<'b>) -> Text<'b> {
    let opted_out = before.chars().nth(2).is_some_and(|c| c.eq_ignore_ascii_case(&'y'));
    if opted_out { before } else { now.or(before) }
}
