//! What the markup of one ad costs by its format: a banner's HTML, a native ad, a VAST document.
//!
//! One product, one imp, links of the length of ours; the request is read before, but for what the format
//! itself asks for.

use std::hint::black_box;

use criterion::Criterion;
use serde_json::{Value, json};
use winback::base::id::BidTag;
use winback::base::quoted::Quoting;
use winback::base::time::Millis;
use winback::model::links::Click;
use winback::model::template::Slots;
use winback::openrtb::decode::decode;
use winback::openrtb::markup::{Memory, Order};

use crate::bench_rig::{NOWHERE, Rig, item};

fn creatives() -> [Value; 3] {
    let media = json!([{"url": "https://cdn.shop.example/spot.mp4", "mime": "video/mp4", "bitrate_kbps": 800}]);
    [
        json!({"id": "banner", "format": "banner", "sizes": [[300, 250]]}),
        json!({"id": "native", "format": "native"}),
        json!({"id": "vast", "format": "video", "sizes": [[640, 360]], "duration_s": 15, "media": media}),
    ]
}

fn imps() -> [Value; 3] {
    let data = |id: u32, kind: u32| json!({"id": id, "required": 1, "data": {"type": kind, "len": 90}});
    let native = json!({"ver": "1.2", "eventtrackers": [{"event": 1, "methods": [1, 2]}], "privacy": 1, "assets": [
        {"id": 1, "required": 1, "title": {"len": 25}}, {"id": 2, "required": 1, "img": {"type": 3, "wmin": 300, "hmin": 200}},
        {"id": 3, "img": {"type": 1, "w": 80, "h": 80}}, data(4, 1), data(5, 2), data(6, 6), data(7, 12)]});
    [
        json!({"id": "1", "banner": {"format": [{"w": 300, "h": 250}]}}),
        json!({"id": "1", "native": {"request": native.to_string(), "ver": "1.2"}}),
        json!({"id": "1", "video": {"mimes": ["video/mp4"], "protocols": [2, 3, 7, 13], "minduration": 5, "maxduration": 30,
            "w": 640, "h": 360, "skip": 1, "skipafter": 5, "companionad": [{"w": 300, "h": 250}]}}),
    ]
}

/// The markup of each format.
pub fn formats(c: &mut Criterion) {
    let mut group = c.benchmark_group("markup");
    each(|format, write| {
        group.bench_function(format, |b| b.iter(&mut *write));
    });
    group.finish();
}

/// Tells of each format and what writes an ad of it, giving its bytes.
pub fn each(mut tell: impl FnMut(&str, &mut dyn FnMut() -> usize)) {
    let server = json!({"public": {"url": "https://ads.example"}, "exchanges": [{"id": "x"}]});
    let mut rig = Rig::new(&server, NOWHERE.as_ref()).expect("a sound server");
    let advertiser = json!({"version": 1, "id": "shop", "name": "Shop", "domain": "shop.example", "site_key": "shop-web",
        "audiences": [{"id": "cart", "include": [{"state": "cart"}]}], "creatives": creatives(),
        "campaigns": [{"id": "back", "audiences": ["cart"], "creatives": ["banner"], "bid": {"type": "cpm", "amount": 5}, "budget": {"daily": 5}}]});
    let boot = json!({"id": "boot", "title": "The waterproof walking boot with a title of some length",
        "description": "Warm and dry on every trail, in all weathers, for years and years to come; resoled as often as you like"});
    rig.add(&advertiser, &[item(&boot, "shop.example", "USD")])
        .expect("a sound advertiser");
    let shop = rig.shop("shop");
    let product = shop.catalog.iter().next().expect("a product");
    let token = "A".repeat(146);
    let (click, pixel) = (
        format!("https://ads.example/click/{token}"),
        format!("https://ads.example/imp/{token}?price=${{AUCTION_PRICE}}"),
    );
    for (creative, imp) in shop.advertiser.creatives.iter().zip(imps()) {
        let body = json!({"id": "r", "imp": [imp]}).to_string();
        let request = decode(body.as_bytes(), Vec::new()).expect("a request");
        let (mut memory, mut out) = (Memory::default(), Vec::new());
        let products = [product];
        tell(&creative.id, &mut || {
            out.clear();
            let order = Order {
                imp: &request.imps[0],
                advertiser: &shop.advertiser,
                creative: black_box(creative),
                size: 0,
                slots: Slots {
                    products: &products,
                    now: Millis(1_781_092_800_000),
                    click: Click::to(click.as_bytes()),
                    pixel: pixel.as_bytes(),
                },
                view: ("https://ads.example", token.as_bytes()),
                tag: BidTag(7),
                quoting: Quoting::Json,
            };
            order.write(&mut memory, &mut out).expect("an ad");
            out.len()
        });
    }
}
