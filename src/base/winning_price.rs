//! Google's encryption of small messages: winning prices, and the ids and places of the same scheme
//! (developers.google.com/authorized-buyers/rtb/response-guide/decrypt-price).
//!
//! A message is an initialization vector, the payload under a pad of HMAC-SHA1 and the first four bytes of
//! a signature over both. Assumes nothing of a message; compares signatures in constant time. Never reads
//! a clock: whoever asks judges how old a message is, by its vector.

use std::fmt;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::hash::mix;
use super::money::Money;
use super::time::Millis;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const IV_BYTES: usize = 16;
const SIGNATURE_BYTES: usize = 4;
/// Bytes of a payload that one pad covers: all that SHA-1 gives.
const BLOCK_BYTES: usize = 20;
/// Bytes that HMAC-SHA1 works on: shorter keys go on in zeros.
const HMAC_BYTES: usize = 64;
/// Pads whose counters have the same length.
const COUNTS: usize = 256;
/// Billionths in a millionth.
const MICRO: i128 = 1_000;

/// Web-safe; padding is cut off before.
const TEXT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The two keys of an account.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// What payloads are hidden under.
    pub encryption: [u8; KEY_BYTES],
    /// What signs them.
    pub integrity: [u8; KEY_BYTES],
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(..)")
    }
}

/// Why a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not base64.
    Text,
    /// Too short to be a message, or not as long as a price is.
    Length(usize),
    /// Signed by nobody whose keys we have.
    Signature,
}

/// A message's initialization vector: of its own for each, by convention with the time it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iv([u8; IV_BYTES]);

impl Iv {
    /// When the message was made: seconds and microseconds stand in its first eight bytes.
    pub fn made(self) -> Millis {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        let (seconds, micros) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        Millis(i64::from(seconds) * 1_000 + i64::from(micros / 1_000))
    }

    /// 64 bits to know it again by.
    pub fn hash(self) -> u64 {
        let (high, low) = self.0.split_at(8);
        let half = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        mix(half(high) ^ mix(half(low)))
    }
}

/// A key as account pages show it: 32 bytes of web-safe or plain base64.
pub fn key(text: &str) -> Option<[u8; KEY_BYTES]> {
    decoded(text).ok()?.try_into().ok()
}

/// The amount that a text of base64 hides, by the first pair of keys that signed it, and its vector.
/// Micros of a currency unit; nothing keeps it from being negative.
pub fn price(keys: &[KeyPair], text: &str) -> Result<(Money, Iv), Refused> {
    let message = decoded(text)?;
    let length = message.len();
    if length != IV_BYTES + size_of::<i64>() + SIGNATURE_BYTES {
        return Err(Refused::Length(length));
    }
    let (payload, iv) = open(keys, &message)?;
    let micros = payload.try_into().map(i64::from_be_bytes).map_err(|_| Refused::Length(length))?;
    Ok((Money(i128::from(micros) * MICRO), iv))
}

/// The payload of a message, by the first pair of keys that signed it, and its vector.
pub fn open(keys: &[KeyPair], message: &[u8]) -> Result<(Vec<u8>, Iv), Refused> {
    let short = Refused::Length(message.len());
    let (iv, rest) = message.split_first_chunk::<IV_BYTES>().ok_or(short)?;
    let (hidden, signature) = rest.split_last_chunk::<SIGNATURE_BYTES>().ok_or(short)?;
    for pair in keys {
        let payload = uncovered(pair, iv, hidden);
        let signed = hmac(&pair.integrity, &[&payload, iv]).verify_truncated_left(signature);
        if signed.is_ok() {
            return Ok((payload, Iv(*iv)));
        }
    }
    Err(Refused::Signature)
}

/// Bytes of web-safe or plain base64; some pad it by `=`, some by `.`.
fn decoded(text: &str) -> Result<Vec<u8>, Refused> {
    let safe = text.trim().trim_end_matches(['=', '.']).replace('+', "-").replace('/', "_");
    TEXT.decode(safe).map_err(|_| Refused::Text)
}

