//! Consent strings of others, decoded field by field, and what they allow beside a naive evaluator.
//!
//! The vectors come with what independent decoders read; the evaluator knows only that, and no bit of a string.

use std::fs;

use serde_json::Value;
use winback::privacy::gpp::GppString;
use winback::privacy::permission::{Policy, Use};
use winback::privacy::signals::Signals;
use winback::privacy::tcf::{Restricted, Restriction, TcString, Vendors};
use winback::privacy::us::{UsPrivacy, UsSection};
use winback::privacy::vendor::Vendor;

use crate::corpus::corpus;
use crate::figures::Figures;

/// Vendors that decisions are compared for, beside whoever a string names first and last.
const VENDORS: [u16; 8] = [1, 2, 10, 12, 52, 91, 755, 1200];
const ALLOWED_MIN: usize = 4;

fn vectors() -> Option<Value> {
    let text = fs::read(corpus()?.join("consent_vectors.json")).expect("the vectors");
    Some(serde_json::from_slice(&text).expect("the vectors are JSON"))
}

fn list<'v>(vectors: &'v Value, name: &str) -> &'v [Value] {
    vectors[name].as_array().expect("a list of vectors")
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().expect("a text")
}

fn ids(of: impl Fn(u16) -> bool, most: u16) -> Value {
    (1..=most).filter(|id| of(*id)).collect::<Vec<_>>().into()
}

fn encoding(vendors: &Vendors<'_>) -> Value {
    if vendors.is_range { "range" } else { "bitfield" }.into()
}

fn letters(two: [u8; 2]) -> Value {
    String::from_utf8_lossy(&two).into_owned().into()
}

/// What the vectors call each field, as we read it.
fn fields(string: &TcString<'_>) -> Vec<(&'static str, Value)> {
    let restriction = |of: Restricted<'_>| {
        let kind = [
            Restriction::NotAllowed,
            Restriction::RequireConsent,
            Restriction::RequireLi,
            Restriction::Undefined,
        ];
        let number = kind.iter().position(|kind| *kind == of.kind);
        let vendors = ids(|id| of.has(id), u16::MAX);
        serde_json::json!({"purpose": of.purpose, "restriction_type": number, "vendors": vendors})
    };
    let mut fields: Vec<(&'static str, Value)> = vec![
        ("created_ds", string.created_ds().into()),
        ("updated_ds", string.last_updated_ds().into()),
        ("cmp_id", string.cmp_id().into()),
        ("cmp_version", string.cmp_version().into()),
        ("consent_screen", string.consent_screen().into()),
        ("consent_language", letters(string.consent_language())),
        ("vendor_list_version", string.vendor_list_version().into()),
        ("policy_version", string.policy_version().into()),
        ("is_service_specific", string.is_service_specific().into()),
        ("use_non_standard_texts", string.use_non_standard_texts().into()),
        ("special_feature_optins", ids(|id| string.has_special_feature(id as u8), 12)),
        ("purpose_consents", ids(|id| string.has_consent(id as u8), 24)),
        ("purpose_li", ids(|id| string.has_li(id as u8), 24)),
        ("purpose_one_treatment", string.purpose_one_treatment().into()),
        ("publisher_cc", letters(string.publisher_cc())),
        ("vendor_consents", ids(|id| string.vendors.has(id), u16::MAX)),
        ("vendor_consents_max", string.vendors.max.into()),
        ("vendor_consents_encoding", encoding(&string.vendors)),
        ("vendor_li", ids(|id| string.vendors_li.has(id), u16::MAX)),
        ("vendor_li_max", string.vendors_li.max.into()),
        ("vendor_li_encoding", encoding(&string.vendors_li)),
        (
            "publisher_restrictions",
            string.each_restriction().map(restriction).collect::<Vec<_>>().into(),
        ),
    ];
    for (name, kind, vendors) in [
        ("disclosed_vendors", "disclosed_encoding", &string.disclosed),
        ("allowed_vendors", "allowed_encoding", &string.allowed),
    ] {
        if let Some(vendors) = vendors {
            fields.push((name, ids(|id| vendors.has(id), u16::MAX)));
            fields.push((kind, encoding(vendors)));
        }
    }
    if let Some(own) = string.publisher {
        fields.push((
            "publisher_tc",
            serde_json::json!({
                "pub_purpose_consents": ids(|id| own.has_consent(id as u8), 24),
                "pub_purpose_li": ids(|id| own.has_li(id as u8), 24),
                "num_custom_purposes": own.custom_purposes,
                "custom_purpose_consents": ids(|id| own.has_custom_consent(id as u8), 64),
                "custom_purpose_li": ids(|id| own.has_custom_li(id as u8), 64),
            }),
        ));
    }
    fields
}

