//! Google's encrypted prices: the vectors of others, and notices through the real listener.
//!
//! Reads `crypto_vectors.json` of the corpus; see `corpus.rs`.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use winback::base::winning_price::{KeyPair, key, open, price, seal, seal_price};

use crate::corpus::corpus;
use crate::figures::{Figures, billionths};
use crate::http::Client;
use crate::rig::{Server, ask, bids, call, tell};
use crate::shop::{Setup, cart, request, theirs};

const VECTORS_MIN: usize = 19;
const INVALID_MIN: usize = 2_500;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().map(|b| (b as char).to_digit(16).expect("a digit")).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn keys(vectors: &Value, of: &Value) -> [KeyPair; 1] {
    let pair = &vectors["keys"][of["keys"].to_string()];
    let read = |name: &str| key(pair[name].as_str().expect("a key")).expect("32 bytes");
    [KeyPair {
        encryption: read("encryption_key"),
        integrity: read("integrity_key"),
    }]
}

/// A vector's message.
fn message(vector: &Value) -> Option<Vec<u8>> {
    let text = vector["ciphertext_websafe_base64"].as_str().or(vector["ciphertext"].as_str())?;
    match vector["ciphertext_encoding"] == "hex" {
        true => Some(hex(text)),
        false => URL_SAFE.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok(),
    }
}

fn is_right(vectors: &Value, vector: &Value) -> bool {
    let keys = keys(vectors, vector);
    if vector["kind"] == "price" {
        let text = vector["ciphertext_websafe_base64"].as_str().expect("a text");
        let micros = i128::from(vector["plaintext_micros"].as_i64().expect("micros"));
        return price(&keys, text).is_ok_and(|(amount, _)| amount.0 == micros * 1_000);
    }
    let plain = hex(vector["plaintext_hex"].as_str().expect("a plain text"));
    open(&keys, &message(vector).expect("a message")).is_ok_and(|(payload, _)| payload == plain)
}

#[test]
fn vectors_of_others() {
    let Some(folder) = corpus() else { return };
    let text = fs::read_to_string(folder.join("crypto_vectors.json")).expect("the vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let all = vectors["vectors"].as_array().expect("a list");
    let (valid, invalid): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|vector| vector["valid"] == true);
    let right = valid.iter().filter(|vector| is_right(&vectors, vector)).count();
    let (mut tried, mut accepted) = (0, 0);
    let mut refuse = |is_accepted: bool| {
        tried += 1;
        accepted += usize::from(is_accepted);
    };
    for vector in &invalid {
        let text = vector["ciphertext_websafe_base64"].as_str().expect("a text");
        refuse(price(&keys(&vectors, vector), text).is_ok());
    }
    for vector in &valid {
        let [pair] = keys(&vectors, vector);
        let message = message(vector).expect("a message");
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refuse(open(std::slice::from_ref(&pair), &flipped).is_ok());
        }
        let swapped = KeyPair {
            encryption: pair.integrity,
            integrity: pair.encryption,
        };
        refuse(open(&[swapped], &message).is_ok());
        for cut in 0..message.len() {
            refuse(price(std::slice::from_ref(&pair), &URL_SAFE_NO_PAD.encode(&message[..cut])).is_ok());
        }
    }
    let generated = vectors["generated"].as_array().expect("a list");
    let is_made = |vector: &&Value| {
        let [pair] = keys(&vectors, vector);
        let length = vector["n"].as_u64().expect("a length") as usize;
        let plain: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let iv = hex(vector["iv_hex"].as_str().expect("a vector")).try_into().expect("16 bytes");
        let sealed = seal(&pair, iv, &plain);
        let digest: String = Sha256::digest(&sealed).iter().map(|byte| format!("{byte:02x}")).collect();
        vector["sha256_ciphertext"] == digest && open(&[pair], &sealed).is_ok_and(|(payload, _)| payload == plain)
    };
    let made = generated.iter().filter(is_made).count();
    let mut figures = Figures::new();
    figures.at_least("prices.valid", valid.len(), VECTORS_MIN);
    figures.exactly("prices.valid_right", right, valid.len());
    figures.exactly("prices.long_right", made, generated.len());
    figures.at_least("prices.invalid", tried, INVALID_MIN);
    figures.exactly("prices.invalid_accepted", accepted, 0);
    figures.settle();
}

