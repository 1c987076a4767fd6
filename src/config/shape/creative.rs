//! The shape of creatives (contract §3 `creative`).

use super::form::{EXCHANGE_KEY, ID, LOCAL_TIME, MEDIA_TYPE, PATH, SECURE_URL, TEXT};
use super::targeting::FORMATS;
use super::{Kind, Rule, SIDE_MAX, Shape, may, must, named, or};
use crate::base::limits::PRODUCTS_PER_AD_MAX;

const SIDE: Kind = Kind::Integer(1, SIDE_MAX);
/// Of an exchange's list.
const NUMBERS: Kind = Kind::List(&Kind::Integer(1, 1_000_000));
const URLS: Kind = Kind::List(&Kind::Text(&SECURE_URL));

/// `creatives[]`.
pub(super) static CREATIVE: Shape = Shape {
    name: "creative",
    help: "What may be shown.",
    base: None,
    keys: &[
        must("id", Kind::Text(&ID), "Its id, unique here. Exchanges see it in `crid`."),
        must("format", FORMATS, "Its kind."),
        may(
            "sizes",
            Kind::Several(&named(Kind::Size)),
            "Width and height, such as `[300, 250]` or `\"300x250\"`; must be given for banner and video, where they are those of its files and end cards.",
        ),
        or(
            "template",
            Kind::Either(&[Kind::Words(&["product-card", "carousel"]), Kind::Object(&TEMPLATE)]),
            "\"product-card\"",
            "How products are laid out.",
        ),
        may(
            "products",
            Kind::Integer(1, PRODUCTS_PER_AD_MAX as u32),
            "How many products it shows, as far as the size has room. Default: 1 for `product-card`, else 3.",
        ),
        may(
            "headline",
            Kind::Text(&TEXT),
            "Its headline. Default: the template's, in the advertiser's language.",
        ),
        may(
            "call_to_action",
            Kind::Text(&TEXT),
            "The text of its button. Default: the template's, in the advertiser's language.",
        ),
        may("promotion", Kind::Object(&PROMOTION), "A promotion it mentions. Default: none."),
        or(
            "attr",
            Kind::List(&Kind::Integer(1, 1_000)),
            "[]",
            "Creative attributes it has, as AdCOM numbers them; held against `battr`. A spot with 16 can be skipped after 5 seconds.",
        ),
        may(
            "media",
            Kind::Several(&named(Kind::Object(&MEDIA))),
            "The same recording in one or more files; must be given for video and audio. Of native: pictures beside those of products, and a video.",
        ),
        may(
            "duration_s",
            Kind::Integer(1, 600),
            "The recording's length in seconds; must be given for video and audio.",
        ),
        or(
            "declared",
            Kind::Map(&EXCHANGE_KEY, &Kind::Object(&DECLARED)),
            "{}",
            "What an exchange is to be told of it, by exchange id: see the exchange's `ext`.",
        ),
        or("trackers", Kind::Object(&TRACKERS), "{}", "Others' URLs that are called too."),
        or(
            "verification",
            Kind::List(&Kind::Object(&VERIFICATION)),
            "[]",
            "Others' measurement by Open Measurement (OMID), at most 10: of video and audio where the player lists it among `api` (7), of native where the request lists its event (555). A banner has no place for it.",
        ),
    ],
    rules: &[
        Rule::Needs("format", &["banner", "video"], &["sizes"], "it must be given"),
        Rule::Needs("format", &["video", "audio"], &["duration_s", "media"], "it must be given"),
    ],
};

static TEMPLATE: Shape = Shape {
    name: "template",
    help: "A template of your own.",
    base: None,
    keys: &[must("file", Kind::Text(&PATH), "The file.")],
    rules: &[],
};

static PROMOTION: Shape = Shape {
    name: "promotion",
    help: "A promotion.",
    base: None,
    keys: &[
        must("text", Kind::Text(&TEXT), "What is offered, such as `10% off today`."),
        may("code", Kind::Text(&TEXT), "The code that gets it. Default: none is needed."),
        may(
            "ends",
            Kind::Text(&LOCAL_TIME),
            "The first moment without it, on the advertiser's clock. Default: it does not end.",
        ),
    ],
    rules: &[],
};

static MEDIA: Shape = Shape {
    name: "media",
    help: "A media file.",
    base: None,
    keys: &[
        must("url", Kind::Text(&SECURE_URL), "Where it is."),
        must("mime", Kind::Text(&MEDIA_TYPE), "Its type, such as `video/mp4`."),
        may(
            "bitrate_kbps",
            Kind::Integer(1, 1_000_000),
            "Its bitrate in kilobits a second. Default: not said.",
        ),
        may("w", SIDE, "Its width. Default: the creative's."),
        may("h", SIDE, "Its height. Default: the creative's."),
        or(
            "delivery",
            Kind::Words(&["progressive", "streaming"]),
            "\"progressive\"",
            "How it is delivered.",
        ),
        may("codec", Kind::Text(&TEXT), "Its codec, as RFC 4281 writes it. Default: not said."),
    ],
    rules: &[],
};

static VERIFICATION: Shape = Shape {
    name: "verification",
    help: "Somebody's measurement by Open Measurement.",
    base: None,
    keys: &[
        must("vendor", Kind::Text(&TEXT), "Whose: their key, such as `measure.example-omid`."),
        must("url", Kind::Text(&SECURE_URL), "Their script."),
        may("parameters", Kind::Text(&TEXT), "What it is told. Default: nothing."),
    ],
    rules: &[],
};

pub(in crate::config) static DECLARED: Shape = Shape {
    name: "declared",
    help: "What a creative is or uses, by the numbers of the exchange's own lists.",
    base: None,
    keys: &[
        or("attributes", NUMBERS, "[]", "What it is: `attribute`."),
        or(
            "restricted_categories",
            NUMBERS,
            "[]",
            "What it advertises that not every publisher takes: `restricted_category`. Imps must allow all of them.",
        ),
        or(
            "vendor_types",
            NUMBERS,
            "[]",
            "Whose servers it calls, beside the exchange's own. Imps must allow all of them.",
        ),
    ],
    rules: &[],
};

static TRACKERS: Shape = Shape {
    name: "trackers",
    help: "Others' URLs that are called too.",
    base: None,
    keys: &[
        or(
            "impression",
            URLS,
            "[]",
            "Called when it is shown, at most 10. Macros of exchanges stay as they are.",
        ),
        or(
            "click",
            URLS,
            "[]",
            "Called when it is clicked (the `ping` of its links), at most 10.",
        ),
        or(
            "viewable",
            URLS,
            "[]",
            "Called when it has been seen: half of it for a second, of a large banner 30 %, of video two seconds. At most 10. Of native where the request lists the event, of video from VAST 4.0 on. A banner measures it by a script, and is one with a script to publishers.",
        ),
    ],
    rules: &[],
};
