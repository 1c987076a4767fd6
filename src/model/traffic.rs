//! Invalid traffic: what is the doing of no person (contract §2 `invalid_traffic`), and what one request
//! says of its sender.
//!
//! Plain data. What takes counting over time is `state::traffic`'s. Keeps no address and no user agent.

use std::net::IpAddr;

use ipnet::IpNet;

use super::crawlers::is_crawler;

macro_rules! reasons {
    ($($name:ident $label:literal $sentence:literal),+ $(,)?) => {
        /// Why traffic is invalid.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Invalid {
            $(#[doc = $sentence] $name),+
        }

        impl Invalid {
            /// Every reason.
            pub const ALL: &'static [Invalid] = &[$(Invalid::$name),+];

            /// The metric label, and the word in facts.
            pub const fn label(self) -> &'static str {
                match self { $(Invalid::$name => $label),+ }
            }
        }
    };
}

reasons! {
    Crawler "crawler" "a known crawler, by its user agent",
    Prefetch "prefetch" "a browser that loads in advance what nobody may look at",
    DataCentre "data_centre" "an address in a network of the operator's file",
    Events "events_per_min" "more events in a minute than a person causes",
    Items "items_per_day" "more items in a day than a person looks at",
    Unseen "click_unseen" "a click on what nobody has seen",
    Early "click_early" "a click sooner after the impression than anybody can",
    Late "click_late" "a click longer after the impression than anybody waits",
    Again "click_again" "a further click on one ad",
}

/// What is tested for: `invalid_traffic`. By default nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidTraffic {
    /// Whether anything is: known crawlers, prefetching and clicks that cannot be, and all below.
    pub is_tested: bool,
    /// Events of a user in any 60 seconds; more are invalid.
    pub events_per_min: Option<u32>,
    /// Items of a user in a day; further ones are invalid.
    pub items_per_day: Option<u32>,
    /// Bids for a user in any 60 seconds; there are no more.
    pub bids_per_min: Option<u32>,
    /// Users behind one foreign id in a day; an id of more is shared by them, and not used.
    pub users_per_foreign_id: Option<u32>,
    /// Networks of data centres.
    pub ranges: Ranges,
}

impl InvalidTraffic {
    /// Why the sender of a request is no person looking at something, as far as the request says.
    pub fn of_sender(&self, is_prefetch: bool, user_agent: Option<&str>, ip: Option<IpAddr>) -> Option<Invalid> {
        if !self.is_tested {
            None
        } else if user_agent.is_some_and(is_crawler) {
            Some(Invalid::Crawler)
        } else if is_prefetch {
            Some(Invalid::Prefetch)
        } else {
            ip.is_some_and(|ip| self.ranges.has(ip)).then_some(Invalid::DataCentre)
        }
    }
}

/// Networks, of either family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// None overlaps another; in the order of their addresses.
    apart: Vec<IpNet>,
}

impl Ranges {
    /// Of networks in any order, which may overlap.
    pub fn new(networks: &[IpNet]) -> Ranges {
        let mut apart = IpNet::aggregate(&networks.to_vec());
        apart.sort_by_key(IpNet::network);
        Ranges { apart }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.apart.is_empty()
    }

    /// Whether an address is in one of them; one of IPv4 in the clothes of IPv6 is what it is.
    pub fn has(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let begun = self.apart.partition_point(|network| network.network() <= ip);
        self.apart[..begun].last().is_some_and(|network| network.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_are_found_in_networks_that_overlap() {
        let networks = ["10.2.0.0/16", "2001:db8::/32", "10.2.3.0/24", "192.0.2.7/32", "10.0.0.0/24"];
        let ranges = Ranges::new(&networks.map(|network| network.parse().expect("a network")));
        for (address, is_in) in [
            ("10.2.3.4", true),
            ("10.2.255.255", true),
            ("10.3.0.0", false),
            ("10.1.255.255", false),
            ("10.0.0.0", true),
            ("9.255.255.255", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.2.0.1", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::1", false),
        ] {
            assert_eq!(ranges.has(ip(address)), is_in, "{address}");
        }
        assert!(!Ranges::default().has(ip("10.0.0.1")));
    }

    #[test]
    fn a_sender_is_told_by_what_it_says_and_only_where_that_is_tested() {
        let ranges = Ranges::new(&["10.0.0.0/8".parse().expect("a network")]);
        let tested = InvalidTraffic {
            is_tested: true,
            ranges,
            ..InvalidTraffic::default()
        };
        let of = |prefetch, agent, address| tested.of_sender(prefetch, agent, address);
        assert_eq!(of(false, Some("Googlebot/2.1"), None), Some(Invalid::Crawler));
        assert_eq!(of(true, Some("Mozilla/5.0"), None), Some(Invalid::Prefetch));
        assert_eq!(of(false, None, Some(ip("10.1.1.1"))), Some(Invalid::DataCentre));
        assert_eq!(of(false, Some("Mozilla/5.0"), Some(ip("11.1.1.1"))), None);
        assert_eq!(
            InvalidTraffic::default().of_sender(true, Some("Googlebot/2.1"), Some(ip("10.1.1.1"))),
            None
        );
    }
}
