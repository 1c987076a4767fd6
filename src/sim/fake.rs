//! A stand-in for the server, for tests of the world alone: knows carts and bids a fixed price.
//!
//! Answers in the shapes of the contract and no more; nothing is sealed, capped or stored.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::shop::{Shop, rates, shops};
use super::{ShopDoor, Stage};
use crate::base::money::{Currency, Money, Round};

/// The CPM that it bids.
const PRICE: &str = "3.24";

#[derive(Default)]
struct Seen {
    shop: usize,
    item: String,
    campaign: Option<String>,
}

struct Fake {
    shops: Vec<Shop>,
    url: String,
    pages: String,
    /// By exchange id, cookie or device id.
    users: HashMap<String, Seen>,
    cookies: HashMap<String, String>,
    /// Impressions, clicks, media cost by shop and campaign.
    booked: HashMap<(usize, String), (u64, u64, Money)>,
}

type Shared = State<Arc<Mutex<Fake>>>;

/// Starts it on a free port; the stage for a world.
pub async fn stage(dir: &std::path::Path, pages: SocketAddr) -> Stage {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    let shops = shops().expect("shops");
    let door = |shop: &Shop| ShopDoor {
        id: shop.id.clone(),
        site_key: shop.id.clone(),
        event_key: "secret".to_owned(),
        domain: shop.domain.clone(),
        currency: shop.currency.to_string(),
    };
    let doors = shops.iter().map(door).collect();
    let fake = Fake {
        shops,
        url: format!("http://{address}"),
        pages: format!("http://{pages}"),
        users: HashMap::new(),
        cookies: HashMap::new(),
        booked: HashMap::new(),
    };
    let router = Router::new()
        .route("/bid/demo-x", post(bid))
        .route("/e/{site}", post(events))
        .route("/sync/demo-x", get(sync))
        .route("/n/{kind}/{token}", get(notice))
        .route("/imp/{token}", get(|| async { "" }))
        .route("/click/{token}", get(click))
        .route("/api/report", get(report))
        .route(
            "/api/explain/demo-x",
            post(|| async { json!({"reason": "no_audience", "price": ["cpc 0.60 x ctr 0.004"]}).to_string() }),
        )
        .with_state(Arc::new(Mutex::new(fake)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Stage {
        bid: address,
        public: address,
        public_url: format!("http://{address}"),
        admin: address,
        admin_token: "admin".to_owned(),
        exchange: "demo-x".to_owned(),
        exchange_key: Some(("X-Exchange-Key".to_owned(), "k".to_owned())),
        shops: doors,
        dir: dir.to_owned(),
    }
}

async fn bid(State(fake): Shared, headers: HeaderMap, body: String) -> Response {
    if headers.get("x-exchange-key").is_none_or(|key| key != "k") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let fake = fake.lock().expect("lock");
    let ask: Value = serde_json::from_str(&body).expect("request");
    let ids = [&ask["user"]["id"], &ask["device"]["ifa"]];
    let seen = ids
        .iter()
        .filter_map(|id| fake.users.get(id.as_str()?))
        .find(|seen| seen.campaign.is_some());
    let Some((seen, campaign)) = seen.and_then(|seen| Some((seen, seen.campaign.as_ref()?))) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let token = format!("{}~{campaign}~{}", seen.shop, seen.item);
    let (url, imp) = (&fake.url, &ask["imp"][0]);
    let price: Value = serde_json::from_str(PRICE).expect("price");
    json!({"id": ask["id"], "cur": "USD", "seatbid": [{"seat": "winback", "bid": [{
        "id": "1", "impid": imp["id"], "price": price, "cid": campaign, "crid": "a.b.c", "adomain": [fake.shops[seen.shop].domain],
        "w": imp["banner"]["format"][0]["w"], "h": imp["banner"]["format"][0]["h"],
        "adm": format!("<a href=\"{url}/click/{token}\">{}<img src=\"{url}/imp/{token}\"></a>", seen.item),
        "nurl": format!("{url}/n/win/{token}?p=${{AUCTION_PRICE}}"), "burl": format!("{url}/n/bill/{token}?p=${{AUCTION_PRICE}}"),
        "lurl": format!("{url}/n/loss/{token}?l=${{AUCTION_LOSS}}")
    }]}]})
    .to_string()
    .into_response()
}

async fn events(State(fake): Shared, Path(site): Path<String>, headers: HeaderMap, body: String) -> String {
    let mut fake = fake.lock().expect("lock");
    let batch: Value = serde_json::from_str(&body).expect("batch");
    assert_eq!(batch["consent"]["gdpr"], 0);
    let cookie = headers
        .get(header::COOKIE)
        .and_then(|jar| jar.to_str().ok()?.strip_prefix("wb_uid=").map(str::to_owned));
    let user = match cookie {
        Some(cookie) => fake.cookies[&cookie].clone(),
        None => {
            assert_eq!(headers[header::AUTHORIZATION], "Bearer secret");
            let user = &batch["user"];
            user["exchange_ids"]["demo-x"]
                .as_str()
                .or(user["ifa"].as_str())
                .expect("user")
                .to_owned()
        }
    };
    let shop = fake.shops.iter().position(|shop| shop.id == site).expect("shop");
    let campaigns: Vec<String> = fake.shops[shop].campaigns.iter().map(|(id, _)| id.clone()).collect();
    let seen = fake.users.entry(user).or_default();
    for event in batch["events"].as_array().expect("events") {
        seen.shop = shop;
        seen.item = event["items"][0]["item_id"].as_str().expect("item").to_owned();
        seen.campaign = match event["event"].as_str().expect("event") {
            "add_to_cart" => campaigns.first().cloned(),
            "purchase" if event["time"].is_string() => campaigns.last().cloned(),
            "purchase" => None,
            _ => campaigns.get(1).cloned(),
        };
    }
    r#"{"accepted":1,"rejected":[]}"#.to_owned()
}

async fn sync(State(fake): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let uid = pairs(query)["uid"].clone();
    if headers.contains_key(header::COOKIE) {
        fake.lock().expect("lock").cookies.insert(format!("c-{uid}"), uid);
        return (
            StatusCode::FOUND,
            [(header::LOCATION, "https://match.demo-x.example/set".to_owned())],
        )
            .into_response();
    }
    let cookie = format!("wb_uid=c-{uid}; Path=/; Secure; SameSite=None");
    let back = format!("/sync/demo-x?uid={uid}&gdpr=0&ck=1");
    (StatusCode::FOUND, [(header::SET_COOKIE, cookie), (header::LOCATION, back)]).into_response()
}

fn pairs(query: Option<String>) -> HashMap<String, String> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

fn parts(token: &str) -> (usize, String, String) {
    let parts: Vec<&str> = token.split('~').collect();
    (parts[0].parse().expect("shop"), parts[1].to_owned(), parts[2].to_owned())
}

async fn notice(State(fake): Shared, Path((kind, token)): Path<(String, String)>, RawQuery(query): RawQuery) -> StatusCode {
    if kind == "bill" {
        let mut fake = fake.lock().expect("lock");
        let (shop, campaign, _) = parts(&token);
        let conversion = rates()
            .expect("rates")
            .conversion(Currency::USD, fake.shops[shop].currency)
            .expect("rate");
        let price = conversion.apply(Money::parse(&pairs(query)["p"]).expect("price"), Round::Nearest);
        let booked = fake.booked.entry((shop, campaign)).or_default();
        booked.0 += 1;
        booked.2 += price.per_impression(Round::Nearest);
    }
    StatusCode::OK
}

async fn click(State(fake): Shared, Path(token): Path<String>) -> Response {
    let mut fake = fake.lock().expect("lock");
    let (shop, campaign, item) = parts(&token);
    let to = format!("{}/{}/p/{item}?wb_click={token}", fake.pages, fake.shops[shop].id);
    fake.booked.entry((shop, campaign)).or_default().1 += 1;
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

async fn report(State(fake): Shared, RawQuery(query): RawQuery) -> String {
    let (fake, query) = (fake.lock().expect("lock"), pairs(query));
    let rows = fake
        .booked
        .iter()
        .filter(|((shop, _), _)| fake.shops[*shop].id == query["advertiser"]);
    let rows: Vec<Value> = rows
        .map(|((_, campaign), (impressions, clicks, cost))| {
            json!({"campaign": campaign, "impressions": impressions, "clicks": clicks, "conversions": 0,
                "media_cost": cost.to_string(), "billed": cost.to_string(), "ecpm": null})
        })
        .collect();
    json!({"currency": "USD", "rows": rows}).to_string()
}
