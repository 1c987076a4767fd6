//! Health, explain, preview, reports, users, reload, and what is common to all calls.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Rig, TOKEN};
use crate::base::id::{BidTag, CreativeNo, ProductKey};
use crate::base::limits::TOKEN_CHARS_MAX;
use crate::base::money::{Conversion, Money};
use crate::base::seal::Audience;
use crate::base::time::{Day, Millis};
use crate::model::exposure::{self, Exposure, evidence};
use crate::model::ticket::Ticket;
use crate::server::{compaction, notices};
use crate::state::hand::{Leaving, Why};
use crate::track::fact::Fact;

const CART: &str = r#"{"user": {"id": "shopper", "exchange_ids": {"demo-x": "theirs"}, "ifa": "AB12CD34-0000-4000-8000-00000000000F"},
    "events": [{"event": "view_item", "items": [{"item_id": "runner"}]},
               {"event": "add_to_cart", "items": [{"item_id": "boot", "quantity": 2}]}]}"#;
const REQUEST: &str = r#"{"id": "r1", "imp": [{"id": "1", "secure": 1, "bidfloor": 0.5, "banner": {"format": [{"w": 300, "h": 250}]}}],
    "site": {"domain": "news.example"}, "user": {"id": "theirs"}, "cur": ["USD"]}"#;

#[tokio::test]
async fn only_health_and_metrics_are_open() {
    let rig = Rig::new();
    let open = async |path: &str| rig.send(Method::GET, path, "", &[]).await;
    assert_eq!(open("/health/live").await.status, 200);
    assert_eq!(open("/health/ready").await.json()["ready"], true);
    rig.engine.state.status.set_ready(false);
    let ready = open("/health/ready").await;
    assert_eq!((ready.status.as_u16(), ready.json()["reason"].clone()), (503, json!("not_ready")));
    rig.engine.state.status.poison();
    assert_eq!(open("/health/ready").await.json()["reason"], "store_poisoned");
    rig.book("cart-recovery", rig.day(0), 1, "1.25");
    let metrics = open("/metrics").await.text;
    for line in [
        "winback_users 0",
        "winback_billed_total{campaign=\"cart-recovery\",currency=\"USD\",advertiser=\"acme-shoes\"} 1.25",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
    assert!(metrics.contains("winback_bid_seconds_count"), "{metrics}");
    for path in ["/api/advertisers", "/api/users/x", "/api/report", "/nothing"] {
        assert_eq!(open(path).await.failure(), (401, "unauthorized".to_owned()), "{path}");
    }
    for wrong in ["Bearer wrong", "Bearer ", TOKEN, "Basic open-sesame"] {
        let got = rig.send(Method::GET, "/api/advertisers", "", &[("authorization", wrong)]).await;
        assert_eq!(
            (got.failure().0, got.header("www-authenticate")),
            (401, "Bearer".to_owned()),
            "{wrong}"
        );
    }
    let lower = rig
        .send(
            Method::GET,
            "/api/advertisers",
            "",
            &[("authorization", &format!("bearer {TOKEN}"))],
        )
        .await;
    assert_eq!(lower.status, 200);
    assert_eq!(rig.get("/nothing").await.failure(), (404, "not_found".to_owned()));
    let wrong = rig.call(Method::POST, "/api/advertisers", "").await;
    assert_eq!(
        (wrong.failure(), wrong.header("allow")),
        ((405, "method_not_allowed".to_owned()), "GET,HEAD".to_owned())
    );
    assert_eq!(
        rig.call(Method::POST, "/api/reload", "").await.json(),
        json!({"remarks": ["nothing new"]})
    );
}

#[tokio::test]
async fn explain_tells_of_a_bid_and_leaves_no_trace() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let (state, now) = (&rig.engine.state, Millis::wall_clock().to_secs());
    let totals = || state.books.totals(rig.campaign("cart-recovery"), now);
    let before = totals();
    let told = rig.call(Method::POST, "/api/explain/demo-x", REQUEST).await.json();
    assert_eq!((&told["outcome"], &told["reason"]), (&json!("bid"), &Value::Null), "{told}");
    assert_eq!(told["exchange_would_reject"], json!([]), "{told}");
    let stages: Vec<&str> = told["stages"]
        .as_array()
        .expect("stages")
        .iter()
        .filter_map(|stage| stage["stage"].as_str())
        .collect();
    assert_eq!(
        stages,
        [
            "admit", "decode", "identify", "lookup", "narrow", "pace", "price", "render", "respond"
        ]
    );
    assert!(told["stages"][1]["us"].is_number());
    let resting = &told["campaigns"][0];
    assert_eq!(
        (&resting["campaign"], &resting["stage"], &resting["reason"]),
        (&json!("resting"), &json!("narrow"), &json!("paused"))
    );
    let winner = &told["campaigns"][1];
    assert_eq!(
        (&winner["advertiser"], &winner["campaign"], &winner["reason"]),
        (&json!("acme-shoes"), &json!("cart-recovery"), &Value::Null)
    );
    assert_eq!(told["price"][0], "cpm 5 USD", "{told}");
    assert_eq!(told["bid"]["seatbid"][0]["bid"][0]["price"], 4.0, "{told}");
    assert_eq!(totals(), before, "nothing is held");
}

