//! The ads, tested: every size with every kind of text; and, where `WINBACK_ADS_DIR` names a folder,
//! written there as a sheet of frames to look at in a browser.
//!
//! The sheet's own script lists the frames in which something is cut without being clamped; the
//! ads have none.

use std::fmt::Write as _;

use super::{AdSpec, compile};
use crate::model::advertiser::Size;
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

const CLICK: &[u8] = b"%%CLICK_URL_UNESC%%https://ads.example/click/AbC-_9?a=1&b=2";
const PIXEL: &[u8] = b"https://ads.example/imp/AbC-_9?p=${AUCTION_PRICE}";
const HOSTILE: &str = "\"><script>alert(1)</script>' onload=x {{x}} ${AUCTION_PRICE} %%X%% \0\u{202e}evil\u{2066}";

const PLAIN: AdSpec<'_> = AdSpec {
    template: "product-card",
    language: "en",
    shop: "Acme Shoes",
    domain: "acme-shoes.example",
    logo_url: None,
    headline: None,
    call_to_action: None,
    promotion: None,
    ad_choices_url: Some("https://acme-shoes.example/choices"),
};

fn shoe() -> Slots<'static> {
    Slots {
        title: "Trail Runner 2, men’s",
        image: "shoe.svg",
        price: "$79.00",
        regular_price: None,
        brand: "Northway",
        click: CLICK,
        pixel: PIXEL,
    }
}

fn filled(spec: &AdSpec<'_>, slots: &Slots<'_>, (w, h): (u32, u32)) -> String {
    let mut out = Vec::new();
    compile(spec, Size { w, h }).fill(slots, &mut out);
    String::from_utf8(out).unwrap()
}

/// Name, settings and product of each kind of text the ads must hold.
fn cases() -> Vec<(&'static str, AdSpec<'static>, Slots<'static>)> {
    let long = "Waterproof Ultra-Lightweight Trail Running Shoe with Recycled Mesh Upper and Donaudampfschifffahrtsgesellschaft Sole";
    let sale = Some(("10% off today", Some("COMEBACK10")));
    let rich = AdSpec {
        headline: Some("Your cart misses you and would like a word with you before it goes"),
        call_to_action: Some("Back to your cart, please"),
        promotion: Some((
            "Free shipping and returns on every order over fifty dollars",
            Some("FREESHIPPINGFOREVER2026"),
        )),
        shop: "The Extraordinarily Long-Named Outdoor Company of Northern Europe",
        ..PLAIN
    };
    vec![
        ("normal", PLAIN, shoe()),
        (
            "sale",
            AdSpec {
                call_to_action: Some("Back to your cart"),
                promotion: sale,
                ..PLAIN
            },
            Slots {
                price: "$59.00",
                regular_price: Some("$79.00"),
                ..shoe()
            },
        ),
        (
            "long",
            rich,
            Slots {
                title: long,
                price: "1 234 567,89 kr.",
                regular_price: Some("2 345 678,90 kr."),
                ..shoe()
            },
        ),
        (
            "vi",
            AdSpec {
                language: "vi",
                shop: "Giày Đông Đô",
                promotion: Some(("Giảm 10% hôm nay", Some("QUAYLAI10"))),
                ..PLAIN
            },
            Slots {
                title: "Giày chạy bộ nam siêu nhẹ thoáng khí Trail Runner 2",
                image: "bag.svg",
                price: "1.290.000 ₫",
                regular_price: Some("1.590.000 ₫"),
                ..shoe()
            },
        ),
        (
            "ja",
            AdSpec {
                language: "ja",
                shop: "アクメシューズ",
                promotion: Some(("本日限り10%オフ", None)),
                ..PLAIN
            },
            Slots {
                title: "メンズ トレイルランニングシューズ 軽量 防水 通気性抜群 2026年モデル",
                image: "watch.svg",
                price: "￥12,800",
                regular_price: Some("￥15,800"),
                ..shoe()
            },
        ),
        (
            "ar",
            AdSpec {
                language: "ar",
                shop: "أكمي للأحذية",
                promotion: Some(("خصم 10% اليوم", Some("COMEBACK10"))),
                ..PLAIN
            },
            Slots {
                title: "حذاء جري رجالي خفيف الوزن ومقاوم للماء Trail Runner",
                image: "bag.svg",
                price: "199.00 ر.س.",
                regular_price: Some("249.00 ر.س."),
                ..shoe()
            },
        ),
        (
            "missing",
            AdSpec {
                logo_url: Some("https://ads.invalid/logo.svg"),
                ..PLAIN
            },
            Slots {
                image: "https://ads.invalid/none.jpg",
                brand: "",
                ..shoe()
            },
        ),
    ]
}

