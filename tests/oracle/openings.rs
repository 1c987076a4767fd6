//! What imps take and by which deals they are offered, and what an advertiser is called where lists of
//! others block or allow it.
//!
//! Assumes that the shops' domains are registered ones, and the tables of the taxonomies. Decides nothing of money.

use serde_json::Value;

use super::media::of_format;
use super::request::{each, int, list, of_domain, set, text, under};

/// A way to bid on an imp; the floor is in the answer's currency once that is known.
#[derive(Clone, Debug)]
pub struct Way {
    pub deal: Option<String>,
    pub floor: i128,
    pub at: Option<i64>,
    pub guaranteed: bool,
}

/// The deals and the imp itself, where it may be bid on without, as they are written: the preferred one first.
pub fn ways<'r>(imp: &'r Value, terms: &Value, seat: &str, domain: &str) -> Vec<&'r Value> {
    let may_use = |deal: &Value| {
        let (seats, domains) = (list(&deal["wseat"]), list(&deal["wadomain"]));
        (seats.is_empty() || seats.iter().any(|wanted| wanted == seat))
            && (domains.is_empty() || domains.iter().any(|name| is_named(domain, name)))
    };
    let deals: Vec<&Value> = each(&imp["pmp"]["deals"]).iter().filter(|deal| may_use(deal)).collect();
    let by_id = |id: &String| {
        deals
            .iter()
            .copied()
            .filter(move |deal| text(&deal["id"]).as_ref() == Some(id))
            .collect::<Vec<_>>()
    };
    let mut ways: Vec<&Value> = list(&terms["ids"]).iter().flat_map(by_id).collect();
    ways.sort_by_key(|deal| !set(&deal["guar"]));
    ways.extend((!set(&imp["pmp"]["private_auction"]) && terms["open_market"] != false).then_some(imp));
    ways
}

/// Whether an entry of a list means a domain: the same, or below one another, but for mere suffixes.
pub fn is_named(domain: &str, entry: &str) -> bool {
    let entry = entry.split("//").last().unwrap_or("").split('/').next().unwrap_or("");
    let entry = entry.trim_start_matches("*.");
    of_domain(domain, entry) || entry.contains('.') && of_domain(entry, domain)
}

/// A category of Content 1.0 and all above it, by its names in a taxonomy.
fn called(category: &str, cattax: i64) -> Vec<String> {
    let mapping = match cattax {
        2 | 5 | 6 => include_str!("../../src/model/taxonomy/content-1-to-content-2.tsv"),
        8 => include_str!("../../src/model/taxonomy/content-1-to-ad-product-2.tsv"),
        _ => "",
    };
    let tree = match cattax {
        8 => include_str!("../../src/model/taxonomy/ad-product-2.tsv"),
        _ => include_str!("../../src/model/taxonomy/content-2.tsv"),
    };
    let find = |table: &str, id: &str| -> Option<String> {
        let mut rows = table.lines().filter_map(|row| row.split_once('\t'));
        rows.find(|(from, _)| *from == id).map(|(_, to)| to.to_owned())
    };
    let parent = category.split('-').next().unwrap_or("");
    let mut names = vec![category.to_owned(), parent.to_owned()];
    let mut at = find(mapping, category).or_else(|| find(mapping, parent));
    while let Some(name) = at {
        at = find(tree, &name);
        names.push(name);
    }
    names
}

/// Whether a request's categories forbid what a shop sells.
pub fn forbids(r: &Value, sold: &[String]) -> bool {
    let (blocked, allowed) = (list(&r["bcat"]), list(&r["acat"]));
    let cattax = int(&r["cattax"]).unwrap_or(1);
    let is_in = |list: &[String], category: &String| {
        let names = called(category, cattax);
        list.iter().any(|entry| names.iter().any(|name| name.eq_ignore_ascii_case(entry)))
    };
    let all_allowed = !sold.is_empty() && sold.iter().all(|category| is_in(&allowed, category));
    sold.iter().any(|category| is_in(&blocked, category)) || !allowed.is_empty() && !all_allowed
}

