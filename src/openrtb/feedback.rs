//! What exchanges say of bids that they did not take: OpenRTB's loss reasons and Google's creative status
//! codes, as reasons with a name, and as a verdict on the creative itself.
//!
//! A loss by price proves that the creative was admitted; one for what a publisher wants says nothing of
//! it. Never counts anything.

use std::borrow::Cow;

use super::json::{Scanner, Text, elements};

/// Why a bid was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `${AUCTION_LOSS}`.
    Loss(u32),
    /// Google's `creative_status_code`.
    Google(u32),
    /// The exchange did not say.
    Untold,
}

/// Loss reasons by name (OpenRTB 3.0 loss reason codes; 2.5 has those to 10, 100 to 104, 200 to 212).
const LOSSES: [(u32, &str); 32] = [
    (0, "won"),
    (1, "internal_error"),
    (2, "imp_expired"),
    (3, "invalid_response"),
    (4, "invalid_deal"),
    (5, "invalid_auction_id"),
    (6, "invalid_adomain"),
    (7, "missing_markup"),
    (8, "missing_crid"),
    (9, "missing_price"),
    (10, "missing_approval_data"),
    (100, "below_floor"),
    (101, "below_deal_floor"),
    (102, "lost_to_higher_bid"),
    (103, "lost_to_deal"),
    (104, "seat_blocked"),
    (200, "filtered"),
    (201, "pending_review"),
    (202, "disapproved"),
    (203, "size_not_allowed"),
    (204, "incorrect_format"),
    (205, "advertiser_excluded"),
    (206, "app_store_id_excluded"),
    (207, "not_secure"),
    (208, "language_excluded"),
    (209, "category_excluded"),
    (210, "attribute_excluded"),
    (211, "ad_type_excluded"),
    (212, "animation_too_long"),
    (213, "not_allowed_in_deal"),
    (214, "invalid_skadnetwork"),
    (215, "app_bundle_excluded"),
];

impl Reason {
    /// Its name; a code without one is `code_512`, one of Google's `google_79`.
    pub fn label(self) -> Cow<'static, str> {
        match self {
            Reason::Loss(code) => match LOSSES.iter().find(|(known, _)| *known == code) {
                Some((_, name)) => (*name).into(),
                None => format!("code_{code}").into(),
            },
            Reason::Google(code) => format!("google_{code}").into(),
            Reason::Untold => "untold".into(),
        }
    }

    /// Its code, where it has one.
    pub fn code(self) -> Option<u32> {
        match self {
            Reason::Loss(code) | Reason::Google(code) => Some(code),
            Reason::Untold => None,
        }
    }
}

/// What a code says of the creative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It took part in an auction.
    Admitted,
    /// It was refused for what it is, or as it has not been reviewed.
    Refused,
    /// Nothing.
    Silent,
}

/// Of a loss reason (`${AUCTION_LOSS}`, OpenRTB 2.6 §8): won and lost by price or deal is admitted.
pub fn of_loss(code: u32) -> Verdict {
    match code {
        0 | 100..=103 => Verdict::Admitted,
        // Without markup, crid or approval data; filtered, pending, disapproved, of the wrong size or
        // format, of an unknown app, insecure, of another language, attribute, type or length.
        7 | 8 | 10 | 200..=204 | 206..=208 | 210..=212 | 214 => Verdict::Refused,
        _ => Verdict::Silent,
    }
}

/// Of Google's `creative_status_code` (creative-status-codes.txt): won, outbid and below the floor is
/// admitted.
pub fn of_google(code: u32) -> Verdict {
    match code {
        1 | 79 | 80 | 83 => Verdict::Admitted,
        // Landing page, malware, not reviewed, not approved, not categorised, vendors, fields missing or
        // broken, errors, further review, too many snippets, tracking URLs.
        5..=7 | 10 | 11 | 16 | 21 | 26 | 33 | 36 | 56..=58 | 66 | 74 | 77 | 85 | 86 | 125..=127 | 131 => Verdict::Refused,
        _ => Verdict::Silent,
    }
}

/// One entry of Google's `ext.bid_feedback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'b> {
    /// `buyer_creative_id`: our `crid`.
    pub crid: Text<'b>,
    /// `creative_status_code`.
    pub code: u32,
    /// `minimum_bid_to_win`, as it is written; may be empty.
    pub min_to_win: Text<'b>,
}

/// Google's code of a bid that won.
pub const GOOGLE_WON: u32 = 1;

/// The entries of a raw `bid_feedback` that name a creative and a code.
pub fn entries(raw: &[u8]) -> impl Iterator<Item = Feedback<'_>> {
    elements(std::str::from_utf8(raw).unwrap_or_default()).filter_map(entry)
}

fn entry(raw: &str) -> Option<Feedback<'_>> {
    let (mut crid, mut code, mut min_to_win) = (Text::default(), None, Text::default());
    let read = Scanner::new(raw).object(|s, key| match key {
        b"buyer_creative_id" => s.text().map(|text| crid = text),
        b"creative_status_code" => s.integer().map(|n| code = n),
        b"minimum_bid_to_win" => s.text().map(|text| min_to_win = text),
        _ => s.skip(),
    });
    read.ok()?;
    Some(Feedback {
        crid: crid.is_present().then_some(crid)?,
        code: u32::try_from(code?).ok()?,
        min_to_win,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_is_read_leniently() {
        let raw = br#"[{"request_id":"a","buyer_creative_id":"s.c.1","creative_status_code":"10","price":1.5},
            {"creative_status_code":1}, {"buyer_creative_id":"s.c.2","creative_status_code":79.0,"minimum_bid_to_win":1.25}, 7, null]"#;
        let read: Vec<_> = entries(raw)
            .map(|e| (e.crid.plain().unwrap_or("?"), e.code, e.min_to_win.plain().unwrap_or("?")))
            .collect();
        assert_eq!(read, [("s.c.1", 10, ""), ("s.c.2", 79, "1.25")]);
        assert_eq!(entries(b"").count() + entries(b"{\"x\":1}").count(), 0);
    }

    #[test]
    fn each_reason_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = LOSSES.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), LOSSES.len());
        let told = [Reason::Loss(102), Reason::Loss(512), Reason::Google(79), Reason::Untold];
        assert_eq!(told.map(Reason::label), ["lost_to_higher_bid", "code_512", "google_79", "untold"]);
        assert_eq!(told.map(Reason::code), [Some(102), Some(512), Some(79), None]);
    }

    #[test]
    fn publishers_wishes_are_no_verdict() {
        assert_eq!([102, 202, 205, 209, 213].map(of_loss), {
            use Verdict::*;
            [Admitted, Refused, Silent, Silent, Silent]
        });
        assert_eq!([1, 10, 72, 119].map(of_google), {
            use Verdict::*;
            [Admitted, Refused, Silent, Silent]
        });
    }
}
