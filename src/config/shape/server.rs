//! The shape of `winback.json` (contract §2).

use super::access::TOKEN;
use super::exchange::EXCHANGE;
use super::form::{ADDRESS, BASE_URL, CLOCK, COUNTRY, CURRENCY, CURRENCY_KEY, NETWORK, PATH, TEXT, TIMEZONE, URL};
use super::{Kind, Literals, SHARE, Shape, may, must, or};
use crate::base::limits::{BODY_BYTES_MAX, COMMIT_LINGER_MS_MAX, CONNECTIONS_MAX, FEED_BYTES_MAX};
use crate::base::time::Span;

/// Counts a minute or a day that count as invalid traffic.
const TRAFFIC: Kind = Kind::Integer(1, 1_000_000);

/// `winback.json`.
pub(in crate::config) static SERVER: Shape = Shape {
    name: "server",
    help: "The server config of winback. Relative paths are relative to this file.",
    base: None,
    keys: &[
        or("bid", Kind::Object(&BID), "{}", "Where exchanges call."),
        or(
            "public",
            Kind::Object(&PUBLIC),
            "{}",
            "Where browsers and shops call: tag, events, id match, pixels, clicks.",
        ),
        or(
            "admin",
            Kind::Object(&ADMIN),
            "{}",
            "Where your people and tools call: API, metrics, health.",
        ),
        or(
            "data_dir",
            Kind::Text(&PATH),
            "\"data\"",
            "The folder of everything that is remembered. One server at a time uses it.",
        ),
        or(
            "seal_keys_dir",
            Kind::Text(&PATH),
            "\"seal-keys\"",
            "The folder of the keys that seal tracking URLs; made at first start. Whoever has these can forge notices.",
        ),
        or(
            "advertisers",
            Kind::Text(&PATH),
            "\"advertisers\"",
            "The folder of advertiser files, one JSON file each.",
        ),
        or(
            "currencies",
            Kind::Object(&CURRENCIES),
            "{}",
            "Exchange rates. The rate used is sealed into each bid and settles it.",
        ),
        or(
            "exchanges",
            Kind::List(&Kind::Object(&EXCHANGE)),
            "[]",
            "The exchanges that may send bid requests, at most 64.",
        ),
        or(
            "privacy",
            Kind::Object(&PRIVACY),
            "{}",
            "What permission means here, and how long anything is kept.",
        ),
        or(
            "eids",
            Kind::Object(&EIDS),
            "{}",
            "Whose ids of `user.eids` a shopper is looked for by; at most eight of a request, the most trusted.",
        ),
        or("house", Kind::Object(&HOUSE), "{}", "What holds for all advertisers."),
        or(
            "invalid_traffic",
            Kind::Object(&INVALID_TRAFFIC),
            "{}",
            "What counts as invalid traffic; `null` tests for none.",
        ),
        or("limits", Kind::Object(&LIMITS), "{}", "Bounds of memory and requests."),
        or("feeds", Kind::Object(&FEEDS), "{}", "How feeds by address are fetched."),
        or(
            "compact",
            Kind::Object(&COMPACT),
            "{}",
            "When the store is written anew so that what was erased leaves the disk; `null` leaves that to `winback compact`.",
        ),
        may(
            "sampling",
            Kind::Object(&SAMPLING),
            "Requests kept for `winback replay`, ids replaced by handles. Default: none.",
        ),
        or(
            "trusted_proxies",
            Kind::List(&Kind::Text(&NETWORK)),
            "[]",
            "Networks of proxies whose `X-Forwarded-*` headers are believed.",
        ),
    ],
    rules: &[],
};

static BID: Shape = Shape {
    name: "bid-listener",
    help: "The bid listener.",
    base: None,
    keys: &[or(
        "listen",
        Kind::Text(&ADDRESS),
        "\"127.0.0.1:8080\"",
        "Address and port; port 0 takes a free one. Off loopback, every exchange needs `auth`.",
    )],
    rules: &[],
};

static PUBLIC: Shape = Shape {
    name: "public-listener",
    help: "The public listener.",
    base: None,
    keys: &[
        or(
            "listen",
            Kind::Text(&ADDRESS),
            "\"127.0.0.1:8081\"",
            "Address and port; port 0 takes a free one.",
        ),
        may(
            "url",
            Kind::Text(&BASE_URL),
            "How browsers and exchanges reach this listener: what URLs in ads and tags start with. Default: its address.",
        ),
    ],
    rules: &[],
};

