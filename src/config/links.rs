//! What an exchange's links look like: which macros stand where, and what is around a click and the pixel
//! (contract §2 `click_macro`, OpenRTB 2.6 §4.4).
//!
//! Addresses are put together when a config is read, so that a bid only copies them.

use super::reader::{Object, Reader};
use super::shape::form::CLICK_PLACES;
use crate::base::limits::{NOTICE_CHARS_MAX, TOKEN_CHARS_MAX};
use crate::model::exchange::Exchange;
use crate::model::links::{Around, Forms};

/// The macro of a price, by its encoding.
const PRICE: &str = "${AUCTION_PRICE}";
const PRICE_BASE64: &str = "${AUCTION_PRICE:B64}";
/// What is longest between `public.url` and the query, but for the token.
const PATH_CHARS_MAX: usize = "/n/loss/".len();

/// How the links of an exchange are to be.
pub(super) fn forms(exchange: &Object<'_, '_>) -> Forms {
    let o = exchange.inner("macros");
    let is_left_out = |key: &str| o.written(key).is_some_and(|node| node.is_null());
    let named = |key: &str| o.text(key).filter(|_| !is_left_out(key));
    let encoded = exchange.inner("price").text("encoding").is_some_and(|word| word == "base64");
    let price = named("price").or_else(|| (!is_left_out("price")).then(|| (if encoded { PRICE_BASE64 } else { PRICE }).to_owned()));
    let (currency, loss, min_to_win) = (named("currency"), named("loss"), named("min_to_win"));
    let append = named("append");
    let query = |parameters: &[(&str, &Option<String>)]| {
        let named = parameters
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        let all: Vec<String> = named.chain(append.clone()).collect();
        if all.is_empty() {
            String::new()
        } else {
            format!("?{}", all.join("&"))
        }
    };
    let paid: [(&str, &Option<String>); 2] = [("price", &price), ("cur", &currency)];
    Forms {
        notices: [
            query(&[paid[0], paid[1], ("mtw", &min_to_win)]),
            query(&paid),
            query(&[("reason", &loss), paid[0], ("mtw", &min_to_win)]),
        ],
        pixel: query(&paid),
        click: around(exchange, "click_macro"),
        around_pixel: around(exchange, "pixel_macro"),
    }
}

fn around(exchange: &Object<'_, '_>, key: &str) -> Around {
    let Some(text) = exchange.text(key) else {
        return Around::default();
    };
    let place = CLICK_PLACES
        .iter()
        .find_map(|(place, escaped)| Some((text.split_once(place)?, *escaped)));
    let ((before, after), escaped) = place.unwrap_or(((&text, ""), 0));
    Around {
        before: before.to_owned(),
        escaped,
        after: after.to_owned(),
    }
}

/// Exchanges store so much of a notice and no more.
pub(super) fn check_length<'t>(r: &Reader<'t>, o: &Object<'_, 't>, public_url: &str, exchange: &Exchange) {
    let longest = exchange.links.notices.iter().map(String::len).max().unwrap_or(0);
    let chars = public_url.len() + PATH_CHARS_MAX + TOKEN_CHARS_MAX + longest;
    if chars > NOTICE_CHARS_MAX {
        r.fault(
            o.get("macros").unwrap_or(o.node),
            format!("a notice of {chars} characters, and exchanges store {NOTICE_CHARS_MAX}"),
            "leave a macro out, or shorten `append` or `public.url`",
        );
    }
}
