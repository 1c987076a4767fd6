//! Ids that many come with: what a call centre, a family's tablet or a broken page sends of everybody.
//!
//! Who comes with an id that leads to another user is counted with it, for a day. With more than a few the id
//! leads to nobody and makes nobody one person until the day is over; users who were taken for one person
//! before stay so.

use std::io;

use super::Fold;
use crate::base::id::{AdvertiserNo, MatchKey, UserKey};
use crate::model::rows::{Table, tail};
use crate::track::fact::IdRef;

/// What stands for a user in a row: four bytes of a hash.
type Tag = [u8; 4];

impl Fold<'_> {
    /// Of the ids of one batch those that are somebody's own. `shop` is whose addresses are meant.
    pub(in crate::track) fn own(&mut self, ids: &[IdRef], shop: Option<AdvertiserNo>) -> io::Result<Vec<IdRef>> {
        let Some(most) = self.world.invalid_traffic.users_per_foreign_id else {
            return Ok(ids.to_vec());
        };
        let mut own = Vec::with_capacity(ids.len());
        for id in ids {
            let is_shared = match id {
                IdRef::Foreign(key, _) | IdRef::Email(key, _) => self.is_shared(id, *key, ids, shop, most as usize)?,
                IdRef::Ours(..) | IdRef::Clicked(_) => false,
            };
            if !is_shared {
                own.push(id.clone());
            }
        }
        Ok(own)
    }

    fn is_shared(&mut self, id: &IdRef, key: MatchKey, ids: &[IdRef], shop: Option<AdvertiserNo>, most: usize) -> io::Result<bool> {
        let row = key.0.to_be_bytes();
        let Some(holder) = self.matched(key) else {
            // One that is shared leads to nobody.
            let tags = self.get(Table::Shared, &row)?;
            return Ok(tags.is_some_and(|tags| tags.as_chunks::<4>().0.len() > most));
        };
        let home = |user| match (id, shop) {
            (IdRef::Email(..), Some(shop)) => self.home(user, shop),
            _ => user,
        };
        let Some(user) = self.named(id, ids).filter(|user| home(*user) != home(holder)) else {
            return Ok(false);
        };
        let mut tags = match self.get(Table::Shared, &row)? {
            Some(tags) => tags,
            None if self.is_known_otherwise(holder, key)? => self.tag(holder).to_vec(),
            None => Vec::new(),
        };
        let tag = self.tag(user);
        if !tags.as_chunks::<4>().0.contains(&tag) {
            tags.extend(tag);
            self.put(Table::Shared, row.to_vec(), Some(tags.clone()));
        }
        let is_shared = tags.as_chunks::<4>().0.len() > most;
        if is_shared {
            self.lead_nowhere(key);
        }
        Ok(is_shared)
    }

    /// Whether a user is known by more than one foreign id: else whoever comes with it may be that very user.
    fn is_known_otherwise(&self, user: UserKey, key: MatchKey) -> io::Result<bool> {
        let rows = self.scan(Table::UserMatches, &user.0.to_be_bytes())?;
        Ok(self.is_claimed(user)? || rows.iter().any(|(row, _)| tail(row) != Some(key.0)))
    }

    /// The user that the other ids of a batch tell.
    fn named(&self, id: &IdRef, ids: &[IdRef]) -> Option<UserKey> {
        let others = ids.iter().filter(|other| *other != id);
        others.into_iter().find_map(|other| match other {
            IdRef::Ours(key, _) => Some(self.canonical(*key)),
            _ => self.user_of(other),
        })
    }

    fn tag(&self, user: UserKey) -> Tag {
        (self.world.hashes.of("came with", &[&user.0.to_be_bytes()]) as u32).to_le_bytes()
    }
}
