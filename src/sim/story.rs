//! One shopper's story, step by step, with what really went over the wire.
//!
//! Assumes a server that has seen nobody yet. Says only what it was answered; where an answer is not
//! what the story needs, it ends with a sentence that says so.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use super::exchange::Verdict;
use super::exchange::auction;
use super::request::{Ask, Slot, Viewer};
use super::shop::{Item, Shop};
use super::shopper::{Habit, Identity, Shopper, event, purchase};
use super::table::settled;
use super::world::{Bid, Landing, World};
use crate::base::money::{Money, Round};
use crate::model::targeting::Format;

/// The width of the story.
const WIDTH: usize = 62;
/// What she leaves in the cart, and what she only looks at; items of the first shop.
const LEFT: &str = "alder-fell-gtx";
const LOOKED: &str = "alder-ridge";
/// The floor of the slot she sees, CPM: 0.60 USD.
const FLOOR: Money = Money(600_000_000);
/// What others bid for her, CPM: 0.42 and 0.915 USD.
const RIVALS: [Money; 2] = [Money(420_000_000), Money(915_000_000)];

/// Where the story is told.
pub type Out<'a> = &'a mut (dyn Write + Send);

/// A line of it.
pub fn say(out: Out<'_>, line: &str) -> Result<(), String> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|fault| format!("cannot write: {fault}"))
}

/// Tells the story; returns how long after the world's beginning the first bid with the product came.
pub async fn tell(world: &mut World<'_>, out: Out<'_>) -> Result<Duration, String> {
    let linh = Shopper {
        uid: "x-linh".to_owned(),
        identity: Identity::Server,
        shop: 0,
        habit: Habit::Cart,
        country: "VNM",
        offered_at: None,
    };
    let shop = world.shops.first().cloned().ok_or("the demo has no shop")?;
    let left = shop
        .item(LEFT)
        .cloned()
        .ok_or_else(|| format!("{} does not sell {LEFT}", shop.id))?;
    say(out, "Linh, in Da Nang, on her phone")?;
    say(out, &"-".repeat(WIDTH))?;
    leave(world, out, &linh, &shop, &left).await?;
    let ask = request(world, out, &linh)?;
    let (bid, price, first) = bid(world, out, &ask, &left).await?;
    let paid = win(world, out, &ask, &bid, price).await?;
    let landing = click(world, out, &ask, &bid, paid).await?;
    buy(world, out, &linh, &left, &landing).await?;
    silence(world, out, &ask).await?;
    Ok(first)
}

async fn leave(world: &mut World<'_>, out: Out<'_>, linh: &Shopper, shop: &Shop, left: &Item) -> Result<(), String> {
    say(out, &format!("\n1  At {} she puts shoes in the cart, and leaves.", shop.name))?;
    let looked = shop.item(LOOKED).unwrap_or(left);
    let doings = [("view_item", looked), ("view_item", left), ("add_to_cart", left)];
    let events = doings.iter().map(|(name, item)| event(name, item, shop)).collect();
    let mut door = world.door(linh.shop).ok_or("the demo has no shop")?;
    say(
        out,
        &format!("   POST /e/{}   user {}", door.door.site_key, linh.user(&door.stage.exchange)),
    )?;
    for (name, item) in doings {
        say(out, &format!("     {name:<12} {:<18} {:>12}", item.id, item.price))?;
    }
    let (_, answer) = door.send(linh, events).await?;
    say(
        out,
        &format!("   {} {}", answer.status, String::from_utf8_lossy(&answer.body).trim()),
    )
}

fn request(world: &mut World<'_>, out: Out<'_>, linh: &Shopper) -> Result<Ask, String> {
    let slot = Slot {
        id: "1".to_owned(),
        format: Format::Banner,
        sizes: &[(300, 250)],
        floor: FLOOR,
    };
    let viewer = Viewer {
        uid: &linh.uid,
        ifa: None,
        country: linh.country,
    };
    let ask = Ask::of("linh-1".to_owned(), 1, vec![slot], viewer, true, &mut world.rng);
    let json = &ask.json;
    say(out, "\n2  Later she reads the news. The exchange asks who wants the ad")?;
    say(
        out,
        &format!("   beside it: POST /bid/{}, {} bytes, with", world.stage.exchange, ask.body().len()),
    )?;
    let imp = &json["imp"][0];
    say(
        out,
        &format!("     \"imp\":    [{{\"banner\": {{\"format\": {}}},", imp["banner"]["format"]),
    )?;
    say(
        out,
        &format!("               \"bidfloor\": {}, \"tagid\": {}}}],", imp["bidfloor"], imp["tagid"]),
    )?;
    say(out, &format!("     \"site\":   {{\"domain\": {}}},", json["site"]["domain"]))?;
    let device = &json["device"];
    say(
        out,
        &format!(
            "     \"device\": {{\"os\": {}, \"geo\": {{\"city\": {}}}}},",
            device["os"], device["geo"]["city"]
        ),
    )?;
    say(
        out,
        &format!(
            "     \"user\":   {}, \"at\": {}, \"tmax\": {}",
            json["user"], json["at"], json["tmax"]
        ),
    )?;
    Ok(ask)
}

