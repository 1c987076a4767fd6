//! Planted faults, each with the exact text it is named by.

use super::*;

/// What is replaced in the contract's server, by what, and what is said of it.
const SERVER_SLIPS: &[(&str, &str, &str)] = &[
    (
        r#""data_dir""#,
        r#""datadir""#,
        r#"winback.json:5:3: /datadir: `"data"`: unknown key; did you mean `data_dir`?"#,
    ),
    (
        r#"127.0.0.1:8080"#,
        "0.0.0.0",
        r#"winback.json:2:24: /bid/listen: `"0.0.0.0"`: not an address with a port; such as `127.0.0.1:8080`"#,
    ),
    (
        r#""header": "X-Exchange-Key", "value_file": "demo-x-key""#,
        r#""header": "X-Exchange-Key""#,
        r#"winback.json:12:15: /exchanges/0/auth: `{"header": "X-Exchange-Key"}`: `header` and `value_file` go together; give both or neither"#,
    ),
    (
        r#""VND": "25400""#,
        r#""VND": "25,400""#,
        r#"winback.json:8:65: /currencies/rates/VND: `"25,400"`: not a decimal number; write digits and a point, such as `0.40`"#,
    ),
    (
        r#""VND""#,
        r#""DONG""#,
        r#"winback.json:8:66: /currencies/rates/DONG: `"25400"`: the key is not a currency; an ISO 4217 code such as `EUR`"#,
    ),
    (
        r#""base": "USD""#,
        r#""base": "US$""#,
        r#"winback.json:8:26: /currencies/base: `"US$"`: not a currency; an ISO 4217 code such as `USD`"#,
    ),
    (
        r#""shade": 0.8"#,
        r#""shade": 1.8"#,
        r#"winback.json:14:45: /exchanges/0/auction/shade: `1.8`: out of range; from 0.000000001 to 1"#,
    ),
    (
        r#""default_at": 1"#,
        r#""default_at": "1""#,
        r#"winback.json:14:33: /exchanges/0/auction/default_at: `"1"`: not a whole number; from 1 to 2, without quotes"#,
    ),
    (
        r#""billing": "burl""#,
        r#""billing": "bill""#,
        r#"winback.json:15:18: /exchanges/0/billing: `"bill"`: unknown value; did you mean `burl`?"#,
    ),
    (
        r#""encoding": "plain""#,
        r#""encoding": "google""#,
        r#"winback.json:16:16: /exchanges/0/price: `{"encoding": "google"}`: `encryption_key_file` is missing; it must be given
winback.json:16:16: /exchanges/0/price: `{"encoding": "google"}`: `integrity_key_file` is missing; it must be given"#,
    ),
    (
        r#""encoding": "plain""#,
        r#""currency": "JPY""#,
        r#"winback.json:16:29: /exchanges/0/price/currency: `"JPY"`: no rate for this currency; add it to `currencies.rates`"#,
    ),
    (
        "uid={uid}",
        "uid=",
        r#"winback.json:17:28: /exchanges/0/sync/push_url: `"https://match.demo-x.example/set?dsp=wi…`: does not carry our id; put `{uid}` where the exchange expects it"#,
    ),
    (
        r#""seat": "winback""#,
        r#""exp_s": {"app": 1900}, "notice_grace_s": 90"#,
        r#"winback.json:13:16: /exchanges/0/exp_s: `{"app": 1900}`: a budget hold of 1900 s and 90 s of notice grace is too long; together at most 1984 s"#,
    ),
    (
        r#""seat": "winback""#,
        r#""tmax_ms": 15"#,
        r#"winback.json:13:18: /exchanges/0/tmax_ms: `15`: the network's 20 ms leave nothing of 15 ms; `network_margin_ms` must be below `tmax_ms`"#,
    ),
    (
        r#""by_country""#,
        r#""maybe""#,
        r#"winback.json:21:77: /privacy/gdpr_when_unknown: `"maybe"`: unknown value; `true`, `false` or `"by_country"`"#,
    ),
    (
        r#""retention": "90d""#,
        r#""retention": "90""#,
        r#"winback.json:21:104: /privacy/retention: `"90"`: not a duration; digits and one of `s m h d`: `90s`, `15m`, `12h`, `30d`"#,
    ),
    (
        r#""gvl_file": null"#,
        r#""gvl_file": "gvl.json""#,
        r#"winback.json:21:50: /privacy/gvl_file: `"gvl.json"`: no such file; looked for /nowhere/gvl.json"#,
    ),
    (
        r#""id": "demo-x","#,
        r#""id": "Demo X","#,
        r#"winback.json:11:13: /exchanges/0/id: `"Demo X"`: not an id; 1 to 48 of `a-z`, `0-9`, `.`, `_`, `-`, the first a letter or digit"#,
    ),
    (
        r#""data_dir": "data""#,
        r#""limits": {"body_kib": 512}"#,
        r#"winback.json:5:26: /limits/body_kib: `512`: out of range; from 1 to 256"#,
    ),
    (
        r#""data_dir": "data""#,
        r#""trusted_proxies": ["10.0.0.0/33", "::1"]"#,
        r#"winback.json:5:23: /trusted_proxies/0: `"10.0.0.0/33"`: not a network; such as `192.0.2.0/24` or `2001:db8::/32`"#,
    ),
];

