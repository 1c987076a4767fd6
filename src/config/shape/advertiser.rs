//! The shape of an advertiser's file (contract §3).

use super::campaign::{BOOK_CAP, BUDGET, CAMPAIGN, PER_REQUEST};
use super::creative::CREATIVE;
use super::form::{APPEND, BILLING_ID, CURRENCY, EXCHANGE_KEY, HEADER, HOST, ID, LANGUAGE, ORIGIN, PATH, SITE_KEY, TEXT, TIMEZONE, URL};
use super::{ANY_SPAN, Kind, Literals, Rule, Shape, may, must, named, or};
use crate::base::limits::EVENTS_PER_SECTION_MAX;
use crate::base::money::Ratio;
use crate::base::time::Span;

const TEXTS: Kind = Kind::List(&Kind::Text(&TEXT));

/// An advertiser's file.
pub(in crate::config) static ADVERTISER: Shape = Shape {
    name: "advertiser",
    help: "An advertiser of winback: audiences and creatives, and the campaigns that name them. Relative paths are relative to this file.",
    base: None,
    keys: &[
        or(
            "version",
            Kind::Literals(&Literals {
                raws: &["1"],
                problem: "unknown version",
                remedy: "this program reads version `1`",
            }),
            "1",
            "The version of this format.",
        ),
        must("id", Kind::Text(&ID), "Its id in reports, metrics and the API. Never reuse one."),
        must("name", Kind::Text(&TEXT), "Its name, as ads and reports show it."),
        must(
            "domain",
            Kind::Text(&HOST),
            "Its domain: sent as `adomain`, and where clicks may lead.",
        ),
        or(
            "currency",
            Kind::Text(&CURRENCY),
            "\"USD\"",
            "The currency of every amount here and in reports; must have a rate, and may not change once it has spent.",
        ),
        or(
            "timezone",
            Kind::Text(&TIMEZONE),
            "\"UTC\"",
            "The clock of days, flights and hours, as IANA names it; may not change once it has spent.",
        ),
        or(
            "language",
            Kind::Text(&LANGUAGE),
            "\"en\"",
            "The language of its ads, as a BCP 47 tag: prices and texts are written so.",
        ),
        or(
            "categories",
            TEXTS,
            "[]",
            "What it sells, in the taxonomy `cattax`: sent as `cat`, and held against blocked categories.",
        ),
        or(
            "cattax",
            Kind::Integer(1, 1_000),
            "1",
            "The taxonomy of `categories`, as AdCOM numbers it; 1 is IAB Content Taxonomy 1.0.",
        ),
        or(
            "apps",
            TEXTS,
            "[]",
            "Store ids of its apps, such as `com.shop.example` or `529479190`: a request that blocks one is not bid on.",
        ),
        must(
            "site_key",
            Kind::Text(&SITE_KEY),
            "What its site and server send events to: `/e/{site_key}`. Public, unique.",
        ),
        may(
            "event_key_file",
            Kind::Text(&PATH),
            "The file with the secret of server events; made when first read. Default: none, no server events.",
        ),
        may("logo_url", Kind::Text(&URL), "Its logo. Default: none, ads show the name."),
        may(
            "feed",
            Kind::Object(&FEED),
            "Its products. Default: none, and no product ad is shown.",
        ),
        or("attribution", Kind::Object(&ATTRIBUTION), "{}", "What conversions are credited to."),
        or(
            "landing",
            Kind::Object(&LANDING),
            "{}",
            "Where clicks lead: always the product's own page.",
        ),
        may(
            "origins",
            Kind::List(&Kind::Text(&ORIGIN)),
            "Origins that browsers may send events from. Default: that of its domain.",
        ),
        may(
            "budget",
            Kind::Object(&BUDGET),
            "What all its campaigns together may spend. Default: no limit but theirs.",
        ),
        or(
            "frequency",
            Kind::List(&Kind::Object(&BOOK_CAP)),
            "[]",
            "How often a user may be shown any of its ads, at most 8 caps.",
        ),
        or(
            "fee_percent",
            Kind::Ratio(Ratio(0), Ratio(1_000 * Ratio::ONE.0)),
            "0",
            "What is billed on top of media cost, in percent; budgets are on what is billed.",
        ),
        or(
            "seats",
            Kind::Map(&EXCHANGE_KEY, &Kind::Text(&TEXT)),
            "{}",
            "Its own seat by exchange id, where it has one.",
        ),
        or(
            "billing_ids",
            Kind::Map(&EXCHANGE_KEY, &Kind::List(&Kind::Text(&BILLING_ID))),
            "{}",
            "Its own billing ids by exchange id, where it has some: they stand in the place of the exchange's.",
        ),
        may(
            "per_request",
            PER_REQUEST,
            "Impressions of one request it may have. Default: the largest of its campaigns'.",
        ),
        or(
            "audiences",
            Kind::List(&Kind::Object(&AUDIENCE)),
            "[]",
            "Who may be shown something; campaigns name these.",
        ),
        or("products", Kind::Object(&PRODUCTS), "{}", "What ads show of what a user did."),
        or(
            "creatives",
            Kind::List(&Kind::Object(&CREATIVE)),
            "[]",
            "What may be shown; campaigns name these, at most 200.",
        ),
        or(
            "campaigns",
            Kind::List(&Kind::Object(&CAMPAIGN)),
            "[]",
            "What is bid for, at most 2000.",
        ),
    ],
    rules: &[],
};

