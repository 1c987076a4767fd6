//! The messages of protobuf bid requests, with the fields that the bidder reads: number, JSON name, kind. A
//! new field is one line; a test tells of one that the reader of requests comes to use and that is not here.
//!
//! From IAB's OpenRTB 2.6 proto and Google's of 2022-07, whose core numbers agree: extensions are field 99
//! in the one and fields from 1000 on, of the object itself, in the other, so that one table reads both. What
//! is handed on raw (video and audio, native requests, deals, `format`, `eids`, `sua`, feedback) is here with
//! all of its fields, so that its reader sees what it would see in JSON.

use super::fields::{Field, Kind, Message};

/// `NAME { number key kind; ... }`: a message of the table.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($number:literal $key:ident $kind:ident $(($of:ident))?;)* })*) => {$(
        $(#[$doc])*
        pub(super) static $name: Message = {
            const FIELDS: &[Field] = &[$(Field {
                number: $number,
                name: stringify!($key),
                key: concat!("\"", stringify!($key), "\":"),
                kind: Kind::$kind $((&$of))?,
            },)*];
            Message::new(FIELDS)
        };
    )*};
}

messages! {
    BID_REQUEST {
        1 id Text;
        2 imp Many(IMP);
        3 site Place(SITE);
        4 app Place(APP);
        22 dooh Place(DOOH);
        5 device One(DEVICE);
        6 user One(USER);
        15 test Flag;
        7 at Integer;
        8 tmax Integer;
        9 wseat Texts;
        17 bseat Texts;
        10 allimps Flag;
        11 cur Texts;
        18 wlang Texts;
        20 wlangb Texts;
        23 acat Texts;
        12 bcat Texts;
        21 cattax Integer;
        13 badv Texts;
        16 bapp Texts;
        19 source One(SOURCE);
        14 regs One(REGS);
        1018 ext One(GOOGLE_REQUEST_EXT);
    }
    GOOGLE_REQUEST_EXT {
        1 bid_feedback Many(GOOGLE_FEEDBACK);
        5 privacy_treatments One(GOOGLE_PRIVACY_TREATMENTS);
    }
    GOOGLE_PRIVACY_TREATMENTS {
        6 non_personalized_ads_reason Integers;
    }
    GOOGLE_FEEDBACK {
        1 request_id Text;
        2 creative_status_code Integer;
        3 price Decimal;
        6 minimum_bid_to_win Decimal;
        8 sampled_mediation_cpm_ahead_of_auction_winner Decimal;
        4 event_notification_token One(GOOGLE_EVENT_TOKEN);
        5 buyer_creative_id Text;
    }
    GOOGLE_EVENT_TOKEN {
        1 payload Text;
    }
    SOURCE {
        4 schain One(SCHAIN);
        99 ext One(SOURCE_EXT);
        1059 ext One(GOOGLE_SOURCE_EXT);
    }
    SOURCE_EXT {
        1 schain One(SCHAIN);
    }
    SCHAIN {
        1 complete Flag;
    }
    GOOGLE_SOURCE_EXT {
        3 schain One(GOOGLE_SCHAIN);
    }
    GOOGLE_SCHAIN {
        1 complete Integer;
    }
    IMP {
        1 id Text;
        2 banner One(BANNER);
        3 video One(VIDEO);
        15 audio One(AUDIO);
        13 native One(NATIVE);
        11 pmp One(PMP);
        6 instl Flag;
        7 tagid Text;
        8 bidfloor Decimal;
        9 bidfloorcur Text;
        12 secure Flag;
        18 rwdd Flag;
        14 exp Integer;
        20 qty One(QTY);
        99 ext One(IMP_EXT);
        1009 ext One(GOOGLE_IMP_EXT);
    }
    QTY {
        1 multiplier Decimal;
    }
    IMP_EXT {
        1 gpid Text;
    }
    GOOGLE_IMP_EXT {
        1 billing_id Longs;
        3 allowed_vendor_type Integers;
        13 allowed_restricted_category Integers;
        10 excluded_creatives Many(GOOGLE_EXCLUDED);
        7 is_rewarded_inventory Flag;
    }
    GOOGLE_EXCLUDED {
        1 buyer_creative_id Text;
    }
    BANNER {
        15 format Many(FORMAT);
        1 w Integer;
        2 h Integer;
        5 btype Integers;
        6 battr Integers;
        7 mimes Texts;
        10 api Integers;
        11 wmax Integer;
        12 hmax Integer;
        13 wmin Integer;
        14 hmin Integer;
    }
    COMPANION {
        15 format Many(FORMAT);
        1 w Integer;
        2 h Integer;
        5 btype Integers;
        6 battr Integers;
        4 pos Integer;
        7 mimes Texts;
        8 topframe Flag;
        9 expdir Integers;
        10 api Integers;
        3 id Text;
        16 vcm Flag;
        11 wmax Integer;
        12 hmax Integer;
        13 wmin Integer;
        14 hmin Integer;
        99 ext One(EMPTY);
    }
    FORMAT {
        1 w Integer;
        2 h Integer;
        3 wratio Integer;
        4 hratio Integer;
        5 wmin Integer;
        99 ext One(EMPTY);
    }
    VIDEO {
        1 mimes Texts;
        3 minduration Integer;
        4 maxduration Integer;
        8 startdelay Integer;
        28 maxseq Integer;
        29 poddur Integer;
        21 protocols Integers;
        6 w Integer;
        7 h Integer;
        30 podid Text;
        31 podseq Integer;
        32 rqddurs Integers;
        26 placement Integer;
        35 plcmt Integer;
        2 linearity Integer;
        23 skip Flag;
        24 skipmin Integer;
        25 skipafter Integer;
        9 sequence Integer;
        33 slotinpod Integer;
        34 mincpmpersec Decimal;
        10 battr Integers;
        11 maxextended Integer;
        12 minbitrate Integer;
        13 maxbitrate Integer;
        14 boxingallowed Flag;
        15 playbackmethod Integers;
        27 playbackend Integer;
        16 delivery Integers;
        17 pos Integer;
        18 companionad Many(COMPANION);
        19 api Integers;
        20 companiontype Integers;
        37 poddedupe Integers;
        36 durfloors Many(DURFLOORS);
        5 protocol Integer;
        99 ext One(EMPTY);
        22 companionad_21 One(GOOGLE_COMPANIONS);
    }
    GOOGLE_COMPANIONS {
        1 banner Many(COMPANION);
    }
    AUDIO {
        1 mimes Texts;
        2 minduration Integer;
        3 maxduration Integer;
        25 poddur Integer;
        4 protocols Integers;
        5 startdelay Integer;
        26 rqddurs Integers;
        27 podid Text;
        28 podseq Integer;
        6 sequence Integer;
        29 slotinpod Integer;
        30 mincpmpersec Decimal;
        7 battr Integers;
        8 maxextended Integer;
        9 minbitrate Integer;
        10 maxbitrate Integer;
        11 delivery Integers;
        12 companionad Many(COMPANION);
        13 api Integers;
        20 companiontype Integers;
        21 maxseq Integer;
        22 feed Integer;
        23 stitched Flag;
        24 nvol Integer;
        31 durfloors Many(DURFLOORS);
        99 ext One(EMPTY);
    }
    NATIVE {
        1 request Text;
        50 request One(NATIVE_REQUEST);
        2 ver Text;
        3 api Integers;
        4 battr Integers;
        99 ext One(EMPTY);
    }
    NATIVE_REQUEST {
        1 ver Text;
        2 layout Integer;
        3 adunit Integer;
        7 context Integer;
        8 contextsubtype Integer;
        9 plcmttype Integer;
        4 plcmtcnt Integer;
        5 seq Integer;
        6 assets Many(NATIVE_ASSET);
        11 aurlsupport Flag;
        12 durlsupport Flag;
        13 eventtrackers Many(NATIVE_EVENT_TRACKERS);
        14 privacy Flag;
        99 ext One(EMPTY);
        1001 ext One(GOOGLE_NATIVE_EXT);
    }
    NATIVE_ASSET {
        1 id Integer;
        2 required Flag;
        3 title One(NATIVE_TITLE);
        4 img One(NATIVE_IMAGE);
        5 video One(VIDEO);
        6 data One(NATIVE_DATA);
        99 ext One(EMPTY);
    }
    NATIVE_TITLE {
        1 len Integer;
        99 ext One(EMPTY);
    }
    NATIVE_IMAGE {
        1 type Integer;
        2 w Integer;
        3 h Integer;
        4 wmin Integer;
        5 hmin Integer;
        6 mimes Texts;
        99 ext One(EMPTY);
    }
    NATIVE_DATA {
        1 type Integer;
        2 len Integer;
        99 ext One(NATIVE_DATA_EXT);
    }
    NATIVE_DATA_EXT {
        1 segtax Integer;
    }
    NATIVE_EVENT_TRACKERS {
        1 event Integer;
        2 methods Integers;
        99 ext One(EMPTY);
    }
    GOOGLE_NATIVE_EXT {
        1 style_id Integer;
        2 style_height Integer;
        3 style_width Integer;
        4 style_layout_type Integer;
        5 multi_ads_cell_info One(GOOGLE_NATIVE_CELLS);
    }
    GOOGLE_NATIVE_CELLS {
        1 cell_row Integer;
        2 cell_column Integer;
        3 grid_rows Integer;
        4 grid_columns Integer;
        5 grid_id Long;
    }
    PMP {
        1 private_auction Flag;
        2 deals Many(DEAL);
    }
    DEAL {
        1 id Text;
        2 bidfloor Decimal;
        3 bidfloorcur Text;
        6 at Integer;
        4 wseat Texts;
        5 wadomain Texts;
        7 guar Integer;
        8 mincpmpersec Decimal;
        9 durfloors Many(DURFLOORS);
        99 ext One(EMPTY);
        1010 ext One(GOOGLE_DEAL_EXT);
    }
    DURFLOORS {
        1 mindur Integer;
        2 maxdur Integer;
        3 bidfloor Decimal;
        99 ext One(EMPTY);
    }
    GOOGLE_DEAL_EXT {
        1 deal_type Integer;
        2 must_bid Flag;
        3 publisher_blocks_overridden Flag;
        4 creative_source Integer;
    }
    SITE {
        3 domain Text;
        4 cat Texts;
        5 sectioncat Texts;
        6 pagecat Texts;
        7 page Text;
        11 publisher One(PUBLISHER);
    }
    APP {
        3 domain Text;
        8 bundle Text;
        4 cat Texts;
        5 sectioncat Texts;
        6 pagecat Texts;
        11 publisher One(PUBLISHER);
    }
    DOOH {
        6 domain Text;
        5 publisher One(PUBLISHER);
    }
    /// Of which it matters only that it is there.
    EMPTY {
    }
    PUBLISHER {
        1 id Text;
    }
    DEVICE {
        4 geo One(GEO);
        1 dnt Flag;
        23 lmt Flag;
        2 ua Text;
        31 sua One(USER_AGENT);
        3 ip Text;
        9 ipv6 Text;
        18 devicetype Integer;
        14 os Text;
        11 language Text;
        32 langb Text;
        20 ifa Text;
    }
    USER_AGENT {
        1 browsers Many(BRAND_VERSION);
        2 platform One(BRAND_VERSION);
        3 mobile Flag;
        4 architecture Text;
        5 bitness Text;
        6 model Text;
        7 source Integer;
        99 ext One(EMPTY);
    }
    BRAND_VERSION {
        1 brand Text;
        2 version Texts;
        99 ext One(EMPTY);
    }
    GEO {
        3 country Text;
        4 region Text;
        7 city Text;
        10 utcoffset Integer;
    }
    USER {
        1 id Text;
        2 buyeruid Text;
        7 geo One(GEO);
        10 consent Text;
        11 eids Many(EID);
        99 ext One(USER_EXT);
        1007 ext One(GOOGLE_USER_EXT);
    }
    USER_EXT {
        1 consent Text;
        2 eids Many(EID);
    }
    EID {
        3 inserter Text;
        1 source Text;
        4 matcher Text;
        5 mm Integer;
        2 uids Many(UID);
        99 ext One(EMPTY);
    }
    UID {
        1 id Text;
        2 atype Integer;
        99 ext One(EMPTY);
    }
    GOOGLE_USER_EXT {
        2 consent Text;
        5 eids Many(GOOGLE_EID);
    }
    GOOGLE_EID {
        1 source Text;
        2 uids Many(GOOGLE_UID);
    }
    GOOGLE_UID {
        1 id Text;
    }
    REGS {
        1 coppa Flag;
        4 gdpr Flag;
        5 us_privacy Text;
        2 gpp Text;
        3 gpp_sid Integers;
        99 ext One(REGS_EXT);
        1001 ext One(GOOGLE_REGS_EXT);
    }
    REGS_EXT {
        1 gdpr Flag;
        2 us_privacy Text;
        3 gpc Text;
        4 dsa One(DSA);
        5 s22580 Flag;
    }
    DSA {
        1 dsarequired Integer;
        2 pubrender Integer;
        3 datatopub Integer;
        4 transparency Many(TRANSPARENCY);
    }
    TRANSPARENCY {
        1 domain Text;
        2 dsaparams Integers;
    }
    GOOGLE_REGS_EXT {
        1 gdpr Flag;
    }
}
