//! What one vendor has beside the standard: billing ids, and what is declared of creatives.
//!
//! Drawn apart from all else, so that worlds and requests are otherwise as they would be.

use serde_json::{Value, json};

use super::rng::{Rng, one};

/// The second exchange bills by ids: some are its own, some a shop's. What cards are or use must be allowed there.
pub fn config(rng: &mut Rng, server: &mut Value, shops: &mut [Value]) {
    let y = &mut server["exchanges"][1];
    y["ext"] = json!(["billing_id", "buyer_reporting_id"]);
    if rng.chance(70) {
        y["billing_ids"] = json!(["31", "32"]);
    }
    for shop in shops {
        if rng.chance(30) {
            shop["billing_ids"] = drawn(rng, &[r#"{"y": ["33", "31"]}"#, r#"{"x": ["34"]}"#, r#"{"y": []}"#]);
        }
        if rng.chance(85) {
            continue;
        }
        let creative = rng.below(3) as usize;
        let list = one(rng, &["restricted_categories", "vendor_types"]);
        shop["creatives"][creative]["declared"] = json!({"y": {list: [33, 42]}, "x": {"attributes": [47]}});
    }
}

fn drawn(rng: &mut Rng, texts: &[&str]) -> Value {
    one(rng, texts).parse().expect("json")
}

/// What imps are billed to and allow.
pub fn offer(rng: &mut Rng, r: &mut Value) {
    for imp in r["imp"].as_array_mut().into_iter().flatten() {
        if rng.chance(20) {
            let ids = [r#"["31"]"#, "[33, 31]", r#""32""#, r#"["34"]"#, "[]", r#"["34", 32]"#];
            imp["ext"]["billing_id"] = drawn(rng, &ids);
        }
        for list in ["allowed_restricted_category", "allowed_vendor_type"] {
            if rng.chance(99) {
                imp["ext"][list] = drawn(rng, &[r#"[42, 10, "33"]"#, "[33, 42]", "[42, 33]", "[33]"]);
            }
        }
    }
}
