//! Known crawlers, by what their user agents say (`crawlers/user-agents.txt`).
//!
//! Crawlers that say so, that is: one that claims to be a browser is told by what it does. Never allocates,
//! once it has been prepared or asked.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let builder = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(words());
    // Seven hundred words are far from any limit of the automaton; the test below builds it.
    builder.unwrap_or_else(|error| unreachable!("the list of crawlers: {error}"))
});

/// The words of the list; lines that begin with `#` are for people.
fn words() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("crawlers/user-agents.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Makes the list ready, so that no bid waits for that: to be called at start.
pub fn prepare() {
    LazyLock::force(&WORDS);
}

/// Whether a user agent is a known crawler's.
pub fn is_crawler(user_agent: &str) -> bool {
    WORDS.is_match(user_agent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_are_known_and_people_are_not() {
        let crawlers = [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/103.0.5060.134 Safari/537.36",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2) Safari/537.36",
            "facebookexternalhit/1.1",
            "Mediapartners-Google",
            "Mozilla/5.0 (Linux; Android 7.0;) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; PetalBot;)",
            "nobody-knows-this-crawler 0.1",
        ];
        let people = [
            "",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 [FBAN/FBIOS;FBAV/480.0.0.30.109;FBDV/iPhone14,5]",
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/128.0 Chrome/122.0 Safari/537.36",
            "Dalvik/2.1.0 (Linux; U; Android 14; SM-S918B)",
            "okhttp/4.12.0",
        ];
        assert!(words().count() > 700);
        for agent in crawlers {
            assert!(is_crawler(agent), "{agent}");
        }
        for agent in people {
            assert!(!is_crawler(agent), "{agent}");
        }
        let repeated = words().filter(|word| words().any(|other| other != *word && word.contains(other)));
        assert_eq!(repeated.count(), 0, "words that have another within themselves");
    }
}
