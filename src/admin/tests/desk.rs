//! What an advertiser asks of a desk: why there is no bid for a shopper, why a campaign does not spend, what an ad
//! looks like.

use axum::http::Method;
use serde_json::{Value, json};

use super::Rig;
use crate::base::id::{BidTag, CreativeNo};
use crate::base::time::{Millis, Span};
use crate::bid::{Ask, Scratch};
use crate::model::exposure::{self, Exposure, evidence};
use crate::openrtb::response::Form;
use crate::server::funnel::Tally;

const CART: &str = r#"{"user": {"id": "shopper", "exchange_ids": {"demo-x": "theirs"}, "ifa": "AB12CD34-0000-4000-8000-00000000000F"},
    "events": [{"event": "view_item", "items": [{"item_id": "runner"}]},
               {"event": "add_to_cart", "items": [{"item_id": "boot", "quantity": 2}]}]}"#;
const LOOKER: &str = r#"{"user": {"id": "looker"}, "events": [{"event": "view_item", "items": [{"item_id": "runner"}]}]}"#;
const FUNNEL: &str = "/api/advertisers/acme-shoes/campaigns/cart-recovery/funnel";

fn request(size: [u32; 2], floor: f64) -> String {
    json!({"id": "r1", "imp": [{"id": "1", "secure": 1, "bidfloor": floor, "banner": {"format": [{"w": size[0], "h": size[1]}]}}],
        "site": {"domain": "news.example"}, "user": {"id": "theirs"}, "cur": ["USD"]})
    .to_string()
}

async fn explain(rig: &Rig, body: &str) -> Value {
    rig.call(Method::POST, "/api/explain/demo-x", body).await.json()
}

/// What is said of the campaign that runs.
fn detail(told: &Value) -> String {
    let rows = told["campaigns"].as_array().expect("rows");
    let own = rows.iter().find(|row| row["campaign"] == "cart-recovery").expect("a row");
    own["detail"].as_str().expect("words").to_owned()
}

#[tokio::test]
async fn figures_are_told_on_the_advertisers_clock() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let user = rig.engine.world.load().hashes.user(b"shopper");
    let now = Millis::wall_clock();
    let shown: Vec<Exposure> = (1..=10)
        .map(|n| Exposure {
            campaign: rig.campaign("cart-recovery"),
            creative: CreativeNo(0),
            at: now.before(Span(n * 60)).to_secs(),
            tag: BidTag(n.into()),
            clicked: now.before(Span(n * 60)).to_secs(),
            flags: evidence::SETTLED,
        })
        .collect();
    rig.engine.state.exposures.put(user.0, exposure::write(&shown).into_boxed_slice());
    let told = explain(&rig, &request([300, 250], 0.5)).await;
    assert_eq!(told["reason"], "frequency", "{told}");
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone");
    let last = super::super::explain::local(&zone, now.before(Span(60)), now);
    let words = detail(&told);
    assert!(words.starts_with("frequency 10 per 1d reached: shown "), "{words}");
    assert!(words.ends_with(&last), "{words} without {last}");
}

#[tokio::test]
async fn each_reason_has_its_figures() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let told = explain(&rig, &request([728, 90], 0.5)).await;
    assert_eq!(detail(&told), "imp 1: it takes 728x90, `card` has 300x250, 336x280", "{told}");
    let mut blocked: Value = serde_json::from_str(&request([300, 250], 0.5)).expect("json");
    blocked["badv"] = json!(["acme-shoes.example"]);
    let told = explain(&rig, &blocked.to_string()).await;
    let words = "its domain and apps are acme-shoes.example, the request has `badv` [\"acme-shoes.example\"]";
    assert_eq!(detail(&told), words, "{told}");
    rig.remember(LOOKER).await;
    let mut looker: Value = serde_json::from_str(&request([300, 250], 0.5)).expect("json");
    looker["user"] = json!({"buyeruid": "looker"});
    let told = explain(&rig, &looker.to_string()).await;
    let words = "not in `carts`: wants a cart within 30d (the cart is empty)";
    assert_eq!(detail(&told), words, "{told}");
    let stages = told["stages"].as_array().expect("stages");
    assert_eq!(stages.last().expect("one")["ended"], "no_audience", "{told}");
    assert_eq!(stages.last().expect("one")["campaigns"], 0, "{told}");
}

