//! The exchanges: where a browser is told our id, and a page with a place for an ad. What they ask for a bid with is
//! what they know of the browser by their own cookie.
//!
//! The first keeps our ids by its own; the second sends its own to us, and keeps nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::street::{ADS, Asked, EXCHANGES, Shared, ask, redirect, status, typed, with_cookie};

/// The exchange's own id of a browser.
const COOKIE: &str = "xuid";

/// What a place for an ad came to.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose page it was.
    pub exchange: String,
    /// The user of the request.
    pub user: Value,
    /// The bid, or null.
    pub bid: Value,
    /// Why there was none.
    pub nbr: Value,
}

impl Shown {
    /// The product that is shown, by its title.
    pub fn product(&self) -> Option<String> {
        let markup = self.bid["adm"].as_str()?;
        let titles = ["shop-a article ", "shop-b article "];
        titles.iter().find_map(|title| {
            let at = markup.find(title)?;
            Some(markup[at..at + title.len() + 3].to_owned())
        })
    }

    /// The id by which winback may know the user: its own, else the exchange's.
    pub fn user_id(&self) -> String {
        let own = self.user["buyeruid"].as_str().map(str::to_owned);
        own.unwrap_or_else(|| format!("{}:{}", self.exchange, self.user["id"].as_str().unwrap_or("")))
    }
}

/// `x1` or `x2`.
fn id(host: &str) -> &'static str {
    if host == EXCHANGES[0] { "x1" } else { "x2" }
}

/// An exchange's answer.
pub async fn page(asked: &Asked, shared: &Shared) -> Response<Full<Bytes>> {
    static VISITORS: AtomicU64 = AtomicU64::new(1);
    let exchange = id(&asked.host);
    let user = asked
        .cookie(COOKIE)
        .unwrap_or_else(|| format!("{exchange}-visitor-{}", VISITORS.fetch_add(1, Ordering::SeqCst)));
    let answer = match asked.path.as_str() {
        "/set" if exchange == "x1" => {
            let ours = asked.parameter("uid").unwrap_or_default();
            shared.told.lock().expect("a lock").insert(user.clone(), ours);
            typed("image/gif", winback::server::http::GIF)
        }
        "/set" => redirect(&format!(
            "https://{ADS}/sync/{exchange}?uid={user}&{}",
            asked.query.replace("uid=", "was=")
        )),
        "/page" => show(asked, shared, exchange, &user).await,
        _ => return status(StatusCode::NO_CONTENT),
    };
    with_cookie(answer, COOKIE, &user)
}

/// Asks for a bid, tells the winner, and shows the ad.
async fn show(asked: &Asked, shared: &Shared, exchange: &str, user: &str) -> Response<Full<Bytes>> {
    static REQUESTS: AtomicU64 = AtomicU64::new(1);
    let number = REQUESTS.fetch_add(1, Ordering::SeqCst);
    let mut user = json!({"id": user});
    if let Some(ours) = shared.told.lock().expect("a lock").get(user["id"].as_str().unwrap_or("")) {
        user["buyeruid"] = json!(ours);
    }
    let mut request = crate::shop::request(&format!("{exchange}-{number}"), "", 1);
    request["user"] = user.clone();
    if let Some(string) = asked.parameter("gdpr_consent") {
        request["regs"] = json!({"gdpr": 1});
        request["user"]["consent"] = json!(string);
    }
    if asked.headers.get("sec-gpc").is_some_and(|gpc| gpc == "1") {
        request["regs"]["ext"] = json!({"gpc": "1"});
    }
    let (_, body) = ask(shared, &format!("/bid/{exchange}?nbr=1"), request.to_string()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let bid = answer["seatbid"][0]["bid"][0].clone();
    if bid["burl"].is_string() {
        let burl = crate::rig::call(&bid["burl"], "1.00");
        ask(shared, &burl, String::new()).await;
    }
    let ad = bid["adm"].as_str().unwrap_or("<p>no ad").replace("${AUCTION_PRICE}", "1.00");
    shared.shown.lock().expect("a lock").push(Shown {
        exchange: exchange.to_owned(),
        user,
        bid,
        nbr: answer["nbr"].clone(),
    });
    let frame = html_escape::encode_double_quoted_attribute(&ad).into_owned();
    let page = format!("<!doctype html><meta charset=utf-8><title>news</title><iframe width=320 height=270 srcdoc=\"{frame}\"></iframe>");
    typed("text/html; charset=utf-8", page)
}