static ADMIN: Shape = Shape {
    name: "admin-listener",
    help: "The admin listener.",
    base: None,
    keys: &[
        or(
            "listen",
            Kind::Text(&ADDRESS),
            "\"127.0.0.1:9090\"",
            "Address and port; port 0 takes a free one.",
        ),
        or(
            "token_file",
            Kind::Text(&PATH),
            "\"admin-token\"",
            "The file with the bearer token of the API, whose role is admin; made at first start.",
        ),
        or(
            "tokens",
            Kind::List(&Kind::Object(&TOKEN)),
            "[]",
            "Further tokens, each with a role.",
        ),
    ],
    rules: &[],
};

static CURRENCIES: Shape = Shape {
    name: "currencies",
    help: "Exchange rates.",
    base: None,
    keys: &[
        or(
            "base",
            Kind::Text(&CURRENCY),
            "\"USD\"",
            "The currency that rates are for one unit of, as ISO 4217 writes it.",
        ),
        or(
            "rates",
            Kind::Map(&CURRENCY_KEY, &Kind::Money),
            "{}",
            "Units of each currency for one unit of the base, such as `\"EUR\": \"0.92\"`.",
        ),
    ],
    rules: &[],
};

static PRIVACY: Shape = Shape {
    name: "privacy",
    help: "What permission means here.",
    base: None,
    keys: &[
        may(
            "gvl_vendor_id",
            Kind::Integer(1, 65_535),
            "Your id on IAB Europe's Global Vendor List. Default: none, and every request under GDPR is no-bid `consent`.",
        ),
        may(
            "gvl_file",
            Kind::Text(&PATH),
            "A copy of that list, for purposes by legitimate interest. Default: none, each purpose is by consent only.",
        ),
        or(
            "gdpr_when_unknown",
            Kind::Literals(&Literals {
                raws: &["true", "false", "\"by_country\""],
                problem: "unknown value",
                remedy: "`true`, `false` or `\"by_country\"`",
            }),
            "\"by_country\"",
            "Whether GDPR applies to a request that does not say: by country it does in the EEA, the UK, Switzerland and where none is known.",
        ),
        or(
            "dnt",
            Kind::Words(&["limit", "ignore"]),
            "\"limit\"",
            "What `device.dnt` means: as `device.lmt`, or nothing.",
        ),
        or(
            "purpose_one_exempt",
            Kind::List(&Kind::Text(&COUNTRY)),
            "[]",
            "Countries whose law asks no consent for storing, where a TC string says it was not asked for.",
        ),
        or(
            "retention",
            Kind::Span(Span::DAY, Span::days(400)),
            "\"90d\"",
            "How long anything about a user is kept; no rule may look back further.",
        ),
    ],
    rules: &[],
};

static EIDS: Shape = Shape {
    name: "eids",
    help: "Whose ids of `user.eids` a shopper is looked for by. Ours, of the host of `public.url`, always count.",
    base: None,
    keys: &[
        or(
            "sources",
            Kind::List(&Kind::Text(&TEXT)),
            "[\"uidapi.com\", \"euid.eu\", \"id5-sync.com\", \"liveramp.com\", \"criteo.com\", \"pubcid.org\", \
             \"adserver.org\", \"esp.pubmatic.com\", \"google.com\", \"liveintent.com\", \"bidswitch.net\", \"yahoo.com\", \
             \"netid.de\", \"utiq.com\", \"33across.com\", \"audigent.com\", \"quantcast.com\", \"merkleinc.com\", \
             \"zeotap.com\", \"neustar.biz\"]",
            "Values of `source`, the most trusted first.",
        ),
        or(
            "others",
            Kind::Bool,
            "true",
            "Whether ids of other sources are looked at, too, after these: those of shops' own domains among them.",
        ),
    ],
    rules: &[],
};

static HOUSE: Shape = Shape {
    name: "house",
    help: "What holds for all advertisers.",
    base: None,
    keys: &[
        or("block", Kind::Object(&BLOCK), "{}", "Where no advertiser is shown."),
        may(
            "ad_choices_url",
            Kind::Text(&URL),
            "Where the AdChoices mark in ads leads. Default: no mark.",
        ),
    ],
    rules: &[],
};

static BLOCK: Shape = Shape {
    name: "block",
    help: "Where no advertiser is shown.",
    base: None,
    keys: &[
        may(
            "domains_file",
            Kind::Text(&PATH),
            "Domains, one a line; their subdomains too. Default: none.",
        ),
        may("bundles_file", Kind::Text(&PATH), "App bundles, one a line. Default: none."),
        may("sellers_file", Kind::Text(&PATH), "Seller ids, one a line. Default: none."),
        or(
            "categories",
            Kind::List(&Kind::Text(&TEXT)),
            "[]",
            "Content categories, such as `IAB25`.",
        ),
    ],
    rules: &[],
};