#[tokio::test]
async fn explain_tells_why_there_is_no_bid() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let explain = async |body: &str| rig.call(Method::POST, "/api/explain/demo-x", body).await.json();
    let unknown = explain(&REQUEST.replace("theirs", "another")).await;
    assert_eq!(
        (&unknown["outcome"], &unknown["reason"], &unknown["bid"]),
        (&json!("no_bid"), &json!("unknown_user"), &Value::Null)
    );
    assert_eq!(unknown["sentence"], "no id of the request leads to a user with events");
    let dear = explain(&REQUEST.replace("0.5", "50")).await;
    assert_eq!(dear["reason"], "below_floor", "{dear}");
    let row = dear["campaigns"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["campaign"] == "cart-recovery")
        .expect("row");
    assert_eq!(row["stage"], "price");
    assert_eq!(row["detail"], "worth 5 USD, floor 50");
    assert_eq!(dear["price"][0], "cpm 5 USD");
    assert_eq!(explain("nonsense").await["reason"], "malformed");
    let nowhere = rig.call(Method::POST, "/api/explain/other", REQUEST).await;
    assert_eq!(nowhere.failure(), (404, "exchange_not_found".to_owned()));
}

#[tokio::test]
async fn a_campaign_that_loses_to_another_is_outranked() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let path = "/api/advertisers/acme-shoes/campaigns/resting";
    let patched = rig
        .call(Method::PATCH, path, r#"{"status": "active", "budget": {"daily": 50}}"#)
        .await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    let told = rig.call(Method::POST, "/api/explain/demo-x", REQUEST).await.json();
    let reasons: Vec<(&Value, &Value)> = told["campaigns"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (&row["campaign"], &row["reason"]))
        .collect();
    assert_eq!(
        reasons,
        [(&json!("cart-recovery"), &json!("outranked")), (&json!("resting"), &Value::Null)],
        "{told}"
    );
    assert_eq!(told["price"][0], "cpm 9 USD");
}

