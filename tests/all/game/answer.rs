//! An answer, as far as the game looks at it.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A bid as an answer has it.
#[derive(Deserialize)]
pub struct Answered<'a> {
    pub id: String,
    pub cid: Option<String>,
    pub ext: Option<Told>,
    pub adid: String,
    pub burl: String,
    pub dealid: Option<String>,
    #[serde(borrow)]
    pub price: &'a RawValue,
}

/// What an exchange that bills by ids is told, beside what the DSA asks.
#[derive(Deserialize)]
pub struct Told {
    pub buyer_reporting_id: Option<String>,
    pub billing_id: Option<String>,
}

#[derive(Deserialize)]
pub struct Answer<'a> {
    #[serde(borrow)]
    pub seatbid: Vec<SeatBid<'a>>,
}

#[derive(Deserialize)]
pub struct SeatBid<'a> {
    #[serde(borrow)]
    pub bid: Vec<Answered<'a>>,
}

impl Answered<'_> {
    /// The campaign's id.
    pub fn campaign(&self) -> Option<&String> {
        let told = self.ext.as_ref().and_then(|told| told.buyer_reporting_id.as_ref());
        told.or(self.cid.as_ref())
    }

    /// The billing id, which `cid` repeats.
    pub fn billed_to(&self) -> Option<String> {
        let told = self.ext.as_ref().filter(|told| told.buyer_reporting_id.is_some())?;
        assert_eq!(told.billing_id, self.cid);
        told.billing_id.clone()
    }
}