static FEED: Shape = Shape {
    name: "feed",
    help: "A product feed in a format of Merchant Center.",
    base: None,
    keys: &[
        may("path", Kind::Text(&PATH), "The file. One of `path` and `url` must be given."),
        may(
            "url",
            Kind::Text(&URL),
            "The address it is fetched from. One of `path` and `url` must be given.",
        ),
        may(
            "auth",
            Kind::Object(&FEED_AUTH),
            "What proves who fetches it, told to the address's own host only. Default: nothing.",
        ),
        or(
            "format",
            Kind::Words(&["auto", "rss", "atom", "tsv", "csv", "jsonl"]),
            "\"auto\"",
            "How it is written; `auto` looks.",
        ),
        or(
            "refresh",
            Kind::Span(Span::MINUTE, Span(u32::MAX)),
            "\"15m\"",
            "How often it is read again, if it has changed.",
        ),
        or(
            "id_prefixes",
            TEXTS,
            "[]",
            "Prefixes cut from item ids in events, so that they meet those of the feed.",
        ),
    ],
    rules: &[Rule::OneOf(
        ["path", "url"],
        ("a feed is by `path` or by `url`", "give one of them"),
        ("a feed is by `path` or by `url`", "give one of them"),
    )],
};

static FEED_AUTH: Shape = Shape {
    name: "feed-auth",
    help: "What proves who fetches a feed: a user with a password, or the value of a header. Files are read whenever it is fetched.",
    base: None,
    keys: &[
        may(
            "user",
            Kind::Text(&TEXT),
            "The user, for a server that asks for name and password. Default: none, `value_file` is all.",
        ),
        may(
            "password_file",
            Kind::Text(&PATH),
            "The file with the user's password. One of `password_file` and `value_file` must be given.",
        ),
        or(
            "header",
            Kind::Text(&HEADER),
            "\"Authorization\"",
            "The header that `value_file` is the value of.",
        ),
        may(
            "value_file",
            Kind::Text(&PATH),
            "The file with the header's value, such as `Bearer ...`. One of `password_file` and `value_file` must be given.",
        ),
    ],
    rules: &[
        Rule::OneOf(
            ["password_file", "value_file"],
            ("nothing that proves anything", "give `user` and `password_file`, or `value_file`"),
            ("both a password and a header's value", "give one of them"),
        ),
        Rule::Together(
            ["user", "password_file"],
            ("a user goes with a password", "give both `user` and `password_file`"),
        ),
    ],
};

static ATTRIBUTION: Shape = Shape {
    name: "attribution",
    help: "What conversions are credited to: the last click, else the last impression.",
    base: None,
    keys: &[
        or("goal", Kind::Event, "\"purchase\"", "The event that is a conversion."),
        or(
            "click",
            ANY_SPAN,
            "\"30d\"",
            "How long a click counts; by default never longer than the server's `privacy.retention`.",
        ),
        or("view", ANY_SPAN, "\"1d\"", "How long an impression without click counts."),
    ],
    rules: &[],
};