/// A payload without its pads. The first has no counter; after it come those of one byte, of two bytes of
/// which the last counts, and so on.
fn uncovered(pair: &KeyPair, iv: &[u8], hidden: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(hidden.len());
    let mut counter: Vec<u8> = Vec::new();
    for (block, bytes) in hidden.chunks(BLOCK_BYTES).enumerate() {
        if let Some(count) = block.checked_sub(1) {
            counter.clear();
            counter.resize(count / COUNTS + 1, 0);
            counter[count / COUNTS] = (count % COUNTS) as u8;
        }
        let pad = hmac(&pair.encryption, &[iv, &counter]).finalize().into_bytes();
        payload.extend(bytes.iter().zip(pad).map(|(byte, pad)| byte ^ pad));
    }
    payload
}

fn hmac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> Hmac<Sha1> {
    let mut block = [0; HMAC_BYTES];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = Hmac::<Sha1>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// A payload as Google writes it: for simulated exchanges.
pub fn seal(pair: &KeyPair, iv: [u8; IV_BYTES], payload: &[u8]) -> Vec<u8> {
    let signature = hmac(&pair.integrity, &[payload, &iv]).finalize().into_bytes();
    [&iv[..], &uncovered(pair, &iv, payload), &signature[..SIGNATURE_BYTES]].concat()
}

/// The text of a price likewise, in micros of a currency unit.
pub fn seal_price(pair: &KeyPair, iv: [u8; IV_BYTES], micros: i64) -> String {
    TEXT.encode(seal(pair, iv, &micros.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(byte: u8) -> KeyPair {
        KeyPair {
            encryption: [byte; KEY_BYTES],
            integrity: [byte + 1; KEY_BYTES],
        }
    }

    #[test]
    fn a_price_opens_by_the_keys_it_was_written_with_and_no_others() {
        let iv = *b"\x38\x6e\x3a\xc0\x00\x0c\x0a\x08\x01\x23\x45\x67\x89\xab\xcd\xef";
        let text = seal_price(&pair(1), iv, 1_250_000);
        assert_eq!(text.len(), 38);
        let (price, of) = price(&[pair(7), pair(1)], &text).expect("ours");
        assert_eq!((price, of.made()), (Money::units(1) + Money(250_000_000), Millis(946_748_096_789)));
        let swapped = KeyPair {
            encryption: [2; KEY_BYTES],
            integrity: [1; KEY_BYTES],
        };
        assert_eq!(super::price(&[swapped], &text), Err(Refused::Signature));
        assert_eq!(super::price(&[], &text), Err(Refused::Signature));
        for padded in [format!("{text}=="), format!("{text}.."), format!(" {text}=")] {
            assert_eq!(super::price(&[pair(1)], &padded), Ok((price, of)), "{padded}");
        }
        for (wrong, why) in [
            ("", Refused::Length(0)),
            ("garbage", Refused::Text),
            ("AAAA", Refused::Length(3)),
            ("é", Refused::Text),
        ] {
            assert_eq!(super::price(&[pair(1)], wrong), Err(why), "{wrong}");
        }
    }

    #[test]
    fn each_bit_of_a_price_counts() {
        let text = seal_price(&pair(1), [9; 16], 77);
        let message = decoded(&text).expect("base64");
        for bit in 0..message.len() * 8 {
            let mut forged = message.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(price(&[pair(1)], &TEXT.encode(forged)), Err(Refused::Signature), "bit {bit}");
        }
    }

    #[test]
    fn keys_never_show() {
        assert_eq!(format!("{:?}", pair(1)), "KeyPair(..)");
        assert_eq!(
            key("skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o="),
            key("skU7Ax/NL5pPAFyKdkfZjZz2+VhIN8bjj1rVFOaJ/5o")
        );
        assert!(key("skU7Ax_NL5pPAFyKdkfZjZz2-VhIN8bjj1rVFOaJ_5o=").is_some());
        assert_eq!(key("skU7"), None);
    }
}
