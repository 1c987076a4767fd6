//! The types of an answer's fields (OpenRTB 2.6 §4.2.1 to §4.2.3): what a strict reader on the other side would
//! stumble over before it looks at anything.
//!
//! Knows the fields that we send; others are passed over.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// `BidResponse`.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Response {
    id: String,
    seatbid: Vec<SeatBid>,
    bidid: Option<String>,
    cur: Option<String>,
    nbr: Option<u32>,
}

/// `SeatBid`.
#[derive(Deserialize)]
#[allow(dead_code)]
struct SeatBid {
    bid: Vec<Bid>,
    seat: Option<String>,
    group: Option<u8>,
}

/// `Bid`.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Bid {
    id: String,
    impid: String,
    price: f64,
    nurl: Option<String>,
    burl: Option<String>,
    lurl: Option<String>,
    adm: Option<String>,
    adid: Option<String>,
    adomain: Option<Vec<String>>,
    bundle: Option<String>,
    iurl: Option<String>,
    cid: Option<String>,
    crid: Option<String>,
    cat: Option<Vec<String>>,
    cattax: Option<u32>,
    attr: Option<Vec<u32>>,
    apis: Option<Vec<u32>>,
    protocol: Option<u32>,
    language: Option<String>,
    dealid: Option<String>,
    w: Option<u32>,
    h: Option<u32>,
    wratio: Option<u32>,
    hratio: Option<u32>,
    exp: Option<u32>,
    dur: Option<u32>,
    mtype: Option<u32>,
    ext: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What is wrong with the types of an answer.
pub(super) fn fault(answer: &str) -> Option<String> {
    let read: Result<Response, _> = serde_json::from_str(answer);
    read.err().map(|fault| format!("the answer is no BidResponse: {fault}"))
}

/// Whether a document is well-formed XML, as a player's reader asks.
pub(super) fn xml_fault(document: &str) -> Option<String> {
    let mut reader = quick_xml::Reader::from_str(document);
    let mut depth = 0u32;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Start(_)) => depth += 1,
            Ok(quick_xml::events::Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(quick_xml::events::Event::Eof) if depth > 0 => return Some("`adm` ends within an element".to_owned()),
            Ok(quick_xml::events::Event::Eof) => return None,
            Ok(_) => {}
            Err(fault) => return Some(format!("`adm` is no well-formed XML: {fault}")),
        }
    }
}

/// Whether a text is JSON at all.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