#[tokio::test]
async fn previews_show_the_ad_and_count_nothing() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let page = async |query: &str| rig.get(&format!("/api/preview/acme-shoes/card{query}")).await;
    let plain = page("").await;
    assert_eq!(
        (plain.status.as_u16(), plain.header("content-type").as_str()),
        (200, "text/html; charset=utf-8")
    );
    assert!(
        plain.text.contains("Road &lt;Runner&gt;") && plain.text.contains("data:image/gif"),
        "{}",
        plain.text
    );
    assert!(plain.header("content-security-policy").starts_with("sandbox"));
    assert!(
        page("?product=boot")
            .await
            .text
            .contains("href=\"https://acme-shoes.example/p/boot\"")
    );
    assert!(
        page("?user=demo-x:theirs&size=336x280").await.text.contains("Hill Boot"),
        "the cart"
    );
    for (query, code) in [("?product=x", "product_not_found"), ("?user=x", "user_not_found")] {
        assert_eq!(page(query).await.failure(), (404, code.to_owned()));
    }
    let row = async |query: &str| rig.get(&format!("/api/preview/acme-shoes/row{query}")).await.text;
    let both = row("?product=boot").await;
    let link = |item: &str| {
        both.find(&format!(
            "<a href=\"https://acme-shoes.example/p/{item}\" target=\"_blank\" rel=\"noopener\" class=\"wb-item\""
        ))
    };
    assert!(
        link("boot").is_some() && link("boot") < link("runner"),
        "the one asked for, then others: {both}"
    );
    let brand = row("?fallback=brand").await;
    assert!(
        brand.contains("href=\"https://acme-shoes.example/\"") && brand.contains(">Acme Shoes<"),
        "{brand}"
    );
    assert!(!brand.contains("wb-item"), "{brand}");
    assert_eq!(page("?fallback=popular").await.failure().0, 400);
    assert_eq!(page("?size=big").await.failure().0, 400);
    assert_eq!(page("?prodct=x").await.failure().0, 400);
    assert_eq!(
        rig.get("/api/preview/acme-shoes/x").await.failure(),
        (404, "creative_not_found".to_owned())
    );
    assert_eq!(
        rig.get("/api/preview/x/card").await.failure(),
        (404, "advertiser_not_found".to_owned())
    );
    assert!(rig.engine.state.days.lock().is_empty());
}

#[tokio::test]
async fn each_link_of_an_ad_leads_to_its_own_product_and_nowhere_else() {
    let rig = Rig::new();
    let world = rig.engine.world.load_full();
    let shop = world.shop_by_id("acme-shoes").expect("the shop");
    let key = |item: &str| world.hashes.product(shop.advertiser.no, item);
    let token = |first: ProductKey, further: &[ProductKey]| {
        let ticket = Ticket {
            advertiser: shop.advertiser.no,
            product: first,
            ..Ticket::priced(Money::units(1), Conversion { from: 1, to: 1 })
        };
        let mut token = Vec::new();
        let payload = ticket.write_view(further.iter().copied());
        world.seals.current(false).seal(Audience::View, &[5; 12], &payload, &mut token);
        String::from_utf8(token).expect("text")
    };
    let led = async |token: &str, query: Option<&str>| {
        let answer = notices::click(&rig.engine, token, query, None).await;
        let to = answer.headers()["location"].to_str().expect("text").to_owned();
        assert!(to.contains(&format!("wb_click={token}")), "{to}");
        to.split('?').next().unwrap_or_default().to_owned()
    };
    let (boot, runner, home) = (
        "https://acme-shoes.example/p/boot",
        "https://acme-shoes.example/p/runner",
        "https://acme-shoes.example/",
    );
    let two = token(key("boot"), &[key("runner"), key("gone")]);
    let full = token(key("boot"), &[key("runner"); 9]);
    assert!(full.len() <= TOKEN_CHARS_MAX, "{}", full.len());
    let cases = [
        (&two, None, boot),
        (&two, Some("n=0"), boot),
        (&two, Some("n=1"), runner),
        (&two, Some("n=2"), home),
        (&two, Some("n=3"), boot),
        (&two, Some("n=-1"), boot),
        (&two, Some("n=99999999999999999999"), boot),
        (&two, Some("n=https://evil.example/&url=https://evil.example/"), boot),
        (&full, Some("a=b&n=9"), runner),
        (&token(key("runner"), &[]), Some("n=1"), runner),
        (&token(ProductKey::NONE, &[]), None, home),
    ];
    for (token, query, page) in cases {
        assert_eq!(led(token, query).await, page, "{query:?}");
    }
}

