//! Feeds of every format, our own and others', against what they must come to: `tests/golden/feeds`.
//!
//! `UPDATE_GOLDEN=1` writes the expected files anew. Of feeds of the corpus only counts, lines, reasons
//! and a hash are kept, none of their text.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use winback::base::hash::Hashes;
use winback::base::id::AdvertiserNo;
use winback::base::money::{Currency, Money};
use winback::base::time::Millis;
use winback::feed::{self, FeedReport, Shelf, price};
use winback::model::advertiser::FeedFormat;
use winback::model::product::{Catalog, Product};

use crate::corpus::corpus;
use crate::figures::Figures;
use crate::rig::{Server, winback};
use crate::shop::Setup;

/// Items of the generated feeds.
const MANY: u32 = 100_000;
/// What the process may take for that many: a KiB a product, and the process itself.
const PEAK_MIB_MAX: u64 = 128;
/// What reading may take beyond the catalogue, whatever the file holds.
const FLAT_MIB_MAX: u64 = 16;

/// How a feed is read.
struct Reading {
    currency: &'static str,
    language: &'static str,
    domain: &'static str,
}

const ACME: Reading = Reading {
    currency: "USD",
    language: "en",
    domain: "acme-shoes.example",
};
const GERMAN: Reading = Reading {
    currency: "EUR",
    language: "de",
    ..ACME
};

/// Our own feeds.
const FIXTURES: [(&str, Reading); 23] = [
    ("rss.xml", ACME),
    ("atom.xml", ACME),
    ("no_prefix.xml", ACME),
    ("other_prefix.xml", ACME),
    ("undeclared_prefix.xml", ACME),
    ("bom.xml", ACME),
    ("text.xml", ACME),
    ("script.xml", ACME),
    ("bad.xml", ACME),
    ("mismatched.xml", ACME),
    ("quirks.tsv", ACME),
    ("stray.tsv", ACME),
    ("meta.csv", ACME),
    ("bars.csv", ACME),
    ("semicolon.csv", GERMAN),
    ("dialects.jsonl", ACME),
    ("list.json", ACME),
    ("wrapped.json", ACME),
    ("truncated.xml", ACME),
    ("cut.json", ACME),
    ("letter.txt", ACME),
    ("page.html", ACME),
    ("no_id.csv", ACME),
];

/// Feeds that others made.
const SHARED: [(&str, Reading); 5] = [
    (
        "ar_ars_multiline.tsv",
        Reading {
            currency: "ARS",
            language: "es",
            domain: "pets-store-arg.com",
        },
    ),
    (
        "products_stream.jsonl",
        Reading {
            domain: "example.com",
            ..ACME
        },
    ),
    ("products_invalid.jsonl", Reading { domain: "e", ..ACME }),
    ("shopify_bulk.jsonl", SHOPIFY),
    ("stripe_product_feed.csv", SHOPIFY),
];
const SHOPIFY: Reading = Reading {
    domain: "example.myshopify.com",
    ..ACME
};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a file as the server does; a fault without the folder's name.
fn read(path: &Path, reading: &Reading) -> Result<(Catalog, FeedReport), String> {
    let hashes = Hashes::new(b"0123456789abcdef");
    let shelf = Shelf {
        advertiser: AdvertiserNo(7),
        currency: Currency::parse(reading.currency).expect("a currency"),
        language: reading.language,
        landing_domains: &[reading.domain.to_owned()],
        hashes: &hashes,
        zone: &jiff::tz::TimeZone::UTC,
        format: FeedFormat::Auto,
    };
    let folder = format!("{}/", path.parent().expect("a folder").display());
    feed::read_file(path, &shelf).map_err(|fault| fault.to_string().replace(&folder, ""))
}

/// All that a feed came to.
fn outcome(path: &Path, reading: &Reading) -> Value {
    match read(path, reading) {
        Err(fault) => json!({"fault": fault}),
        Ok((catalog, report)) => json!({
            "report": report.to_string(),
            "products": catalog.iter().map(|product| told(product, &catalog)).collect::<Vec<_>>(),
            "rejects": report.examples.iter().map(|item| json!({
                "line": item.line,
                "reason": item.reason.as_str(),
                "said": item.to_string(),
            })).collect::<Vec<_>>(),
        }),
    }
}

