//! Every bound of the program, named. A limit that is hit is counted or answered, never a surprise.

use super::time::Span;

/// A bid request's body; `limits.body_kib` may lower it.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bodies of bid requests that one core waits for at a time, as announced; beyond, no-bid `overloaded`.
pub const BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long the body of a bid request may take from when its head is read, in milliseconds.
pub const BODY_MS_MAX: u64 = 1_000;
/// The head of a request; a larger one is answered 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Connections of a listener; `limits.connections` may lower it.
pub const CONNECTIONS_MAX: u32 = 65_536;
/// Connections of the admin listener.
pub const ADMIN_CONNECTIONS_MAX: usize = 512;
/// Browsers logged in to the admin listener at a time.
pub const SESSIONS_MAX: usize = 1_024;
/// How long one stays so.
pub const SESSION_LIFE: Span = Span(12 * 3_600);
/// Logins that may fail from one address in a minute.
pub const LOGIN_FAILURES_PER_MIN: u32 = 10;
/// Addresses whose failed logins are counted apart.
pub const LOGIN_ADDRESSES_MAX: usize = 4_096;
/// A file of the audit log, in bytes; beyond, the next one begins.
pub const AUDIT_FILE_BYTES_MAX: u64 = 4 << 20;
/// Files of the audit log; the oldest goes.
pub const AUDIT_FILES_MAX: usize = 16;
/// Entries of it in one answer.
pub const AUDIT_ENTRIES_MAX: usize = 1_000;
/// Files a process may have open that are no connections: the store's, feeds, listeners.
pub const FILES_MIN: usize = 512;
/// Idle connections among which the one that gives way is chosen.
pub const GIVING_WAY_AMONG: usize = 64;
/// Sockets that one turn of a core's loop hears of.
pub const SOCKETS_PER_TURN_MAX: usize = 4_096;
/// A batch of events, NDJSON.
pub const EVENTS_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bodies that the public listener takes in at a time, as announced; beyond, callers get 503.
pub const EVENTS_BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long a body may take on the public listener, in milliseconds, however steadily it comes.
pub const EVENTS_BODY_MS_MAX: u64 = 120_000;
/// Events in one batch.
pub const EVENTS_PER_BATCH_MAX: usize = 1_000;
/// An advertiser's JSON.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Nesting of a bid request.
pub const JSON_DEPTH_MAX: usize = 64;
/// Impressions looked at in one request; the rest are passed over.
pub const IMPS_MAX: usize = 64;
/// Sizes looked at in one banner.
pub const SIZES_MAX: usize = 64;
/// Assets looked at in one native request.
pub const ASSETS_MAX: usize = 64;
/// Places beside one player that are filled.
pub const COMPANIONS_MAX: usize = 4;
/// Ads given to one pod.
pub const POD_ADS_MAX: usize = 8;
/// EIDs probed in one request: the most trusted ones.
pub const EID_PROBES_MAX: usize = 8;
/// Campaigns considered for one request.
pub const CANDIDATES_MAX: usize = 512;
/// Pairs of an imp and a campaign that are ranked in one request.
pub const OFFERS_MAX: usize = 4_096;

/// Campaigns and advertisers' books, all told.
pub const CAMPAIGNS_MAX: u32 = 1 << 20;
/// Creatives of one advertiser.
pub const CREATIVES_MAX: usize = 200;
/// Exchanges.
pub const EXCHANGES_MAX: usize = 64;
/// Exchanges that a browser is sent to by one page view.
pub const SYNCS_PER_PAGE_MAX: usize = 5;
/// Campaigns of one advertiser.
pub const CAMPAIGNS_PER_ADVERTISER_MAX: usize = 2_000;
/// Frequency caps of one campaign or advertiser.
pub const CAPS_MAX: usize = 8;

/// Advertisers remembered for one user; the one unseen longest leaves first.
pub const SECTIONS_MAX: usize = 32;
/// Events remembered for one user and advertiser.
pub const EVENTS_PER_SECTION_MAX: usize = 48;
/// Characters of an id in an event.
pub const ID_CHARS_MAX: usize = 256;
/// Items of one event that are remembered.
pub const ITEMS_PER_EVENT_MAX: usize = 32;
/// Impressions remembered for one user.
pub const EXPOSURES_MAX: usize = 64;