static LANDING: Shape = Shape {
    name: "landing",
    help: "Where clicks lead.",
    base: None,
    keys: &[
        or(
            "append",
            Kind::Text(&APPEND),
            "\"\"",
            "Query text added to the product's page; `{campaign}`, `{creative}` and `{exchange}` are filled in.",
        ),
        or(
            "domains",
            Kind::List(&Kind::Text(&HOST)),
            "[]",
            "Domains beside its own that a click may lead to.",
        ),
    ],
    rules: &[],
};

static AUDIENCE: Shape = Shape {
    name: "audience",
    help: "Users for whom every `include` rule holds and no `exclude` rule does.",
    base: None,
    keys: &[
        must("id", Kind::Text(&ID), "Its id, unique here."),
        or("include", Kind::List(&Kind::Object(&RULE)), "[]", "Every one must hold."),
        or("exclude", Kind::List(&Kind::Object(&RULE)), "[]", "Any that holds removes."),
    ],
    rules: &[Rule::SomeOf(
        &["include", "exclude"],
        ("an audience without rules", "give `include` or `exclude` at least one rule"),
    )],
};

static RULE: Shape = Shape {
    name: "rule",
    help: "Counts what a user did in a window of time and holds that against bounds.",
    base: None,
    keys: &[
        may(
            "event",
            Kind::Event,
            "The event that is counted. One of `event` and `state` must be given.",
        ),
        may(
            "state",
            Kind::Words(&["cart"]),
            "The cart as it stands: added, less removed, less bought since. One of `event` and `state` must be given.",
        ),
        may(
            "within",
            ANY_SPAN,
            "Only events at most this old; of a cart, its last addition. Default: the server's `privacy.retention`.",
        ),
        may("older_than", ANY_SPAN, "Only events older than this. Default: any."),
        or("min_count", Kind::Count(EVENTS_PER_SECTION_MAX as u32), "1", "At least so many."),
        may("max_count", Kind::Integer(0, u32::MAX - 1), "At most so many. Default: any number."),
        may(
            "min_value",
            Kind::Money,
            "The sum of price times quantity is at least this, in the advertiser's currency. Default: any.",
        ),
        may(
            "category",
            Kind::Text(&TEXT),
            "Whole levels of a category path, in any case: the feed's for the product, or what the event itself says. Default: any.",
        ),
        may(
            "brand",
            Kind::Text(&TEXT),
            "A brand, in any case: the feed's for the product, or what the event itself says. Default: any.",
        ),
        may(
            "product",
            Kind::Text(&TEXT),
            "The product's id; not with custom events. Default: any.",
        ),
        may(
            "channel",
            Kind::Text(&TEXT),
            "The event's channel, in any case, of events that come while a rule asks for it. Default: any.",
        ),
        may(
            "url",
            Kind::Text(&TEXT),
            "Text that the address of the event's page contains, in any case, of events that come while a rule asks for it. Default: any.",
        ),
        may("since", Kind::Event, "Only events after the last event of this kind. Default: all."),
    ],
    rules: &[Rule::OneOf(
        ["event", "state"],
        ("neither `event` nor `state`", "such as `\"event\": \"purchase\"`"),
        ("both `event` and `state`", "give one of them"),
    )],
};

static PRODUCTS: Shape = Shape {
    name: "products",
    help: "What ads show of what a user did. Never what is out of stock, adult, paused, expired, or leads elsewhere.",
    base: None,
    keys: &[
        or(
            "from",
            Kind::Several(&named(Kind::Words(&["cart", "viewed", "category", "popular"]))),
            "[\"cart\", \"viewed\", \"category\"]",
            "Where products come from, in order: the cart, what was viewed, more of a category viewed, what others look at.",
        ),
        or(
            "exclude_bought",
            ANY_SPAN,
            "\"90d\"",
            "Never an item, nor one of its group, bought within this; by default never longer than the server's `privacy.retention`.",
        ),
        or("one_per_group", Kind::Bool, "true", "One variant of an `item_group_id` in an ad."),
        or(
            "fallback",
            Kind::Words(&["popular", "brand", "no_bid"]),
            "\"no_bid\"",
            "Where no product is left: what others look at, the shop itself, or no bid.",
        ),
    ],
    rules: &[],
};