fn told(product: &Product, catalog: &Catalog) -> Value {
    let time = |time: Option<Millis>| time.map(Millis::to_rfc3339);
    json!({
        "id": product.item_id,
        "title": product.title,
        "link": product.link,
        "image_link": product.image_link,
        "price": product.price.to_string(),
        "price_text": product.price_text,
        "sale": product.sale.as_ref().map(|sale| json!({
            "price": sale.price.to_string(),
            "text": sale.text,
            "from": time(sale.from),
            "until": time(sale.until),
            "holds_in_february_2026": product.sale_at(Millis(1_771_000_000_000)).is_some(),
        })),
        "first_of_group": catalog.variants(product.group).next().map(|first| &first.item_id),
        "in_stock": product.in_stock,
        "showable": product.showable,
        "expires": time(product.expires),
        "brand": product.brand,
        "categories": product.categories,
    })
}

/// The same without any text of the feed.
fn hashed(outcome: &Value) -> Value {
    let mut sha = Sha256::new();
    sha.update(outcome.to_string());
    let sha: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let rejects = outcome["rejects"].as_array().into_iter().flatten();
    let rejects = rejects.map(|reject| format!("{}: {}", reject["line"], reject["reason"].as_str().expect("a reason")));
    json!({
        "report": outcome["report"],
        "rejects": rejects.collect::<Vec<_>>(),
        "sha256_of_whole": sha,
    })
}

/// Whether an outcome is the one on file, which `UPDATE_GOLDEN=1` makes it.
fn is_golden(name: &str, outcome: &Value) -> bool {
    let path = here("tests/golden/feeds").join(format!("{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("tests/golden/feeds");
        let text = serde_json::to_string_pretty(outcome).expect("json");
        fs::write(&path, text + "\n").expect("written");
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}: run with UPDATE_GOLDEN=1", path.display()));
    let expected: Value = serde_json::from_str(&text).expect("json");
    if expected != *outcome {
        println!("{name} differs from tests/golden/feeds:\n{outcome:#}");
    }
    expected == *outcome
}

#[test]
fn feeds_come_to_what_is_on_file() {
    let mut figures = Figures::new();
    let mut mismatches = 0;
    for (name, reading) in &FIXTURES {
        let outcome = outcome(&here("tests/fixtures/feeds").join(name), reading);
        mismatches += u32::from(!is_golden(name, &outcome));
        mismatches += packed_mismatches(name, reading, &outcome);
    }
    figures.at_least("feeds.fixtures", FIXTURES.len(), 14);
    if let Some(corpus) = corpus() {
        let (mut right, mut all) = (0, 0);
        for (name, reading) in &SHARED {
            let is_right = is_golden(name, &hashed(&outcome(&corpus.join("feeds").join(name), reading)));
            mismatches += u32::from(!is_right);
            right += u32::from(is_right);
        }
        let text = fs::read_to_string(corpus.join("feeds/price_formats.json")).expect("price_formats.json");
        let cases: Value = serde_json::from_str(&text).expect("json");
        let mut wrong = Vec::new();
        for case in cases["cases"].as_array().expect("cases") {
            let text = case["text"].as_str().expect("text");
            let expected = case["value"]
                .is_number()
                .then(|| Money::parse(&case["value"].to_string()).expect("value"));
            let found = price::parse(text, Currency::USD).ok().map(|(amount, _)| amount);
            all += 1;
            if found != expected {
                wrong.push(format!("{text}: {found:?}"));
            }
        }
        println!("prices that are read wrongly: {wrong:?}");
        figures.exactly("feeds.shared", right, 5);
        figures.at_least("feeds.price_formats", all, 26);
        figures.exactly("feeds.price_wrong", wrong.len(), 0);
    }
    figures.exactly("feeds.mismatches", mismatches, 0);
    figures.settle();
}

/// How often a feed, packed, does not come to what it comes to as it is.
fn packed_mismatches(name: &str, reading: &Reading, plain: &Value) -> u32 {
    let text = fs::read(here("tests/fixtures/feeds").join(name)).expect("a fixture");
    let folder = tempfile::tempdir().expect("a folder");
    // Under its own name, so that faults read the same: the packing is told by content.
    let path = folder.path().join(name);
    let packings: [(&str, Packing); 3] = [("gzip", gzip), ("bzip2", bzip2), ("zip", zip)];
    let mut mismatches = 0;
    for (packing, pack) in packings {
        fs::write(&path, pack(&text)).expect("written");
        let packed = outcome(&path, reading);
        if packed != *plain {
            println!("{name} packed with {packing}: {packed:#}");
            mismatches += 1;
        }
    }
    mismatches
}

type Packing = fn(&[u8]) -> Vec<u8>;

/// In two members, as tools that append write it.
fn gzip(text: &[u8]) -> Vec<u8> {
    let (first, second) = text.split_at(text.len() / 2);
    let member = |text: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(text).expect("packed");
        gzip.finish().expect("packed")
    };
    [member(first), member(second)].concat()
}

fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    packed.write_all(text).expect("packed");
    packed.finish().expect("packed")
}

/// Behind what a system adds.
fn zip(text: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.add_directory("feeds", options).expect("a folder");
    zip.start_file("__MACOSX/feeds/._feed", options).expect("an entry");
    zip.write_all(b"\0\x05\x16\x07").expect("packed");
    zip.start_file("feeds/feed.anything", options).expect("an entry");
    zip.write_all(text).expect("packed");
    zip.finish().expect("packed").into_inner()
}

#[test]
fn what_cannot_be_unpacked_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("feed");
    let text = fs::read(here("tests/fixtures/feeds/rss.xml")).expect("a fixture");
    let bomb = [b"id,title\n".as_slice(), &vec![b'\n'; 64 << 20]].concat();
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("half a gzip", gzip(&text)[..200].to_vec(), "gzip data is damaged, cut short"),
        ("half a bzip2", bzip2(&text)[..200].to_vec(), "bzip2 data is damaged, cut short"),
        ("half a zip", zip(&text)[..200].to_vec(), "zip data is damaged, cut short"),
        (
            "an empty zip",
            zip::ZipWriter::new(std::io::Cursor::new(Vec::new()))
                .finish()
                .expect("zip")
                .into_inner(),
            "no file in the zip",
        ),
        ("a gzip bomb", gzip(&bomb), "unpacks to more than"),
        ("a zip bomb", zip(&bomb), "unpacks to more than"),
        (
            "zstd",
            vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0],
            "packed with zstd: pack it with gzip",
        ),
        ("a gzip in a gzip", gzip(&gzip(&text)), "no feed"),
    ];
    for (what, bytes, expected) in cases {
        fs::write(&path, bytes).expect("written");
        let fault = read(&path, &ACME).map(|_| ()).expect_err(what);
        assert!(fault.contains(expected), "{what}: {fault}");
    }
    let fault = read(folder.path(), &ACME).map(|_| ()).expect_err("a folder");
    assert!(fault.contains("not a file"), "{fault}");
}

#[test]
fn a_format_that_is_not_the_files_is_said() {
    let hashes = Hashes::new(b"0123456789abcdef");
    let names = ["rss.xml", "atom.xml", "quirks.tsv", "meta.csv", "dialects.jsonl"];
    let formats = [
        FeedFormat::Rss,
        FeedFormat::Atom,
        FeedFormat::Tsv,
        FeedFormat::Csv,
        FeedFormat::Jsonl,
    ];
    for (at, name) in names.iter().enumerate() {
        for (other, format) in formats.into_iter().enumerate() {
            let shelf = Shelf {
                advertiser: AdvertiserNo(7),
                currency: Currency::USD,
                language: "en",
                landing_domains: &[],
                hashes: &hashes,
                zone: &jiff::tz::TimeZone::UTC,
                format,
            };
            let read = feed::read_file(&here("tests/fixtures/feeds").join(name), &shelf);
            let said = read.as_ref().map_or_else(ToString::to_string, |(_, report)| report.to_string());
            assert_eq!(read.is_ok(), at == other, "{name} as {format}: {said}");
            let expected = format!("it is {}, and `feed.format` says {format}", formats[at]);
            assert!(read.is_ok() || said.contains(&expected), "{said}");
        }
    }
}

#[test]
fn check_tells_of_every_feed_and_fails_for_one_that_cannot_be_read() {
    let setup = Setup::acme();
    setup.write();
    let feed = setup.path().join("advertisers/acme.xml");
    let run = || {
        let output = winback()
            .args(["check", "winback.json"])
            .current_dir(setup.path())
            .output()
            .expect("the binary starts");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, _) = run();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("acme.xml: rss, 20 items, 20 accepted, 0 rejected\n"), "{said}");
    fs::write(&feed, "id\ttitle\tprice\nx\tX\n").expect("written");
    let (code, said, _) = run();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("acme.xml:2:1: warning: `2 fields where the header has 3`: item `x`: malformed"),
        "{said}"
    );
    assert!(
        said.contains("acme.xml: tsv, 1 items, 0 accepted, 1 rejected (1 malformed)\n"),
        "{said}"
    );
    for (text, expected) in [
        ("<rss><channel>", "acme.xml:1:1: the file ends inside <channel>"),
        ("", "acme.xml:1:1: nothing in it"),
    ] {
        fs::write(&feed, text).expect("written");
        let (code, said, faults) = run();
        assert_eq!(code, Some(1), "{said}");
        assert!(faults.contains(expected), "{faults}");
    }
    fs::remove_file(&feed).expect("removed");
    let (code, _, faults) = run();
    assert_eq!((code, faults.matches("no such file").count()), (Some(1), 1), "{faults}");
}