/// Buckets of the table of frequency holds.
pub const HOLD_BUCKETS: usize = 1 << 14;
/// Holds in one bucket; a full one refuses, counted as frequency.
pub const HOLDS_PER_BUCKET: usize = 32;
/// A budget ring's buckets.
pub const RING_BUCKETS: usize = 64;
/// Seconds of one bucket of a budget ring.
pub const RING_BUCKET_S: u32 = 32;
/// The longest a budget hold may last.
pub const HOLD_S_MAX: u32 = RING_BUCKET_S * (RING_BUCKETS as u32 - 2);
/// In the last 1/20 of a budget every bid is held in full, whatever it is likely to cost.
pub const BUDGET_LAST_PART: i128 = 20;
/// Lost and settled bids remembered so that a repeated notice frees nothing twice.
pub const RESOLVED_MAX: usize = 1 << 20;

/// Buckets of a table of what users do in a minute.
pub const RATE_BUCKETS: usize = 1 << 12;
/// Users in one bucket; of more, those who do least are forgotten.
pub const RATES_PER_BUCKET: usize = 8;
/// Buckets of the table of what users look at in a day.
pub const LOOKED_BUCKETS: usize = 1 << 12;
/// Users in one bucket; of more, those who look at least are forgotten.
pub const LOOKED_PER_BUCKET: usize = 8;
/// Impressions whose moment is kept to the millisecond, until as many others have come.
pub const MOMENTS_MAX: usize = 1 << 14;
/// A click sooner after the impression is nobody's, in milliseconds.
pub const CLICK_AFTER_MS_MIN: i64 = 1_000;
/// Nor is one later after it.
pub const CLICK_AFTER_MAX: Span = Span::DAY;
/// For so long nobody who did more than a person does is bid for.
pub const MACHINE_LIFE: Span = Span::DAY;

/// Facts waiting for the writer; beyond, callers get 503.
pub const FACTS_QUEUE_MAX: usize = 8_192;
/// Facts of one commit.
pub const FACTS_PER_COMMIT_MAX: usize = 512;
/// How long the writer may be told to wait for company before it commits, in milliseconds.
pub const COMMIT_LINGER_MS_MAX: u32 = 100;

/// Products of one category, or of a whole shop, that an ad without a better idea chooses among.
pub const RANKED_MAX: usize = 64;
/// Products of one advertiser whose views are counted.
pub const VIEWED_MAX: usize = 1 << 20;
/// Labels remembered of one event: those of its texts that the advertiser's rules ask for.
pub const MARKS_MAX: usize = 6;

/// Refusals in a row after which an exchange is not offered a creative.
pub const REFUSALS_MAX: u32 = 20;
/// For how long.
pub const SUSPENSION: Span = Span::HOUR;
/// Pairs of exchange and creative whose refusals are counted.
pub const REFUSED_CREATIVES_MAX: usize = 1 << 16;

/// Pairs of price keys of one exchange: the current one, and the former while it changes.
pub const PRICE_KEYS_MAX: usize = 2;
/// An encrypted price that was made longer ago, or is to be made later than by this, is counted as doubtful.
pub const PRICE_AGE_MAX: Span = Span(600);
/// Encrypted prices remembered for as long, so that one that comes with another bid is counted.
pub const PRICES_SEEN_MAX: usize = 1 << 18;
/// A notice's URL, as exchanges store it.
pub const NOTICE_CHARS_MAX: usize = 400;

/// Products, and domains, that reports tell apart of one campaign's day: the first that were shown; figures of the
/// others are added up as `(other)`.
pub const VALUES_PER_DAY_MAX: u32 = 1_000;
/// Names of sites that are kept in memory of late, in each of two generations.
pub const SITES_RECENT_MAX: usize = 1 << 15;
/// Characters of such a name.
pub const SITE_CHARS_MAX: usize = 253;
/// For so long it is known what was shown: a click within its own life after the bid, a purchase in its window after.
pub const SHOWN_LIFE: Span = Span::days(120);
/// Rows of one report.
pub const REPORT_ROWS_MAX: usize = 100_000;

/// Minutes of which it is kept what became of each campaign's requests.
pub const FUNNEL_MINUTES: i64 = 60;
/// Pairs of a campaign and a reason that are kept of one minute; what is beyond is counted together.
pub const FUNNEL_PAIRS_MAX: usize = 1 << 16;

