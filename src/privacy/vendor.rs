//! What we registered for: our row of IAB Europe's Global Vendor List (privacy.md §2).
//!
//! Read once, at start. Without a list every purpose is taken by consent only, which is never wider than a row.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Purposes of the framework that are known.
pub const PURPOSES: std::ops::RangeInclusive<u8> = 1..=11;

/// Why a list has no row for us.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// Not the JSON of a list.
    #[error("not a global vendor list: {0}; fetch it from vendor-list.consensu.org/v3/vendor-list.json")]
    NotAList(#[from] serde_json::Error),
    /// Nobody of that number.
    #[error("no vendor {0} in version {1} of the list; write the id that IAB Europe gave you")]
    NoVendor(u16, u32),
    /// Taken off the list.
    #[error("vendor {0} was deleted from the list on {1}; register again, or take `gvl_vendor_id` out")]
    Deleted(u16, String),
}

/// A vendor's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Its id.
    pub id: u16,
    consent: Purposes,
    legitimate_interest: Purposes,
    flexible: Purposes,
    /// How long its cookies may live, in seconds; `None` where it sets none, or does not say.
    pub cookie_max_age_s: Option<u64>,
    /// Whether a cookie's life may begin again.
    pub cookie_refresh: bool,
    /// How long it keeps data, in days.
    pub retention_days: Option<u32>,
}

/// On what a purpose is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The person's consent.
    Consent,
    /// Legitimate interest.
    LegitimateInterest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Purposes(u32);

impl Purposes {
    fn of(ids: &[u8]) -> Purposes {
        Purposes(ids.iter().filter(|id| **id < 32).fold(0, |set, id| set | 1 << id))
    }

    fn has(self, purpose: u8) -> bool {
        purpose < 32 && self.0 >> purpose & 1 == 1
    }
}

impl Vendor {
    /// A vendor that does everything by consent.
    pub fn by_consent(id: u16) -> Vendor {
        Vendor {
            id,
            consent: Purposes(PURPOSES.fold(0, |set, id| set | 1 << id)),
            legitimate_interest: Purposes(0),
            flexible: Purposes(0),
            cookie_max_age_s: None,
            cookie_refresh: true,
            retention_days: None,
        }
    }

    /// The row of vendor `id` in a list, as its JSON.
    pub fn of_list(id: u16, list: &[u8]) -> Result<Vendor, ListFault> {
        let list: List = serde_json::from_slice(list)?;
        let row = list
            .vendors
            .get(&id.to_string())
            .ok_or(ListFault::NoVendor(id, list.vendor_list_version))?;
        if let Some(on) = &row.deleted_date {
            return Err(ListFault::Deleted(id, on.clone()));
        }
        Ok(Vendor {
            id,
            consent: Purposes::of(&row.purposes),
            legitimate_interest: Purposes::of(&row.leg_int_purposes),
            flexible: Purposes::of(&row.flexible_purposes),
            cookie_max_age_s: row.cookie_max_age_seconds.and_then(|age| u64::try_from(age).ok()),
            cookie_refresh: row.cookie_refresh,
            retention_days: row.data_retention.std_retention,
        })
    }

    /// The basis registered for a purpose; `None` where it is not registered at all.
    pub fn basis(&self, purpose: u8) -> Option<Basis> {
        if self.consent.has(purpose) {
            Some(Basis::Consent)
        } else {
            self.legitimate_interest.has(purpose).then_some(Basis::LegitimateInterest)
        }
    }

    /// Whether a publisher may ask for the other basis. Never of purpose 1.
    pub fn is_flexible(&self, purpose: u8) -> bool {
        purpose != 1 && self.flexible.has(purpose)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    vendor_list_version: u32,
    vendors: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(default)]
    purposes: Vec<u8>,
    #[serde(default)]
    leg_int_purposes: Vec<u8>,
    #[serde(default)]
    flexible_purposes: Vec<u8>,
    #[serde(default)]
    cookie_max_age_seconds: Option<i64>,
    #[serde(default)]
    cookie_refresh: bool,
    #[serde(default)]
    data_retention: Retention,
    #[serde(default)]
    deleted_date: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retention {
    #[serde(default)]
    std_retention: Option<u32>,
}
