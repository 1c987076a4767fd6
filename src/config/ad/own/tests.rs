//! Files that are right, and every slip with its place.

use super::super::tests::{PLAIN, shoe, shown};
use super::super::{AdSpec, Kind, Promotion};
use super::parse;
use crate::base::time::Millis;
use crate::config::fault::position;
use crate::model::product::Product;

const LINK: &str = r#"<a href="{{click}}">x</a>"#;

fn filled(text: &str, spec: &AdSpec<'_>, products: &[Product]) -> String {
    let own = parse(text).unwrap_or_else(|slips| panic!("{slips:?}\n{text}"));
    let spec = AdSpec {
        template: Kind::Own(&own),
        ad_choices_url: None,
        ..*spec
    };
    shown(&spec, products, (300, 250))
}

#[test]
fn values_are_escaped_for_where_they_land() {
    let hostile = Product {
        brand: "a'b\"c<d {{x}}".into(),
        ..shoe("<b>&")
    };
    let text = concat!(
        r#"<!doctype html>{{!-- a remark }} --}}<html lang="en"><meta name="ad.size" content="width={{width}},height={{ height }}">"#,
        r#"<style>body{width:{{width}}px}</style><!-- { } -->"#,
        r#"<div class='{{product.brand}}' data-x="{{product.title}}" style="height:{{height}}px">{{product.title}} \{{MACRO}} { } }}</div>"#,
        r#"<a href='{{product.link}}'><img alt="" src="{{product.image}}"></a>"#,
        r#"<a href="https://shop.example/?b={{product.brand}}&amp;i={{product.image}}" target=_top>y</a>"#,
    );
    let ad = filled(text, &PLAIN, &[hostile]);
    let expected = concat!(
        r#"<!doctype html><html lang="en"><meta name="ad.size" content="width=300,height=250">"#,
        r#"<style>body{width:300px}</style><!-- { } -->"#,
        r#"<div class='a&#x27;b&quot;c&lt;d &#123;&#123;x}}' data-x="&lt;b&gt;&amp;" style="height:250px">&lt;b&gt;&amp; {{MACRO}} { } }}</div>"#,
        r#"<a href='%%CLICK_URL_UNESC%%https://ads.example/click/AbC-_9' target="_blank" rel="noopener"><img alt="" src="https://cdn.example/shoe.jpg"></a>"#,
        r#"<a href="https://shop.example/?b=a%27b%22c%3Cd%20%7B%7Bx%7D%7D&amp;i=https%3A%2F%2Fcdn.example%2Fshoe.jpg" target=_top>y</a>"#,
        r#"<img src="https://ads.example/imp/AbC-_9?p=${AUCTION_PRICE}" width="1" height="1" alt="" style="position:absolute;left:0;bottom:0">"#,
    );
    assert_eq!(ad, expected);
}

