//! The built-in ads as text: what is linked, escaped, shown and left out. How they look is judged in
//! a browser, by `tests/all/ads.rs`.

use super::{AdSpec, Kind, Promotion, Trackers, compile, places};
use crate::base::id::ProductKey;
use crate::base::money::Money;
use crate::base::quoted::Quoting;
use crate::base::time::Millis;
use crate::model::advertiser::Size;
use crate::model::product::{Product, Sale};
use crate::model::template::Slots;

/// IAB fixed sizes and what exchanges sell beside them.
const SIZES: [(u32, u32); 16] = [
    (320, 50),
    (300, 50),
    (468, 60),
    (320, 100),
    (728, 90),
    (970, 90),
    (970, 250),
    (300, 250),
    (336, 280),
    (250, 250),
    (200, 200),
    (320, 480),
    (300, 600),
    (160, 600),
    (120, 600),
    (480, 320),
];

const CLICK: &[u8] = b"%%CLICK_URL_UNESC%%https://ads.example/click/AbC-_9";
const PIXEL: &[u8] = b"https://ads.example/imp/AbC-_9?p=${AUCTION_PRICE}";
const HOSTILE: &str = "\"'><script>alert(1)</script> onload=x {{x}} ${AUCTION_PRICE} %%X%% \\ \\\" \0\u{202e}evil\u{2066}\u{1f600}";
const NOW: Millis = Millis(1_000_000);

pub(super) const PLAIN: AdSpec<'_> = AdSpec {
    template: Kind::ProductCard,
    products: 3,
    language: "en",
    shop: "Acme Shoes",
    domain: "acme-shoes.example",
    logo_url: None,
    headline: None,
    call_to_action: None,
    promotion: None,
    ad_choices_url: Some("https://acme-shoes.example/choices"),
    trackers: Trackers {
        impression: &[],
        click: &[],
        viewable: &[],
        verification: &[],
    },
};

pub(super) const ROW: AdSpec<'_> = AdSpec {
    template: Kind::Carousel,
    ..PLAIN
};

/// A product of this title.
pub(super) fn shoe(title: &str) -> Product {
    Product {
        key: ProductKey(title.len() as u64),
        item_id: "SKU 1".into(),
        title: title.into(),
        description: Box::default(),
        link: "https://acme-shoes.example/p/1".into(),
        image_link: "https://cdn.example/shoe.jpg".into(),
        price: Money::units(79),
        price_text: "$79.00".into(),
        sale: None,
        group: 0,
        in_stock: true,
        showable: true,
        expires: None,
        brand: "Northway".into(),
        categories: Box::default(),
    }
}

fn on_sale(title: &str) -> Product {
    let sale = Sale {
        price: Money::units(59),
        text: "$59.00".into(),
        from: None,
        until: Some(Millis(NOW.0 + 1)),
    };
    Product {
        sale: Some(sale),
        ..shoe(title)
    }
}

pub(super) fn shown(spec: &AdSpec<'_>, products: &[Product], (w, h): (u32, u32)) -> String {
    let products: Vec<&Product> = products.iter().collect();
    let slots = Slots {
        products: &products,
        now: NOW,
        click: crate::model::links::Click::to(CLICK),
        pixel: PIXEL,
    };
    let template = compile(spec, Size { w, h });
    let [plain, json] = [Quoting::Plain, Quoting::Json].map(|quoting| {
        // What stands before it is nobody's business.
        let mut out = b"\"before\"".to_vec();
        template.fill(&slots, quoting, &mut out);
        String::from_utf8(out.split_off(8)).expect("text")
    });
    assert_eq!(
        format!("\"{json}\""),
        serde_json::to_string(&plain).expect("a text"),
        "escaped once for JSON"
    );
    plain
}

#[test]
fn links_stand_where_the_contract_says() {
    for size in SIZES {
        let ad = shown(&PLAIN, &[shoe("Trail Runner")], size);
        let href = r#"<a href="%%CLICK_URL_UNESC%%https://ads.example/click/AbC-_9" target="_blank" rel="noopener""#;
        let pixel = r#"<img src="https://ads.example/imp/AbC-_9?p=${AUCTION_PRICE}" width="1" height="1""#;
        assert_eq!((ad.matches(href).count(), ad.matches(pixel).count()), (1, 1), "{ad}");
    }
}

