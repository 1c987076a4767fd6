//! Countries as ISO 3166-1 alpha-3, which OpenRTB sends and configs may write as alpha-2.
//!
//! Never guesses: a text of neither form is no country.

/// An upper-case alpha-3 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(pub [u8; 3]);

/// The 27 of the EU; Iceland, Liechtenstein and Norway; the United Kingdom and Switzerland.
const UNDER_GDPR: [[u8; 3]; 32] = [
    *b"AUT", *b"BEL", *b"BGR", *b"HRV", *b"CYP", *b"CZE", *b"DNK", *b"EST", *b"FIN", *b"FRA", *b"DEU", *b"GRC", *b"HUN", *b"IRL", *b"ITA",
    *b"LVA", *b"LTU", *b"LUX", *b"MLT", *b"NLD", *b"POL", *b"PRT", *b"ROU", *b"SVK", *b"SVN", *b"ESP", *b"SWE", *b"ISL", *b"LIE", *b"NOR",
    *b"GBR", *b"CHE",
];

impl Country {
    /// Reads alpha-3 or alpha-2, any case.
    pub fn parse(text: &str) -> Option<Country> {
        let mut upper = [0u8; 3];
        let bytes = text.trim().as_bytes();
        if !(2..=3).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        upper[..bytes.len()].copy_from_slice(bytes);
        upper.make_ascii_uppercase();
        let code = std::str::from_utf8(&upper[..bytes.len()]).ok()?;
        let known = if bytes.len() == 2 {
            rust_iso3166::from_alpha2(code)
        } else {
            rust_iso3166::from_alpha3(code)
        };
        known.and_then(|c| c.alpha3.as_bytes().try_into().ok()).map(Country)
    }

    /// Whether a person there is taken to be under the GDPR or a law like it: the European Economic Area, the
    /// United Kingdom, Switzerland.
    pub fn is_under_gdpr(&self) -> bool {
        UNDER_GDPR.contains(&self.0)
    }

    /// The alpha-3 code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::Country;

    #[test]
    fn both_forms_meet() {
        assert_eq!(Country::parse("vn"), Some(Country(*b"VNM")));
        assert_eq!(Country::parse("VNM"), Some(Country(*b"VNM")));
        for bad in ["", "V", "XX", "vietnam", "V1"] {
            assert_eq!(Country::parse(bad), None);
        }
    }
}
