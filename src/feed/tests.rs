//! Feeds of `tests/fixtures/feeds` and what is made of them.

use std::io::{BufReader, Cursor, Read};
use std::path::PathBuf;

use super::*;
use crate::base::limits::FEED_ITEM_BYTES_MAX;
use crate::base::money::Money;
use crate::base::time::Millis;

fn with_shelf<T>(act: impl FnOnce(&Shelf<'_>) -> T) -> T {
    let hashes = Hashes::new(b"0123456789abcdef");
    act(&Shelf {
        advertiser: AdvertiserNo(7),
        currency: Currency::USD,
        language: "en",
        landing_domains: &["acme-shoes.example".to_owned()],
        hashes: &hashes,
        zone: &TimeZone::UTC,
        format: FeedFormat::Auto,
    })
}

fn fixture(name: &str) -> Result<(Catalog, FeedReport), FeedFault> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds").join(name);
    with_shelf(|shelf| read_file(&path, shelf))
}

fn text(feed: &str) -> Result<(Catalog, FeedReport), FeedFault> {
    with_shelf(|shelf| read(Cursor::new(feed), "test.xml", shelf))
}

fn item(id: &str, more: &str) -> String {
    format!(
        "<item><g:id>{id}</g:id><title>T</title><link>https://acme-shoes.example/{id}</link>\
         <g:image_link>https://cdn.example/a.jpg</g:image_link><g:price>1 USD</g:price>{more}</item>\n"
    )
}

fn ids(catalog: &Catalog) -> Vec<&str> {
    catalog.iter().map(|product| &*product.item_id).collect()
}

#[test]
fn an_item_is_read_whole() {
    let (catalog, report) = fixture("rss.xml").expect("feed");
    assert_eq!(ids(&catalog), ["runner-42", "runner-43", "adult", "excluded", "paused"]);
    let first = catalog.iter().next().expect("product");
    assert_eq!(&*first.title, "Road Runner 42");
    assert_eq!(&*first.link, "https://www.acme-shoes.example/p/runner-42");
    assert_eq!(&*first.price_text, "$1,299.00");
    assert_eq!(first.price, Money::units(1299));
    assert_eq!((&*first.brand, first.in_stock, first.showable), ("Acme", true, true));
    let categories: Vec<&str> = first.categories.iter().map(|path| &**path).collect();
    assert_eq!(categories, ["apparel & accessories > shoes", "sale", "shoes > running"]);
    assert_eq!(first.expires.map(Millis::to_rfc3339).as_deref(), Some("2026-12-31T00:00:00Z"));
    let sale = first.sale.as_ref().expect("sale");
    assert_eq!((sale.price, &*sale.text), (Money::units(999), "$999.00"));
    assert_eq!(sale.from.map(Millis::to_rfc3339).as_deref(), Some("2025-12-31T17:00:00Z"));
    assert_eq!(catalog.variants(first.group).count(), 2);
    let titles: Vec<&str> = catalog.iter().skip(1).map(|product| &*product.title).collect();
    assert_eq!(
        titles,
        ["Road Runner 43", "For grown-ups", "Not for display", "Paused, second version"]
    );
    let expected = FeedReport {
        items: 6,
        accepted: 5,
        duplicates: 1,
        format: FeedFormat::Rss,
        out_of_stock: 1,
        hidden: 3,
        sales_ignored: 1,
        dates_ignored: 1,
        ..FeedReport::default()
    };
    assert_eq!(report, expected);
}

#[test]
fn one_item_is_the_same_in_every_form() {
    let (plain, _) = fixture("no_prefix.xml").expect("feed");
    let expected: Vec<_> = plain.iter().collect();
    assert_eq!(expected.len(), 1);
    assert_eq!(&*expected[0].title, "One & only");
    assert_eq!(&*expected[0].link, "https://acme-shoes.example/p/1?a=1&b=2");
    for name in ["other_prefix.xml", "undeclared_prefix.xml", "bom.xml", "atom.xml"] {
        let (catalog, report) = fixture(name).expect(name);
        assert_eq!(catalog.iter().collect::<Vec<_>>(), expected, "{name}");
        assert_eq!((report.accepted, report.rejected_total()), (1, 0), "{name}");
    }
}

