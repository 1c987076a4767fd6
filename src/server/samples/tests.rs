//! What a sample keeps of a person's words, and what waits to be kept. That a sample comes to what its request came to
//! is in `tests/all/replay.rs`.

use serde_json::Value;

use super::rewrite::{Person, rewrite};
use super::*;
use crate::config;
use crate::model::crawlers::is_crawler;

fn rewritten(body: &str, person: &Person) -> Value {
    let (mut memory, mut request) = (Memory::default(), Opportunity::default());
    decode::read(Form::Json, body.as_bytes(), &mut memory, &mut request).expect("a request");
    rewrite(&request, person)
}

fn of_device(device: &str) -> Value {
    let body = format!(r#"{{"id":"1","imp":[{{"id":"a"}}],"device":{device}}}"#);
    rewritten(&body, &Person::Nobody)["device"].clone()
}

#[test]
fn of_a_user_agent_words_are_kept_and_of_an_address_its_network() {
    let agent = |ua: &str| {
        let kept = of_device(&format!(r#"{{"ua":"{ua}"}}"#))["ua"].as_str().expect("words").to_owned();
        assert_eq!(is_crawler(&kept), is_crawler(ua), "{kept}");
        kept
    };
    let pixel = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.7151.61 Mobile Safari/537.36";
    assert_eq!(agent(pixel), "Android Mobile Mobi Chrome/ Safari/");
    assert_eq!(
        agent("Mozilla/5.0 (Windows NT 10.0; rv:143.0) Gecko/20100101 FIREFOX/143.0"),
        "Windows NT firefox"
    );
    assert_eq!(
        agent("Mozilla/5.0 (compatible; bingbot/2.0) Chrome/103.0.5060.134 Safari/537.36"),
        "Chrome/ Safari/ Bot/"
    );
    assert_eq!(agent("something of its own"), "-");
    for (ip, kept) in [
        ("203.0.113.197", "203.0.113.0"),
        ("2001:db8:85a3:8d3:1319:8a2e:370:7348", "2001:db8:85a3::"),
    ] {
        assert_eq!(of_device(&format!(r#"{{"ip":"{ip}"}}"#))["ip"], kept);
    }
    assert!(of_device(r#"{"ip":"hers"}"#).get("ip").is_none());
}

#[test]
fn what_names_somebody_is_not_kept_and_a_handle_is() {
    let body = r#"{"id":"r-7","imp":[{"id":"imp-of-hers","native":{"request":"{\"assets\":[{\"id\":1,\"title\":{\"len\":9,\"ext\":\"hers\"}}]}"}},
        {"id":"x","video":{"mimes":["video/mp4"],"w":640,"ext":{"hers":1}}},{"id":"x"}],
        "site":{"domain":"news.example","page":"https://news.example/thanks/hers@mail.example?q=hers"},
        "user":{"id":"hers","buyeruid":"hers","eids":[{"source":"hers.example","uids":[{"id":"hers"}]}],"consent":"hers","keywords":"hers"},
        "device":{"ifa":"hers","didsha1":"hers","geo":{"lat":1.5,"zip":"hers","city":"Hue"},"ext":{"hers":1}},
        "regs":{"us_privacy":"1YNN-hers","gpp":"hers","gpp_sid":[7]},"ext":{"hers":1}}"#;
    let kept = rewritten(body, &Person::Handle("00000000000000ff".to_owned()));
    assert!(!kept.to_string().contains("hers"), "{kept}");
    assert_eq!(kept["user"]["buyeruid"], "00000000000000ff");
    assert_eq!(kept["site"]["page"], "https://news.example/");
    assert_eq!(kept["device"]["geo"]["city"], "Hue");
    assert_eq!((&kept["regs"]["us_privacy"], &kept["regs"]["gpp"]), (&"1YNN".into(), &"?".into()));
    assert_eq!(kept["imp"][0]["native"]["request"]["assets"][0]["title"]["len"], 9);
    let ids: Vec<_> = (0..3).map(|n| kept["imp"][n]["id"].clone()).collect();
    assert_eq!(ids, ["1", "2", "2"], "what is told apart by ids still is");
    assert_eq!(rewritten(body, &Person::Unknown)["user"]["id"], "unknown");
    assert!(rewritten(body, &Person::Nobody)["user"].get("id").is_none());
}

#[test]
fn a_share_is_sampled_and_what_finds_no_room_is_dropped() {
    let text = r#"{"sampling": {"share": 0.25}}"#;
    let (server, _) = config::server_from_text("winback.json", std::path::Path::new("/nowhere"), text).expect("a config");
    let samples = Samples::new(&server);
    let (scratch, body) = (Scratch::default(), vec![b'x'; 64 * 1024]);
    let offer = |n: u64, why: NoBid| {
        let ask = Ask {
            exchange: ExchangeNo(0),
            body: &body,
            form: Form::Json,
            now: Millis(0),
            waited_ms: 0,
            seed: u128::from(crate::base::hash::mix(n)),
            barred: None,
            inert: false,
        };
        samples.offer(&ask, &Outcome::NoBid(why), &scratch);
    };
    let waiting = || samples.queued_bytes.load(Ordering::Relaxed) / body.len();
    (0..400).for_each(|n| offer(n, NoBid::OptedOut));
    (0..400).for_each(|n| offer(n, NoBid::Overloaded));
    assert_eq!(waiting(), 0, "who opted out, and what was not decided");
    (0..400).for_each(|n| offer(n, NoBid::NoId));
    assert!((60..140).contains(&waiting()), "{}", waiting());
    (0..100_000).for_each(|n| offer(n, NoBid::NoId));
    assert_eq!(
        waiting(),
        SAMPLES_QUEUE_BYTES_MAX / body.len(),
        "as many as there may be, and no more"
    );
    let (off, _) = config::server_from_text("winback.json", std::path::Path::new("/nowhere"), "{}").expect("a config");
    let before = waiting();
    samples.configure(&off);
    (0..400).for_each(|n| offer(n, NoBid::NoId));
    assert_eq!(waiting(), before, "off");
}
