//! What is looked at during a storm and after it: books, reports and facts of the server against the model,
//! budgets against what the exchanges charged.

use std::collections::BTreeMap;

use winback::base::money::{Money, NANOS};
use winback::base::time::Millis;
use winback::state::DayRow;

use super::{SHOPPERS, Storm};

impl Storm<'_> {
    /// Books, reports and what is remembered, against the model.
    pub(super) fn check(&mut self) {
        let now = Millis(self.now);
        for shop in &self.setting.shops {
            let each = shop.campaigns.iter().map(|c| (c.no, self.model.spent(c.no)));
            let each: Vec<_> = each.collect();
            let all = (shop.own.no, each.iter().map(|(_, spent)| *spent).sum());
            for (no, expected) in each.into_iter().chain([all]) {
                let spent = self.server.spent(no, now);
                if spent != expected {
                    self.tally
                        .broke("books", format!("{} of {no:?}: {spent} booked, {expected} is right", shop.id));
                }
            }
        }
        // The model does not tell buyers apart.
        let alike = |row: &DayRow| DayRow {
            new_customers: row.new_customers + row.repeat_purchases,
            new_customer_value: row.new_customer_value + row.repeat_purchase_value,
            repeat_purchases: 0,
            repeat_purchase_value: Money::ZERO,
            ..*row
        };
        let rows: BTreeMap<_, _> = self.server.state.days.lock().iter().map(|(key, row)| (*key, alike(row))).collect();
        let expected = self.model.rows();
        if rows != expected {
            let differ = rows.iter().find(|(key, row)| expected.get(key) != Some(row));
            self.tally
                .broke("rows", format!("{differ:?} is {:?}", differ.and_then(|(key, _)| expected.get(key))));
        }
    }

    /// Everything acknowledged is there, once.
    pub(super) fn check_facts(&mut self) {
        let key = |user: usize| self.setting.world.hashes.user(format!("u{user}").as_bytes());
        for user in 0..SHOPPERS as usize {
            let seen = self.server.exposures(key(user));
            let profile = self.server.profile(key(user));
            for bid in self.model.bids.iter().filter(|bid| bid.user == user) {
                let tag = bid.opened.tag;
                let flags = seen.iter().filter(|e| e.tag == tag).map(|e| e.flags);
                let flags = flags.fold(self.server.orphan(tag.0), |all, flags| all | flags);
                let missing = (bid.signs & !flags).count_ones();
                (0..missing).for_each(|_| self.tally.broke("lost", format!("a sign of {tag:?}")));
                let twice = seen.iter().filter(|e| e.tag == tag).count().saturating_sub(1);
                (0..twice).for_each(|_| self.tally.broke("twice", format!("{tag:?}")));
            }
            for (shop, of) in self.setting.shops.iter().enumerate() {
                let no = self.setting.world.shop_by_id(of.id).expect("a shop").advertiser.no;
                let known = profile.section(no).map_or(0, |section| section.visits);
                let right = self.model.visits.get(&(user, shop)).copied().unwrap_or(0);
                let detail = || format!("{known} events of user {user} at {}, {right} were told", of.id);
                match known.cmp(&right) {
                    std::cmp::Ordering::Less => self.tally.broke("lost", detail()),
                    std::cmp::Ordering::Greater => self.tally.broke("twice", detail()),
                    std::cmp::Ordering::Equal => {}
                }
            }
        }
    }

    /// What the exchanges charged of each budget.
    pub(super) fn check_budgets(&mut self) {
        for of in self.model.ledger() {
            // A half of a hundredth more than the budget, and what no server could know of.
            if of.charged * 1_000 > of.limit * 1_005 + of.excused * 1_000 {
                let (charged, limit) = (Money(of.charged), Money(of.limit));
                self.tally.broke(
                    "budgets",
                    format!("{:?}: {charged} charged of {limit}, {} unknown", of.book, Money(of.excused)),
                );
            }
            if of.charged * 100 > of.limit * 95 {
                self.tally.charged = (self.tally.charged.0 + of.charged * NANOS / of.limit, self.tally.charged.1 + NANOS);
                self.tally.count("spent", 1);
            }
        }
    }
}