static INVALID_TRAFFIC: Shape = Shape {
    name: "invalid-traffic",
    help: "What counts as invalid traffic, beside known crawlers, prefetching and clicks that no person makes; `null` in place of a number is no such test.",
    base: None,
    keys: &[
        or(
            "events_per_min",
            TRAFFIC,
            "60",
            "Events of a user in any 60 seconds; more are a machine's, for which nobody bids for a day.",
        ),
        or(
            "items_per_day",
            TRAFFIC,
            "300",
            "Items that a user looks at in the 24 hours from the first of them; more are a machine's, likewise.",
        ),
        or(
            "bids_per_min",
            TRAFFIC,
            "20",
            "Bids for a user in any 60 seconds; more are not made.",
        ),
        or(
            "users_per_foreign_id",
            TRAFFIC,
            "5",
            "Users behind one foreign id in a day; an id of more is shared, and not used.",
        ),
        may(
            "ranges_file",
            Kind::Text(&PATH),
            "Networks of data centres, one a line, whose visitors and devices are machines. Default: none.",
        ),
    ],
    rules: &[],
};

static COMPACT: Shape = Shape {
    name: "compact",
    help: "When the store is written anew, on days on which somebody was erased.",
    base: None,
    keys: &[
        or("at", Kind::Text(&CLOCK), "\"03:00\"", "The time of the day."),
        or("timezone", Kind::Text(&TIMEZONE), "\"UTC\"", "On whose clock, as IANA names it."),
    ],
    rules: &[],
};

static SAMPLING: Shape = Shape {
    name: "sampling",
    help: "Requests kept in `data_dir/samples` for `winback replay`, for as long as `privacy.retention` says.",
    base: None,
    keys: &[
        must("share", SHARE, "Of all requests this share, from above 0 to 1."),
        or(
            "day_mib",
            Kind::Integer(1, 1 << 20),
            "64",
            "Mebibytes of one day (UTC); what comes beyond is not kept.",
        ),
        or(
            "total_mib",
            Kind::Integer(1, 1 << 20),
            "1024",
            "Mebibytes of all days; the oldest go first.",
        ),
    ],
    rules: &[],
};

static FEEDS: Shape = Shape {
    name: "feeds",
    help: "How feeds by address are fetched.",
    base: None,
    keys: &[
        or(
            "allow",
            Kind::List(&Kind::Text(&NETWORK)),
            "[]",
            "Networks that feeds may be fetched from though they are not public, such as `10.0.0.0/8`.",
        ),
        may(
            "ca_file",
            Kind::Text(&PATH),
            "Authorities, as PEM, that are trusted beside those that browsers trust. Default: none.",
        ),
        or(
            "timeout",
            Kind::Span(Span(1), Span::DAY),
            "\"10m\"",
            "The longest that a feed may take to come; the longest that nothing of it may come is a minute.",
        ),
        or(
            "max_mib",
            Kind::Integer(1, (FEED_BYTES_MAX >> 20) as u32),
            "1024",
            "Mebibytes that a feed may have, as it comes and as it is unpacked on its way.",
        ),
    ],
    rules: &[],
};

static LIMITS: Shape = Shape {
    name: "limits",
    help: "Bounds.",
    base: None,
    keys: &[
        may(
            "memory_mib",
            Kind::Integer(64, u32::MAX),
            "Mebibytes for users and matches; the one unseen longest leaves first. Default: no limit.",
        ),
        or(
            "body_kib",
            Kind::Integer(1, (BODY_BYTES_MAX / 1024) as u32),
            "256",
            "Kibibytes of a bid request; larger ones are answered 413.",
        ),
        or(
            "commit_linger_ms",
            Kind::Integer(0, COMMIT_LINGER_MS_MAX),
            "2",
            "Milliseconds a fact waits for others before they are made durable together: more is fewer writes and later answers.",
        ),
        or(
            "connections",
            Kind::Integer(1, CONNECTIONS_MAX),
            "16384",
            "Connections of the bid listener, and as many of the public one; beyond, idle ones give way. No more than the files that the process may open.",
        ),
        or(
            "idle_s",
            Kind::Integer(1, 86_400),
            "75",
            "Seconds that a connection may say nothing between two requests: more than exchanges keep theirs, which is 60 at times.",
        ),
        or(
            "stall_ms",
            Kind::Integer(10, 600_000),
            "5000",
            "Milliseconds within which the head of a request must be whole, and for which a body or the taking of an answer may stand still.",
        ),
    ],
    rules: &[],
};
