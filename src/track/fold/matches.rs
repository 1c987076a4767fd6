//! Matches that browsers bring: when they were made, in which version of an exchange's ids, and until when they hold.
//!
//! Both stand in the row on the disk that says whose id it is, so that memory holds no more for each match than whose
//! it is. A match that a shop told has no time and holds as long as its user.

use std::io;

use super::Fold;
use crate::base::id::{MatchKey, UserKey};
use crate::model::matched::Matched;
use crate::model::rows::{Table, pair, tail};
use crate::track::fact::IdRef;

impl Fold<'_> {
    /// The ids were brought together just now. Ids that the user has of the same exchange in another version are void.
    pub(in crate::track) fn stamp(&mut self, user: UserKey, ids: &[IdRef]) -> io::Result<()> {
        for id in ids {
            let IdRef::Foreign(current, label) = id else { continue };
            let told = Matched::read(label);
            for (row, known) in self.scan(Table::UserMatches, &user.0.to_be_bytes())? {
                let known = String::from_utf8_lossy(&known);
                let before = Matched::read(&known);
                let is_other = told.version.is_some() && before.version.is_some() && before.version != told.version;
                if let Some(key) = tail(&row).filter(|key| *key != current.0 && before.namespace == told.namespace && is_other) {
                    self.drop_match(user, MatchKey(key));
                }
            }
            let at = Some(self.now);
            let stamped = Matched { at, ..told }.to_string();
            self.put(Table::UserMatches, pair(user.0, current.0), Some(stamped.into_bytes()));
        }
        Ok(())
    }

    /// Takes out matches that no longer hold; those made anew since stay. Returns whether there was any.
    pub(in crate::track) fn lapse(&mut self, matches: &[(UserKey, MatchKey)]) -> io::Result<bool> {
        let mut any = false;
        for (user, key) in matches {
            let row = self.get(Table::UserMatches, &pair(user.0, key.0))?.unwrap_or_default();
            let row = String::from_utf8_lossy(&row);
            if self.world.has_lapsed(&Matched::read(&row), self.now) {
                self.drop_match(*user, *key);
                any = true;
            }
        }
        Ok(any)
    }

    fn drop_match(&mut self, user: UserKey, key: MatchKey) {
        self.matches.insert(key, None);
        self.put(Table::UserMatches, pair(user.0, key.0), None);
    }
}
