//! What fetching and reading a feed takes at most beyond the catalogue that is left of it: a buffer, however many items.
//!
//! Bytes asked of the allocator by the thread that fetches, so the same on every machine. FEED_ITEMS says of how many
//! items, beside a tenth of them.

use std::io::{BufWriter, Read, Write};
use std::net::TcpListener;
use std::thread;

use allocation_counter::measure;
use winback::base::hash::Hashes;
use winback::config::{draft_advertiser, server_from_text};
use winback::server::feeds::{Obtained, manner, obtain};

use crate::figures::Figures;

const ITEMS: u32 = 20_000;
/// Of the larger feed beyond its catalogue, more than of the smaller beyond its own.
const BEYOND_MIB_MAX: u64 = 20;
const MIB: u64 = 1 << 20;

/// Serves one feed of so many items, made as it is sent; returns its address.
fn serve(items: u32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/feed.xml", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).expect("a request");
        let mut out = BufWriter::with_capacity(1 << 16, stream);
        out.write_all(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\n\r\n<rss xmlns:g=\"http://base.google.com/ns/1.0\"><channel>\n")
            .expect("written");
        for n in 0..items {
            writeln!(
                out,
                "<item><g:id>acme-{n}</g:id><title>Road Runner {n}</title><link>https://acme.example/p/runner-{n}</link>\
                 <g:image_link>https://cdn.acme.example/images/runner-{n}.jpg</g:image_link><g:price>12.50 USD</g:price>\
                 <g:availability>in_stock</g:availability><g:item_group_id>g{}</g:item_group_id>\
                 <g:product_type>Shoes &gt; Running</g:product_type>\
                 <description>A shoe that goes where you go, in any weather.</description></item>",
                n / 4
            )
            .expect("written");
        }
        out.write_all(b"</channel></rss>\n").expect("written");
    });
    url
}

/// Fetches and reads such a feed; bytes of the catalogue, and at most beyond it.
fn fetched(items: u32) -> (u64, u64) {
    let dir = tempfile::tempdir().expect("a folder");
    let config = r#"{"feeds": {"allow": ["127.0.0.1"]}}"#;
    let (server, _) = server_from_text("winback.json", dir.path(), config).expect("a server");
    let url = serve(items);
    let shop = format!(r#"{{"id": "acme", "name": "A", "domain": "acme.example", "site_key": "acme", "feed": {{"url": "{url}"}}}}"#);
    let advertiser = draft_advertiser("acme.json", dir.path(), &shop, &server).0.expect("an advertiser");
    let source = advertiser.feed.as_ref().expect("a feed");
    let hashes = Hashes::new(&[1; 16]);
    let manner = manner(&server);
    let mut kept = None;
    let used = measure(|| kept = obtain(&advertiser, (source, &url), (&server, &manner), &hashes, 0).ok());
    let Some(Obtained::New(read)) = kept else { panic!("nothing came") };
    assert_eq!((read.0.len(), read.1.accepted), (items as usize, items));
    let catalogue = u64::try_from(used.bytes_current).expect("something is left");
    (catalogue, used.bytes_max - catalogue)
}

#[test]
fn a_feed_takes_no_more_beyond_its_catalogue_the_more_items_it_has() {
    let items = std::env::var("FEED_ITEMS").map_or(ITEMS, |text| text.parse().expect("a number of items"));
    let [small, large] = [items / 10, items].map(|items| {
        let (catalogue, beyond) = fetched(items);
        println!(
            "{items} items: {} KiB a catalogue, at most {} KiB beyond it",
            catalogue >> 10,
            beyond >> 10
        );
        beyond
    });
    let mut figures = Figures::new();
    figures.at_least("feeds.memory_items", items, ITEMS);
    figures.at_most("feeds.memory_beyond_mib", large.saturating_sub(small).div_ceil(MIB), BEYOND_MIB_MAX);
    figures.settle();
}
