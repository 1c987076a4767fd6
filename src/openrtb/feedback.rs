//! What exchanges say of creatives: OpenRTB's loss reasons and Google's creative status codes, read as
//! a verdict on the creative itself.
//!
//! A loss by price proves that the creative was admitted; one for what a publisher wants says nothing of
//! it. Never counts anything.

use super::json::{Scanner, Text, elements};

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
}

/// The entries of a raw `bid_feedback` that name a creative and a code.
pub fn entries(raw: &[u8]) -> impl Iterator<Item = Feedback<'_>> {
    elements(std::str::from_utf8(raw).unwrap_or_default()).filter_map(entry)
}

fn entry(raw: &str) -> Option<Feedback<'_>> {
    let (mut crid, mut code) = (Text::default(), None);
    let read = Scanner::new(raw).object(|s, key| match key {
        "buyer_creative_id" => s.text().map(|text| crid = text),
        "creative_status_code" => s.integer().map(|n| code = n),
        _ => s.skip(),
    });
    read.ok()?;
    Some(Feedback {
        crid: crid.is_present().then_some(crid)?,
        code: u32::try_from(code?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_is_read_leniently() {
        let raw = br#"[{"request_id":"a","buyer_creative_id":"s.c.1","creative_status_code":"10","price":1.5},
            {"creative_status_code":1}, {"buyer_creative_id":"s.c.2","creative_status_code":79.0}, 7, null]"#;
        let read: Vec<_> = entries(raw).map(|e| (e.crid.plain().unwrap_or("?"), e.code)).collect();
        assert_eq!(read, [("s.c.1", 10), ("s.c.2", 79)]);
        assert_eq!(entries(b"").count() + entries(b"{\"x\":1}").count(), 0);
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