#[test]
fn a_running_server_counts_its_feeds() {
    let server = Server::fresh(Setup::acme());
    let metrics = server.api().get("/metrics").expect("metrics").text();
    for line in [
        "winback_feed_items{advertiser=\"acme\",state=\"accepted\"} 20",
        "winback_feed_items{advertiser=\"acme\",state=\"rejected\"} 0",
        "winback_feed_loads_total{advertiser=\"acme\",result=\"ok\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(server.log().contains("acme.xml: rss, 20 items, 20 accepted"), "{}", server.log());
}

/// Writes a feed of `n` items, in RSS or TSV, all of them good or all bad.
fn generate(path: &Path, n: u32, is_tsv: bool, is_good: bool) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let head = if is_tsv {
        "id\ttitle\tlink\timage_link\tprice\tavailability\tproduct_type\tdescription\n"
    } else {
        "<rss xmlns:g=\"http://base.google.com/ns/1.0\"><channel>\n"
    };
    file.write_all(head.as_bytes()).expect("written");
    let price = if is_good { "12.50 USD" } else { "unknown" };
    let description = "A shoe that goes where you go, in any weather. ".repeat(4);
    for n in 0..n {
        let link = format!("https://acme.example/p/runner-{n}");
        let image = format!("https://cdn.acme.example/images/runner-{n}.jpg");
        let written = if is_tsv {
            writeln!(
                file,
                "acme-{n}\tRoad Runner {n}\t{link}\t{image}\t{price}\tin_stock\tShoes > Running\t{description}"
            )
        } else {
            writeln!(
                file,
                "<item><g:id>acme-{n}</g:id><title>Road Runner {n}</title><link>{link}</link><g:image_link>{image}</g:image_link>\
                 <g:price>{price}</g:price><g:availability>in_stock</g:availability><g:product_type>Shoes &gt; Running</g:product_type>\
                 <description>{description}</description></item>"
            )
        };
        written.expect("written");
    }
    file.write_all(if is_tsv { b"" } else { b"</channel></rss>\n" }).expect("written");
    file.flush().expect("written");
}

/// Runs `winback check` on a folder; what it said and the most memory it had, in MiB.
fn checked(setup: &Setup) -> (String, u64) {
    let mut child = winback()
        .args(["check", "winback.json"])
        .current_dir(setup.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().is_ok_and(|ended| ended.is_none()) {
        // The high-water mark as the system keeps it; none once the process has ended.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak = peak.max(mark.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("its output");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), peak / 1024)
}

#[test]
fn a_large_feed_takes_bounded_memory() {
    let setup = Setup::acme();
    setup.write();
    let path = setup.path().join("advertisers/acme.xml");
    let mut figures = Figures::new();
    let (_, idle) = checked(&setup);
    let (mut items, mut peak, mut flat) = (Vec::new(), 0, 0);
    for is_tsv in [false, true] {
        generate(&path, MANY, is_tsv, true);
        let (said, full) = checked(&setup);
        items.push(if said.contains(&format!("{MANY} items, {MANY} accepted, 0 rejected")) {
            MANY
        } else {
            0
        });
        generate(&path, 2 * MANY, is_tsv, false);
        let (said, bare) = checked(&setup);
        assert!(said.contains(&format!("{} rejected ({} bad_price)", 2 * MANY, 2 * MANY)), "{said}");
        println!(
            "tsv {is_tsv}: idle {idle} MiB, with {MANY} products {full}, with none of {} {bare}",
            2 * MANY
        );
        peak = peak.max(full);
        flat = flat.max(bare.saturating_sub(idle));
    }
    figures.exactly("feeds.generated_items", items[0].min(items[1]), MANY);
    figures.at_most("feeds.peak_mib", peak, PEAK_MIB_MAX);
    figures.at_most("feeds.beyond_catalogue_mib", flat, FLAT_MIB_MAX);
    figures.settle();
}
