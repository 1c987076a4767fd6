//! Whether every key of the config is felt: for each a scenario that comes out otherwise once the key is
//! taken away, and one that has it and does not.
//!
//! Nothing is declared by the scenarios themselves: each is played again without the key. Keys that no
//! decision, notice or click feels are named with the test that does, and keys that have no effect yet
//! with the issue that gives them one.

use std::collections::BTreeMap;

use serde_json::Value;
use winback::config::schema::{self, File};

use super::given::{Config, config};
use super::{Played, played_with};
use crate::figures::Figures;

/// As many keys the schemas have at least.
const KEYS_MIN: usize = 290;

/// Whose config a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    Server,
    Advertiser,
}

/// A key, such as `campaigns[].bid.amount`.
pub type Key = (Of, String);

/// Keys that scenarios cannot feel, by how they begin, and the test with a case that holds and one that
/// does not.
const ELSEWHERE: [(Of, &str, &str); 27] = [
    (Of::Server, "admin", "doors::listeners_and_files_are_where_the_config_says"),
    (Of::Server, "advertisers", "doors::listeners_and_files_are_where_the_config_says"),
    (Of::Server, "bid", "doors::listeners_and_files_are_where_the_config_says"),
    (Of::Server, "data_dir", "doors::listeners_and_files_are_where_the_config_says"),
    (Of::Server, "public.listen", "doors::listeners_and_files_are_where_the_config_says"),
    (Of::Server, "seal_keys_dir", "doors::listeners_and_files_are_where_the_config_says"),
    (Of::Server, "exchanges[].auth", "doors::exchanges_come_by_header_network_or_both"),
    (Of::Server, "trusted_proxies", "doors::exchanges_come_by_header_network_or_both"),
    (
        Of::Server,
        "exchanges[].max_qps",
        "floods::an_exchange_beyond_its_rate_is_read_less_often",
    ),
    (Of::Server, "exchanges[].sync", "syncs::journeys_end_as_the_table_says"),
    (Of::Server, "limits.body_kib", "doors::bodies_are_as_long_as_is_said"),
    (Of::Server, "limits.connections", "floods::the_idle_give_way_and_the_busy_do_not"),
    (Of::Server, "limits.idle_s", "floods::whoever_is_slow_or_silent_is_closed"),
    (Of::Server, "limits.stall_ms", "floods::whoever_is_slow_or_silent_is_closed"),
    (Of::Server, "limits", "doors::bodies_are_as_long_as_is_said"),
    (Of::Server, "compact", "winback::server::compaction::tests"),
    (Of::Server, "sampling", "winback::server::samples::tests"),
    (Of::Server, "feeds.allow", "fetched::no_way_leads_to_a_private_address"),
    (Of::Server, "feeds.ca_file", "fetched::tls_is_believed_by_known_authorities_only"),
    (Of::Server, "feeds", "fetched::what_servers_do_wrong_is_told_by_name"),
    (
        Of::Advertiser,
        "feed.auth.header",
        "fetched::a_secret_is_told_to_the_feeds_own_host_only",
    ),
    (Of::Advertiser, "feed.auth", "fetched::a_secret_is_told_to_the_feeds_own_host_only"),
    (Of::Advertiser, "feed.url", "fetched::no_way_leads_to_a_private_address"),
    (
        Of::Advertiser,
        "event_key_file",
        "doors::events_come_from_the_shops_origins_or_with_its_key",
    ),
    (
        Of::Advertiser,
        "origins",
        "doors::events_come_from_the_shops_origins_or_with_its_key",
    ),
    (Of::Advertiser, "feed.format", "feeds::a_format_that_is_not_the_files_is_said"),
    (Of::Advertiser, "feed.refresh", "winback::server::shops::tests"),
];

const MONEY: &str = "Memory and money that survive anything";
const IDENTITY: &str = "Identity one can see, consent one can prove";

/// Keys that have no effect yet, and the title of the issue that gives them one.
const LATER: [(Of, &str, &str); 4] = [
    (Of::Advertiser, "budget.pacing", MONEY),
    (Of::Advertiser, "campaigns[].budget.pacing", MONEY),
    (Of::Server, "limits.memory_mib", MONEY),
    (Of::Server, "invalid_traffic.users_per_foreign_id", IDENTITY),
];