async fn bid(world: &mut World<'_>, out: Out<'_>, ask: &Ask, left: &Item) -> Result<(Bid, Money, Duration), String> {
    let bids = world.ask(ask).await?;
    let first = world.elapsed();
    let Some((bid, price)) = bids.into_iter().next() else {
        let explained = explain(world, ask).await?;
        let why = world
            .ledger
            .first_rejection
            .clone()
            .unwrap_or_else(|| explained["reason"].to_string());
        return Err(format!("no bid that an exchange would take for a shopper who left a cart: {why}"));
    };
    if !bid.adm.contains(&left.id) && !bid.adm.contains(&*html_escape::encode_text(&left.title)) {
        return Err(format!(
            "the first bid's markup does not show {}, which was left in the cart",
            left.id
        ));
    }
    say(out, &format!("\n3  winback bids {price} USD for a thousand, with those shoes:"))?;
    say(out, &format!("   {}, {} x {}", left.title, bid.w, bid.h))?;
    say(out, &format!("   cid {}   crid {}", bid.cid, bid.crid))?;
    say(out, "   Why that price:")?;
    let explained = explain(world, ask).await?;
    for line in explained["price"].as_array().into_iter().flatten() {
        let text = line.as_str().map_or_else(|| line.to_string(), str::to_owned);
        for part in wrapped(&text, WIDTH - 7) {
            say(out, &format!("     {part}"))?;
        }
    }
    Ok((bid, price, first))
}

async fn win(world: &mut World<'_>, out: Out<'_>, ask: &Ask, bid: &Bid, price: Money) -> Result<Money, String> {
    let slot = ask.offer.imps.first().ok_or("a request without a placement")?;
    if let Verdict::Lost(to) = auction(ask.offer.at, slot, price, &RIVALS) {
        return Err(format!("the bid of {price} lost to {to}; the story needs it to win"));
    }
    let paid = world.settle(ask, slot, bid, price, &RIVALS).await?.ok_or("the auction was lost")?;
    let path = world.write_ad("linh", ask, bid, paid)?;
    say(out, "\n4  The ad, to open in a browser:")?;
    say(out, &format!("   file://{}", path.display()))?;
    world.view(ask, bid, paid, None).await?;
    say(
        out,
        &format!("\n5  It wins against {} and {}. First price: it pays {paid}.", RIVALS[0], RIVALS[1]),
    )?;
    say(out, "   The exchange calls nurl, then burl; her browser the pixel.")?;
    let cost = paid.per_impression(Round::Nearest);
    say(out, &format!("   By its notice one impression cost {cost} USD. By winback's"))?;
    let reports = settled(world).await?;
    let line = world.ledger.lines.iter().zip(&reports).find(|(line, _)| line.wins > 0);
    let (impressions, reported) = line.map_or((0, Money::ZERO), |(_, reported)| (reported.impressions, reported.media_cost));
    say(out, &format!("   report: impressions {impressions}, media_cost {reported}."))?;
    Ok(paid)
}

async fn click(world: &mut World<'_>, out: Out<'_>, ask: &Ask, bid: &Bid, paid: Money) -> Result<Landing, String> {
    let landing = world.click(ask, bid, paid, None).await?;
    say(out, "\n6  She clicks, and lands on the page of those shoes:")?;
    for part in chunks(&landing.url, WIDTH - 7).into_iter().take(4) {
        say(out, &format!("     {part}"))?;
    }
    Ok(landing)
}

async fn buy(world: &mut World<'_>, out: Out<'_>, linh: &Shopper, left: &Item, landing: &Landing) -> Result<(), String> {
    let mut door = world.door(linh.shop).ok_or("the demo has no shop")?;
    let mut event = purchase(left, door.shop, "order-linh-1".to_owned());
    if let Some(click) = &landing.click_id {
        event["click_id"] = Value::String(click.clone());
    }
    let (_, answer) = door.send(linh, vec![event]).await?;
    say(out, &format!("\n7  She buys them: purchase order-linh-1, {}.", left.price))?;
    say(
        out,
        &format!("   {} {}", answer.status, String::from_utf8_lossy(&answer.body).trim()),
    )
}

async fn silence(world: &mut World<'_>, out: Out<'_>, ask: &Ask) -> Result<(), String> {
    let mut again = ask.clone();
    again.offer.id = "linh-2".to_owned();
    again.json["id"] = Value::String(again.offer.id.clone());
    if let Some((bid, _)) = world.ask(&again).await?.into_iter().next() {
        return Err(format!("campaign {} still bids for a shopper who has bought", bid.cid));
    }
    say(out, "\n8  The same request once more: 204, no bid.")?;
    let explained = explain(world, &again).await?;
    say(out, &format!("   reason: {}", explained["reason"].as_str().unwrap_or("-")))?;
    for row in explained["campaigns"].as_array().into_iter().flatten().take(3) {
        let word = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        for part in wrapped(&format!("{}: {} {}", word("campaign"), word("reason"), word("detail")), WIDTH - 7) {
            say(out, &format!("     {part}"))?;
        }
    }
    say(out, "   She has what she wanted, and is left alone.\n")
}

async fn explain(world: &mut World<'_>, ask: &Ask) -> Result<Value, String> {
    let bearer = format!("Bearer {}", world.stage.admin_token);
    let path = format!("/api/explain/{}", world.stage.exchange);
    world
        .admin
        .post(&path, &[("authorization", &bearer)], ask.body())
        .await?
        .expect(&[200])?
        .json()
}

/// Text in lines of at most `width` characters, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Text in lines of `width` characters, broken anywhere.
fn chunks(text: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(width.max(1)).map(|chunk| chunk.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(chunks("abcde", 2), ["ab", "cd", "e"]);
    }
}