/// How many fields of a vector are read otherwise, or not at all.
fn differing(vector: &Value) -> usize {
    let name = text(vector, "tcstring");
    let Ok(string) = TcString::parse(name) else {
        println!("not read: {name}");
        return 1;
    };
    let fields = fields(&string);
    let decoded = vector["decoded"].as_object().expect("fields");
    let other = decoded.iter().filter(|(key, expected)| {
        let read = fields.iter().find(|(name, _)| name == key).map(|(_, read)| read);
        let same = *key == "version" || read == Some(*expected);
        if !same {
            println!("{name}: {key} is {read:?}, expected {expected}");
        }
        !same
    });
    other.count()
}

#[test]
fn tc_strings_are_read_field_by_field_and_others_refused() {
    let Some(vectors) = vectors() else { return };
    let valid = list(&vectors, "tcf_v2").iter().chain(list(&vectors, "tcf_v2_quirks"));
    let right = list(&vectors, "tcf_v2").iter().filter(|vector| differing(vector) == 0).count();
    let read = valid.filter(|vector| TcString::parse(text(vector, "tcstring")).is_ok()).count();
    let accepted = |vector: &&Value| TcString::parse(text(vector, "tcstring")).is_ok();
    let disagreements = list(&vectors, "tcf_v2")
        .iter()
        .filter(|vector| !vector["decoder_disagreements"].is_null());
    let mut figures = Figures::new();
    figures.exactly("tcf.right", right, list(&vectors, "tcf_v2").len());
    figures.exactly(
        "tcf.read",
        read,
        list(&vectors, "tcf_v2").len() + list(&vectors, "tcf_v2_quirks").len(),
    );
    let invalid = list(&vectors, "tcf_v2_invalid");
    figures.exactly("tcf.invalid_accepted", invalid.iter().filter(accepted).count(), 0);
    println!(
        "{} invalid; decoders of others disagree on {}",
        invalid.len(),
        disagreements.count()
    );
    figures.settle();
}

/// What a string allows a vendor, from its decode alone; `row` is the vendor's in the list.
fn naive(decoded: &Value, vendor: u16, row: &Value) -> Vec<Use> {
    let has = |list: &Value, id: u64| list.as_array().is_some_and(|list| list.contains(&id.into()));
    let policy = decoded["policy_version"].as_u64().unwrap_or(0);
    let disclosed = match decoded.get("disclosed_vendors") {
        Some(list) => has(list, vendor.into()),
        None => policy < 5,
    };
    if policy < 4 || decoded["is_service_specific"] != true || !disclosed {
        return Vec::new();
    }
    let ok = |purpose: u64| {
        let mut by_consent = has(&row["purposes"], purpose);
        if !by_consent && !has(&row["legIntPurposes"], purpose) {
            return false;
        }
        let restricted = decoded["publisher_restrictions"].as_array().expect("restrictions").iter();
        let ours = restricted.filter(|of| of["purpose"] == purpose && has(&of["vendors"], vendor.into()));
        let kinds: Vec<u64> = ours.filter_map(|of| of["restriction_type"].as_u64()).collect();
        for (kind, wants_consent) in [(1, true), (2, false)] {
            if kinds.contains(&kind) && by_consent != wants_consent {
                if purpose == 1 || !has(&row["flexiblePurposes"], purpose) {
                    return false;
                }
                by_consent = wants_consent;
            }
        }
        let (purposes, vendors) = if by_consent {
            ("purpose_consents", "vendor_consents")
        } else {
            ("purpose_li", "vendor_li")
        };
        let lawful = by_consent || !(purpose == 1 || (3..=6).contains(&purpose));
        let granted = has(&decoded[purposes], purpose) && has(&decoded[vendors], vendor.into());
        let contradictory = kinds.contains(&1) && kinds.contains(&2);
        !kinds.contains(&0) && !contradictory && lawful && granted
    };
    let needs = [
        (Use::Event, vec![1, 3]),
        (Use::Sync, vec![1]),
        (Use::Profile, vec![1, 3, 4]),
        (Use::Bid, vec![1, 2, 3, 4]),
        (Use::Track, vec![7]),
    ];
    needs
        .into_iter()
        .filter(|(_, all)| all.iter().all(|purpose| ok(*purpose)))
        .map(|(of, _)| of)
        .collect()
}