#[test]
fn loops_and_conditions() {
    let text = concat!(
        r#"{{#products}}<a href="{{product.link}}" target="_top">{{#if product.on_sale}}SALE{{else}}{{product.price}}{{/if}}</a>{{/products}}"#,
        r#"<b {{#if promotion}} class="p"{{/if}} title="{{#if promotion.code}}with {{promotion.code}}{{else}}none{{/if}}">{{promotion.text}}</b>"#,
        r#"{{#if shop.logo}}<img alt="" src="{{shop.logo}}">{{else}}{{shop.name}}{{/if}}<img src="{{pixel}}" alt="">"#,
    );
    let two = ["One", "Two"].map(shoe);
    let link = |n: &str| format!(r#"<a href="%%CLICK_URL_UNESC%%https://ads.example/click/AbC-_9{n}" target="_top">$79.00</a>"#);
    let pixel = r#"<img src="https://ads.example/imp/AbC-_9?p=${AUCTION_PRICE}" alt="">"#;
    let ad = filled(text, &PLAIN, &two);
    assert_eq!(ad, format!("{}{}<b  title=\"none\"></b>Acme Shoes{pixel}", link(""), link("?n=1")));
    let promotion = |ends| AdSpec {
        promotion: Some(Promotion {
            text: "10%",
            code: Some("C"),
            ends,
        }),
        logo_url: Some("https://l.example/l.png"),
        ..PLAIN
    };
    let ad = filled(text, &promotion(None), &two);
    assert!(
        ad.contains(r#"<b  class="p" title="with C">10%</b><img alt="" src="https://l.example/l.png">"#),
        "{ad}"
    );
    let ad = filled(text, &promotion(Some(Millis(1))), &two);
    assert!(ad.contains(r#"<b  title="none"></b>"#), "{ad}");
}

#[test]
fn without_product_a_file_speaks_for_itself_or_is_not_used() {
    let ad = filled(LINK, &PLAIN, &[]);
    assert!(ad.contains("wb-ad") && ad.matches("/imp/").count() == 1, "{ad}");
    let ad = filled(&format!("{LINK}{{{{#if product}}}}one{{{{else}}}}none{{{{/if}}}}"), &PLAIN, &[]);
    assert!(
        !ad.contains("wb-ad") && ad.contains("none") && ad.matches("/imp/").count() == 1,
        "{ad}"
    );
}

/// What stands at `^`, what is said of it, and a part of what would be right.
/// Templates with the place of a slip marked, what is wrong and what would be right.
const SLIPS: &[(&str, &str, &str)] = &[
    (
        "<script>\n let x = ^{{product.title}}</script>",
        "a placeholder in a script",
        "data-",
    ),
    (
        "<style>a{color:^{{product.brand}}}</style>",
        "a placeholder in a style",
        "{{width}}",
    ),
    (r#"<p style="color:^{{product.brand}}">"#, "a placeholder in a style", "{{width}}"),
    ("<!-- ^{{product.title}} -->", "a placeholder in a comment", "{{!"),
    (r#"<p onclick="f('^{{product.title}}')">"#, "script or a document", "data-"),
    (r#"<iframe srcdoc="^{{product.title}}"></iframe>"#, "script or a document", "data-"),
    (r#"<p title=^{{product.title}}>"#, "without quotes", "title=\"…\""),
    (r#"<p ^{{product.title}}="x">"#, "as an attribute or its name", "in quotes"),
    (r#"<p data-^{{product.title}}="x">"#, "as an attribute or its name", "in quotes"),
    (r#"^<x{{product.title}}>"#, "in a tag's name", "white space"),
    ("^{{product.titel}}", "an unknown placeholder", "did you mean `product.title`?"),
    ("^{{product.on_sale}}", "an unknown placeholder", "ask for it"),
    ("^{{{product.title}}}", "not a placeholder", "write `{{product.title}}`"),
    ("^{{product.title", "never closed", "close it"),
    ("^{{#each products}}", "not a block", "`#products`"),
    ("^{{#if product.sale}}{{/if}}", "an unknown condition", "did you mean"),
    ("\n ^{{#products}}x", "never closed", "{{/products}}"),
    ("^{{#if product}}x{{else}}y", "never closed", "{{/if}}"),
    (
        "{{#products}}{{#if product}}x^{{/products}}{{/if}}{{/products}}",
        "no such block is open",
        "`{{/if}}` comes first",
    ),
    ("^{{else}}", "no `{{#if}}` is open", "between"),
    ("^{{/if}}", "no such block is open", "leave it out"),
    (
        "{{#products}}^{{#products}}{{/products}}{{/products}}",
        "a loop within a loop",
        "one loop",
    ),
    (
        "{{#if product}}<p title=\"^{{else}}\">{{/if}}",
        "does not end where it began",
        "close within",
    ),
    ("<p>{{#if product}}<!-- ^{{/if}} -->", "does not end where it began", "close within"),
    ("^<p{{#if product}} title=x{{/if}}>", "a placeholder in a tag's name", ""),
    (
        r#"<a href="^{{#if product}}{{click}}{{/if}}">"#,
        "where it cannot stand",
        "around the whole tag",
    ),
    (r#"<a href="^{{product.title}}">"#, "not an address", "{{click}}"),
    (
        r#"<a href="https://^{{shop.domain}}/">"#,
        "where the host of an address would be",
        "https://host/",
    ),
    (r#"<a href=^"{{click}}&amp;x=1">"#, "text beside a whole address", "stands alone"),
    (
        r#"<a href="https://x.example/?u=^{{click}}">"#,
        "an address within another",
        "stand alone",
    ),
    (r#"<img alt="" src="^{{click}}">"#, "each view would count", "href"),
    (r#"<script src="^{{product.image}}"></script>"#, "in this address", "only where"),
    (r#"<p title="^{{click}}">"#, "an address in an attribute that takes none", "href"),
    ("<p>^{{click}}</p>", "an address as text", "href"),
    (
        r#"<meta http-equiv="refresh" content="^{{product.title}}">"#,
        "may do more than describe",
        "alt",
    ),
    (
        r#"<animate attributeName="href" values="^{{product.title}}">"#,
        "may do more than describe",
        "alt",
    ),
    (r#"<p contenteditable="^{{product.title}}">"#, "may do more than describe", "alt"),
    (r#"<a href=^"javascript:alert(1)">"#, "runs script", "https://"),
    (r#"<a href=^javascript:alert(1)>"#, "runs script", "https://"),
    (r#"<img alt="" src=^"http://x.example/a.png">"#, "plain http", "https://"),
    (r#"<img alt="" src=^"//x.example/a.png">"#, "not a full address", "https://"),
    (
        r#"<img alt="" srcset=^"https://x.example/a 1x, http://x.example/b 2x">"#,
        "plain http",
        "https://",
    ),
    (
        r#"^<style>a{background:url(http://x.example/)}</style>"#,
        "`http://` in a style",
        "https://",
    ),
    (
        r#"<p style=^"background:url(http://x.example/)">"#,
        "`http://` in a style",
        "https://",
    ),
    (
        "{{#products}}<img alt='' src='^{{pixel}}'>{{/products}}",
        "the pixel in a loop",
        "outside",
    ),
    (r#"<a href="{{click}}" ^ping="https://x.example/">"#, "`ping` on a link", "trackers"),
    ("1 ^< 2", "not a tag", "&lt;"),
    ("^<?x>", "not a tag", "&lt;"),
    ("^<![CDATA[ x ]]>", "not a tag", "&lt;"),
    ("<p ^\"x\">", "not an attribute's name", "letters"),
    ("^<p title=\"x", "a tag that never ends", "close it"),
    ("^<textarea>x", "an element that never ends", "close it"),
    ("^<!-- x", "a comment that never ends", "close it"),
    ("x^<!--> y -->", "not a whole comment", "<!--"),
    ("<!-- x ^--!> y -->", "not the end of a comment", "-->"),
    ("^<script>/* <!-- */</script>", "hides its end", "leave it out"),
    ("^<plaintext>", "an element that never ends", "leave it out"),
    ("^</p title=\"x\">", "more than a name", "</a>"),
];

#[test]
fn every_slip_has_its_place() {
    println!("{} slips", SLIPS.len());
    assert!(SLIPS.len() >= 50);
    for (marked, problem, remedy) in SLIPS.iter().copied() {
        let at = marked.find('^').expect("a mark");
        // The link first, on a line of its own, so that its absence is no second slip.
        let text = format!("{LINK}\n{}", marked.replacen('^', "", 1));
        let slips = parse(&text).expect_err(marked);
        let place = position(&text, LINK.len() + 1 + at);
        let found = slips
            .iter()
            .find(|slip| position(&text, slip.at) == place && slip.problem.contains(problem));
        let found = found.unwrap_or_else(|| panic!("{marked}: {place:?} is not among {slips:#?}"));
        assert!(found.remedy.contains(remedy), "{marked}: {found:?}");
    }
}

#[test]
fn a_file_must_lead_somewhere_and_be_small() {
    let slips = parse("<p>Hello</p>").expect_err("no link");
    assert_eq!((slips[0].at, slips[0].problem.as_str()), (0, "no link leads to the shop"));
    let slips = parse(&format!("{LINK}{}", "x".repeat(30 * 1024))).expect_err("too large");
    assert_eq!(slips[0].problem, format!("{} bytes", 30 * 1024 + LINK.len()));
}

#[test]
fn any_cut_of_a_file_is_read_or_refused_without_panic() {
    let text = include_str!("../../../../examples/shop/advertisers/alder-shoes-ad.html");
    let whole = parse(text).expect("the example");
    assert_ne!(whole, parse(LINK).expect("a link"));
    for (at, _) in text.char_indices().step_by(3) {
        let _ = parse(&text[..at]);
        let _ = parse(&text[at..]);
        let mut swapped = text.to_owned();
        swapped.insert_str(at, "{{#if product}}é\"");
        let _ = parse(&swapped);
    }
}