/// Whether a request wants ads in a language.
pub fn wants_language(r: &Value, language: &str) -> bool {
    ["wlang", "wlangb"].iter().all(|key| {
        let wanted = list(&r[*key]);
        wanted.is_empty() || wanted.iter().any(|tag| under(tag, language, &['-', '_']))
    })
}

/// Whether an imp takes a creative's markup: its attributes, and of a banner, which is plain, its type; only a
/// banner can have a link to who pays for it.
pub fn takes(r: &Value, imp: &Value, creative: &Value, exchange: &Value, has_link: bool) -> bool {
    let (of, dsa) = (of_format(imp, creative), &r["regs"]["ext"]["dsa"]);
    let (mimes, is_banner) = (list(&of["mimes"]), creative["format"] == "banner");
    let must_say = int(&dsa["dsarequired"]).is_some_and(|n| n >= 2) && int(&dsa["pubrender"]) == Some(0);
    let has = |key: &str, wanted: &str| list(&of[key]).iter().any(|entry| entry == wanted);
    let said = &creative["declared"][text(&exchange["id"]).expect("an id")];
    let allows = |said: &Value, allowed: &str| list(said).iter().all(|n| list(&imp["ext"][allowed]).contains(n));
    let is_html = mimes.is_empty() || mimes.iter().any(|mime| mime == "text/html");
    !list(&creative["attr"]).iter().any(|attr| has("battr", attr))
        && (!is_banner || !has("btype", "2") && is_html)
        && (is_banner && has_link || !must_say)
        && allows(&said["restricted_categories"], "allowed_restricted_category")
        && allows(&said["vendor_types"], "allowed_vendor_type")
}

/// The billing id an imp is billed to, where the exchange wants one: ours that comes first, else the imp's first.
pub fn billed_to(imp: &Value, exchange: &Value, shop: &Value) -> Result<Option<String>, &'static str> {
    let (offered, own) = (
        list(&imp["ext"]["billing_id"]),
        &shop["billing_ids"][text(&exchange["id"]).expect("an id")],
    );
    let own = list(if own.is_null() { &exchange["billing_ids"] } else { own });
    match list(&exchange["ext"]).iter().any(|name| name == "billing_id") && !offered.is_empty() {
        false => Ok(None),
        true if own.is_empty() => Ok(offered.first().cloned()),
        true => own.into_iter().find(|id| offered.contains(id)).map(Some).ok_or("billing_id"),
    }
}

/// Whether an imp takes a size: listed, by a ratio, or its own or between its bounds where it lists none.
pub fn takes_size(banner: &Value, (w, h): (i64, i64)) -> bool {
    let pair = |v: &Value, a: &str, b: &str| Some((int(&v[a])?, int(&v[b])?)).filter(|(w, h)| *w > 0 && *h > 0);
    let formats = each(&banner["format"]);
    let exact: Vec<(i64, i64)> = formats.iter().filter_map(|f| pair(f, "w", "h")).collect();
    let ratio = |f: &Value| Some((pair(f, "wratio", "hratio")?, int(&f["wmin"]).unwrap_or(0)));
    let ratios: Vec<((i64, i64), i64)> = formats.iter().filter_map(ratio).collect();
    if !exact.is_empty() || !ratios.is_empty() {
        return exact.contains(&(w, h)) || ratios.iter().any(|((a, b), least)| a * h == b * w && w >= *least);
    }
    let bound = |key: &str| int(&banner[key]);
    let within = |least: &str, most: &str, own: &str, side: i64| {
        bound(most).or(bound(own)).is_some_and(|most| side <= most) && bound(least).is_none_or(|least| side >= least)
    };
    let has_range = ["wmin", "hmin", "wmax", "hmax"].iter().any(|key| bound(key).is_some());
    pair(banner, "w", "h") == Some((w, h)) || has_range && within("wmin", "wmax", "w", w) && within("hmin", "hmax", "h", h)
}
