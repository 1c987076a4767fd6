//! Which addresses a feed may be fetched from: those of the public internet, and networks that config allows.
//!
//! Judges addresses, never names: whoever connects asks of the very address that is connected to. Assumes
//! nothing of how an address was come by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(head: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(head[0], head[1], head[2], 0, 0, 0, 0, 0), length)
}

/// IPv4 that is not for everybody (IANA's special-purpose registry, RFC 6890), and where clouds tell a machine
/// about itself beside the link-local 169.254.169.254.
const NOT_PUBLIC_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),        // this host on this network
    v4(10, 0, 0, 0, 8),       // private, RFC 1918
    v4(100, 64, 0, 0, 10),    // shared by carriers, RFC 6598; 100.100.100.200 is a cloud's metadata
    v4(127, 0, 0, 0, 8),      // loopback
    v4(168, 63, 129, 16, 32), // a cloud's own services, in the midst of public addresses
    v4(169, 254, 0, 0, 16),   // link-local
    v4(172, 16, 0, 0, 12),    // private, RFC 1918
    v4(192, 0, 0, 0, 24),     // protocols; 192.0.0.192 is a cloud's metadata
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 88, 99, 0, 24),   // relays of 6to4
    v4(192, 168, 0, 0, 16),   // private, RFC 1918
    v4(198, 18, 0, 0, 15),    // benchmarks
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // reserved, and broadcast
];
/// What IANA has given out of IPv6 for anybody to reach; all else is for something special, such as loopback,
/// fc00::/7, fe80::/10 and ff00::/8.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);
/// Of those, what is not for everybody.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0], 23),     // protocols: Teredo, ORCHID, benchmarks
    v6([0x2001, 0xdb8, 0], 32), // documentation
    v6([0x2002, 0, 0], 16),     // 6to4: any IPv4 address inside
    v6([0x3fff, 0, 0], 20),     // documentation
];
/// IPv4 as networks without it write it (RFC 6052): the last four bytes are the address.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0], 96);

/// Whether a feed may be fetched from an address: a public one, or one of the networks `allow`.
pub fn admits(allow: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    allow.iter().any(|network| network.contains(&address)) || is_public(address)
}

/// Whether an address is one that anybody may reach, and nobody's own network.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => NOT_PUBLIC_V4.iter().all(|network| !network.contains(&address)),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && NOT_PUBLIC_V6.iter().all(|network| !network.contains(&address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: [&str; 16] = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "168.63.129.15",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:81b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ];
    const NOT_PUBLIC: [&str; 48] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ];

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn public_addresses_are_admitted_and_others_only_where_allowed() {
        let wrong = |list: &[&str], wanted: bool| {
            let wrong = list.iter().filter(|text| admits(&[], address(text)) != wanted);
            wrong.map(|text| (*text).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(wrong(&PUBLIC, true), [""; 0]);
        assert_eq!(wrong(&NOT_PUBLIC, false), [""; 0]);
        let allow = ["10.0.0.0/8".parse().expect("a network")];
        for (text, wanted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.168.0.1", false),
            ("8.8.8.8", true),
        ] {
            assert_eq!(admits(&allow, address(text)), wanted, "{text}");
        }
    }
}