#[test]
fn what_a_tc_string_allows_is_what_a_naive_reader_says() {
    let (Some(vectors), Some(folder)) = (vectors(), corpus()) else {
        return;
    };
    let list_text = fs::read(folder.join("gvl_v3_sample.json")).expect("the vendor list");
    let gvl: Value = serde_json::from_slice(&list_text).expect("the vendor list is JSON");
    let every_purpose: Vec<u8> = (1..=11).collect();
    let by_consent = serde_json::json!({"purposes": every_purpose, "legIntPurposes": [], "flexiblePurposes": []});
    let flexible = serde_json::json!({"vendors": {"7": {}}});
    let (mut decisions, mut differ, mut allowed, mut by_use) = (0, 0, 0, [0; 5]);
    for vector in list(&vectors, "tcf_v2") {
        let named = vector["decoded"]["vendor_consents"].as_array().expect("vendors");
        let ends = [named.first(), named.last()].into_iter().flatten().filter_map(|id| id.as_u64());
        for vendor in VENDORS.into_iter().chain(ends.map(|id| id as u16)) {
            // As registered, by consent only, and as one who may always be asked for the other basis.
            let twisted = serde_json::json!({"purposes": [1, 3, 4, 7], "legIntPurposes": [2], "flexiblePurposes": [2, 3, 4, 7]});
            let mut rows = vec![(by_consent.clone(), Vendor::by_consent(vendor))];
            for row in [gvl["vendors"].get(vendor.to_string()), Some(&twisted)].into_iter().flatten() {
                let mut list = flexible.clone();
                list["vendors"] = serde_json::json!({vendor.to_string(): row});
                rows.push((row.clone(), Vendor::of_list(vendor, list.to_string().as_bytes()).expect("a row")));
            }
            for (row, vendor) in rows {
                let policy = Policy {
                    vendor: Some(vendor),
                    ..Policy::default()
                };
                let signals = Signals {
                    gdpr: Some(true),
                    consent: text(vector, "tcstring"),
                    ..Signals::default()
                };
                let permission = policy.permit(&signals);
                let ours: Vec<Use> = Use::ALL.into_iter().filter(|of| permission.allows(*of)).collect();
                let expected = naive(&vector["decoded"], vendor.id, &row);
                decisions += 1;
                allowed += usize::from(ours.contains(&Use::Bid));
                ours.iter().for_each(|of| by_use[*of as usize] += 1);
                if ours != expected {
                    differ += 1;
                    println!("{} for {}: {ours:?}, expected {expected:?}", text(vector, "tcstring"), vendor.id);
                }
            }
        }
    }
    println!("allowed, by use {:?}: {by_use:?}", Use::ALL);
    let mut figures = Figures::new();
    figures.at_least("tcf.decisions", decisions, 1_000);
    figures.exactly("tcf.decisions_differ", differ, 0);
    figures.at_least("tcf.bids_allowed", allowed, ALLOWED_MIN);
    figures.settle();
}

/// Whether two lists differ in more than zeros at the end: of the national section one may be as long as its
/// version says and the other as long as the text.
fn differ(one: &[u64], other: &[u64]) -> bool {
    let at = |list: &[u64], nth: usize| list.get(nth).copied().unwrap_or(0);
    (0..one.len().max(other.len())).any(|nth| at(one, nth) != at(other, nth))
}

