//! What one shop keeps of a person who has several browsers: in a record of its own, the person's home there.
//!
//! The hash of an e-mail address links users within the shop that sent it, and nowhere else. So what that shop
//! knows of them, and what they were shown of it, moves to one record, to which each of them points; all else
//! stays theirs. A home is a record like a user's, known by addresses alone: it leaves, is erased and is backed
//! up like any. An address that only one user came with leads to that user: most need no home.

use std::io;

use super::{Change, Fold};
use crate::base::hash::{NS_EMAIL, email_namespace};
use crate::base::id::{AdvertiserNo, MatchKey, UserKey};
use crate::base::time::Secs;
use crate::model::exposure::Exposure;
use crate::model::rows::{Table, tail};
use crate::model::ticket::Ticket;
use crate::state::home_key;

/// The namespace of keys that lead from a user and a shop to a home.
const NS_HOME: &str = "home:";
/// That of users who were merged away.
pub(super) const NS_MERGED: &str = "merged";

fn home_namespace(shop: AdvertiserNo) -> String {
    format!("{NS_HOME}{}", shop.0)
}

impl Fold<'_> {
    /// Where a shop keeps what it knows of a user: with the user, or in the person's home.
    pub(in crate::track) fn home(&self, user: UserKey, shop: AdvertiserNo) -> UserKey {
        self.matched(home_key(user, shop)).unwrap_or(user)
    }

    /// Where it is kept what was shown by a bid.
    pub(in crate::track) fn holder(&self, ticket: &Ticket) -> UserKey {
        self.home(self.canonical(ticket.user), ticket.advertiser)
    }

    /// A bid was for a browser: whatever is kept in a home, it was that user who was seen.
    pub(in crate::track) fn touch_browser(&mut self, ticket: &Ticket, at: Secs) {
        let user = self.canonical(ticket.user);
        if self.home(user, ticket.advertiser) != user {
            self.touch(user, at);
        }
    }

    /// An address that a user came with, within the shop that says so: whoever else came with it is the same
    /// person there.
    pub(super) fn link(&mut self, user: UserKey, shop: AdvertiserNo, address: MatchKey, namespace: &str) -> io::Result<()> {
        let own = self.home(user, shop);
        let home = match self.matched(address) {
            Some(theirs) if theirs != own => self.join(shop, address, own, theirs)?,
            _ => own,
        };
        self.lead(address, home, namespace);
        Ok(())
    }

    /// Makes one home of what a shop keeps in two records, and returns it.
    fn join(&mut self, shop: AdvertiserNo, address: MatchKey, own: UserKey, theirs: UserKey) -> io::Result<UserKey> {
        let home = match (self.is_home(own, shop)?, self.is_home(theirs, shop)?) {
            (true, true) => {
                let home = own.min(theirs);
                self.merge(home, own.max(theirs))?;
                return Ok(home);
            }
            (true, false) => own,
            (false, true) => theirs,
            (false, false) => UserKey(self.world.hashes.of("home", &[&address.0.to_be_bytes(), &own.0.to_be_bytes()])),
        };
        for user in [own, theirs].into_iter().filter(|user| *user != home) {
            self.move_in(user, shop, home)?;
        }
        self.profile(home);
        Ok(home)
    }

    /// Whether a record is of nobody but whom this shop knows by addresses.
    fn is_home(&mut self, user: UserKey, shop: AdvertiserNo) -> io::Result<bool> {
        if !self.is_known(user) || self.is_claimed(user)? || self.profile(user).sections.iter().any(|s| s.advertiser != shop) {
            return Ok(false);
        }
        let of_shop = |namespace: &[u8]| {
            let kinds = [NS_EMAIL, NS_HOME, NS_MERGED];
            kinds.iter().any(|kind| namespace.starts_with(kind.as_bytes()))
        };
        let rows = self.scan(Table::UserMatches, &user.0.to_be_bytes())?;
        Ok(rows.iter().all(|(_, namespace)| of_shop(namespace)))
    }

    /// Moves what a shop keeps of a user to a home: events, impressions and addresses.
    fn move_in(&mut self, user: UserKey, shop: AdvertiserNo, home: UserKey) -> io::Result<()> {
        self.lead(home_key(user, shop), home, &home_namespace(shop));
        if let Some((section, events)) = self.profile(user).point(shop, Secs(0)) {
            self.profile(home).absorb_section(&section, &events);
        }
        let campaigns = self.world.shop(shop).map(|shop| &shop.advertiser.campaigns);
        let is_of_shop = |shown: &Exposure| campaigns.is_some_and(|all| all.iter().any(|c| c.no == shown.campaign));
        let (moved, kept) = std::mem::take(self.exposures(user)).into_iter().partition(is_of_shop);
        *self.exposures(user) = kept;
        self.changes.push(Change::Moved(user));
        let last = moved.iter().map(|shown: &Exposure| shown.at.max(shown.clicked)).max();
        self.add_exposures(home, moved);
        // Whoever was shown something was seen, whether that or the address came first.
        let seen = &mut self.profile(home).seen;
        *seen = last.map_or(*seen, |last| last.max(*seen));
        let namespaces = [email_namespace(shop), home_namespace(shop)];
        for (key, namespace) in self.scan(Table::UserMatches, &user.0.to_be_bytes())? {
            let is_moved = |of: &&String| of.as_bytes() == namespace;
            if let (Some(key), Some(namespace)) = (tail(&key), namespaces.iter().find(is_moved)) {
                self.lead(MatchKey(key), home, namespace);
            }
        }
        Ok(())
    }

    /// The shops that may keep what they know of a user elsewhere.
    fn elsewhere(&mut self, user: UserKey) -> Vec<AdvertiserNo> {
        match self.is_known(user) {
            true => self.profile(user).elsewhere(),
            false => Vec::new(),
        }
    }

    /// Before `other` is merged into `user`: what a shop keeps elsewhere of either is of both.
    pub(super) fn merge_homes(&mut self, user: UserKey, other: UserKey) -> io::Result<()> {
        let mut shops = self.elsewhere(user);
        shops.extend(self.elsewhere(other));
        shops.sort_unstable();
        shops.dedup();
        for shop in shops {
            let (own, theirs) = (self.home(user, shop), self.home(other, shop));
            let home = match (own == user, theirs == other) {
                // The home is gone: nobody was seen there for long.
                (true, true) => continue,
                (true, false) => theirs,
                (false, true) => own,
                (false, false) => own.min(theirs),
            };
            if own != user && theirs != other && own != theirs {
                self.merge(home, own.max(theirs))?;
            }
            for one in [user, other] {
                if self.home(one, shop) != home {
                    self.move_in(one, shop, home)?;
                }
            }
        }
        let last: Vec<_> = self.elsewhere(other);
        for shop in last {
            let at = self.profile(other).section(shop).map_or(Secs(0), |section| section.first);
            self.lead_nowhere(home_key(other, shop));
            if self.home(user, shop) != user {
                self.profile(user).point(shop, at);
            }
        }
        Ok(())
    }

    /// The homes of a user; those too that the record of somebody with very many shops no longer tells of.
    pub(super) fn homes(&mut self, user: UserKey) -> Vec<UserKey> {
        let mut shops = self.elsewhere(user);
        shops.extend(self.world.shops().map(|shop| shop.advertiser.no));
        let homes = shops.into_iter().filter_map(|shop| self.matched(home_key(user, shop)));
        let mut homes: Vec<UserKey> = homes.collect();
        homes.sort_unstable();
        homes.dedup();
        homes
    }

    /// A user who is no more has no home.
    pub(super) fn leave_homes(&mut self, user: UserKey) {
        for shop in self.elsewhere(user) {
            self.lead_nowhere(home_key(user, shop));
        }
    }
}
