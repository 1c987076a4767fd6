//! Who a batch of events is of: the ids it names, each in the namespace of whoever gave it.
//!
//! Hashed here, and never kept, logged or repeated as they came. Permission has been checked before.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fact::IdRef;
use crate::base::hash::{NS_IFA, decode_hex, email_namespace};
use crate::base::id::device_id;
use crate::base::limits::ID_CHARS_MAX;
use crate::model::advertiser::Shop;
use crate::state::world::World;

/// Why nobody is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// `user` is at fault: nothing of the batch is read.
    User(String),
    /// `user.email_sha256` is no such hash. Does not repeat it: it may be an address.
    Email(&'static str),
}

#[derive(Deserialize, Default)]
struct RawUser {
    id: Option<String>,
    first_party_id: Option<String>,
    email_sha256: Option<String>,
    ifa: Option<String>,
    #[serde(default)]
    exchange_ids: BTreeMap<String, String>,
}

fn read(user: Option<&RawValue>) -> Result<RawUser, Unclear> {
    let Some(text) = user else { return Ok(RawUser::default()) };
    serde_json::from_str(text.get()).map_err(|e| Unclear::User(format!("`user` is not as described: {e}")))
}

fn given(id: Option<String>) -> Option<String> {
    id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// All ids of a server's `user`, the most trusted first. A device's that stands for none, or is none, is passed
/// over: apps send what the system gives them.
pub fn of_server(world: &World, shop: &Shop, user: Option<&RawValue>) -> Result<Vec<IdRef>, Unclear> {
    let user = read(user)?;
    let mut ids = Vec::new();
    if let Some(id) = given(user.id) {
        if id.len() > ID_CHARS_MAX {
            return Err(Unclear::User(format!("`user.id` is longer than {ID_CHARS_MAX} characters")));
        }
        ids.push(IdRef::Ours(world.hashes.user(id.as_bytes()), id));
    }
    let foreign = |namespace: &str, id: &[u8]| IdRef::Foreign(world.hashes.foreign(namespace, id), namespace.to_owned());
    let first_party = given(user.first_party_id);
    ids.extend(first_party.map(|id| foreign(&shop.advertiser.domain, id.as_bytes())));
    if let Some(text) = given(user.email_sha256) {
        let namespace = email_namespace(shop.advertiser.no);
        let hash = email_hash(&text).map_err(Unclear::Email)?;
        ids.push(IdRef::Email(world.hashes.foreign(&namespace, &hash), namespace));
    }
    let device = given(user.ifa).and_then(|id| device_id(id.as_bytes()));
    ids.extend(device.map(|id| foreign(NS_IFA, &id)));
    // Ids of people and of other shops' sites have namespaces that no exchange may claim.
    let is_reserved = |namespace: &str| namespace.contains(':') || world.shops().any(|shop| shop.advertiser.domain == namespace);
    for (namespace, id) in user.exchange_ids.into_iter().filter(|(namespace, _)| !is_reserved(namespace)) {
        ids.extend(given(Some(id)).map(|id| foreign(&namespace, id.as_bytes())));
    }
    Ok(ids)
}

/// A browser may be named by its cookie and by the tag's first-party id alone.
pub fn of_browser(world: &World, shop: &Shop, cookie: Option<&str>, user: Option<&RawValue>) -> Result<Vec<IdRef>, Unclear> {
    let named = read(user)?;
    let own = cookie.filter(|id| (1..=ID_CHARS_MAX).contains(&id.len()));
    let own = own.map(|id| IdRef::Ours(world.hashes.user(id.as_bytes()), id.to_owned()));
    let first_party = named.first_party_id.filter(|id| !id.is_empty());
    let domain = &shop.advertiser.domain;
    let first_party = first_party.map(|id| IdRef::Foreign(world.hashes.foreign(domain, id.as_bytes()), domain.clone()));
    Ok(own.into_iter().chain(first_party).collect())
}

/// The SHA-256 hash of an address, in hexadecimal or, as UID2 has it, in base64: the same 32 bytes.
pub fn email_hash(text: &str) -> Result<[u8; 32], &'static str> {
    let hash = match text.len() {
        64 => decode_hex(text),
        44 => BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()),
        _ => None,
    };
    hash.ok_or(match text.contains('@') {
        true => "an address in the clear, of which nothing was kept: send the SHA-256 hash of the address, trimmed and in lower case",
        false => "no SHA-256 hash of an address: send its 64 hexadecimal digits, or its 44 characters of base64",
    })
}
