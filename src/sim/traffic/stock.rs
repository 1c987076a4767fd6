//! What the generated traffic is about: invented publishers, apps, devices and places.
//!
//! Every host is below `.example` and every address of the documentation ranges. User agents are of the
//! usual browsers' forms. No country here has the GDPR: a request says itself where it applies.

/// Width and height.
pub type Size = (u64, u64);

/// Words that sites and apps are named after.
pub const WORDS: [&str; 24] = [
    "harbour", "lantern", "meadow", "copper", "juniper", "orchard", "summit", "marble", "pepper", "willow", "anchor", "comet", "saffron",
    "thistle", "velvet", "walnut", "pebble", "bamboo", "canyon", "falcon", "ginger", "indigo", "kettle", "lagoon",
];
/// The second words.
pub const KINDS: [(&str, &str); 10] = [
    ("daily", "IAB12"),
    ("kitchen", "IAB8-5"),
    ("trails", "IAB20-18"),
    ("weather", "IAB15-10"),
    ("football", "IAB17-12"),
    ("money", "IAB13-7"),
    ("garden", "IAB10-4"),
    ("films", "IAB1-5"),
    ("motors", "IAB2-3"),
    ("games", "IAB9-30"),
];

/// A user agent, with what else a device says of itself.
pub struct Machine {
    /// `ua`.
    pub ua: &'static str,
    /// `make` and `model`.
    pub model: (&'static str, &'static str),
    /// `os` and `osv`.
    pub os: (&'static str, &'static str),
    /// `devicetype`.
    pub kind: u64,
    /// `w` and `h`.
    pub screen: Size,
}

/// Wide screens.
pub const DESKTOPS: [Machine; 4] = [
    Machine {
        ua: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        model: ("", ""),
        os: ("Windows", "10"),
        kind: 2,
        screen: (1920, 1080),
    },
    Machine {
        ua: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
        model: ("", ""),
        os: ("Windows", "11"),
        kind: 2,
        screen: (1536, 864),
    },
    Machine {
        ua: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
        model: ("Apple", "Macintosh"),
        os: ("macOS", "15.5"),
        kind: 2,
        screen: (1440, 900),
    },
    Machine {
        ua: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
        model: ("", ""),
        os: ("Linux", ""),
        kind: 2,
        screen: (2560, 1440),
    },
];

/// Phones and tablets.
pub const PHONES: [Machine; 5] = [
    Machine {
        ua: "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
        model: ("Google", "Pixel 9"),
        os: ("Android", "15"),
        kind: 4,
        screen: (412, 915),
    },
    Machine {
        ua: "Mozilla/5.0 (Linux; Android 14; SM-A556E) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
        model: ("Samsung", "SM-A556E"),
        os: ("Android", "14"),
        kind: 4,
        screen: (384, 854),
    },
    Machine {
        ua: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
        model: ("Apple", "iPhone16,2"),
        os: ("iOS", "18.5"),
        kind: 4,
        screen: (430, 932),
    },
    Machine {
        ua: "Mozilla/5.0 (Linux; Android 13; Redmi Note 12; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/138.0.0.0 Mobile Safari/537.36",
        model: ("Xiaomi", "Redmi Note 12"),
        os: ("Android", "13"),
        kind: 4,
        screen: (393, 873),
    },
    Machine {
        ua: "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
        model: ("Apple", "iPad13,18"),
        os: ("iOS", "17.6"),
        kind: 5,
        screen: (820, 1180),
    },
];

/// A country with one of its cities.
pub struct City {
    /// Alpha-3.
    pub country: &'static str,
    /// ISO 3166-2 without the country.
    pub region: &'static str,
    /// Its name.
    pub city: &'static str,
    /// `zip`.
    pub zip: &'static str,
    /// Hundredths of degrees.
    pub at: (i64, i64),
    /// Minutes.
    pub utcoffset: i64,
    /// `language`.
    pub language: &'static str,
}

const fn city(
    country: &'static str,
    region: &'static str,
    city: &'static str,
    zip: &'static str,
    at: (i64, i64),
    utcoffset: i64,
    language: &'static str,
) -> City {
    City {
        country,
        region,
        city,
        zip,
        at,
        utcoffset,
        language,
    }
}

/// Where viewers are.
pub const CITIES: [City; 10] = [
    city("USA", "CA", "San Jose", "95112", (3_734, -12_189), -420, "en"),
    city("USA", "NY", "New York", "10001", (4_075, -7_399), -240, "en"),
    city("USA", "TX", "Austin", "73301", (3_027, -9_774), -300, "en"),
    city("VNM", "SG", "Ho Chi Minh City", "70000", (1_082, 10_663), 420, "vi"),
    city("VNM", "DN", "Da Nang", "55000", (1_605, 10_822), 420, "vi"),
    city("GBR", "LND", "London", "EC1A", (5_151, -13), 60, "en"),
    city("CAN", "ON", "Toronto", "M5H", (4_365, -7_938), -240, "en"),
    city("AUS", "NSW", "Sydney", "2000", (-3_387, 15_121), 600, "en"),
    city("MEX", "CMX", "Mexico City", "06000", (1_943, -9_913), -360, "es"),
    city("THA", "10", "Bangkok", "10110", (1_376, 10_050), 420, "th"),
];

/// Sizes of one placement on a wide screen, with how many of a hundred ask for them.
pub const WIDE: [(&[Size], u64); 9] = [
    (&[(300, 250)], 30),
    (&[(728, 90)], 18),
    (&[(160, 600)], 8),
    (&[(300, 600), (300, 250)], 12),
    (&[(970, 250), (728, 90)], 10),
    (&[(970, 250)], 6),
    (&[(300, 250), (336, 280)], 8),
    (&[(300, 600), (160, 600)], 5),
    (&[(468, 60)], 3),
];
/// The same on a phone.
pub const NARROW: [(&[Size], u64); 6] = [
    (&[(320, 50)], 38),
    (&[(300, 250)], 32),
    (&[(320, 100), (320, 50)], 14),
    (&[(300, 250), (320, 50)], 8),
    (&[(320, 100)], 4),
    (&[(320, 480)], 4),
];