/// Whether a path is another, or below it.
fn is_of(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Prints what is felt of every key of the schema, and judges it.
pub fn judge(played: &[Played]) {
    let files = [(Of::Server, File::Server), (Of::Advertiser, File::Advertiser)];
    let all = files
        .into_iter()
        .flat_map(|(of, file)| schema::keys(file).into_iter().map(move |key| (of, key)));
    let all: Vec<Key> = all.collect();
    let is_listed = |list: &[(Of, &str, &str)], (of, path): &Key| list.iter().any(|(o, above, _)| o == of && is_of(path, above));
    // What panics without a key comes out otherwise: it is told by its figure, not by a hundred traces.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let felt = felt(&all, played);
    std::panic::set_hook(hook);
    let (mut both, mut later, mut elsewhere, mut without) = (0, 0, 0, Vec::new());
    for (key, felt) in &felt {
        let path = format!("{:?} {}", key.0, key.1).to_lowercase();
        match felt.is_settled() {
            true if is_listed(&LATER, key) => without.push(format!("{path} is felt: take it off the list: {felt:?}")),
            true => {
                both += 1;
                println!("{path}: bites in {:?}, idles in {:?}", felt.bites, felt.idles);
            }
            false if is_listed(&LATER, key) => later += 1,
            false if is_listed(&ELSEWHERE, key) => elsewhere += 1,
            false => without.push(format!("{path}: {felt:?}")),
        }
    }
    for (of, path, issue) in LATER {
        println!("later: {} {path}: {issue}", format!("{of:?}").to_lowercase());
    }
    println!("{}", without.join("\n"));
    let mut figures = Figures::new();
    figures.at_least("scenarios.keys", all.len(), KEYS_MIN);
    figures.at_least("scenarios.keys_with_both_cases", both, all.len() - later - elsewhere);
    figures.judge("scenarios.keys_tested_elsewhere", elsewhere, "listed", true);
    figures.judge("scenarios.keys_of_later_issues", later, "listed", true);
    figures.exactly("scenarios.keys_without_a_case", without.len(), 0);
    figures.settle();
}

/// What is known of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Felt {
    /// A scenario that comes out otherwise without it.
    pub bites: Option<String>,
    /// A scenario that has it and comes out the same without it.
    pub idles: Option<String>,
    /// Without it the config is refused: it must always be given.
    pub is_required: bool,
}

impl Felt {
    fn is_settled(&self) -> bool {
        self.bites.is_some() && (self.idles.is_some() || self.is_required)
    }
}

/// Tries the keys on the scenarios until each is settled or no scenario is left.
pub fn felt(keys: &[Key], played: &[Played]) -> BTreeMap<Key, Felt> {
    let mut felt: BTreeMap<Key, Felt> = keys.iter().map(|key| (key.clone(), Felt::default())).collect();
    for scenario in played {
        for ((of, path), felt) in felt.iter_mut().filter(|(_, felt)| !felt.is_settled()) {
            let mut config = config(&scenario.given);
            if !remove_from(&mut config, *of, path) {
                continue;
            }
            let came = played_with(&scenario.given, &config, &scenario.when, &scenario.look_for);
            let slot = match came == scenario.came {
                true => &mut felt.idles,
                false => &mut felt.bites,
            };
            slot.get_or_insert_with(|| scenario.name.clone());
            felt.is_required |= came["refused"].is_array() && scenario.came["refused"].is_null();
        }
    }
    felt
}

fn remove_from(config: &mut Config, of: Of, path: &str) -> bool {
    match of {
        Of::Server => remove(&mut config.server, path),
        Of::Advertiser => config.advertisers.iter_mut().fold(false, |any, shop| remove(shop, path) | any),
    }
}

/// Takes a key away wherever it stands; false where it stands nowhere. `*` is any name of the user's choice.
fn remove(value: &mut Value, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (name, is_list) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
    let Some(object) = value.as_object_mut() else { return false };
    let Some(rest) = rest else { return object.remove(name).is_some() };
    if name == "*" {
        return object.values_mut().fold(false, |any, inner| remove(inner, rest) | any);
    }
    match object.get_mut(name) {
        Some(Value::Array(items)) if is_list => items.iter_mut().fold(false, |any, item| remove(item, rest) | any),
        Some(inner) if !is_list => remove(inner, rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_is_taken_away_wherever_it_stands() {
        let mut value = json!({"a": [{"b": {"c": 1, "d": 2}}, {"b": {"c": 3}}, 7], "e": 5});
        assert!(remove(&mut value, "a[].b.c"));
        assert!(remove(&mut json!({"x": {"any": {"c": 1}}}), "x.*.c") && !remove(&mut value, "e.*.c"));
        assert!(!remove(&mut value, "a[].b.c") && !remove(&mut value, "a.b") && !remove(&mut value, "x"));
        assert_eq!(value, json!({"a": [{"b": {"d": 2}}, {"b": {}}, 7], "e": 5}));
    }
}