#[test]
fn each_product_of_a_carousel_has_its_own_link() {
    let products: Vec<Product> = ["One", "Two", "Three", "Four", "Five"].map(shoe).into();
    for size in SIZES {
        let room = places(10, Size { w: size.0, h: size.1 }) as usize;
        let spec = AdSpec { products: 10, ..ROW };
        assert!((2..=4).contains(&room), "{room} at {size:?}");
        for count in 0..=products.len() {
            let ad = shown(&spec, &products[..count], size);
            let several = count.min(room);
            assert_eq!(ad.matches(r#"/imp/AbC-_9?"#).count(), 1, "{ad}");
            for (n, product) in products.iter().enumerate() {
                let is_there = n < several;
                let link = format!(r#"/click/AbC-_9{}""#, if n == 0 { String::new() } else { format!("?n={n}") });
                assert_eq!(ad.contains(&link), is_there || n == 0, "{link} of {count} at {size:?} in {ad}");
                assert_eq!(
                    ad.contains(&format!(">{}<", product.title)),
                    is_there,
                    "{count} at {size:?} in {ad}"
                );
            }
            assert_eq!(ad.contains(&format!(" wb-n{several}\"")), several > 1, "{ad}");
        }
    }
    let counts: Vec<u32> = SIZES.iter().map(|(w, h)| places(10, Size { w: *w, h: *h })).collect();
    println!("{counts:?}");
    assert_eq!(counts, [2, 2, 2, 2, 3, 4, 4, 4, 4, 4, 3, 3, 4, 3, 3, 4]);
}

#[test]
fn without_product_the_shop_is_shown() {
    for spec in [PLAIN, ROW] {
        for size in SIZES {
            let ad = shown(&spec, &[], size);
            assert!(
                ad.contains(">Acme Shoes<") && ad.contains(">Shop now<") && ad.contains(">Still thinking it over?<"),
                "{ad}"
            );
            assert!(!ad.contains("wb-price\"") && !ad.contains("wb-media\""), "{ad}");
            assert_eq!((ad.matches("/click/").count(), ad.matches("/imp/").count()), (1, 1), "{ad}");
        }
    }
}

/// An ad in which every text is the same.
fn all_of(text: &str) -> String {
    let spec = AdSpec {
        language: text,
        shop: text,
        domain: text,
        headline: Some(text),
        call_to_action: Some(text),
        promotion: Some(Promotion {
            text,
            code: Some(text),
            ends: None,
        }),
        ad_choices_url: None,
        ..ROW
    };
    let product = Product {
        image_link: text.into(),
        price_text: text.into(),
        brand: text.into(),
        ..shoe(text)
    };
    shown(&spec, &[product.clone(), product], (300, 250))
}

#[test]
fn hostile_text_stays_text() {
    let (tame, hostile) = (all_of("a text as long as hostile text"), all_of(HOSTILE));
    for mark in ['"', '\'', '<', '>'] {
        assert_eq!(tame.matches(mark).count(), hostile.matches(mark).count(), "{mark} in {hostile}");
    }
    let spec = AdSpec {
        ad_choices_url: Some("javascript:alert(1)"),
        logo_url: Some("data:x"),
        ..PLAIN
    };
    let ad = shown(&spec, &[shoe(HOSTILE)], (728, 90));
    let ad = ad.replace("%%CLICK_URL_UNESC%%", "").replace("${AUCTION_PRICE}\"", "");
    for bad in ["<script", "{{", "${", "%%", "javascript:", "data:", "\0", "\u{202e}", "\u{2066}"] {
        assert!(!ad.contains(bad), "{bad:?} in {ad}");
    }
}

#[test]
fn sale_and_promotion_show_only_while_there_is_one() {
    let promoted = |ends| AdSpec {
        promotion: Some(Promotion {
            text: "10% off",
            code: Some("BACK10"),
            ends,
        }),
        ..PLAIN
    };
    let sale = [on_sale("Trail Runner")];
    let parts = [">10% off<", ">BACK10<", "wb-has-promo\""];
    for ends in [None, Some(Millis(NOW.0 + 1))] {
        let ad = shown(&promoted(ends), &sale, (300, 250));
        for part in ["<s><bdi>$79.00</bdi></s>", ">$59.00<", ">Sale<", ">Acme Shoes<", ">Northway<"] {
            assert!(ad.contains(part), "{part} not in {ad}");
        }
        assert!(parts.iter().all(|part| ad.contains(part)), "{ad}");
    }
    let over = shown(&promoted(Some(NOW)), &[shoe("Trail Runner")], (300, 250));
    assert_eq!(
        over,
        shown(&PLAIN, &[shoe("Trail Runner")], (300, 250)),
        "an ended promotion is none"
    );
    for part in ["<s>", ">Sale<", r#"class="wb-promo""#, r#"class="wb-code""#].iter().chain(&parts) {
        assert!(!over.contains(part), "{part} in {over}");
    }
}

#[test]
fn trackers_are_called_as_they_are_written() {
    let impression = ["https://seen.example/?c=${AUCTION_ID}&d=%%X%%".to_owned()];
    let click = ["https://one.example/?a=1&b={{x}}".to_owned(), "https://two.example/".to_owned()];
    let trackers = Trackers {
        impression: &impression,
        click: &click,
        viewable: &impression,
        ..Trackers::default()
    };
    let ad = shown(&AdSpec { trackers, ..ROW }, &["One", "Two"].map(shoe), (728, 90));
    let picture = r#"<img src="https://seen.example/?c=${AUCTION_ID}&amp;d=%%X%%" width="1" height="1" alt="""#;
    assert_eq!(ad.matches(picture).count(), 1, "{ad}");
    let ping = r#" ping="https://one.example/?a=1&amp;b={{x}} https://two.example/""#;
    assert_eq!(ad.matches(ping).count(), ad.matches("/click/").count(), "{ad}");
    let script = r#"(document.currentScript.parentElement,["https://seen.example/?c=${AUCTION_ID}&d=%%X%%"],0.5)</script>"#;
    assert_eq!((ad.matches(script).count(), ad.matches("<script>").count()), (1, 1), "{ad}");
}

#[test]
fn a_tracker_cannot_end_the_script_that_calls_it_and_a_large_ad_need_be_seen_less() {
    let viewable = ["https://x.example/?a=</script><b>\"]".to_owned()];
    let trackers = Trackers {
        viewable: &viewable,
        ..Trackers::default()
    };
    let ad = shown(&AdSpec { trackers, ..PLAIN }, &[shoe("One")], (970, 250));
    let script = r#"["https://x.example/?a=\u003c/script>\u003cb>\"]"],0.3)</script>"#;
    assert!(ad.contains(script) && ad.matches("</script>").count() == 1, "{ad}");
}

#[test]
fn language_gives_direction_and_texts() {
    let ad = |language| shown(&AdSpec { language, ..PLAIN }, &[shoe("x")], (300, 250));
    assert!(ad("ar-SA").contains(r#"dir="rtl" lang="ar-SA""#));
    assert!(ad("vi").contains(r#"dir="ltr" lang="vi""#) && ad("vi").contains(">Mua ngay<"));
    assert!(ad("tlh").contains(r#"<bdi class="wb-go" lang="en">Shop now<"#));
}

#[test]
fn every_shape_has_its_layout() {
    let class = |w, h| super::nearest(Size { w, h }).name;
    let all = SIZES.map(|(w, h)| class(w, h));
    let mut expected = vec!["strip"; 3];
    expected.extend(["banner", "leaderboard", "leaderboard", "billboard"]);
    expected.extend(["rectangle"; 4]);
    expected.extend(["halfpage", "halfpage", "skyscraper", "skyscraper", "rectangle"]);
    assert_eq!(all.to_vec(), expected);
    assert_eq!((class(0, 0), class(u32::MAX, 1)), ("strip", "leaderboard"));
}