/// The same for its advertiser.
const ADVERTISER_SLIPS: &[(&str, &str, &str)] = &[
    (
        r#""amount": 0.40"#,
        r#""amunt": 0.40"#,
        r#"acme.json:36:30: /campaigns/0/bid/amunt: `0.40`: unknown key; did you mean `amount`?"#,
    ),
    (
        r#""amount": 0.40"#,
        r#""amount": 0.0000000001"#,
        r#"acme.json:36:40: /campaigns/0/bid/amount: `0.0000000001`: more than nine decimals; amounts are exact to nine decimals"#,
    ),
    (
        r#""amount": 0.40"#,
        r#""amount": "0,40""#,
        r#"acme.json:36:40: /campaigns/0/bid/amount: `"0,40"`: not a decimal number; write digits and a point, such as `0.40`"#,
    ),
    (
        r#""amount": 0.40"#,
        r#""amount": -1"#,
        r#"acme.json:36:40: /campaigns/0/bid/amount: `-1`: not above zero; write an amount above zero"#,
    ),
    (
        r#", "max_cpm": 12.00"#,
        "",
        r#"acme.json:36:14: /campaigns/0/bid: `{"type": "cpc", "amount": 0.40}`: `max_cpm` is missing; it must be given with `cpc` and `cpa`"#,
    ),
    (
        r#""type": "cpc""#,
        r#""type": "cpx""#,
        r#"acme.json:36:23: /campaigns/0/bid/type: `"cpx"`: unknown value; did you mean `cpm` or `cpc` or `cpa`?"#,
    ),
    (
        r#""daily": 200.00, "total": 5000.00, "#,
        "",
        r#"acme.json:38:17: /campaigns/0/budget: `{"pacing": "even"}`: neither `daily` nor `total`; give at least one"#,
    ),
    (
        r#""pacing": "even""#,
        r#""pacing": "evn""#,
        r#"acme.json:38:63: /campaigns/0/budget/pacing: `"evn"`: unknown value; did you mean `even`?"#,
    ),
    (
        r#""max": 3,"#,
        r#""max": 3.5,"#,
        r#"acme.json:39:29: /campaigns/0/frequency/0/max: `3.5`: not a whole number; from 1 to 64"#,
    ),
    (
        r#""scope": "advertiser""#,
        r#""scope": "shop""#,
        r#"acme.json:39:80: /campaigns/0/frequency/1/scope: `"shop"`: unknown value; known: `campaign`, `creative`, `advertiser`"#,
    ),
    (
        r#"["VN", "TH"]"#,
        r#"["VN", "Thailand"]"#,
        r#"acme.json:40:41: /campaigns/0/targeting/countries/1: `"Thailand"`: not a country; an ISO 3166-1 code such as `VN` or `VNM`"#,
    ),
    (
        r#"["VN", "TH"]"#,
        "[]",
        r#"acme.json:40:34: /campaigns/0/targeting/countries: `[]`: an empty list lets nothing through; leave it out, or list what is wanted"#,
    ),
    (
        "mon-fri 07:00-23:00",
        "mon-fri 7-23",
        r#"acme.json:40:57: /campaigns/0/targeting/hours: `"mon-fri 7-23"`: not hours; such as `mon-fri 07:00-23:00`, `sat,sun 22:00-04:00` or `00:00-24:00`"#,
    ),
    (
        r#"["mobile"]"#,
        r#"["phone"]"#,
        r#"acme.json:37:100: /campaigns/0/bid_adjustments/1/when/devices/0: `"phone"`: unknown value; known: `mobile`, `tablet`, `desktop`, `tv`, `other`"#,
    ),
    (
        r#"["cart-abandoners", {"#,
        r#"["cart-abandoner", {"#,
        r#"acme.json:34:21: /campaigns/0/audiences/0: `"cart-abandoner"`: no such audience; did you mean `cart-abandoners`?"#,
    ),
    (
        r#"["card", "row", "native"]"#,
        r#"["card", "row", "card"]"#,
        r#"acme.json:41:20: /campaigns/0/creatives: `["card", "row", "card"]`: names one of them twice; leave one out"#,
    ),
    (
        r#"{"id": "spot", "#,
        r#"{"id": "native", "#,
        r#"acme.json:26:12: /creatives/3/id: `"native"`: id given twice; ids are unique in their list"#,
    ),
    (
        r#""end": "2027-01-01T00:00:00""#,
        r#""end": "2025-01-01T00:00:00""#,
        r#"acme.json:33:17: /campaigns/0/flight: `{"start": "2026-01-01T00:00:00", "end": …`: `end` is not after `start`; `end` is the first moment without ads"#,
    ),
    (
        r#""end": "2027-01-01T00:00:00""#,
        r#""end": "2027-01-01T00:00:00Z""#,
        r#"acme.json:33:57: /campaigns/0/flight/end: `"2027-01-01T00:00:00Z"`: not a local time; such as `2026-01-31T18:00:00`, in the advertiser's time zone, without offset"#,
    ),
    (
        r#"[{"state": "cart", "within": "30d"}]"#,
        r#"[{"state": "cart", "within": "120d"}]"#,
        r#"acme.json:15:71: /audiences/0/include/0/within: `"120d"`: the record cannot remember that long; at most `90d`, the server's `privacy.retention`"#,
    ),
    (
        r#"[{"state": "cart", "within": "30d"}]"#,
        r#"[{"event": "buy"}]"#,
        r#"acme.json:15:53: /audiences/0/include/0/event: `"buy"`: unknown value; known: `page_view`, `view_item_list`, `view_item`, `search`, `view_cart`, `add_to_cart`, `remove_from_cart`, `add_to_wishlist`, `begin_checkout`, `purchase`, `refund`, `sign_up`, `custom:<name>`"#,
    ),
    (
        r#"[{"state": "cart", "within": "30d"}]"#,
        "[]",
        r#"acme.json:15:5: /audiences/0: `{"id": "cart-abandoners", "include": []}`: an audience without rules; give `include` or `exclude` at least one rule"#,
    ),
    (
        r#""min_count": 2"#,
        r#""min_count": 100"#,
        r#"acme.json:18:120: /audiences/3/include/0/min_count: `100`: the record cannot remember so many; at most 48 events of a user are kept"#,
    ),
    (
        r#""timezone": "Asia/Ho_Chi_Minh""#,
        r#""timezone": "Asia/Hanoi2""#,
        r#"acme.json:7:15: /timezone: `"Asia/Hanoi2"`: unknown time zone; an IANA name such as `Europe/Berlin`"#,
    ),
    (
        r#""currency": "USD""#,
        r#""currency": "GBP""#,
        r#"acme.json:6:15: /currency: `"GBP"`: no rate for this currency; add it to `currencies.rates` of the server config"#,
    ),
    (
        r#""categories": ["IAB18-3"]"#,
        r#""seats": {"demo-y": "1"}"#,
        r#"acme.json:9:23: /seats/demo-y: `"1"`: no such exchange; did you mean `demo-x`?"#,
    ),
    (
        r#""language": "vi""#,
        r#""language": "vi", "language": "th""#,
        r#"acme.json:8:21: /language: `"th"`: key given twice; keep one; the first is on line 8"#,
    ),
    (
        r#"[[300, 250], [336, 280]]"#,
        r#"[[300, 250], "336*280"]"#,
        r#"acme.json:22:62: /creatives/0/sizes/1: `"336*280"`: not a size; `[300, 250]` or `"300x250"`"#,
    ),
    (
        r#""sizes": [[300, 250], [336, 280]], "#,
        "",
        r#"acme.json:22:5: /creatives/0: `{"id": "card", "format": "banner", "temp…`: `sizes` is missing; it must be given"#,
    ),
    (
        r#""duration_s": 15,"#,
        "",
        r#"acme.json:26:5: /creatives/3: `{"id": "spot", "format": "video", "sizes…`: `duration_s` is missing; it must be given"#,
    ),
    (
        r#""mime": "video/mp4""#,
        r#""mime": "audio/mpeg""#,
        r#"acme.json:27:75: /creatives/3/media/0/mime: `"audio/mpeg"`: not a type of file that this format shows; such as `video/mp4`"#,
    ),
    (
        r#""mime": "video/mp4""#,
        r#""mime": "mp4""#,
        r#"acme.json:27:75: /creatives/3/media/0/mime: `"mp4"`: not a type of media; such as `video/mp4`, `audio/mpeg` or `image/jpeg`"#,
    ),
    (
        "https://cdn",
        "http://cdn",
        r#"acme.json:27:24: /creatives/3/media/0/url: `"http://cdn.acme-shoes.example/spot.mp4"`: not a secure address; `https://` and no white space"#,
    ),
    (
        r#""id": "native", "format": "native""#,
        r#""id": "native", "format": "native", "media": [{"url": "https://a.example/a.mp4", "mime": "video/mp4"}]"#,
        r#"acme.json:25:51: /creatives/2/media: `[{"url": "https://a.example/a.mp4", "mim…`: a video whose length is not said; give `duration_s`, in seconds"#,
    ),
    (
        r#""refresh": "15m""#,
        r#""url": "https://x.example/f""#,
        r#"acme.json:12:11: /feed: `{"path": "acme-feed.xml", "url": "https:…`: a feed is by `path` or by `url`; give one of them"#,
    ),
    (
        r#""domain": "acme-shoes.example""#,
        r#""domain": "https://acme-shoes.example""#,
        r#"acme.json:5:13: /domain: `"https://acme-shoes.example"`: not a domain; without scheme, port and path, such as `shop.example`"#,
    ),
    (
        r#""from": ["cart", "viewed", "category"]"#,
        r#""from": ["basket"]"#,
        r#"acme.json:20:25: /products/from/0: `"basket"`: unknown value; known: `cart`, `viewed`, `category`, `popular`"#,
    ),
    (
        r#""version": 1"#,
        r#""version": 2"#,
        r#"acme.json:2:14: /version: `2`: unknown version; this program reads version `1`"#,
    ),
    (
        r#""site_key": "acme-web-1","#,
        "",
        r#"acme.json:1:1: `{ "version": 1, "id": "acme-shoes", "nam…`: `site_key` is missing; it must be given"#,
    ),
    (
        r#""site_key": "acme-web-1""#,
        r#""site_key": "a/b""#,
        r#"acme.json:10:15: /site_key: `"a/b"`: not a site key; 1 to 64 of letters, digits, `.`, `_`, `-`"#,
    ),
    (
        r#""site_key""#,
        r#""sitekey""#,
        r#"acme.json:10:3: /sitekey: `"acme-web-1"`: unknown key; did you mean `site_key`?"#,
    ),
    (
        r#""click": "30d""#,
        r#""click": "1 month""#,
        r#"acme.json:13:48: /attribution/click: `"1 month"`: not a duration; digits and one of `s m h d`: `90s`, `15m`, `12h`, `30d`"#,
    ),
    (
        r#"[{"state": "cart", "within": "30d"}]"#,
        r#"[{"state": "cart", "within": "1d", "older_than": "2d"}]"#,
        r#"acme.json:15:43: /audiences/0/include/0: `{"state": "cart", "within": "1d", "older…`: `older_than` is not below `within`: it can never hold"#,
    ),
    (
        r#"{"event": "view_item", "within": "14d""#,
        r#"{"event": "custom:quiz", "product": "boot", "within": "14d""#,
        r#"acme.json:18:79: /audiences/3/include/0/product: `"boot"`: the items of custom events are not remembered; name a `category` or `brand`, or give each product an event of its own"#,
    ),
    (
        r#""min_count": 2"#,
        r#""max_count": 0"#,
        r#"acme.json:18:43: /audiences/3/include/0: `{"event": "view_item", "within": "14d", …`: `max_count` is below `min_count`: it can never hold; for `not at all` write `"min_count": 0` too"#,
    ),
    (
        r#""status": "active""#,
        r#""status": null, "schain": "full""#,
        r#"acme.json:32:33: /campaigns/0/schain: `"full"`: unknown value; known: `any`, `complete`"#,
    ),
    (
        r#""bid_multiplier": 0.8"#,
        r#""bid_multiplier": 101"#,
        r#"acme.json:37:130: /campaigns/0/bid_adjustments/1/bid_multiplier: `101`: out of range; from 0 to 100"#,
    ),
    (
        r#""refresh": "15m""#,
        r#""refresh": "5s""#,
        r#"acme.json:12:48: /feed/refresh: `"5s"`: too short; at least `1m`"#,
    ),
    (
        r#""categories": ["IAB18-3"]"#,
        r#""categories": ["Shoes"], "fee_percent": "15.000000001""#,
        r#"acme.json:9:18: /categories/0: `"Shoes"`: not a category of taxonomy 1; such as `IAB18-3`; for others set `cattax`
acme.json:9:43: /fee_percent: `"15.000000001"`: more than seven decimals; write a rounder percentage"#,
    ),
    (
        r#""categories": ["IAB18-3"]"#,
        r#""landing": {"append": "utm={who}"}, "origins": ["https://a.example/shop"]"#,
        r#"acme.json:9:25: /landing/append: `"utm={who}"`: unknown macro; known: `{campaign}`, `{creative}`, `{exchange}`
acme.json:9:51: /origins/0: `"https://a.example/shop"`: not an origin; scheme and host only, such as `https://shop.example`"#,
    ),
];

#[test]
fn planted_server_faults_are_named() {
    for (from, to, expected) in SERVER_SLIPS {
        assert_eq!(blamed(read_server(&plant(SERVER, from, to))).join("\n"), *expected, "{to}");
    }
}

#[test]
fn planted_advertiser_faults_are_named() {
    for (from, to, expected) in ADVERTISER_SLIPS {
        assert_eq!(blamed(read_advertiser(&plant(ADVERTISER, from, to))).join("\n"), *expected, "{to}");
    }
}

#[test]
fn a_crid_fits_what_exchanges_take() {
    let text = plant(ADVERTISER, r#""id": "acme-shoes""#, r#""id": "acme-shoes-of-ho-chi-minh-city""#);
    let text = plant(
        &text,
        r#"{"id": "spot", "#,
        r#"{"id": "a-spot-with-a-name-that-goes-on-and-on-and-on", "#,
    );
    let faults = blamed(read_advertiser(&text));
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert!(fault.starts_with("acme.json:26:12: /creatives/3/id: "), "{fault}");
    assert!(
        fault.ends_with("shorten the ids of advertiser or creative: at most 80 characters"),
        "{fault}"
    );
}
