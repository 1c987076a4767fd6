//! What is shown: advertisers of six kinds of text, their feeds, and every ad of theirs; built from the
//! JSON and XML that a server reads.

use std::path::Path;

use std::fmt::Write as _;

use serde_json::{Value, json};
use winback::base::quoted::Quoting;
use winback::base::time::Millis;
use winback::model::advertiser::Size;
use winback::model::links::Click;
use winback::model::product::Product;
use winback::model::template::Slots;

use crate::bench_rig::{NOWHERE, Rig, item};

/// The sizes sold most.
pub const SIZES: [(u32, u32); 9] = [
    (970, 250),
    (320, 50),
    (320, 100),
    (300, 250),
    (970, 90),
    (728, 90),
    (336, 280),
    (160, 600),
    (300, 600),
];
/// Where the sheet puts each of them within a group.
const PLACES: [(u32, u32); 9] = [
    (0, 0),
    (980, 0),
    (980, 60),
    (980, 170),
    (0, 260),
    (0, 360),
    (0, 460),
    (740, 360),
    (910, 430),
];
/// Width and height of a group.
const GROUP: (u32, u32) = (1320, 1070);
/// Width and height of the sheet: each template once, with each text. What is judged only stands beside it.
pub const SHEET: (u32, u32) = (3 * GROUP.0, 6 * GROUP.1);
/// Creatives, and how many products each is given.
const SHOWN: [(&str, usize); 5] = [("card", 1), ("carousel", 4), ("own", 3), ("carousel", 2), ("carousel", 0)];
const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shop/advertisers/alder-shoes-ad.html");
/// While the sales last.
const NOW: Millis = Millis(1_767_225_600_000);

/// What runs where text became markup; every place of an ad gets one of these.
const HOSTILE: [&str; 4] = [
    "\"><script>ran('title')</script><img src=x onerror=\"ran('error')\"><b x=\"",
    "' onload='ran(1)' onerror='ran(2)' autofocus onfocus='ran(3)' tabindex=1 x='",
    "</style></script></title></textarea>--><svg onload=ran(4)><iframe srcdoc='<script>parent.ran(5)</script>'>",
    "{{product.link}} ${AUCTION_PRICE} %%CLICK%% javascript:ran(6) <img src=//foreign.example/x.png>",
];

/// One document to be shown.
pub struct Frame {
    /// Creative, text, products and size.
    pub name: String,
    /// Its box.
    pub size: (u32, u32),
    /// Which group of the sheet it is in, as column and row.
    group: (u32, u32),
    /// The document.
    pub html: String,
}

/// Every creative at every size with every text.
pub fn frames(port: u16) -> Vec<Frame> {
    let server = json!({
        "currencies": {"base": "USD", "rates": {"EUR": "0.92", "VND": "25400", "JPY": "150", "SAR": "3.75"}},
        "house": {"ad_choices_url": "https://choices.example/"}
    });
    let mut rig = Rig::new(&server, Path::new(NOWHERE)).expect("a sound config");
    let mut frames = Vec::new();
    for (row, text) in texts(port).iter().enumerate() {
        let (advertiser, items) = shop(text, port);
        rig.add(&advertiser, &items).expect("a sound advertiser");
        let shop = rig.shop(text.id);
        for (column, (creative, count)) in SHOWN.into_iter().enumerate() {
            let products: Vec<&Product> = shop.catalog.iter().take(count).collect();
            let creative = shop.advertiser.creatives.iter().find(|c| c.id == creative).expect("a creative");
            for (Size { w, h }, template) in &creative.ads {
                let name = format!("{}-{count}-{}-{w}x{h}", creative.id, text.id);
                let (click, pixel) = (
                    format!("http://ads.localhost:{port}/click/T"),
                    format!("http://ads.localhost:{port}/imp/{name}?p=${{AUCTION_PRICE}}"),
                );
                let slots = Slots {
                    products: &products,
                    now: NOW,
                    click: Click::to(click.as_bytes()),
                    pixel: pixel.as_bytes(),
                };
                let mut html = Vec::new();
                template.fill(&slots, Quoting::Plain, &mut html);
                frames.push(Frame {
                    name,
                    size: (*w, *h),
                    group: (column as u32, row as u32),
                    html: String::from_utf8(html).expect("text"),
                });
            }
        }
    }
    frames
}