#[tokio::test]
async fn a_shopper_is_explained_without_a_request() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let by = async |query: &str| rig.get(&format!("/api/explain/demo-x?{query}")).await;
    for user in ["shopper", "demo-x:theirs", "ifa:AB12CD34-0000-4000-8000-00000000000F"] {
        let told = by(&format!("user={user}")).await.json();
        assert_eq!(told["outcome"], "bid", "{user}: {told}");
        assert_eq!(told["exchange_would_reject"], json!([]), "{told}");
        assert_eq!(
            told["request"]["imp"][0]["banner"]["format"][0],
            json!({"w": 300, "h": 250}),
            "{told}"
        );
        let ad = &told["ads"][0];
        assert_eq!(
            (&ad["campaign"], &ad["products"][0]["item_id"]),
            (&json!("cart-recovery"), &json!("boot")),
            "{told}"
        );
        assert!(
            ad["products"][0]["because"]
                .as_str()
                .is_some_and(|why| why.starts_with("in the cart, added ")),
            "{told}"
        );
        let preview = rig.get(ad["preview"].as_str().expect("an address")).await;
        assert!(preview.status == 200 && preview.text.contains("Hill Boot"), "{}", preview.text);
    }
    let small = by("user=shopper&size=320x50&format=text").await;
    assert_eq!(small.header("content-type"), "text/plain; charset=utf-8");
    for line in [
        "no bid: size: no creative has a size that the imp takes",
        "`demo-x` is matched with this user",
        "acme-shoes/cart-recovery at narrow: size: imp 1: it takes 320x50",
        "acme-shoes/resting at narrow: paused: its status is paused",
    ] {
        assert!(small.text.contains(line), "no `{line}` in {}", small.text);
    }
    let bid = by("user=shopper&format=text").await.text;
    for line in [
        "one bid is made",
        "cpm 5 USD",
        "with `card`, banner 300x250",
        "`boot` Hill Boot",
        "in the cart, added",
    ] {
        assert!(bid.contains(line), "no `{line}` in {bid}");
    }
    assert_eq!(by("user=nobody").await.failure(), (404, "user_not_found".to_owned()));
    for wrong in [
        "",
        "user=shopper&size=big",
        "user=shopper&country=Narnia",
        "user=shopper&device=fridge",
        "usr=x",
        "user=shopper&format=xml",
    ] {
        assert_eq!(by(wrong).await.failure().0, 400, "{wrong}");
    }
    let both = rig
        .call(Method::POST, "/api/explain/demo-x?user=shopper", &request([300, 250], 0.5))
        .await;
    assert_eq!(both.failure().0, 400);
}

