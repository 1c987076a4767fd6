//! Advertisers: shown, replaced, edited, removed.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Rig, SHOP};

const PATH: &str = "/api/advertisers/acme-shoes";

/// The shop with one thing changed.
fn with(from: &str, to: &str) -> String {
    assert_eq!(SHOP.matches(from).count(), 1, "{from}");
    SHOP.replace(from, to)
}

#[tokio::test]
async fn advertisers_are_listed_and_shown_as_on_disk() {
    let rig = Rig::new();
    let list = rig.get("/api/advertisers").await.json();
    assert_eq!(list["advertisers"][0]["id"], "acme-shoes");
    assert_eq!(list["advertisers"][0]["currency"], "USD");
    assert_eq!(list["advertisers"][0]["campaigns"][1], json!({"id": "resting", "status": "paused"}));
    let shown = rig.get(PATH).await;
    assert_eq!(shown.text, SHOP);
    let etag = shown.header("etag");
    assert!(etag.starts_with('"') && etag.len() == 34, "{etag}");
    for unknown in ["nobody", "..%2f..%2fwinback", "%ff"] {
        let got = rig.get(&format!("/api/advertisers/{unknown}")).await;
        assert!(got.status.is_client_error(), "{unknown}");
        got.failure();
    }
}

#[tokio::test]
async fn what_is_put_is_on_disk_and_live() {
    let rig = Rig::new();
    let etag = rig.get(PATH).await.header("etag");
    let text = with("\"Acme Shoes\"", "\"Acme & Sons\"");
    let put = rig.put_if(PATH, &text, &etag).await;
    assert_eq!(
        (put.status.as_u16(), put.json()["warnings"].clone()),
        (200, json!([])),
        "{}",
        put.text
    );
    assert_eq!(std::fs::read_to_string(rig.file("acme-shoes.json")).expect("file"), text);
    assert_eq!(
        rig.engine.world.load().shop_by_id("acme-shoes").expect("shop").advertiser.name,
        "Acme & Sons"
    );
    assert_eq!(rig.get(PATH).await.header("etag"), put.header("etag"));
    let stale = rig.put_if(PATH, SHOP, &etag).await;
    assert_eq!(stale.failure(), (412, "stale".to_owned()));
    assert_eq!(rig.get(PATH).await.text, text);
    assert_eq!(rig.put_if(PATH, SHOP, &format!("\"x\", {}", put.header("etag"))).await.status, 200);
    assert_eq!(rig.put_if(PATH, SHOP, "*").await.status, 200);
    let other = SHOP.replace("acme-shoes\"", "beta\"").replace("acme-web-1", "beta-1");
    assert_eq!(rig.put_if("/api/advertisers/beta", &other, "*").await.failure().0, 412);
    assert_eq!(rig.call(Method::PUT, "/api/advertisers/beta", &other).await.status, 201);
    assert_eq!(
        rig.get("/api/advertisers").await.json()["advertisers"].as_array().map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn a_bad_edit_changes_nothing() {
    let rig = Rig::new();
    let faults = async |body: &str| -> Value {
        let got = rig.call(Method::PUT, PATH, body).await;
        assert_eq!(got.failure(), (400, "invalid".to_owned()), "{body}");
        got.json()["error"]["faults"].clone()
    };
    let unknown = faults(&with("\"headline\"", "\"headlin\"")).await;
    assert_eq!(unknown[0]["pointer"], "/creatives/0/headlin", "{unknown}");
    assert!(
        unknown[0]["remedy"].as_str().is_some_and(|remedy| remedy.contains("headline")),
        "{unknown}"
    );
    assert_eq!((&unknown[0]["line"], &unknown[0]["file"]), (&json!(11), &json!("acme-shoes.json")));
    let other = faults(&with("\"acme-shoes\",", "\"acme\",")).await;
    assert_eq!(
        (&other[0]["pointer"], &other[0]["line"], &other[0]["column"]),
        (&json!("/id"), &json!(3), &json!(9)),
        "{other}"
    );
    faults("{").await;
    faults("").await;
    let path = "/api/advertisers/Not%20an%20id";
    assert_eq!(rig.call(Method::PUT, path, SHOP).await.failure().0, 400);
    let twin = SHOP.replace("acme-shoes\"", "beta\"");
    assert_eq!(
        rig.call(Method::PUT, "/api/advertisers/beta", &twin).await.failure(),
        (409, "conflict".to_owned())
    );
    assert!(!rig.file("beta.json").exists());
    assert_eq!(rig.get(PATH).await.text, SHOP);
    let long = " ".repeat(crate::base::limits::CONFIG_BYTES_MAX + 2);
    assert_eq!(rig.call(Method::PUT, PATH, &long).await.failure(), (413, "too_large".to_owned()));
}

#[tokio::test]
async fn currency_and_zone_stay_once_money_was_spent() {
    let rig = Rig::new();
    let zone = with("Asia/Ho_Chi_Minh", "Asia/Bangkok");
    assert_eq!(rig.call(Method::PUT, PATH, &zone).await.status, 200);
    assert_eq!(rig.call(Method::PUT, PATH, SHOP).await.status, 200);
    rig.book("cart-recovery", rig.day(-40), 0, "1.5");
    let refused = rig.call(Method::PUT, PATH, &zone).await;
    assert_eq!(refused.failure(), (409, "conflict".to_owned()));
    assert!(
        refused.text.contains("`timezone` from Asia/Ho_Chi_Minh to Asia/Bangkok"),
        "{}",
        refused.text
    );
    assert_eq!(rig.call(Method::PUT, PATH, SHOP).await.status, 200);
}

#[tokio::test]
async fn campaigns_are_edited_in_place() {
    let rig = Rig::new();
    let path = format!("{PATH}/campaigns/cart-recovery");
    let edit = async |path: &str, patch: &str| rig.call(Method::PATCH, path, patch).await;
    let got = edit(&path, r#"{"budget": {"total": 12.3456789012}}"#).await;
    assert_eq!(got.failure().0, 400, "more decimals than money has");
    let got = edit(&path, r#"{"status": "paused", "budget": {"total": 12.3456789, "daily": null}}"#).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let world = rig.engine.world.load_full();
    let campaign = &world.shop_by_id("acme-shoes").expect("shop").advertiser.campaigns[0];
    assert_eq!(campaign.status, crate::model::advertiser::Status::Paused);
    assert_eq!(
        (campaign.budget.daily, campaign.budget.total.map(|m| m.to_string())),
        (None, Some("12.3456789".to_owned()))
    );
    assert!(rig.get(PATH).await.text.contains("12.3456789"));
    assert_eq!(edit(&path, r#"{"flight": {}}"#).await.failure(), (400, "bad_request".to_owned()));
    assert_eq!(edit(&path, "[").await.failure().0, 400);
    assert_eq!(edit(&path, r#"{"status": "gone"}"#).await.failure(), (400, "invalid".to_owned()));
    let missing = edit(&format!("{PATH}/campaigns/x"), "{}").await;
    assert_eq!(missing.failure(), (404, "campaign_not_found".to_owned()));
    assert_eq!(missing.json()["error"]["message"], "no campaign `x` in advertiser `acme-shoes`");
    assert_eq!(
        edit("/api/advertisers/x/campaigns/x", "{}").await.failure(),
        (404, "advertiser_not_found".to_owned())
    );
}

#[tokio::test]
async fn the_removed_are_gone_from_disk_and_world() {
    let rig = Rig::new();
    std::fs::rename(rig.file("acme-shoes.json"), rig.file("shoes.json")).expect("renamed");
    assert_eq!(rig.get(PATH).await.text, SHOP, "found by the id inside");
    std::fs::write(rig.file("copy.json"), SHOP).expect("written");
    let gone = rig.call(Method::DELETE, PATH, "").await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    assert!(!rig.file("shoes.json").exists() && !rig.file("copy.json").exists());
    assert!(rig.engine.world.load().shop_by_id("acme-shoes").is_none());
    assert_eq!(
        rig.call(Method::DELETE, PATH, "").await.failure(),
        (404, "advertiser_not_found".to_owned())
    );
    assert_eq!(rig.call(Method::PUT, PATH, SHOP).await.status, 201);
}
