//! Hours of the week, from texts such as `mon-fri 07:00-23:00`.
//!
//! Knows no dates and no zones: minutes since Monday 00:00 on whatever clock they are held against.

use super::node::{Node, Value};
use super::reader::{Object, Reader};
use super::shape::form;
use crate::model::targeting::{Hours, WeekWindow};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MIN: u16 = 24 * 60;
const WEEK_MIN: u16 = 7 * DAY_MIN;

/// `hours`: text or a list of texts on the advertiser's clock, or `{clock, windows}`.
pub(super) fn hours(targeting: &Object<'_, '_>) -> Option<Hours> {
    let Some(o) = targeting.object("hours") else {
        let windows = targeting.read("hours", windows)?;
        return Some(Hours {
            user_clock: false,
            windows,
        });
    };
    Some(Hours {
        user_clock: o.word("clock", &[("user", true), ("advertiser", false)])?,
        windows: o.read("windows", windows)?,
    })
}

fn windows<'t>(r: &Reader<'t>, node: &Node<'t>) -> Option<Vec<WeekWindow>> {
    match &node.value {
        Value::Array(items) => Some(items.iter().filter_map(|item| windows(r, item)).flatten().collect()),
        _ => form::week(r.string(node)?),
    }
}

/// One window for each day named; without days every day, without times whole days.
pub(super) fn parse(text: &str) -> Option<Vec<WeekWindow>> {
    let mut words = text.split_ascii_whitespace();
    let (first, second) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let (named, times) = match second {
        Some(times) => (days(first)?, times),
        None if first.starts_with(|c: char| c.is_ascii_digit()) => ((0..7).collect(), first),
        None => (days(first)?, "00:00-24:00"),
    };
    let (from, to) = times.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    if from == to || from >= DAY_MIN {
        return None;
    }
    let length = if to > from { to - from } else { to + DAY_MIN - from };
    Some(named.into_iter().map(|day| over_the_week(day * DAY_MIN + from, length)).collect())
}

fn over_the_week(from: u16, length: u16) -> WeekWindow {
    let end = from + length;
    WeekWindow {
        from,
        to: if end > WEEK_MIN { end - WEEK_MIN } else { end },
    }
}

fn days(text: &str) -> Option<Vec<u16>> {
    let mut named = Vec::new();
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let count = (last + 7 - first) % 7 + 1;
        for step in 0..count {
            let day = (first + step) % 7;
            if !named.contains(&day) {
                named.push(day);
            }
        }
    }
    Some(named)
}

fn day(text: &str) -> Option<u16> {
    DAYS.iter().zip(0..).find(|(name, _)| **name == text).map(|(_, no)| no)
}

/// `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let is_number = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) || minute.len() != 2 {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY_MIN).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(u16, u16)>> {
        parse(text).map(|windows| windows.iter().map(|w| (w.from, w.to)).collect())
    }

    #[test]
    fn hours_are_minutes_of_the_week() {
        let day = |no: u16, from: u16, to: u16| (no * 1440 + from, no * 1440 + to);
        assert_eq!(read("mon-tue 07:00-23:00"), Some(vec![day(0, 420, 1380), day(1, 420, 1380)]));
        assert_eq!(read("sat,mon 9:30-10:00"), Some(vec![day(5, 570, 600), day(0, 570, 600)]));
        assert_eq!(read("sun-mon 22:00-24:00"), Some(vec![day(6, 1320, 1440), day(0, 1320, 1440)]));
        assert_eq!(read("fri 22:00-04:00"), Some(vec![day(4, 1320, 1680)]), "over midnight");
        assert_eq!(read("sun 22:00-04:00"), Some(vec![(6 * 1440 + 1320, 240)]), "over the week");
        assert_eq!(read("sun 22:00-00:00"), Some(vec![(6 * 1440 + 1320, 10_080)]));
        assert_eq!(read("sat"), Some(vec![day(5, 0, 1440)]));
        assert_eq!(read("07:00-08:00").map(|w| w.len()), Some(7));
        let clocks = ["mon 07:00", "mon 07:00-07:00", "xyz 07:00-08:00", "mon 24:00-08:00"];
        for bad in clocks {
            assert_eq!(read(bad), None, "{bad}");
        }
        for bad in [
            "",
            "mon 7-8",
            "mon 07:60-08:00",
            "mon 07:00-25:00",
            "mon 1:00-2:00 x",
            "mon 07:00-08:0é",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
