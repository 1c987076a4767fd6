//! The figures that acceptance prints, one line each: `show <name> <figure> <bar> ok|short`.
//!
//! `tools/show` gathers these lines. A figure that is short fails its test, after all are printed.

use std::fmt::Display;

/// The figures of one test.
#[derive(Default)]
pub struct Figures {
    short: Vec<String>,
}

impl Figures {
    /// None yet.
    pub fn new() -> Self {
        Figures::default()
    }

    /// Prints one figure and remembers whether it is short.
    pub fn judge(&mut self, name: &str, figure: impl Display, bar: impl Display, ok: bool) {
        let verdict = if ok { "ok" } else { "short" };
        println!("show {name} {figure} {bar} {verdict}");
        if !ok {
            self.short.push(format!("{name} is {figure}, the bar is {bar}"));
        }
    }

    /// Must be exactly this.
    pub fn exactly<T: Display + PartialEq>(&mut self, name: &str, figure: T, bar: T) {
        let ok = figure == bar;
        self.judge(name, figure, format!("={bar}"), ok);
    }

    /// Must be this or less.
    pub fn at_most<T: Display + PartialOrd>(&mut self, name: &str, figure: T, bar: T) {
        let ok = figure <= bar;
        self.judge(name, figure, format!("<={bar}"), ok);
    }

    /// Must be this or more.
    pub fn at_least<T: Display + PartialOrd>(&mut self, name: &str, figure: T, bar: T) {
        let ok = figure >= bar;
        self.judge(name, figure, format!(">={bar}"), ok);
    }

    /// Fails where any figure is short.
    pub fn settle(self) {
        assert!(self.short.is_empty(), "short: {}", self.short.join("; "));
    }
}

/// Decimal text as billionths, exactly; finer digits must be zero.
pub fn billionths(text: &str) -> Option<i128> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let (part, finer) = part.split_at(part.len().min(9));
    if !finer.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let part: i128 = format!("{part:0<9}").parse().ok()?;
    Some(sign * (whole * 1_000_000_000 + part))
}

/// Billionths as decimal text.
pub fn decimal(billionths: i128) -> String {
    let sign = if billionths < 0 { "-" } else { "" };
    let size = billionths.unsigned_abs();
    format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
}

#[test]
fn decimal_text_is_read_exactly() {
    assert_eq!(billionths("0.001000001"), Some(1_000_001));
    assert_eq!(billionths("-1.5"), Some(-1_500_000_000));
    assert_eq!(billionths("3"), Some(3_000_000_000));
    assert_eq!(billionths("0.0000000001"), None);
    assert_eq!(decimal(-1_500_000_000), "-1.500000000");
}
