//! The shape of targeting and of the conditions of bid adjustments (contract §3 `targeting`, `when`).

use super::form::{COUNTRY, HOST, HOURS, REFERENCE, TEXT};
use super::{ANY_SPAN, Kind, SHOWN_MAX, Several, Shape, may, must, or};

/// The formats of creatives and targeting.
pub(super) const FORMATS: Kind = Kind::Words(&["banner", "native", "video", "audio"]);
const TEXTS: Kind = Kind::List(&Kind::Text(&TEXT));

/// `bid_adjustments[].when`.
pub(super) static WHEN: Shape = Shape {
    name: "when",
    help: "Where, when and for whom the bid changes.",
    base: Some(&TARGETING),
    keys: &[
        may("within", ANY_SPAN, "The user's last event here is at most this old. Default: any."),
        may(
            "older_than",
            ANY_SPAN,
            "The user's last event here is older than this. Default: any.",
        ),
        may(
            "shown_min",
            Kind::Integer(0, SHOWN_MAX),
            "Impressions to the user in 7 days, at least. Default: any.",
        ),
        may(
            "shown_max",
            Kind::Integer(0, SHOWN_MAX),
            "Impressions to the user in 7 days, at most. Default: any.",
        ),
    ],
    rules: &[],
};

/// A list of what is wanted, or `{include, exclude}`, of one kind of item.
macro_rules! choice {
    ($shape:ident $several:ident $name:literal $item:expr) => {
        static $several: Several = Several {
            item: $item,
            problem: "an empty list lets nothing through",
            remedy: "leave it out, or list what is wanted",
        };
        static $shape: Shape = Shape {
            name: concat!("choice-of-", $name),
            help: "Any of `include`, none of `exclude`. A request without the attribute fails an include and passes an exclude.",
            base: None,
            keys: &[
                may("include", Kind::Several(&$several), "Any of these. Default: all."),
                or("exclude", Kind::List(&$item), "[]", "None of these."),
            ],
            rules: &[],
        };
    };
}

choice!(OF_COUNTRIES COUNTRIES "countries" Kind::Text(&COUNTRY));
choice!(OF_TEXTS SOME_TEXTS "texts" Kind::Text(&TEXT));
choice!(OF_DEVICES DEVICES "devices" Kind::Words(&["mobile", "tablet", "desktop", "tv", "other"]));
choice!(OF_HOSTS HOSTS "domains" Kind::Text(&HOST));
choice!(OF_EXCHANGES EXCHANGES "exchanges" Kind::Text(&REFERENCE));
choice!(OF_FORMATS SOME_FORMATS "formats" FORMATS);

const CHOICE_OF_TEXTS: Kind = Kind::Either(&[Kind::Several(&SOME_TEXTS), Kind::Object(&OF_TEXTS)]);

/// `targeting`.
pub(super) static TARGETING: Shape = Shape {
    name: "targeting",
    help: "Where and when a campaign bids.",
    base: None,
    keys: &[
        may(
            "countries",
            Kind::Either(&[Kind::Several(&COUNTRIES), Kind::Object(&OF_COUNTRIES)]),
            "`device.geo.country`, as ISO 3166-1 alpha-2 or alpha-3. Default: all.",
        ),
        may(
            "regions",
            CHOICE_OF_TEXTS,
            "`device.geo.region`, such as `CA` or `US-CA`. Default: all.",
        ),
        may("cities", CHOICE_OF_TEXTS, "`device.geo.city`, in any case. Default: all."),
        may(
            "devices",
            Kind::Either(&[Kind::Several(&DEVICES), Kind::Object(&OF_DEVICES)]),
            "Kinds of device. Default: all.",
        ),
        may("os", CHOICE_OF_TEXTS, "`device.os`, such as `iOS`. Default: all."),
        may("browsers", CHOICE_OF_TEXTS, "Browsers, such as `Chrome`. Default: all."),
        may("languages", CHOICE_OF_TEXTS, "`device.language`, such as `vi`. Default: all."),
        may(
            "domains",
            Kind::Either(&[Kind::Several(&HOSTS), Kind::Object(&OF_HOSTS)]),
            "Domains of sites, their subdomains too. Default: all.",
        ),
        may("apps", CHOICE_OF_TEXTS, "Bundles of apps. Default: all."),
        may(
            "categories",
            CHOICE_OF_TEXTS,
            "Content categories of the site or app, such as `IAB17`. Default: all.",
        ),
        may("sellers", CHOICE_OF_TEXTS, "`publisher.id`. Default: all."),
        may(
            "exchanges",
            Kind::Either(&[Kind::Several(&EXCHANGES), Kind::Object(&OF_EXCHANGES)]),
            "Ids of the server's exchanges. Default: all.",
        ),
        may(
            "formats",
            Kind::Either(&[Kind::Several(&SOME_FORMATS), Kind::Object(&OF_FORMATS)]),
            "Formats. Default: those of its creatives.",
        ),
        may(
            "hours",
            Kind::Either(&[Kind::Text(&HOURS), Kind::Several(&SOME_HOURS), Kind::Object(&CLOCKED)]),
            "Hours of the week, such as `mon-fri 07:00-23:00`; may go over midnight. Default: all.",
        ),
        or("deals", Kind::Object(&DEALS), "{}", "Deals of private marketplaces."),
    ],
    rules: &[],
};

static SOME_HOURS: Several = Several {
    item: Kind::Text(&HOURS),
    problem: "no hours at all",
    remedy: "leave it out, or list hours",
};

static CLOCKED: Shape = Shape {
    name: "hours-by-clock",
    help: "Hours on a clock.",
    base: None,
    keys: &[
        or("clock", Kind::Words(&["user", "advertiser"]), "\"advertiser\"", "Whose clock."),
        must(
            "windows",
            Kind::Either(&[Kind::Text(&HOURS), Kind::Several(&SOME_HOURS)]),
            "The hours.",
        ),
    ],
    rules: &[],
};

static DEALS: Shape = Shape {
    name: "deals",
    help: "Deals of private marketplaces.",
    base: None,
    keys: &[
        or(
            "ids",
            TEXTS,
            "[]",
            "Ids of deals it may use, the preferred one first; guaranteed ones go before.",
        ),
        or("open_market", Kind::Bool, "true", "Whether it bids without a deal too."),
    ],
    rules: &[],
};
