//! What users last permitted, in a table of its own: on disk only, for nothing but to be shown to them.

use std::io;

use super::Fold;
use crate::base::id::UserKey;
use crate::model::rows::Table;
use crate::privacy::grant::Grant;

impl Fold<'_> {
    /// A user permitted this. What was permitted later stays.
    pub(in crate::track) fn permit(&mut self, user: UserKey, grant: Grant) -> io::Result<()> {
        let before = self.grant(user)?;
        let latest = before.map_or(grant, |before| before.or_later(grant));
        if before != Some(latest) {
            self.put(Table::Grants, user.0.to_be_bytes().to_vec(), Some(latest.write()));
        }
        Ok(())
    }

    /// What `other` permitted, `user` did.
    pub(super) fn merge_grants(&mut self, user: UserKey, other: UserKey) -> io::Result<()> {
        if let Some(grant) = self.grant(other)? {
            self.drop_grant(other);
            self.permit(user, grant)?;
        }
        Ok(())
    }

    /// A user is no more.
    pub(super) fn drop_grant(&mut self, user: UserKey) {
        self.put(Table::Grants, user.0.to_be_bytes().to_vec(), None);
    }

    fn grant(&self, user: UserKey) -> io::Result<Option<Grant>> {
        let row = self.get(Table::Grants, &user.0.to_be_bytes())?;
        Ok(row.as_deref().and_then(Grant::read))
    }
}