/// An advertiser's texts.
struct Text {
    id: &'static str,
    language: &'static str,
    currency: &'static str,
    name: &'static str,
    /// `headline` and `call_to_action`, where it has its own.
    says: Option<[&'static str; 2]>,
    promotion: [&'static str; 2],
    logo: Option<String>,
    titles: [&'static str; 4],
    /// Regular and, on sale, sale price.
    prices: [(&'static str, Option<&'static str>); 4],
    brand: &'static str,
    has_pictures: bool,
}

fn texts(port: u16) -> [Text; 6] {
    [normal(port), long(), vietnamese(), japanese(), arabic(), hostile(port)]
}

fn normal(port: u16) -> Text {
    Text {
        id: "normal",
        language: "en",
        currency: "USD",
        name: "Alder Shoes",
        says: None,
        promotion: ["10% off today", "COMEBACK10"],
        logo: Some(format!("http://logo.localhost:{port}/logo.svg")),
        titles: [
            "Trail Runner 2, men’s",
            "Wool socks, three pairs",
            "Camp Mug",
            "Day Pack 22 L, moss green",
        ],
        prices: [("79.00", Some("59.00")), ("18.50", None), ("9.90", None), ("110.00", Some("89.00"))],
        brand: "Northway",
        has_pictures: true,
    }
}

fn long() -> Text {
    let long = "Waterproof Ultra-Lightweight Trail Running Shoe with Recycled Mesh Upper and Donaudampfschifffahrtsgesellschaft Sole";
    Text {
        id: "long",
        language: "de",
        currency: "EUR",
        name: "The Extraordinarily Long-Named Outdoor Company of Northern Europe",
        says: Some([
            "Your cart misses you and would like a word with you before it goes",
            "Back to your cart, please",
        ]),
        promotion: [
            "Free shipping and returns on every order over fifty euros",
            "FREESHIPPINGFOREVER2026",
        ],
        logo: None,
        titles: [long, long, "Überraschungsei", long],
        prices: [
            ("2345678.90", Some("1234567.89")),
            ("1234567.89", None),
            ("1.00", Some("0.99")),
            ("2345678.90", Some("1234567.89")),
        ],
        brand: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk",
        has_pictures: true,
    }
}

fn vietnamese() -> Text {
    Text {
        id: "vi",
        language: "vi",
        currency: "VND",
        name: "Giày Đông Đô",
        says: None,
        promotion: ["Giảm 10% hôm nay", "QUAYLAI10"],
        logo: None,
        titles: [
            "Giày chạy bộ nam siêu nhẹ thoáng khí Trail Runner 2",
            "Tất len",
            "Ba lô leo núi chống nước 22 lít",
            "Cốc cắm trại",
        ],
        prices: [
            ("1590000", Some("1290000")),
            ("89000", None),
            ("2450000", Some("1990000")),
            ("120000", None),
        ],
        brand: "Bắc Đạo",
        has_pictures: true,
    }
}

fn japanese() -> Text {
    Text {
        id: "ja",
        language: "ja",
        currency: "JPY",
        name: "アクメシューズ",
        says: None,
        promotion: ["本日限り10%オフ", "おかえり10"],
        logo: None,
        titles: [
            "メンズ トレイルランニングシューズ 軽量 防水 通気性抜群 2026年モデル",
            "ウールソックス三足組",
            "登山用リュックサック二十二リットル撥水加工",
            "マグ",
        ],
        prices: [("15800", Some("12800")), ("1980", None), ("22000", Some("19800")), ("980", None)],
        brand: "北道",
        has_pictures: true,
    }
}

fn arabic() -> Text {
    Text {
        id: "ar",
        language: "ar-SA",
        currency: "SAR",
        name: "أكمي للأحذية",
        says: None,
        promotion: ["خصم 10% اليوم", "COMEBACK10"],
        logo: None,
        titles: [
            "حذاء جري رجالي خفيف الوزن ومقاوم للماء Trail Runner",
            "جوارب صوف",
            "حقيبة ظهر للمشي الجبلي 22 لتر",
            "كوب تخييم",
        ],
        prices: [
            ("249.00", Some("199.00")),
            ("35.00", None),
            ("410.00", Some("350.00")),
            ("29.00", None),
        ],
        brand: "طريق الشمال",
        has_pictures: true,
    }
}

fn hostile(port: u16) -> Text {
    Text {
        id: "hostile",
        language: "en",
        currency: "USD",
        name: HOSTILE[0],
        says: Some([HOSTILE[1], HOSTILE[2]]),
        promotion: [HOSTILE[3], HOSTILE[0]],
        logo: Some(format!("http://logo.localhost:{port}/none.svg?\"onerror=\"ran(7)")),
        titles: HOSTILE,
        prices: [("79.00", Some("59.00")), ("18.50", None), ("9.90", None), ("110.00", Some("89.00"))],
        brand: HOSTILE[1],
        has_pictures: false,
    }
}

/// The advertiser's JSON and its feed's items.
fn shop(text: &Text, port: u16) -> (Value, Vec<Value>) {
    let sizes = SIZES.map(|(w, h)| json!([w, h]));
    let creative = |id: &str, template: Value| {
        let mut creative = json!({
            "id": id, "format": "banner", "sizes": sizes, "template": template,
            "promotion": {"text": text.promotion[0], "code": text.promotion[1], "ends": "2030-01-01T00:00:00"},
            "trackers": {"impression": ["https://seen.example/?c=${AUCTION_ID}"], "click": ["https://followed.example/"]}
        });
        if id != "card" {
            creative["products"] = json!(if id == "own" { 3 } else { 4 });
        }
        if let Some([headline, call]) = text.says {
            creative["headline"] = json!(headline);
            creative["call_to_action"] = json!(call);
        }
        creative
    };
    let mut advertiser = json!({
        "id": text.id, "name": text.name, "domain": "shop.example", "currency": text.currency, "language": text.language,
        "site_key": text.id,
        "creatives": [creative("card", json!("product-card")), creative("carousel", json!("carousel")), creative("own", json!({"file": OWN}))]
    });
    if let Some(logo) = &text.logo {
        advertiser["logo_url"] = json!(logo);
    }
    let picture = |n: usize| match text.has_pictures {
        true => format!("http://pictures.localhost:{port}/{n}.svg"),
        false => format!("http://pictures.localhost:{port}/none-{n}.svg?\"'><script>ran(8)</script>"),
    };
    let products = text.titles.iter().zip(&text.prices).enumerate();
    let items = products.map(|(n, (title, (price, sale)))| {
        let mut of_feed = json!({
            "id": format!("sku-{n}"), "title": title, "brand": text.brand, "image_link": picture(n),
            "price": format!("{price} {}", text.currency)
        });
        if let Some(sale) = sale {
            of_feed["sale_price"] = json!(format!("{sale} {}", text.currency));
        }
        item(&of_feed, "shop.example", text.currency)
    });
    let items = items.collect();
    (advertiser, items)
}

/// Frames in which something is wrong, named `planted-` and the kind of thing.
pub fn planted(port: u16) -> Vec<Frame> {
    let ad = |inside: &str| {
        format!(
            "<!doctype html><meta charset=utf-8><body style='margin:0'><div style='position:relative;width:300px;height:250px;overflow:hidden'>{inside}</div>"
        )
    };
    let cases = [
        ("ran-text", format!("<p>{}</p>", HOSTILE[0])),
        ("ran-attribute", format!("<img alt=\"\" src='/none.svg' title='{}'>", HOSTILE[1])),
        ("ran-markup", HOSTILE[2].to_owned()),
        (
            "overflow-cut",
            "<div style='width:80px;height:20px;overflow:hidden;white-space:nowrap'>More than there is room for</div>".to_owned(),
        ),
        (
            "overflow-half",
            "<div style='font:16px/20px serif;width:90px;height:48px;overflow:hidden;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2'>Two lines are shown, and the upper half of the third</div>".to_owned(),
        ),
        (
            "overflow-outside",
            "<div style='position:absolute;left:290px;top:0;width:60px'>Outside</div>".to_owned(),
        ),
        (
            "overflow-overlap",
            "<p style='position:absolute;top:9px'>One text</p><p style='position:absolute;top:12px'>and another</p>".to_owned(),
        ),
        (
            "alt-none",
            format!("<img width=50 height=50 src='http://pictures.localhost:{port}/1.svg'>"),
        ),
        (
            "alt-empty",
            format!("<img alt='' width=50 height=50 src='http://pictures.localhost:{port}/1.svg'>"),
        ),
        ("link-script", "<a href='javascript:ran(9)'>x</a>".to_owned()),
        ("link-foreign", "<a href='https://foreign.example/'>x</a>".to_owned()),
        ("request-plain", "<img alt='x' src='http://plain.planted.example/x.png'>".to_owned()),
        (
            "request-secure",
            "<img alt='x' src='https://secure.planted.example/x.png'>".to_owned(),
        ),
    ];
    let frame = |(name, inside): (&str, String)| Frame {
        name: format!("planted-{name}"),
        size: (300, 250),
        group: (SHOWN.len() as u32, 0),
        html: ad(&inside),
    };
    cases.map(frame).into()
}

/// A page with all of them, each at its place of the sheet, and the script that judges them.
pub fn page<'f>(frames: impl IntoIterator<Item = &'f Frame>) -> String {
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><style>body{margin:0;background:#cfd4dc}div{position:relative;height:100vh;overflow:clip}iframe{position:absolute;border:0}pre{display:none}</style><script>",
    );
    page.push_str(include_str!("judge.js"));
    // Nothing that takes the focus can scroll it.
    page.push_str("</script><div>");
    for frame in frames {
        let (w, h) = frame.size;
        let place = SIZES.iter().position(|size| *size == frame.size).map_or((0, 0), |at| PLACES[at]);
        let (x, y) = (frame.group.0 * GROUP.0 + place.0 + 10, frame.group.1 * GROUP.1 + place.1 + 10);
        let name = &frame.name;
        write!(
            page,
            "<iframe name={name} src=/frame/{name} width={w} height={h} scrolling=no style=left:{x}px;top:{y}px></iframe>"
        )
        .expect("memory");
    }
    page + "</div><pre id=report></pre>"
}
