//! The shape of exchanges (contract §2 `exchanges[]`).

use super::form::{CURRENCY, HEADER, HOST, ID, NETWORK, PATH, PUSH_URL, TEXT};
use super::{ANY_SPAN, Kind, Rule, SHARE, Shape, may, must, or};
use crate::base::limits::HOLD_S_MAX;
use crate::base::money::Ratio;

/// The longest a request may be waited for.
const TMAX_MS_MAX: u32 = 10_000;

/// `exchanges[]`.
pub(super) static EXCHANGE: Shape = Shape {
    name: "exchange",
    help: "An exchange.",
    base: None,
    keys: &[
        must(
            "id",
            Kind::Text(&ID),
            "Its id: the last part of the address it calls, `/bid/{id}`. Never reuse one.",
        ),
        or(
            "auth",
            Kind::Object(&AUTH),
            "{}",
            "Who may send its requests; all that is given must match, else 403 before the body is read.",
        ),
        may(
            "seat",
            Kind::Text(&TEXT),
            "Our seat there, where an advertiser does not bring its own. Default: none.",
        ),
        or(
            "tmax_ms",
            Kind::Integer(5, TMAX_MS_MAX),
            "120",
            "Milliseconds for a request that names no `tmax`, and the most that is ever taken.",
        ),
        or(
            "network_margin_ms",
            Kind::Integer(0, TMAX_MS_MAX),
            "20",
            "Milliseconds of that which the network takes; must be below `tmax_ms`.",
        ),
        or(
            "test_only",
            Kind::Bool,
            "false",
            "Whether only its requests with `test` 1 are answered: while it is being connected.",
        ),
        may(
            "max_qps",
            Kind::Integer(1, 10_000_000),
            "Requests a second that are answered; the rest are no-bid. Default: no limit.",
        ),
        or("auction", Kind::Object(&AUCTION), "{}", "Its auctions."),
        or(
            "billing",
            Kind::Words(&["burl", "impression", "nurl"]),
            "\"burl\"",
            "The evidence of an impression: the billing notice, the pixel (or VAST Impression), or the win notice. The first settles, once.",
        ),
        or("price", Kind::Object(&PRICE), "{}", "How it tells what was paid."),
        or(
            "exp_s",
            Kind::Object(&EXP_S),
            "{}",
            "Seconds within which a bid may still become an impression: sent as `exp`, cut by `imp.exp`. Budget is held for that and `notice_grace_s`.",
        ),
        or(
            "notice_grace_s",
            Kind::Integer(0, HOLD_S_MAX),
            "60",
            "Seconds a notice may be late after `exp_s`; with the longest of `exp_s` at most 1984.",
        ),
        or(
            "cap_hold_s",
            Kind::Object(&CAP_HOLD_S),
            "{}",
            "Seconds a bid without a notice counts for frequency. A win notice or pixel makes it firm, a loss notice frees it.",
        ),
        may(
            "click_macro",
            Kind::Text(&TEXT),
            "The prefix it wants before click URLs, such as `%%CLICK_URL_UNESC%%`. Default: none.",
        ),
        or(
            "discrepancy",
            Kind::Ratio(Ratio(0), Ratio::ONE),
            "0",
            "By how much its invoices exceed our evidence: 0.03 is 3 %. Applied to holds and budgets.",
        ),
        may(
            "sync",
            Kind::Object(&SYNC),
            "Id match with it. Default: none, users are found by what requests carry.",
        ),
    ],
    rules: &[],
};

static AUTH: Shape = Shape {
    name: "auth",
    help: "Who may send an exchange's requests.",
    base: None,
    keys: &[
        or(
            "allow",
            Kind::List(&Kind::Text(&NETWORK)),
            "[]",
            "Networks it calls from, such as `192.0.2.0/24`. Empty: from anywhere.",
        ),
        may("header", Kind::Text(&HEADER), "The header that carries its key. Default: none."),
        may(
            "value_file",
            Kind::Text(&PATH),
            "The file with that key; made at first start. Default: none.",
        ),
    ],
    rules: &[Rule::Together(
        ["header", "value_file"],
        ("`header` and `value_file` go together", "give both or neither"),
    )],
};

