//! The handles that facts name users by: random numbers, drawn with a user's first fact or sample, kept in a table of
//! their own. Whose facts they were nobody can tell once the row is gone.
//!
//! On disk only: one read for a fact. Users who turn out to be one person keep one handle; that the other was
//! theirs is a fact, too.

use std::io;

use serde_json::json;

use super::Fold;
use crate::base::id::UserKey;
use crate::model::rows::{Table, head};

/// A handle as facts write it.
fn text(handle: u64) -> String {
    format!("{handle:016x}")
}

impl Fold<'_> {
    /// Draws handles for those of the users who have a record and none yet.
    pub(in crate::track) fn draw(&mut self, users: &[UserKey]) -> io::Result<()> {
        users.iter().try_for_each(|user| self.handle(*user).map(drop))
    }

    /// The handle of a user who has a record, drawn if need be.
    pub(super) fn handle(&mut self, user: UserKey) -> io::Result<Option<String>> {
        if !self.is_known(user) {
            return Ok(None);
        }
        if let Some(handle) = self.drawn(user)? {
            return Ok(Some(text(handle)));
        }
        // A fact's number is no other's, some are drawn without a fact, and nobody knows the secret.
        let parts: [&[u8]; 2] = [&self.facts.next.to_le_bytes(), &user.0.to_le_bytes()];
        let handle = self.facts.secret.of("handle", &parts);
        self.set_handle(user, Some(handle));
        Ok(Some(text(handle)))
    }

    /// All that was told of `other` is told of `user`.
    pub(super) fn merge_handles(&mut self, user: UserKey, other: UserKey) -> io::Result<()> {
        let Some(merged) = self.drawn(other)? else { return Ok(()) };
        self.set_handle(other, None);
        if self.drawn(user)?.is_none() {
            self.set_handle(user, Some(merged));
            return Ok(());
        }
        let at = self.now.to_millis().to_rfc3339();
        self.log(json!({"fact": "merge", "merged": text(merged), "at": at}), user)
    }

    /// From now on nobody can tell whose facts they were.
    pub(super) fn drop_handle(&mut self, user: UserKey) {
        self.set_handle(user, None);
    }

    fn drawn(&self, user: UserKey) -> io::Result<Option<u64>> {
        let row = self.get(Table::Handles, &user.0.to_be_bytes())?;
        Ok(row.and_then(|value| head(&value)))
    }

    fn set_handle(&mut self, user: UserKey, handle: Option<u64>) {
        let value = handle.map(|handle| handle.to_be_bytes().to_vec());
        self.put(Table::Handles, user.0.to_be_bytes().to_vec(), value);
    }
}