#[test]
fn every_size_is_small_whatever_the_text() {
    for size in SIZES {
        for (name, spec, slots) in cases() {
            let len = filled(&spec, &slots, size).len();
            assert!(len < 7_000, "{name} at {size:?}: {len} bytes");
        }
    }
}

#[test]
fn links_stand_where_the_contract_says() {
    for size in SIZES {
        let ad = filled(&PLAIN, &shoe(), size);
        let href = r#"<a href="%%CLICK_URL_UNESC%%https://ads.example/click/AbC-_9?a=1&amp;b=2" target="_blank" rel="noopener""#;
        assert_eq!(ad.matches(href).count(), 1, "{ad}");
        assert_eq!(
            ad.matches(r#"<img src="https://ads.example/imp/AbC-_9?p=${AUCTION_PRICE}" width="1" height="1""#)
                .count(),
            1,
            "{ad}"
        );
    }
}

/// An ad in which every text is the same, the links too.
fn all_of(text: &'static str) -> String {
    let spec = AdSpec {
        template: text,
        language: text,
        shop: text,
        domain: text,
        logo_url: None,
        headline: Some(text),
        call_to_action: Some(text),
        promotion: Some((text, Some(text))),
        ad_choices_url: None,
    };
    let (title, link) = (text, text.as_bytes());
    let slots = Slots {
        title,
        image: text,
        price: text,
        regular_price: Some(text),
        brand: text,
        click: link,
        pixel: link,
    };
    filled(&spec, &slots, (300, 250))
}

#[test]
fn hostile_text_stays_text() {
    let (tame, hostile) = (all_of("a text as long as hostile text"), all_of(HOSTILE));
    for mark in ['"', '<', '>'] {
        assert_eq!(tame.matches(mark).count(), hostile.matches(mark).count(), "{mark} in {hostile}");
    }
    let slots = Slots { title: HOSTILE, ..shoe() };
    let ad = filled(
        &AdSpec {
            ad_choices_url: Some("javascript:alert(1)"),
            logo_url: Some("data:x"),
            ..PLAIN
        },
        &Slots {
            pixel: b"",
            click: b"",
            ..slots
        },
        (728, 90),
    );
    for bad in ["<script", "{{", "${", "%%", "javascript:", "data:", "\0", "\u{202e}", "\u{2066}"] {
        assert!(!ad.contains(bad), "{bad:?} in {ad}");
    }
}

#[test]
fn sale_and_promotion_show_only_when_there_is_one() {
    let (with, without) = (
        AdSpec {
            promotion: Some(("10% off", Some("BACK10"))),
            ..PLAIN
        },
        PLAIN,
    );
    let sale = Slots {
        price: "$59.00",
        regular_price: Some("$79.00"),
        ..shoe()
    };
    let ad = filled(&with, &sale, (300, 250));
    for part in [
        "<s><bdi>$79.00</bdi></s>",
        ">$59.00<",
        ">10% off<",
        ">BACK10<",
        ">Sale<",
        ">Acme Shoes<",
        ">Northway<",
        "wb-has-promo",
    ] {
        assert!(ad.contains(part), "{part} not in {ad}");
    }
    let ad = filled(&without, &shoe(), (300, 250));
    for part in ["<s>", ">Sale<", r#"class="wb-promo""#, "wb-has-promo\"", r#"class="wb-code""#] {
        assert!(!ad.contains(part), "{part} in {ad}");
    }
}

#[test]
fn language_gives_direction_and_texts() {
    let ad = |language| filled(&AdSpec { language, ..PLAIN }, &shoe(), (300, 250));
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

#[test]
fn sheet() {
    let Some(dir) = std::env::var_os("WINBACK_ADS_DIR") else { return };
    let dir = std::path::Path::new(&dir);
    std::fs::create_dir_all(dir).unwrap();
    for (name, spec, slots) in cases() {
        let mut page = String::from(
            "<!doctype html><meta charset=utf-8><style>body{background:#cfd4dc;margin:12px;width:1340px}iframe{border:0;margin:5px;vertical-align:top}</style>",
        );
        for (w, h) in SIZES {
            let file = format!("{name}-{w}x{h}.html");
            std::fs::write(dir.join(&file), format!("<meta charset=utf-8>{}", filled(&spec, &slots, (w, h)))).unwrap();
            let _ = write!(page, r#"<iframe src="{file}" width={w} height={h} scrolling=no></iframe>"#);
        }
        page.push_str("<pre id=report></pre><script>\n");
        page.push_str(REPORT);
        page.push_str("</script>");
        std::fs::write(dir.join(format!("{name}.html")), page).unwrap();
    }
}

/// Lists boxes that reach out of their ad, and texts cut without an ellipsis.
const REPORT: &str = r#"addEventListener('load', () => { const out = [];
for (const f of document.querySelectorAll('iframe')) { const d = f.contentDocument, ad = d.querySelector('.wb-ad'), r = ad.getBoundingClientRect();
  const say = (e, what) => out.push(f.getAttribute('src') + ' ' + (e.className || e.tagName) + ' ' + what);
  if (d.documentElement.scrollWidth > f.width || d.documentElement.scrollHeight > f.height) say(d.body, 'scrolls');
  for (const e of ad.querySelectorAll('span,bdi,s,.wb-choices,img[class],.wb-media img')) { const b = e.getBoundingClientRect(), s = getComputedStyle(e);
    if (!e.checkVisibility() || e.closest('.wb-strip .wb-price')) continue;
    if (s.display === 'none' || s.display === 'contents' || !b.width && !b.height) { if (s.display !== 'none' && s.display !== 'contents' && e.textContent) say(e, 'has no room'); continue; }
    if (b.left < r.left - 1 || b.right > r.right + 1 || b.top < r.top - 1 || b.bottom > r.bottom + 1) say(e, 'reaches out');
    const clamped = s.webkitLineClamp !== 'none';
    if (e.scrollHeight > e.clientHeight + 2 && !clamped && s.display !== 'inline') say(e, 'cut in height ' + e.scrollHeight + '>' + e.clientHeight);
    if (e.scrollWidth > e.clientWidth + 1 && s.textOverflow !== 'ellipsis' && s.display !== 'inline') say(e, 'cut in width ' + e.scrollWidth + '>' + e.clientWidth);
    if (e.tagName === 'BDI' && parseFloat(s.fontSize) < 8) say(e, 'small ' + s.fontSize);
  }
  const boxes = ['top','media','info','act','title','price','promo','cta'].map(c => ad.querySelector('.wb-' + c)).filter(e => e && getComputedStyle(e).display !== 'contents' && e.getBoundingClientRect().width);
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => { if (a.contains(b)) return; const x = a.getBoundingClientRect(), y = b.getBoundingClientRect();
    if (x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1) say(a, 'overlaps ' + b.className); }));
}
document.getElementById('report').textContent = 'REPORT\n' + out.map(l => '! ' + l).join('\n') + '\nEND'; });"#;
