//! Sealed tokens: the only way a tracking URL carries meaning (architecture rule 11).
//!
//! A token is key id, nonce, encrypted payload and tag, in unpadded base64url. The audience (who
//! holds the URL) is authenticated with it, so a view token is worth nothing at a notice URL; the
//! exchange stands in the payload. Assumes that a caller never repeats a nonce for one
//! audience. Never tells why a token is refused.

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest payload sealed, in bytes.
pub const PAYLOAD_MAX: usize = 103;
const NONCE: usize = 12;
const TAG: usize = 16;
const RAW_MAX: usize = 1 + NONCE + PAYLOAD_MAX + TAG;

/// Who a token is handed to; what it may do follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The exchange: win, billing and loss notices.
    Notice = 1,
    /// The markup: impression pixel and click.
    View = 2,
}

/// A key and its id; id 0 is the inert key, which no listener opens.
pub struct SealKey {
    id: u8,
    cipher: Aes256GcmSiv,
}

/// The inert key's id: what explain, preview and replay seal with.
pub const INERT: u8 = 0;

impl SealKey {
    /// A key from its 32 bytes.
    pub fn new(id: u8, bytes: &[u8; 32]) -> SealKey {
        SealKey {
            id,
            cipher: Aes256GcmSiv::new(bytes.into()),
        }
    }

    /// Appends the token of `payload` (at most [`PAYLOAD_MAX`] bytes, longer is cut) to `out`.
    pub fn seal(&self, audience: Audience, nonce: &[u8; NONCE], payload: &[u8], out: &mut Vec<u8>) {
        let mut raw = [0u8; RAW_MAX];
        let length = payload.len().min(PAYLOAD_MAX);
        raw[0] = self.id;
        raw[1..1 + NONCE].copy_from_slice(nonce);
        let body = 1 + NONCE;
        raw[body..body + length].copy_from_slice(&payload[..length]);
        let sealed = self.cipher.encrypt_inout_detached(
            &Nonce::from(*nonce),
            &[audience as u8, self.id],
            (&mut raw[body..body + length]).into(),
        );
        // Refused only beyond 64 GiB of payload.
        let Ok(tag) = sealed else { return };
        raw[body + length..body + length + TAG].copy_from_slice(&tag);
        let raw = &raw[..body + length + TAG];
        let start = out.len();
        out.resize(start + raw.len().div_ceil(3) * 4, 0);
        let written = URL_SAFE_NO_PAD.encode_slice(raw, &mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
    }
}

/// The keys a listener opens with: current first, previous after it; and the inert key.
pub struct Seals {
    open: Vec<SealKey>,
    inert: SealKey,
}

/// An opened token.
pub struct Opened {
    /// What the nonce was: its first eight bytes are the bid's tag.
    pub nonce: [u8; NONCE],
    payload: [u8; PAYLOAD_MAX],
    length: usize,
}

impl Opened {
    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload[..self.length]
    }
}

impl Seals {
    /// `keys` as (id, bytes), the current one first; `inert` is random for each process.
    pub fn new(keys: &[(u8, [u8; 32])], inert: &[u8; 32]) -> Seals {
        Seals {
            open: keys.iter().map(|(id, bytes)| SealKey::new(*id, bytes)).collect(),
            inert: SealKey::new(INERT, inert),
        }
    }

    /// The key to seal with: the inert one for whatever must leave no trace.
    pub fn current(&self, inert: bool) -> &SealKey {
        if inert {
            &self.inert
        } else {
            self.open.first().unwrap_or(&self.inert)
        }
    }

    /// Opens a token sealed for `audience`.
    pub fn open(&self, audience: Audience, token: &str) -> Option<Opened> {
        let mut raw = [0u8; RAW_MAX + 3];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut raw).ok()?;
        let raw = &raw[..length];
        if length <= 1 + NONCE + TAG || length > RAW_MAX {
            return None;
        }
        let key = self.open.iter().find(|key| key.id == raw[0])?;
        let nonce: [u8; NONCE] = raw[1..1 + NONCE].try_into().ok()?;
        let (sealed, tag) = raw[1 + NONCE..].split_at(length - 1 - NONCE - TAG);
        let tag: [u8; TAG] = tag.try_into().ok()?;
        let mut payload = [0u8; PAYLOAD_MAX];
        payload[..sealed.len()].copy_from_slice(sealed);
        let text = &mut payload[..sealed.len()];
        let opened = key
            .cipher
            .decrypt_inout_detached(&Nonce::from(nonce), &[audience as u8, key.id], text.into(), &Tag::from(tag));
        opened.is_ok().then_some(Opened {
            nonce,
            payload,
            length: sealed.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(seals: &Seals, audience: Audience, inert: bool) -> String {
        let mut out = Vec::new();
        seals
            .current(inert)
            .seal(audience, &[7; 12], b"a payload of forty-nine bytes, more or less so....", &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_token_opens_only_where_it_was_meant_to() {
        let seals = Seals::new(&[(2, [2; 32]), (1, [1; 32])], &[9; 32]);
        let sealed = token(&seals, Audience::Notice, false);
        assert!(sealed.len() <= crate::base::limits::TOKEN_CHARS_MAX, "{}", sealed.len());
        let opened = seals.open(Audience::Notice, &sealed).expect("opens");
        assert_eq!(opened.payload(), b"a payload of forty-nine bytes, more or less so....");
        assert!(seals.open(Audience::View, &sealed).is_none(), "another audience");
        assert!(
            Seals::new(&[(2, [8; 32])], &[9; 32]).open(Audience::Notice, &sealed).is_none(),
            "another key"
        );
        assert!(
            Seals::new(&[(3, [3; 32]), (2, [2; 32])], &[9; 32])
                .open(Audience::Notice, &sealed)
                .is_some(),
            "previous key"
        );
        assert!(
            seals.open(Audience::Notice, &token(&seals, Audience::Notice, true)).is_none(),
            "inert"
        );
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("text");
            assert!(seals.open(Audience::Notice, &forged).is_none(), "byte {at}");
        }
        for junk in ["", "A", "====", &"A".repeat(500), "é"] {
            assert!(seals.open(Audience::Notice, junk).is_none());
        }
    }
}