static AUCTION: Shape = Shape {
    name: "auction",
    help: "An exchange's auctions.",
    base: None,
    keys: &[
        or(
            "default_at",
            Kind::Integer(1, 2),
            "1",
            "Auction type where a request has no `at`: 1 first price, 2 second price.",
        ),
        or(
            "shade",
            SHARE,
            "0.8",
            "The share of an impression's value that is bid at first price, never below the floor. Second price is never shaded.",
        ),
    ],
    rules: &[],
};

static PRICE: Shape = Shape {
    name: "price",
    help: "How an exchange tells what was paid.",
    base: None,
    keys: &[
        or(
            "encoding",
            Kind::Words(&["plain", "google"]),
            "\"plain\"",
            "A decimal number, or Google's encrypted price.",
        ),
        may(
            "encryption_key_file",
            Kind::Text(&PATH),
            "The encryption key; must be given with `google`. Default: none.",
        ),
        may(
            "integrity_key_file",
            Kind::Text(&PATH),
            "The integrity key; must be given with `google`. Default: none.",
        ),
        or(
            "scale",
            Kind::Ratio(Ratio(1), Ratio(1_000_000 * Ratio::ONE.0)),
            "1",
            "What the price is multiplied by to be a CPM.",
        ),
        may(
            "currency",
            Kind::Text(&CURRENCY),
            "The currency of the price; must have a rate. Default: that of the bid, US dollars where the request names none.",
        ),
    ],
    rules: &[
        Rule::Needs(
            "encoding",
            &["google"],
            &["encryption_key_file", "integrity_key_file"],
            "it must be given",
        ),
        Rule::OnlyWith(
            "encoding",
            "google",
            &["encryption_key_file", "integrity_key_file"],
            ("not used by this encoding", "set `encoding` to `google`, or leave it out"),
        ),
    ],
};

static EXP_S: Shape = Shape {
    name: "exp-s",
    help: "Seconds within which a bid may still become an impression.",
    base: None,
    keys: &[
        or("banner", Kind::Integer(1, HOLD_S_MAX), "300", "Banners on sites, in seconds."),
        or("native", Kind::Integer(1, HOLD_S_MAX), "300", "Native on sites, in seconds."),
        or(
            "video",
            Kind::Integer(1, HOLD_S_MAX),
            "900",
            "Video and audio on sites, in seconds.",
        ),
        or(
            "app",
            Kind::Integer(1, HOLD_S_MAX),
            "1800",
            "Whatever is shown in an app, in seconds.",
        ),
    ],
    rules: &[],
};

static CAP_HOLD_S: Shape = Shape {
    name: "cap-hold-s",
    help: "Seconds a bid without a notice counts for frequency.",
    base: None,
    keys: &[
        or("banner", Kind::Integer(0, 3_600), "5", "Banners on sites, in seconds."),
        or("native", Kind::Integer(0, 3_600), "5", "Native on sites, in seconds."),
        or("video", Kind::Integer(0, 3_600), "60", "Video and audio on sites, in seconds."),
        or("app", Kind::Integer(0, 3_600), "30", "Whatever is shown in an app, in seconds."),
    ],
    rules: &[],
};

static SYNC: Shape = Shape {
    name: "sync",
    help: "Id match with an exchange.",
    base: None,
    keys: &[
        may(
            "push_url",
            Kind::Text(&PUSH_URL),
            "Where our id is sent, with `{uid}` and, if wanted, `{gdpr}` and `{gdpr_consent}`. Default: it is not sent.",
        ),
        or(
            "redirect_hosts",
            Kind::List(&Kind::Text(&HOST)),
            "[]",
            "Hosts that `redirect` of `/sync/{exchange}` may lead to.",
        ),
        or("ttl", ANY_SPAN, "\"30d\"", "How long a match holds."),
    ],
    rules: &[],
};