/// The keys of the test's exchange.
fn own_keys() -> KeyPair {
    KeyPair {
        encryption: [11; 32],
        integrity: [12; 32],
    }
}

/// A vector made so many seconds ago, the `n`-th.
fn iv(seconds_ago: i64, n: u64) -> [u8; 16] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let made = u32::try_from(now.cast_signed() - seconds_ago).expect("before 2106");
    let mut iv = [0; 16];
    iv[..4].copy_from_slice(&made.to_be_bytes());
    iv[8..].copy_from_slice(&n.to_be_bytes());
    iv
}

/// The value of a counter; none where it is not there.
fn counted(metrics: &str, name: &str, why: &str) -> Option<u64> {
    let line = metrics
        .lines()
        .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(&format!("why=\"{why}\"")))?;
    line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok())
}

#[test]
fn notices_of_encrypted_prices() {
    let mut setup = Setup::acme();
    let former = KeyPair {
        encryption: [1; 32],
        integrity: [2; 32],
    };
    setup.config["exchanges"][0]["price"] = json!({"encoding": "google", "encryption_key_file": "e-keys", "integrity_key_file": "i-keys"});
    let file = |name: &str, keys: [[u8; 32]; 2]| {
        fs::write(setup.path().join(name), keys.map(|key| URL_SAFE.encode(key)).join("\n")).expect("a key file");
    };
    file("e-keys", [own_keys().encryption, former.encryption]);
    file("i-keys", [own_keys().integrity, former.integrity]);
    let server = Server::fresh(setup);
    let good = |micros: i64, n: u64| seal_price(&own_keys(), iv(5, n), micros);
    let copied = good(1_600_000, 1);
    let mut forged = good(1_000_000, 90);
    forged.replace_range(30..31, if &forged[30..31] == "A" { "B" } else { "A" });
    // The bid is 3.2; the median share is that of what was readable before: 1 / 3.2, then of the two.
    let notices: [(String, &str); 12] = [
        (copied.clone(), "1.6"),
        (seal_price(&former, iv(5, 2), 1_600_000), "1.6"),
        (format!("{}==", good(1_600_000, 3)), "1.6"),
        (seal_price(&own_keys(), iv(3_000, 4), 1_600_000), "1.6"),
        (seal_price(&own_keys(), iv(-3_000, 5), 1_600_000), "1.6"),
        (copied, "1.6"),
        (good(9_000_000, 7), "3.2"),
        (forged, "1.6"),
        (good(-5, 8), "1.6"),
        ("1.5".to_owned(), "1.6"),
        ("%24%7BAUCTION_PRICE%7D".to_owned(), "1.6"),
        ("UNKNOWN".to_owned(), "1.6"),
    ];
    let mut expected = 0;
    for (n, (text, counts_as)) in notices.iter().enumerate() {
        let user = format!("u{n}");
        tell(&mut server.shop(), "acme", &cart(theirs(&user), "acme", 1));
        let bid = bids(&ask(&mut server.exchange(), &request(&format!("r{n}"), &user, 1))).remove(0);
        assert_eq!(bid["price"].to_string(), "3.2");
        for _ in 0..2 {
            let answer = server.exchange().get(&call(&bid["burl"], text)).expect("an answer");
            assert_eq!(answer.status, 200, "{text}");
        }
        expected += billionths(counts_as).expect("an amount") / 1_000;
        assert_eq!(crate::kill::reported(&mut server.api()), (n + 1, expected), "after {text}");
    }
    let metrics = Client::new(server.admin).get("/metrics").expect("metrics").text();
    let unpriced = |why: &str| counted(&metrics, "winback_unpriced_total", why);
    let doubted = |why: &str| counted(&metrics, "winback_price_doubts_total", why);
    assert_eq!(
        ["undecryptable", "nonsense", "unreplaced", "unknown"].map(unpriced),
        [Some(2), Some(1), Some(1), Some(1)]
    );
    assert_eq!(["stale", "future", "replayed", "above_bid"].map(doubted), [Some(1); 4]);
}