#[tokio::test]
async fn prices_are_told_step_by_step() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let shop = rig.get("/api/advertisers/acme-shoes").await;
    let mut document: Value = shop.json();
    let campaign = &mut document["campaigns"][0];
    campaign["audiences"] = json!([{"id": "carts", "bid_multiplier": 1.5}]);
    campaign["bid"] = json!({"type": "cpc", "amount": 2, "max_cpm": 5, "prior": {"ctr": 0.002}});
    campaign["bid_adjustments"] = json!([{"when": {"within": "1h", "countries": ["VN"]}, "bid_multiplier": 2}]);
    campaign["budget"]["pacing"] = json!("asap");
    let put = rig.call(Method::PUT, "/api/advertisers/acme-shoes", &document.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let mut asked: Value = serde_json::from_str(&request([300, 250], 0.5)).expect("json");
    asked["device"] = json!({"geo": {"country": "VNM"}});
    let told = explain(&rig, &asked.to_string()).await;
    let lines = [
        "cpc 2 × click rate 0.002 × 1000 = cpm 4 USD",
        "audience `carts` × 1.5 = 6",
        "bid adjustment × 2 (last event within 1h, countries VNM) = 12",
        "cut to max_cpm 5",
        "first price: max(floor 0.5, 0.8 × value 5) = 4 USD",
    ];
    assert_eq!(told["price"], json!(lines), "{told}");
    let steps: Vec<(&Value, &Value)> = told["pricing"][0]["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| (&step["step"], &step["cpm"]))
        .collect();
    let expected = [
        ("rule", "4"),
        ("audience", "6"),
        ("adjustment", "12"),
        ("max_cpm", "5"),
        ("auction", "4"),
    ];
    let expected = expected.map(|(step, cpm)| (json!(step), json!(cpm)));
    assert_eq!(steps, expected.each_ref().map(|(step, cpm)| (step, cpm)), "{told}");
    assert_eq!(told["pricing"][0]["won"], true);
}

#[tokio::test]
async fn a_campaigns_hour_is_told_with_what_to_do() {
    let rig = Rig::new();
    rig.remember(CART).await;
    let none = rig.get(FUNNEL).await.json();
    assert_eq!((&none["requests"], &none["bids"]), (&json!(0), &json!(0)), "{none}");
    let advice = |told: &Value| told["advice"][0].as_str().expect("advice").to_owned();
    assert!(advice(&none).starts_with("no exchange has sent a request"), "{none}");
    let engine = &rig.engine;
    let (mut scratch, mut tally) = (Scratch::default(), Tally::new(engine.state.funnels.core()));
    let mut bid = |body: &str| {
        let world = engine.world.load_full();
        let exchange = world.exchange_by_id("demo-x").expect("known").no;
        let now = Millis::wall_clock();
        let ask = Ask {
            exchange,
            body: body.as_bytes(),
            form: Form::Json,
            now,
            waited_ms: 0,
            seed: engine.seed(exchange, now),
            barred: None,
            inert: false,
        };
        engine.bid(&world, ask, &mut scratch, &mut tally)
    };
    for _ in 0..6 {
        bid(&request([728, 90], 0.5));
    }
    for _ in 0..3 {
        bid(&request([300, 250], 50.0));
    }
    bid(&request([300, 250], 0.5));
    bid(&request([300, 250], 0.5).replace("theirs", "somebody else's"));
    let told = rig.get(FUNNEL).await.json();
    assert_eq!((&told["requests"], &told["bids"]), (&json!(10), &json!(1)), "{told}");
    let reason = |at: usize| ["stage", "reason", "requests"].map(|key| told["reasons"][at][key].clone());
    assert_eq!(reason(0), [json!("narrow"), json!("size"), json!(6)], "{told}");
    assert_eq!(reason(1), [json!("price"), json!("below_floor"), json!(3)], "{told}");
    let left = |stage: usize| &told["stages"][stage]["requests"];
    assert_eq!([0, 1, 2, 3, 4].map(left), [4, 4, 1, 1, 1], "{told}");
    assert_eq!(
        advice(&told),
        "60 % of its requests: its creatives have 300x250, 336x280: add creatives of these sizes",
        "{told}"
    );
    assert!(
        told["advice"][1]
            .as_str()
            .is_some_and(|advice| advice.starts_with("30 % of its requests: an impression is worth less than the floor: 5 USD")),
        "{told}"
    );
    let of_all = &told["exchanges"][0];
    assert_eq!(
        (&of_all["exchange"], &of_all["requests"], &of_all["bids"]),
        (&json!("demo-x"), &json!(11), &json!(1)),
        "{told}"
    );
    let text = rig.get(&format!("{FUNNEL}?format=text")).await;
    assert!(
        text.text.contains("6 size at narrow: no creative has a size that the imp takes"),
        "{}",
        text.text
    );
    let paused = rig.get("/api/advertisers/acme-shoes/campaigns/resting/funnel").await.json();
    assert_eq!(advice(&paused), "it is paused: set its `status` to `active`");
    let unknown = rig.get("/api/advertisers/acme-shoes/campaigns/x/funnel").await;
    assert_eq!(unknown.failure(), (404, "campaign_not_found".to_owned()));
}

#[tokio::test]
async fn a_creative_is_seen_at_sizes_that_it_does_not_list() {
    let rig = Rig::new();
    rig.remember(CART).await;
    rig.remember(LOOKER).await;
    let page = async |query: &str| rig.get(&format!("/api/preview/acme-shoes/card?{query}")).await;
    let wide = page("product=boot&size=728x90").await;
    assert!(
        wide.status == 200 && wide.text.contains("width:728px;height:90px") && wide.text.contains("Hill Boot"),
        "{}",
        wide.text
    );
    assert!(
        wide.text.contains("<title>card 728x90, which it does not list</title>"),
        "{}",
        wide.text
    );
    assert!(page("size=336x280").await.text.contains("<title>card 336x280</title>"));
    let (status, _) = page("size=100000x90").await.failure();
    assert_eq!(status, 400);
    assert_eq!(page("size=0x90").await.failure().0, 400);
    assert!(page("user=shopper").await.text.contains("Hill Boot"), "the cart");
    assert!(page("user=looker").await.text.contains("Road &lt;Runner&gt;"), "what was viewed");
    let campaigns = rig.engine.names.campaigns_of("acme-shoes").len();
    assert_eq!(campaigns, 2, "no number is given");
}