/// Whether a section's fields are as the vector says; names as its decoder gives them.
fn section_differs(name: &str, section: &UsSection<'_>, expected: &Value) -> bool {
    let number = |field: &str| expected.get(field).and_then(Value::as_u64);
    let all = |field: &str| match &expected[field] {
        Value::Array(list) => list.iter().filter_map(Value::as_u64).collect::<Vec<_>>(),
        Value::Null => Vec::new(),
        one => vec![one.as_u64().expect("a number")],
    };
    let [shared, sale, sharing, targeted] = section.notices();
    let [sold, was_shared, was_targeted] = section.opt_outs();
    let pairs = [
        (number("Version").or(number("MspaVersion")), section.version()),
        (number("SharingNotice").or(number("ProcessingNotice")), shared),
        (number("SaleOptOutNotice"), sale),
        (number("SharingOptOutNotice"), sharing),
        (number("TargetedAdvertisingOptOutNotice"), targeted),
        (number("SaleOptOut"), sold),
        (number("SharingOptOut"), was_shared),
        (number("TargetedAdvertisingOptOut"), was_targeted),
        (number("MspaCoveredTransaction"), section.covered()),
        (number("MspaServiceProviderMode").or(number("MspaMode")), section.mode()),
        (expected.get("Gpc").map(|gpc| u64::from(gpc == true)), u64::from(section.gpc())),
    ];
    let of_pairs = pairs.iter().any(|(expected, read)| expected.unwrap_or(0) != *read);
    // The youngest sections keep these in a sub-section.
    let sensitive: Vec<u64> = section.sensitive().collect();
    let of_sensitive = !sensitive.is_empty() && differ(&sensitive, &all("SensitiveDataProcessing"));
    let children: Vec<u64> = section.children().collect();
    let of_children = differ(&children, &all("KnownChildSensitiveDataConsents"));
    if of_pairs || of_sensitive || of_children {
        println!("{name}: {section:?} {pairs:?} {sensitive:?} {children:?}, expected {expected}");
    }
    of_pairs || of_sensitive || of_children
}

#[test]
fn gpp_and_us_privacy_strings_are_read_and_others_refused() {
    let Some(vectors) = vectors() else { return };
    let (mut wrong, mut sections) = (0, 0);
    for vector in list(&vectors, "gpp") {
        let name = text(vector, "gpp");
        let string = GppString::parse(name).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let header = vector.get("own_header_section_ids").unwrap_or(&vector["section_ids"]);
        let read: Vec<u8> = string.ids.iter().collect();
        if serde_json::json!(read) != *header {
            println!("{name}: {read:?}, expected {header}");
            wrong += 1;
        }
        for id in string.ids.iter() {
            let body = string.section(id).expect("a section of the header");
            let by_name = |name: &str| vector["sections"].get(name);
            match id {
                2 => wrong += usize::from(by_name("tcfeuv2").is_some() && TcString::parse(body).is_err()),
                6 => wrong += usize::from(by_name("uspv1").is_some() && UsPrivacy::parse(body.as_bytes(), false).is_none()),
                7.. => {
                    let section = UsSection::parse(id, body).unwrap_or_else(|| panic!("{name}: section {id}"));
                    let expected = by_name(section.layout.name).expect("the section in the vector");
                    sections += 1;
                    wrong += usize::from(section_differs(name, &section, expected));
                }
                _ => {}
            }
        }
    }
    let is_whole = |vector: &&Value| {
        let string = GppString::parse(text(vector, "gpp"));
        string.is_ok_and(|string| {
            string.ids.iter().all(|id| {
                let body = string.section(id).expect("a section of the header");
                match id {
                    2 => TcString::parse(body).is_ok(),
                    6 => UsPrivacy::parse(body.as_bytes(), false).is_some(),
                    id => UsSection::parse(id, body).is_some(),
                }
            })
        })
    };
    let refused = list(&vectors, "gpp_invalid_or_rejected");
    let us = list(&vectors, "us_privacy");
    let us_wrong = us
        .iter()
        .filter(|vector| UsPrivacy::parse(text(vector, "usp").as_bytes(), false).is_some() != (vector["valid"] == true));
    let mut figures = Figures::new();
    figures.at_least("gpp.strings", list(&vectors, "gpp").len(), 60);
    figures.at_least("gpp.us_sections", sections, 100);
    figures.exactly("gpp.wrong", wrong, 0);
    figures.exactly("gpp.invalid_accepted", refused.iter().filter(is_whole).count(), 0);
    figures.exactly("usp.wrong", us_wrong.count(), 0);
    figures.settle();
}
