//! Values of options of `winback exchange`, from their texts.
//!
//! Each says in its error what it takes.

use std::path::PathBuf;

use crate::sim::{Dialect, FORMATS, Rate, Span, format_name};

/// The shares of [`crate::sim::Mix`].
pub(super) const FORMS: &str = "openrtb26=26,openrtb25=20,google=22,xandr=10,prebid_server=16,texts=6";
/// A number for each of some names; those that are not given have none.
fn shares<const N: usize>(text: &str, names: [&str; N]) -> Result<[u64; N], String> {
    let mut shares = [0; N];
    for part in text.split(',') {
        let known = || format!("shares of {}, such as {}=3", names.join(", "), names[0]);
        let (name, share) = part.split_once('=').ok_or_else(known)?;
        let place = names.iter().position(|known| *known == name.trim()).ok_or_else(known)?;
        shares[place] = share.trim().parse::<u32>().map(u64::from).map_err(|_| known())?;
    }
    if shares.iter().sum::<u64>() == 0 {
        Err("one share above zero at least".to_owned())
    } else {
        Ok(shares)
    }
}

/// Shares of forms.
pub(super) fn forms(text: &str) -> Result<[u64; 6], String> {
    shares(text, Dialect::ALL.map(Dialect::name))
}

/// Shares of formats.
pub(super) fn formats(text: &str) -> Result<[u64; 3], String> {
    shares(text, FORMATS.map(format_name))
}

/// A whole number of a hundred.
pub(super) fn percent() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(0..=100)
}

/// Requests a second, or as fast as possible.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    let number = text.parse().ok().filter(|rate: &f64| *rate >= 0.1 && *rate <= 10_000_000.0);
    number.map(Rate::Constant).ok_or_else(|| "requests a second, or max".to_owned())
}

/// A share of one.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
    number.ok_or_else(|| "a share from 0 to 1, such as 0.005".to_owned())
}

/// From and to.
pub(super) fn span(text: &str) -> Result<Span, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse(), to.trim().parse()) {
        (Ok(from), Ok(to)) if from <= to && to <= 86_400_000 => Ok((from, to)),
        _ => Err("milliseconds from and to, such as 50-300".to_owned()),
    }
}

/// A header.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header such as 'X-Exchange-Key: VALUE'")?;
    sound_header(name.trim(), value.trim())
}

/// A header that can be sent.
pub(super) fn sound_header(name: &str, value: &str) -> Result<(String, String), String> {
    let is_sound = hyper::header::HeaderName::from_bytes(name.as_bytes()).is_ok() && hyper::header::HeaderValue::from_str(value).is_ok();
    let pair = (name.to_owned(), value.to_owned());
    is_sound
        .then_some(pair)
        .ok_or_else(|| format!("`{name}` is no header, or its value is none"))
}

/// A header whose value is in a file.
pub(super) fn header_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text
        .split_once('=')
        .ok_or("a header's name and the file of its value, such as X-Exchange-Key=x-key")?;
    Ok((name.trim().to_owned(), file.into()))
}
