//! Time as values: instants, spans and local days.
//!
//! The clock is read at the rim and passed in. Nothing here reads it, and no date arithmetic is done
//! here that `jiff` does.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Milliseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// The second from which records count.
const EPOCH_2024_S: i64 = 1_704_067_200;

impl Millis {
    /// The wall clock: for the rim only (server, writer, command line).
    #[allow(clippy::disallowed_methods)]
    pub fn wall_clock() -> Millis {
        Millis(Timestamp::now().as_millisecond())
    }

    /// Whole seconds since 2024, as records keep them; before 2024 is 0.
    pub fn to_secs(self) -> Secs {
        Secs(u32::try_from(self.0.div_euclid(1000) - EPOCH_2024_S).unwrap_or(if self.0 > 0 { u32::MAX } else { 0 }))
    }

    /// `span` later.
    pub fn after(self, span: Span) -> Millis {
        Millis(self.0.saturating_add(i64::from(span.0) * 1000))
    }

    /// `span` earlier.
    pub fn before(self, span: Span) -> Millis {
        Millis(self.0.saturating_sub(i64::from(span.0) * 1000))
    }

    /// The date on a clock of `zone`.
    pub fn local_day(self, zone: &TimeZone) -> Day {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        Day::from_date(zone.to_datetime(timestamp).date())
    }

    /// The date on a clock of `zone`, and the seconds that this clock shows past midnight.
    pub fn local(self, zone: &TimeZone) -> (Day, u32) {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = zone.to_datetime(timestamp);
        let seconds = local.time().duration_since(jiff::civil::Time::midnight()).as_secs();
        (Day::from_date(local.date()), seconds.max(0) as u32)
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Millis> {
        text.parse::<Timestamp>().ok().map(|time| Millis(time.as_millisecond()))
    }

    /// The date on a clock of `zone`, and the first second of the hour that this clock shows. An hour that the
    /// clock shows twice is two hours.
    pub fn local_hour(self, zone: &TimeZone) -> (Day, Millis) {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = zone.to_datetime(timestamp);
        let into = i64::from(local.minute()) * 60_000 + i64::from(local.second()) * 1_000;
        let whole = self.0.div_euclid(1_000) * 1_000;
        (Day::from_date(local.date()), Millis(whole - into))
    }

    /// As a clock of `zone` shows it, with its distance from UTC (RFC 3339).
    pub fn on_clock(self, zone: &TimeZone) -> String {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        timestamp.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// As RFC 3339 in UTC, for people.
    pub fn to_rfc3339(self) -> String {
        Timestamp::from_millisecond(self.0).map_or_else(|_| self.0.to_string(), |t| t.to_string())
    }
}

/// Whole seconds since 2024-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secs(pub u32);

impl Secs {
    /// Seconds from `earlier` to this; 0 where that is later.
    pub fn since(self, earlier: Secs) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// Its first millisecond.
    pub fn to_millis(self) -> Millis {
        Millis((i64::from(self.0) + EPOCH_2024_S) * 1000)
    }
}

/// A length of time in whole seconds, written `90s 15m 12h 30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u32);

impl Span {
    /// One minute.
    pub const MINUTE: Span = Span(60);
    /// One hour.
    pub const HOUR: Span = Span(3_600);
    /// 24 hours.
    pub const DAY: Span = Span(86_400);

    /// `n` times 24 hours.
    pub const fn days(n: u32) -> Span {
        Span(n * 86_400)
    }

    /// Reads digits and one of `s m h d`.
    pub fn parse(text: &str) -> Option<Span> {
        let unit = match text.as_bytes().last()? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            _ => return None,
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse::<u32>().ok()?.checked_mul(unit).map(Span)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{letter}", self.0 / unit);
            }
        }
        write!(f, "{}s", self.0)
    }
}

/// A calendar date as days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    const EPOCH: Date = Date::constant(1970, 1, 1);

    /// From a date of `jiff`.
    pub fn from_date(date: Date) -> Day {
        let days = date.duration_since(Day::EPOCH).as_hours() / 24;
        Day(i32::try_from(days).unwrap_or_default())
    }

    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Day> {
        text.parse::<Date>().ok().map(Day::from_date)
    }

    /// As a date of `jiff`; none beyond its calendar.
    pub fn date(self) -> Option<Date> {
        Day::EPOCH.checked_add(jiff::Span::new().try_days(self.0).ok()?).ok()
    }

    /// Its beginning in UTC; none beyond the calendar.
    pub fn start_utc(self) -> Option<Millis> {
        let start = self.date()?.to_zoned(TimeZone::UTC).ok()?;
        Some(Millis(start.timestamp().as_millisecond()))
    }

    /// `n` days later.
    pub fn plus(self, n: i32) -> Day {
        Day(self.0.saturating_add(n))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.date() {
            Some(date) => write!(f, "{date}"),
            None => write!(f, "day {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        for (text, secs) in [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(Span::parse(text), Some(Span(secs)));
            assert_eq!(Span(secs).to_string(), text);
        }
        for bad in ["", "s", "1", "1w", "-1s", "1.5h", "99999999999d"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_day_is_the_shops_own() {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("zone");
        let late = Millis(1_767_287_400_000); // 2026-01-01T17:10:00Z
        assert_eq!(late.local_day(&TimeZone::UTC).to_string(), "2026-01-01");
        assert_eq!(late.local_day(&zone).to_string(), "2026-01-02");
        assert_eq!(Day::parse("2026-01-02"), Some(late.local_day(&zone)));
        assert_eq!(Millis(1_704_067_201_999).to_secs(), Secs(1));
    }

    #[test]
    fn days_of_a_clock_change_have_23_and_25_hours() {
        for (day, hours, last) in [
            ("2026-03-29", 23, "+02:00"),
            ("2026-10-25", 25, "+01:00"),
            ("2026-10-26", 24, "+01:00"),
        ] {
            let zone = TimeZone::get("Europe/Berlin").expect("zone");
            let wanted = Day::parse(day).expect("day");
            let noon = i64::from(wanted.0) * 86_400_000 + 43_200_000;
            let all = (-24 * 60..24 * 60).map(|minute| Millis(noon + minute * 60_000 + 59_999).local_hour(&zone));
            let mut starts: Vec<Millis> = all.filter(|(day, _)| *day == wanted).map(|(_, start)| start).collect();
            starts.dedup();
            assert_eq!(starts.len(), hours, "{day}");
            let (first, end) = (starts[0].on_clock(&zone), starts[hours - 1].on_clock(&zone));
            assert!(first.starts_with(&format!("{day}T00:00:00")), "{first}");
            assert_eq!(end, format!("{day}T23:00:00{last}"));
        }
    }
}
