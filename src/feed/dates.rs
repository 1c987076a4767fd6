//! Dates of feeds: ISO 8601 in the forms shops write.
//!
//! With an offset, or on the advertiser's clock without one; with a time or for a whole day. Nothing
//! here reads a clock.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::base::time::Millis;

/// What a date without a time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// Its first instant.
    Start,
    /// The first instant after it.
    End,
}

/// Reads one date, as `2016-02-24T13:00-0800`, `2016-02-24 13:00:00`, `2016-02-24`.
pub(super) fn instant(text: &str, zone: &TimeZone, day: Day) -> Option<Millis> {
    let text = joined(text);
    if !text.contains(':') {
        let date: Date = text.parse().ok()?;
        let date = if day == Day::End { date.checked_add(1.day()).ok()? } else { date };
        return on_clock(date.to_datetime(jiff::civil::Time::midnight()), zone);
    }
    match text.parse::<Timestamp>() {
        Ok(timestamp) => Some(Millis(timestamp.as_millisecond())),
        Err(_) => on_clock(text.parse().ok()?, zone),
    }
}

/// Reads `start/end`, either of which may be missing. An end that is a date includes that day.
pub(super) fn window(text: &str, zone: &TimeZone) -> Option<(Option<Millis>, Option<Millis>)> {
    let (start, end) = text.split_once('/')?;
    let edge = |text: &str, day| match text.trim() {
        "" => Some(None),
        text => instant(text, zone, day).map(Some),
    };
    let (start, end) = (edge(start, Day::Start)?, edge(end, Day::End)?);
    match (start, end) {
        (None, None) => None,
        (Some(start), Some(end)) if end <= start => None,
        window => Some(window),
    }
}

/// `2016-02-24 13:00 +0700` as one word: a `T` between date and time, nothing before the offset.
fn joined(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut joined = words.next().unwrap_or_default().to_owned();
    for (at, word) in words.enumerate() {
        if at == 0 && word.starts_with(|c: char| c.is_ascii_digit()) {
            joined.push('T');
        }
        joined.push_str(word);
    }
    joined
}

fn on_clock(time: DateTime, zone: &TimeZone) -> Option<Millis> {
    let zoned = time.to_zoned(zone.clone()).ok()?;
    Some(Millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(millis: Option<Millis>) -> String {
        millis.map_or_else(|| "-".to_owned(), Millis::to_rfc3339)
    }

    #[test]
    fn dates_are_read_in_the_forms_shops_write() {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("zone");
        let cases = [
            ("2016-02-24T13:00-0800", "2016-02-24T21:00:00Z"),
            ("2016-02-24T13:00:30-08:00", "2016-02-24T21:00:30Z"),
            ("2016-02-24T13:00Z", "2016-02-24T13:00:00Z"),
            ("2016-02-24 13:00 +0700", "2016-02-24T06:00:00Z"),
            ("2016-02-24T13:00", "2016-02-24T06:00:00Z"),
            (" 2016-02-24 13:00:00 ", "2016-02-24T06:00:00Z"),
            ("2016-02-24", "2016-02-23T17:00:00Z"),
            ("24.02.2016", "-"),
            ("2016-13-01", "-"),
            ("", "-"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(instant(text, &zone, Day::Start)), expected, "{text}");
        }
    }

    #[test]
    fn windows_may_lack_a_side() {
        let cases = [
            (
                "2016-02-24T13:00-0800/2016-02-29T15:30-0800",
                Some(("2016-02-24T21:00:00Z", "2016-02-29T23:30:00Z")),
            ),
            ("2016-02-24 / 2016-02-29", Some(("2016-02-24T00:00:00Z", "2016-03-01T00:00:00Z"))),
            ("2016-02-24/", Some(("2016-02-24T00:00:00Z", "-"))),
            ("/2016-02-24", Some(("-", "2016-02-25T00:00:00Z"))),
            ("/", None),
            ("2016-02-24", None),
            ("2016-02-29T00:00Z/2016-02-24T00:00Z", None),
            ("soon/later", None),
        ];
        for (text, expected) in cases {
            let found = window(text, &TimeZone::UTC).map(|(from, until)| (shown(from), shown(until)));
            let found = found.as_ref().map(|(from, until)| (from.as_str(), until.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