#[tokio::test]
async fn reports_are_exact() {
    let rig = Rig::new();
    rig.book("cart-recovery", rig.day(0), 3, "0.1");
    rig.book("cart-recovery", rig.day(-6), 0, "0.200000001");
    rig.book("cart-recovery", rig.day(-7), 1, "1000");
    let report = async |query: &str| rig.get(&format!("/api/report?{query}")).await;
    let week = report("advertiser=acme-shoes").await.json();
    assert_eq!(
        (&week["currency"], week["rows"].as_array().map(Vec::len)),
        (&json!("USD"), Some(2)),
        "{week}"
    );
    let expected = json!({"advertiser": "acme-shoes", "currency": "USD", "campaign": "cart-recovery", "impressions": 200, "clicks": 3,
        "conversions": 1, "media_cost": "0.300000001", "billed": "0.300000001", "conversion_value": "10",
        "conversions_by_impression_day": 1, "conversion_value_by_impression_day": "9", "ctr": "0.015",
        "cvr": "0.333333", "ecpm": "1.5", "ecpc": "0.1", "ecpa": "0.3", "roas": "33.333333", "new_customers": 0,
        "new_customer_value": "0", "repeat_purchases": 0, "repeat_purchase_value": "0", "invalid_impressions": 0, "invalid_clicks": 0});
    assert_eq!(week["rows"][0], expected);
    assert_eq!(
        (&week["rows"][1]["billed"], &week["rows"][1]["ctr"], &week["rows"][1]["roas"]),
        (&json!("0"), &Value::Null, &Value::Null)
    );
    let (from, to) = (rig.day(-7).to_string(), rig.day(-6).to_string());
    let days = report(&format!("from={from}&to={to}&by=day,campaign")).await.json();
    let shown: Vec<(&Value, &Value)> = days["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (&row["day"], &row["billed"]))
        .collect();
    assert_eq!(shown, [(&json!(from), &json!("1000")), (&json!(to), &json!("0.200000001"))]);
    let sum = report(&format!("from={from}&by=advertiser")).await.json();
    assert_eq!(sum["rows"][0]["billed"], "1000.300000001");
    assert!(sum["rows"][0].get("campaign").is_none());
    let csv = report("by=campaign&format=csv").await;
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(
        lines[0].starts_with("advertiser,currency,campaign,impressions,clicks"),
        "{}",
        csv.text
    );
    assert_eq!(lines[2], "acme-shoes,USD,resting,0,0,0,0,0,0,,,,,,,0,0,0,0,0,0,0,0");
    for bad in [
        "by=size",
        "by=device,product",
        "from=yesterday",
        "format=xml",
        "from=2026-02-02&to=2026-02-01",
        "advertizer=x",
    ] {
        assert_eq!(report(bad).await.failure(), (400, "bad_request".to_owned()), "{bad}");
    }
    assert_eq!(report("advertiser=x").await.failure(), (404, "advertiser_not_found".to_owned()));
}

#[tokio::test]
async fn the_deleted_stay_in_reports() {
    let rig = Rig::new();
    let today = Millis::wall_clock().local_day(&jiff::tz::TimeZone::UTC);
    rig.book("cart-recovery", today, 0, "7");
    assert_eq!(rig.call(Method::DELETE, "/api/advertisers/acme-shoes", "").await.status, 204);
    let report = rig.get("/api/report?advertiser=acme-shoes").await.json();
    assert_eq!(
        (&report["currency"], &report["rows"][0]["billed"]),
        (&Value::Null, &json!("7")),
        "{report}"
    );
    let far = Day(0).to_string();
    let empty = rig
        .get(&format!("/api/report?advertiser=acme-shoes&from={far}&to={far}"))
        .await
        .json();
    assert_eq!(empty["rows"], json!([]));
}

#[tokio::test]
async fn a_user_is_shown_by_any_id_and_erased_everywhere() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let (user, seen) = (rig.engine.world.load().hashes.user(b"shopper"), Millis::wall_clock().to_secs());
    let entry = |tag, flags| Exposure {
        tag: BidTag(tag),
        campaign: rig.campaign("cart-recovery"),
        creative: CreativeNo(0),
        at: seen,
        clicked: seen,
        flags,
    };
    let entries = [
        entry(1, evidence::WIN),
        entry(2, evidence::BILL | evidence::SETTLED | evidence::CLICK),
    ];
    rig.engine.state.exposures.put(user.0, exposure::write(&entries).into_boxed_slice());
    let shown = rig.get("/api/users/shopper").await.json();
    for id in [
        "demo-x:theirs",
        "ifa:ab12cd34-0000-4000-8000-00000000000f",
        "ifa:AB12CD34-0000-4000-8000-00000000000F",
    ] {
        assert_eq!(rig.get(&format!("/api/users/{id}")).await.json(), shown, "{id}");
    }
    assert_eq!((&shown["id"], &shown["matches"]), (&json!("shopper"), &json!(["demo-x", "ifa"])));
    let shop = &shown["advertisers"][0];
    assert_eq!((&shop["id"], &shop["shown"]), (&json!("acme-shoes"), &json!(1)));
    let cart = shop["events"]
        .as_array()
        .expect("events")
        .iter()
        .find(|event| event["event"] == "add_to_cart")
        .expect("cart");
    assert_eq!(
        (&cart["item_id"], &cart["quantity"], &cart["value"]),
        (&json!("boot"), &json!(2), &json!("298"))
    );
    assert_eq!(
        (&shown["shown"][0]["campaign"], &shown["shown"][0]["clicked"]),
        (&json!("cart-recovery"), &json!(true))
    );
    let erase = async || rig.call(Method::DELETE, "/api/users/demo-x:theirs", "").await;
    assert_eq!(erase().await.status, 204);
    for id in ["shopper", "demo-x:theirs", "ifa:AB12CD34-0000-4000-8000-00000000000f"] {
        assert_eq!(
            rig.get(&format!("/api/users/{id}")).await.failure(),
            (404, "user_not_found".to_owned())
        );
    }
    assert_eq!(erase().await.status, 204, "again");
    assert!(!rig.engine.state.opted_out.contains(user.0));
}