#[test]
fn text_is_understood_however_it_is_written() {
    let (catalog, _) = fixture("text.xml").expect("feed");
    let found: Vec<_> = catalog.iter().map(|p| (&*p.item_id, &*p.title, &*p.link)).collect();
    let expected = [
        ("one", "One & only", "https://acme-shoes.example/p/1?a=1&b=2"),
        (
            "two",
            "Café & Bar & Grill; open &unknown; <b>",
            "https://acme-shoes.example/p/2?a=1&b=2&copy=3",
        ),
        ("three", "Tom & Jerry", "https://acme-shoes.example/p/3"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn merchant_center_may_be_the_default_namespace() {
    let feed = "\n<rss xmlns='https://base.google.com/ns/1.0/'><channel><item><id>a</id><title>T</title>\
        <link href='https://acme-shoes.example/a?b=1&amp;c=2&copy=3'/><image_link>https://cdn.example/a.jpg</image_link>\
        <price>1 USD</price></item></channel></rss>";
    let (catalog, report) = text(feed).expect("feed");
    assert_eq!(report.rejected, []);
    let links: Vec<&str> = catalog.iter().map(|product| &*product.link).collect();
    assert_eq!(links, ["https://acme-shoes.example/a?b=1&c=2&copy=3"]);
    let (catalog, report) = text("<feed xmlns='http://www.w3.org/2005/Atom'/>").expect("feed");
    let empty = FeedReport {
        format: FeedFormat::Atom,
        ..FeedReport::default()
    };
    assert_eq!((catalog.len(), report), (0, empty));
}

#[test]
fn bad_items_are_named_and_the_rest_is_kept() {
    let (catalog, report) = fixture("bad.xml").expect("feed");
    assert_eq!(ids(&catalog), ["good"]);
    let reasons: Vec<&str> = report.examples.iter().map(|r| r.reason.as_str()).collect();
    let expected = "no_id long_id no_title no_link bad_link insecure_link foreign_link no_image bad_image insecure_image \
                    no_price bad_price currency malformed";
    assert_eq!(reasons.join(" "), expected);
    for (at, rejected) in report.examples.iter().enumerate() {
        assert_eq!(rejected.line as usize, 5 + 7 * at, "{}", rejected.item_id);
        assert!(!rejected.reason.remedy().is_empty());
    }
    let currency = report
        .examples
        .iter()
        .find(|r| r.reason == Rejection::Currency)
        .map(ToString::to_string);
    let expected = "item `currency`: currency `12.50 EUR`: price the item in the advertiser's currency";
    assert_eq!(currency.as_deref(), Some(expected));
}

#[test]
fn unclosed_elements_cost_their_item_only() {
    let (catalog, report) = fixture("mismatched.xml").expect("feed");
    assert_eq!(ids(&catalog), ["first", "second", "third"]);
    assert_eq!(report.rejected, [(Rejection::Malformed, 4)]);
}

#[test]
fn hostile_text_stays_text() {
    let (catalog, report) = fixture("script.xml").expect("feed");
    let found: Vec<_> = catalog.iter().map(|p| (&*p.title, &*p.link)).collect();
    let link = "https://acme-shoes.example/%22%3E%3Cscript%3E";
    assert_eq!(found, [("<script>alert(1)</script>", link)]);
    assert_eq!(report.rejected, [(Rejection::BadLink, 2)]);
}

#[test]
fn unreadable_files_say_why_and_where() {
    for (name, expected) in [
        (
            "billion_laughs.xml",
            "billion_laughs.xml:7: it declares entities of its own: remove the DOCTYPE",
        ),
        (
            "truncated.xml",
            "truncated.xml:17: the file ends inside <g:price>: was it cut short?",
        ),
    ] {
        let fault = fixture(name).map(|_| ()).expect_err(name).to_string();
        assert!(fault.ends_with(expected), "{fault}");
    }
    for (feed, expected) in [
        ("", "nothing in it"),
        ("<!-- -->", "no XML in it"),
        ("<a", "not well-formed XML"),
        ("Dear customer,\nid and title follow", "no feed: neither XML nor JSON"),
        ("title,price\nShoe,1 USD", "does not name `id`"),
        ("\u{0}\u{1}", "no feed"),
        ("{\n  \"name\": \"winback\"\n}", "give one object a line"),
        ("[{\"id\": 1}", "test.xml:1: the file ends inside the list"),
        ("[\n{\"id\": 1},\n{\"id\": ", "test.xml:3: the file ends inside an item"),
        ("[{\"id\": 1},\n{id: 2}]", "test.xml:2: not JSON"),
        ("<html><body/></html>", "<html> is no feed"),
        ("<rss><channel><item", "not well-formed XML"),
        (&format!("<rss>{}", "<a>".repeat(100)), "nest deeper than 64"),
    ] {
        let fault = text(feed).map(|_| ()).expect_err(feed).to_string();
        assert!(fault.contains(expected), "{fault}");
    }
    let latin = with_shelf(|shelf| read(&b"<rss>caf\xe9</rss>"[..], "latin.xml", shelf).map(|_| ()));
    assert!(latin.expect_err("fault").to_string().contains("not UTF-8"));
    assert!(matches!(fixture("absent.xml"), Err(FeedFault::Io { .. })));
}

#[test]
fn large_items_are_refused_and_endless_ones_end_it() {
    let large = "x".repeat(FEED_ITEM_BYTES_MAX + 1);
    let feed = format!(
        "<rss><channel>{}{}</channel></rss>",
        item("a", &format!("<description>{large}</description>")),
        item("b", "")
    );
    let (catalog, report) = text(&feed).expect("feed");
    assert_eq!(ids(&catalog), ["b"]);
    assert_eq!(report.rejected, [(Rejection::TooLarge, 1)]);
    let endless = BufReader::new(Cursor::new(b"<rss><channel><item>").chain(std::io::repeat(b'x')));
    let fault = with_shelf(|shelf| read(endless, "endless.xml", shelf).map(|_| ())).expect_err("fault");
    assert!(fault.to_string().contains("larger than 1048576 bytes"), "{fault}");
}

#[test]
fn one_key_for_two_ids_refuses_the_later() {
    let (catalog, _) = fixture("no_prefix.xml").expect("feed");
    let mut stock = Stock::default();
    let product = catalog.iter().next().expect("product").clone();
    let other = Product {
        item_id: "other".into(),
        ..product.clone()
    };
    let mut report = FeedReport::default();
    assert!(put(&mut stock, product.clone(), &mut report).is_ok());
    let refused = put(&mut stock, other, &mut report);
    assert_eq!(refused.map_err(|refusal| refusal.reason), Err(Rejection::IdClash));
    assert!(put(&mut stock, product, &mut report).is_ok());
    assert_eq!((stock.close().len(), report.duplicates), (1, 1));
}

#[test]
fn many_items_stream_through() {
    let body = (0..20_000).map(|n| item(&n.to_string(), "")).map(Cursor::new);
    let head = Cursor::new("<rss xmlns:g='http://base.google.com/ns/1.0'><channel>".to_owned());
    let tail = Cursor::new("</channel></rss>".to_owned());
    let mut parts = std::iter::once(head).chain(body).chain(std::iter::once(tail));
    let feed = BufReader::new(Parts {
        current: parts.next(),
        rest: parts,
    });
    let (catalog, report) = with_shelf(|shelf| read(feed, "many.xml", shelf)).expect("feed");
    assert_eq!((catalog.len(), report.accepted, report.rejected_total()), (20_000, 20_000, 0));
}

/// Texts one after the other, each made when it is read.
struct Parts<I> {
    current: Option<Cursor<String>>,
    rest: I,
}

impl<I: Iterator<Item = Cursor<String>>> Read for Parts<I> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while let Some(part) = &mut self.current {
            let read = part.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            self.current = self.rest.next();
        }
        Ok(0)
    }
}

#[test]
fn endless_rows_and_lines_cost_themselves_only() {
    let large = "x".repeat(20 * FEED_ITEM_BYTES_MAX);
    let row = |id: &str| format!("{id},T,https://acme-shoes.example/{id},https://cdn.example/a.jpg,1 USD\n");
    let line = |id: &str| {
        format!(
            "{{\"id\": \"{id}\", \"title\": \"T\", \"link\": \"https://acme-shoes.example/{id}\", \
             \"image_link\": \"https://cdn.example/a.jpg\", \"price\": \"1 USD\"}}\n"
        )
    };
    let head = "id,title,link,image_link,price\n";
    let quote = "b,\"never closed,,,\n";
    let feeds = [
        (format!("{head}{}b,{large}\n{}", row("a"), row("c")), "a c", Rejection::TooLarge, 3),
        (
            format!("{head}{}{quote}{}", row("a"), row("c").repeat(2_000)),
            "a c",
            Rejection::TooLarge,
            3,
        ),
        (
            format!("{}{{\"id\": \"b\", \"title\": \"{large}\"}}\n{}", line("a"), line("c")),
            "a c",
            Rejection::TooLarge,
            2,
        ),
        (
            format!(
                "[{},{{\"id\": \"b\", \"title\": \"{}\"}},{}]",
                line("a"),
                &large[..FEED_ITEM_BYTES_MAX],
                line("c")
            ),
            "a c",
            Rejection::TooLarge,
            2,
        ),
    ];
    for (feed, expected, reason, line) in feeds {
        let (catalog, report) = text(&feed).expect(expected);
        assert_eq!(ids(&catalog).join(" "), expected);
        assert_eq!(report.rejected, [(reason, 1)]);
        assert_eq!(report.examples[0].line, line);
    }
    let endless = BufReader::new(Cursor::new(head).chain(std::io::repeat(b'\"').take(1 << 24)));
    let (catalog, report) = with_shelf(|shelf| read(endless, "endless.csv", shelf)).expect("feed");
    assert_eq!((catalog.len(), report.rejected_total()), (0, 1));
    let endless = BufReader::new(Cursor::new("[{\"id\": \"").chain(std::io::repeat(b'x')));
    let fault = with_shelf(|shelf| read(endless, "endless.json", shelf).map(|_| ())).expect_err("fault");
    assert!(fault.to_string().contains("larger than 1048576 bytes"), "{fault}");
}

#[test]
fn rows_are_counted_as_the_file_has_them() {
    let row = |id: &str| format!("{id},\"T\r\nof two\",https://acme-shoes.example/{id},https://cdn.example/a.jpg,1 USD");
    for end in ["\n", "\r\n", "\n\r\n\n"] {
        let lines = end.matches('\n').count() as u32;
        let feed = ["id,title,link,image_link,price", &row("a"), &row("b"), "short,row", &row("c"), ""].join(end);
        let (catalog, report) = text(&feed).expect("feed");
        assert_eq!(ids(&catalog), ["a", "b", "c"], "{end:?}");
        let found: Vec<u32> = report.examples.iter().map(|item| item.line).collect();
        assert_eq!(found, [1 + lines + 2 * (1 + lines)], "{end:?}");
    }
}

#[test]
fn a_feed_cut_or_damaged_anywhere_is_survived() {
    let whole = include_str!("../../tests/fixtures/feeds/text.xml");
    let end = whole.rfind("</rss>").expect("end") + "</rss>".len();
    for cut in 0..end {
        assert!(text(&whole[..whole.floor_char_boundary(cut)]).is_err(), "cut at {cut}");
    }
    for (name, least) in [
        ("text.xml", 1_000),
        ("meta.csv", 1_000),
        ("stray.tsv", 1_000),
        ("dialects.jsonl", 1_000),
        ("list.json", 400),
        ("wrapped.json", 300),
    ] {
        let whole = std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds").join(name)).expect(name);
        let mut read_ones = 0;
        for at in 0..whole.len() {
            // Some of the bytes in each place, in turn.
            for byte in b"<>&;\"/[]{},\n\t\0\xff".iter().skip(at % 4).step_by(4) {
                let mut damaged = whole.clone();
                damaged[at] = *byte;
                read_ones += u32::from(is_accounted_for(&damaged));
            }
            if at % 4 == 0 {
                is_accounted_for(&whole[..at]);
            }
        }
        println!("{name}: {read_ones} damaged ones were read");
        assert!(read_ones >= least, "{name}: {read_ones} of at least {least}");
    }
}

/// Reads what may be refused; where it is not, every item is in the report. Whether it was read.
fn is_accounted_for(feed: &[u8]) -> bool {
    let Ok((catalog, report)) = with_shelf(|shelf| read(feed, "damaged", shelf)) else {
        return false;
    };
    assert_eq!(catalog.len() as u32, report.accepted);
    assert_eq!(report.items, report.accepted + report.duplicates + report.rejected_total());
    true
}
