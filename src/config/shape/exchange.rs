//! The shape of exchanges (contract §2 `exchanges[]`).

use super::form::{BILLING_ID, CLICK_MACRO, CURRENCY, HEADER, HOST, ID, MACRO, NETWORK, PARAMETER, PATH, PUSH_URL, QUERY, TEXT, UID_MACRO};
use super::{ANY_SPAN, Kind, Rule, SHARE, Shape, may, must, or};
use crate::base::limits::HOLD_S_MAX;
use crate::base::money::Ratio;
use crate::config::preset::PRESETS;
use crate::model::exchange::{EXTENSIONS, OMITTABLE};

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
        may(
            "preset",
            Kind::Words(&PRESETS),
            "What its kind is known to want, from the presets that come with the program: stands in the place of every key that is not given here, within objects too. Default: none.",
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
            Kind::Text(&CLICK_MACRO),
            "What it wants before the address of a click, such as `%%CLICK_URL_UNESC%%`; or around it, with the address where `{url}` stands, percent-encoded once where it is `{url_esc}`, twice where it is `{url_esc_esc}`. Default: none.",
        ),
        may(
            "pixel_macro",
            Kind::Text(&CLICK_MACRO),
            "The same for the address of the pixel, whose own macros are encoded with it: `${AN_IMP_URL}{url_esc}`. Default: none.",
        ),
        or(
            "macros",
            Kind::Object(&MACROS),
            "{}",
            "What it replaces in notices and in the pixel's address; `null` leaves one out.",
        ),
        or(
            "omit",
            Kind::List(&Kind::Words(&OMITTABLE)),
            "[]",
            "What of a bid is not sent, where it would be taken for something else.",
        ),
        or(
            "ext",
            Kind::List(&Kind::Words(&EXTENSIONS)),
            "[]",
            "What it is told in `ext`, by the names of Google's extensions: the pixel's address once more, of what is no banner; the house's `ad_choices_url`, of native; what a creative has `declared`; which of the billing ids that an imp offers pays, in `cid` too; the campaign's id; how long the request has waited.",
        ),
        or(
            "billing_ids",
            Kind::List(&Kind::Text(&BILLING_ID)),
            "[]",
            "Which of the billing ids that its imps offer are ours, the preferred one first; an imp that offers others only is no-bid. With `billing_id` in `ext`, where an advertiser does not bring its own. Empty: any.",
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
            Kind::Words(&["plain", "base64", "google"]),
            "\"plain\"",
            "A decimal number, the same in base64, or Google's encrypted price: micros of its currency.",
        ),
        may(
            "encryption_key_file",
            Kind::Text(&PATH),
            "The file of the encryption key, in base64 as account pages show it; a former key may stand on a second line. Must be given with `google`. Default: none.",
        ),
        may(
            "integrity_key_file",
            Kind::Text(&PATH),
            "The file of the integrity key, likewise. Must be given with `google`. Default: none.",
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
    rules: &[Rule::Needs(
        "encoding",
        &["google"],
        &["encryption_key_file", "integrity_key_file"],
        "it must be given",
    )],
};

static MACROS: Shape = Shape {
    name: "macros",
    help: "What an exchange replaces in notices and in the pixel's address (OpenRTB 2.6 §4.4).",
    base: None,
    keys: &[
        may(
            "price",
            Kind::Text(&MACRO),
            "The clearing price. Default: `${AUCTION_PRICE}`; `${AUCTION_PRICE:B64}` where `price.encoding` is `base64`.",
        ),
        or(
            "currency",
            Kind::Text(&MACRO),
            "\"${AUCTION_CURRENCY}\"",
            "The currency of that; not in loss notices.",
        ),
        or(
            "loss",
            Kind::Text(&MACRO),
            "\"${AUCTION_LOSS}\"",
            "The reason of a loss; in loss notices.",
        ),
        or(
            "min_to_win",
            Kind::Text(&MACRO),
            "\"${AUCTION_MIN_TO_WIN}\"",
            "The least that would have won; in win and loss notices.",
        ),
        may(
            "append",
            Kind::Text(&QUERY),
            "What else stands at the end of each query, for whoever reads logs: `auction=${AUCTION_ID}`. Default: nothing.",
        ),
    ],
    rules: &[],
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
            "Where a browser is sent with our id, `{uid}`, or for the exchange's, which it brings back to `{return}`, or both; if wanted with `{gdpr}`, `{gdpr_consent}`, `{gpp}`, `{gpp_sid}`, `{us_privacy}` and `{account}`, all percent-encoded. Default: it is not sent.",
        ),
        may(
            "account",
            Kind::Text(&TEXT),
            "What we are called there: `{account}` of `push_url`, which leads nowhere before it is given. Default: none.",
        ),
        or(
            "redirect_hosts",
            Kind::List(&Kind::Text(&HOST)),
            "[]",
            "Hosts that `redirect` of `/sync/{exchange}` may lead to.",
        ),
        or(
            "ttl",
            ANY_SPAN,
            "\"30d\"",
            "How long a match holds that a browser brought: after that it is not used, and the browser is sent again.",
        ),
        or(
            "parameters",
            Kind::Object(&SYNC_PARAMETERS),
            "{}",
            "What the exchange calls what it tells of a browser.",
        ),
        may(
            "uid_macro",
            Kind::Text(&UID_MACRO),
            "What it replaces by its id in the address that stands for `{return}`, such as `$UID`. Default: it appends the id.",
        ),
    ],
    rules: &[],
};

static SYNC_PARAMETERS: Shape = Shape {
    name: "sync-parameters",
    help: "What an exchange calls what it tells of a browser: names of query parameters.",
    base: None,
    keys: &[
        or("uid", Kind::Text(&PARAMETER), "\"uid\"", "Its id of the browser."),
        may(
            "version",
            Kind::Text(&PARAMETER),
            "The version of its ids: another makes those of before void. Default: they have none.",
        ),
        may(
            "error",
            Kind::Text(&PARAMETER),
            "Why it has no id; any value does. Default: it does not tell.",
        ),
        may(
            "echo",
            Kind::Text(&PARAMETER),
            "What must be sent back to `push_url` as it came. Default: nothing.",
        ),
    ],
    rules: &[],
};