#[tokio::test]
async fn the_night_takes_the_bytes_of_whoever_went() {
    let rig = Rig::new();
    let time = |text: &str| Millis(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond());
    let night = |day: u32| {
        let [before, after] = ["02:59:50", "03:00:20"].map(|at| time(&format!("2026-06-{day:02}T{at}Z")));
        compaction::compact_if_due(&rig.engine, before, after).expect("done").is_some()
    };
    rig.remember(CART).await;
    assert!(!night(1), "nobody went");
    assert_eq!(rig.call(Method::DELETE, "/api/users/shopper", "").await.status, 204);
    let noon = [time("2026-06-01T12:00:00Z"), time("2026-06-01T12:00:30Z")];
    assert_eq!(
        compaction::compact_if_due(&rig.engine, noon[0], noon[1]),
        Ok(None),
        "it is not night"
    );
    assert_eq!([night(2), night(3)], [true, false], "somebody was erased");
    rig.remember(CART).await;
    let leaving = Leaving {
        user: rig.engine.world.load().hashes.user(b"shopper"),
        seen: Millis::wall_clock().to_secs(),
        why: Why::Retention,
    };
    rig.engine.facts.record(Fact::Evict(vec![leaving])).await.expect("recorded");
    assert_eq!([night(4), night(5)], [true, false], "somebody left");
}

#[tokio::test]
async fn an_erasure_that_cannot_be_recorded_is_not_promised() {
    let rig = Rig::new();
    rig.remember(CART).await;
    rig.stop_writer();
    let got = rig.call(Method::DELETE, "/api/users/shopper", "").await;
    assert_eq!(got.failure(), (503, "unavailable".to_owned()));
    assert_eq!(rig.get("/api/users/shopper").await.status, 200);
}