/// Seconds of one step of the last day's record, and its steps.
pub const HISTORY_STEP_S: u32 = 300;
/// A day of them.
pub const HISTORY_STEPS: usize = 288;
/// Campaigns of which it is kept what they spent of their day by the hour; 400 bytes each.
pub const HISTORY_CAMPAIGNS_MAX: usize = 1 << 14;

/// Pairs of an exchange and a campaign of which it is kept why bids were lost.
pub const LOSSES_PAIRS_MAX: usize = 1 << 14;
/// Reasons of one pair; further ones are counted with the last.
pub const LOSS_REASONS_MAX: usize = 32;
/// The last prices of one pair that would have won.
pub const MINS_TO_WIN_KEPT: usize = 64;

/// How long notice tokens live.
pub const NOTICE_LIFE: Span = Span::days(2);
/// How long click tokens live.
pub const CLICK_LIFE: Span = Span::days(30);
/// Within this, the same `event_id` is one event.
pub const EVENT_ID_LIFE: Span = Span::days(7);
/// Within this, the same `transaction_id` is one order, and a refund finds it.
pub const ORDER_LIFE: Span = Span::days(400);
/// Users that leave in one commit at most, so that facts need not wait for them.
pub const EVICTED_PER_COMMIT_MAX: usize = 128;
/// Bids for the same user and placement within this count once for frequency, in milliseconds.
pub const SAME_PLACEMENT_MS: u32 = 2_000;
/// Products that one ad shows.
pub const PRODUCTS_PER_AD_MAX: usize = 10;
/// An advertiser's own template, and any ad without its pictures.
pub const AD_BYTES_MAX: usize = 30 * 1024;
/// Trackers of one kind that a creative calls.
pub const TRACKERS_MAX: usize = 10;
/// Files of one creative.
pub const MEDIA_MAX: usize = 32;
/// A product's description, in characters: native ads ask for 140 at most.
pub const DESCRIPTION_CHARS_MAX: usize = 200;
/// TC strings of which each core remembers what they allow, and the longest of them.
pub const TC_STRINGS_RECALLED: usize = 512;
/// Likewise, in characters: three sections of a thousand vendors, a bit each, take some 700.
pub const TC_STRING_RECALLED_CHARS_MAX: usize = 1_024;
/// A token as text.
pub const TOKEN_CHARS_MAX: usize = 176;

/// One feed item's text fields together.
pub const FEED_ITEM_BYTES_MAX: usize = 64 * 1024;
/// Items of one feed.
pub const FEED_ITEMS_MAX: usize = 2_000_000;
/// A feed's file, unpacked.
pub const FEED_BYTES_MAX: u64 = 4 << 30;
/// How many times its packed size a feed may be; text packs to a tenth, seldom a fiftieth.
pub const FEED_RATIO_MAX: u64 = 200;
/// Up to this size the ratio does not matter.
pub const FEED_RATIO_FROM_BYTES: u64 = 16 << 20;
/// Places that a feed's address may lead on to.
pub const FEED_REDIRECTS_MAX: usize = 5;
/// Addresses of one name that are tried.
pub const FEED_ADDRESSES_MAX: usize = 4;
/// The head of an answer with a feed.
pub const FEED_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Feeds that are fetched at a time.
pub const FEED_FETCHES_MAX: usize = 4;
/// Ids kept of an advertiser's events that are not in its feed.
pub const FEED_UNLISTED_MAX: usize = 100;
/// Faults listed for one file; the rest are counted.
pub const FAULTS_MAX: usize = 200;

/// Banner sizes counted in one hour.
pub const SIZES_SEEN_MAX: usize = 256;

/// Sampled requests that wait to be rewritten; beyond, samples are dropped and counted.
pub const SAMPLES_QUEUE_MAX: usize = 4_096;
/// Bytes of their bodies.
pub const SAMPLES_QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a drain may take, in milliseconds.
pub const DRAIN_MS_MAX: u64 = 8_000;

const _: () = assert!(CAMPAIGNS_MAX < 1 << 24, "campaign numbers are stored in three bytes");
const _: () = assert!(CREATIVES_MAX < 256, "creative numbers are stored in one byte");
const _: () = assert!(HOLD_BUCKETS.is_power_of_two(), "a bucket is picked by mask");
const _: () = assert!(RATE_BUCKETS.is_power_of_two() && LOOKED_BUCKETS.is_power_of_two(), "likewise");
const _: () = assert!(MOMENTS_MAX.is_power_of_two(), "likewise");
