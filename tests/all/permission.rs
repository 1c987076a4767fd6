//! What signals allow, as a table: every row is said to the code, every cell is what was expected of it, and the
//! table that people read is written from both.

use std::fs;
use std::path::Path;

use winback::base::country::Country;
use winback::privacy::permission::{Policy, Use, WhenUnknown};
use winback::privacy::signals::{Signals, Stated, Whereabouts};
use winback::privacy::vendor::Vendor;

use crate::figures::Figures;

/// Our id on the vendor list, in the table.
const VENDOR: u16 = 10;
/// TC strings by what they say to vendor 10.
const STRINGS: [(&str, &str); 16] = [
    ("{1}", "CQI9IYAQI9IYAAKABBENBkEgAIAAAAAAAAYgAFABAAAAA"),
    ("{1,3}", "CQI9IYAQI9IYAAKABBENBkEgAKAAAAAAAAYgAFABAAAAA"),
    ("{1,3,4}", "CQI9IYAQI9IYAAKABBENBkEgALAAAAAAAAYgAFABAAAAA"),
    ("{1-4}", "CQI9IYAQI9IYAAKABBENBkEgAPAAAAAAAAYgAFABAAAAA"),
    ("{7}", "CQI9IYAQI9IYAAKABBENBkEgAAIAAAAAAAYgAFABAAAAA"),
    ("{1-4,7}", "CQI9IYAQI9IYAAKABBENBkEgAPIAAAAAAAYgAFABAAAAA"),
    ("{other vendor}", "CQI9IYAQI9IYAAKABBENBkEgAPIAAAAAAAYgAFgAgAAAA"),
    ("{4 not allowed}", "CQI9IYAQI9IYAAKABBENBkEgAPIAAAAAAAYgAFABAAAACIAAgAK"),
    ("{2 by li only}", "CQI9IYAQI9IYAAKABBENBkEgAPIAAEAAAAYgAFABAAoAIAIUACAAo"),
    ("{policy 2}", "CQI9IYAQI9IYAAKABBENBkCgAPIAAAAAAAYgAFABAAAAA"),
    ("{global}", "CQI9IYAQI9IYAAKABBENBkEAAPIAAAAAAAYgAFABAAAAA"),
    ("{2.3, nobody shown}", "CQI9IYAQI9IYAAKABBENBkFgAPIAAAAAAAYgAFABAAAAA"),
    ("{2.3, we were shown}", "CQI9IYAQI9IYAAKABBENBkFgAPIAAAAAAAYgAFABAAAAA.IAFAB"),
    ("{2.3, another was}", "CQI9IYAQI9IYAAKABBENBkFgAPIAAAAAAAYgAFABAAAAA.IAEgC"),
    ("{1 not asked for}", "CQI9IYAQI9IYAAKABBENBkEgAHIAAAAAAIYgAFABAAAAA"),
    ("{cut}", "CQI9IYAQI9IYAAKABBENBkEgAPIAAAAAAAYgAFA"),
];

/// What is said: flags or a country, `gdpr`, `gpp_sid`, `gpp`, `us_privacy`, TC string; and the uses it leaves, by
/// their first letters: events, sync, profile, bid, track.
const ROWS: &str = "
nothing is said                                 |            |   |     |                        |      |                      | espbt
a child                                         | coppa      | 0 |     |                        |      | {1-4,7}              |
tracking is limited on the device               | lmt        | 0 |     |                        |      | {1-4,7}              |
do not track                                    | dnt        | 0 |     |                        |      | {1-4,7}              |
global privacy control                          | gpc        | 0 |     |                        |      | {1-4,7}              |
the browser carries our opt-out                 | opt_out    | 0 |     |                        |      | {1-4,7}              |
the exchange says not to personalise            | npa        | 0 |     |                        |      | {1-4,7}              |
gdpr does not apply                             |            | 0 |     |                        |      |                      | espbt
gdpr, no string                                 |            | 1 |     |                        |      |                      |
gdpr, a string that is cut                      |            | 1 |     |                        |      | {cut}                |
gdpr, purpose 1                                 |            | 1 |     |                        |      | {1}                  | s
gdpr, purposes 1, 3                             |            | 1 |     |                        |      | {1,3}                | es
gdpr, purposes 1, 3, 4                          |            | 1 |     |                        |      | {1,3,4}              | esp
gdpr, purposes 1 to 4                           |            | 1 |     |                        |      | {1-4}                | espb
gdpr, purpose 7                                 |            | 1 |     |                        |      | {7}                  | t
gdpr, purposes 1 to 4, 7                        |            | 1 |     |                        |      | {1-4,7}              | espbt
gdpr, purposes of another vendor                |            | 1 |     |                        |      | {other vendor}       |
gdpr, the publisher forbids purpose 4           |            | 1 |     |                        |      | {4 not allowed}      | est
gdpr, the publisher wants purpose 2 by interest |            | 1 |     |                        |      | {2 by li only}       | espt
gdpr, a string of policy 2                      |            | 1 |     |                        |      | {policy 2}           |
gdpr, a string of no single service             |            | 1 |     |                        |      | {global}             |
gdpr, policy 5 and nobody was shown             |            | 1 |     |                        |      | {2.3, nobody shown}  |
gdpr, policy 5 and we were shown                |            | 1 |     |                        |      | {2.3, we were shown} | espbt
gdpr, policy 5 and another was shown            |            | 1 |     |                        |      | {2.3, another was}   |
gdpr, purpose 1 was not asked for               |            | 1 |     |                        |      | {1 not asked for}    | t
gdpr is not mentioned, in germany               | DEU        |   |     |                        |      |                      |
gdpr is not mentioned, in germany, with consent | DEU        |   |     |                        |      | {1-4,7}              | espbt
gdpr is not mentioned, in vietnam               | VNM        |   |     |                        |      |                      | espbt
gdpr is not mentioned, nowhere                  | nowhere    |   |     |                        |      |                      |
no section of gpp is in force                   |            | 1 | -1  | DBAA                   |      |                      | espbt
gpp beats gdpr                                  |            | 1 | 6   | DBABTA~1YNN            |      |                      | espbt
gpp brings gdpr                                 |            | 0 | 2   | DBABMA~CPXxRfA         |      | {1-4,7}              |
gpp brings gdpr and the string                  |            | 0 | 2   | DBABMA~{1-4,7}         |      |                      | espbt
section 2, no string                            |            |   | 2   |                        |      |                      |
section 2, the string elsewhere                 |            |   | 2   |                        |      | {1-4,7}              | espbt
section 6, opted out                            |            |   | 6   | DBABTA~1YYN            | 1YNN |                      |
section 6 beats us_privacy                      |            |   | 6   | DBABTA~1YNN            | 1YYN |                      | espbt
section 6, us_privacy elsewhere                 |            |   | 6   |                        | 1YNN |                      | espbt
section 6, opted out elsewhere                  |            |   | 6   |                        | 1YYN |                      |
section 6, a string that is none                |            |   | 6   | DBABTA~1Y              |      |                      |
us_privacy, not opted out                       |            |   |     |                        | 1YNN |                      | espbt
us_privacy, opted out                           |            |   |     |                        | 1YYN |                      |
us_privacy, cut                                 |            |   |     |                        | 1NY  |                      |
us_privacy, where no section is in force        |            |   | -1  | DBAA                   | 1YYN |                      |
section 7, no string                            |            |   | 7   |                        | 1YNN |                      |
section 7, opted out                            |            |   | 7   | DBABLA~CVVaAAAAAACA.QA |      |                      |
section 7, not opted out                        |            |   | 7   | DBABLA~CVVqAAAAAACA.QA |      |                      | espbt
section 7, global privacy control               |            |   | 7   | DBABLA~CVVqAAAAAACA.YA |      |                      |
section 7, opted out and not in force           |            |   | 6   | DBABLA~CVVaAAAAAACA.QA | 1YNN |                      |
section 8, a string of section 7                |            |   | 8   | DBABLA~CVVqAAAAAACA.QA |      |                      |
section 5, canada                               |            |   | 5   |                        |      |                      |
a section that nobody knows                     |            |   | 40  |                        |      |                      |
a section beyond all numbers                    |            |   | 900 |                        |      |                      |
a gpp string that is none                       |            |   | 7   | x                      |      |                      |
";

/// Cells of the table, at least.
const CELLS_MIN: usize = 250;

fn policy() -> Policy {
    Policy {
        vendor: Some(Vendor::by_consent(VENDOR)),
        when_unknown: WhenUnknown::ByCountry,
        ..Policy::default()
    }
}

/// A row's cells; TC strings in place of their names.
fn cells(row: &str) -> Vec<String> {
    let of_name = |cell: &str| {
        STRINGS
            .iter()
            .fold(cell.to_owned(), |cell, (name, string)| cell.replace(name, string))
    };
    row.split('|').map(|cell| of_name(cell.trim())).collect()
}

fn stated(cells: &[String]) -> Stated {
    let cell = |nth: usize| Some(cells[nth].clone());
    Stated {
        gdpr: cell(2),
        gpp_sid: cell(3),
        gpp: cell(4),
        us_privacy: cell(5),
        gdpr_consent: cell(6),
        gpc: None,
    }
}

fn flagged<'a>(signals: Signals<'a>, flag: &str) -> Signals<'a> {
    Signals {
        coppa: flag == "coppa",
        lmt: flag == "lmt",
        dnt: flag == "dnt",
        gpc: flag == "gpc",
        opted_out: flag == "opt_out",
        non_personalized: flag == "npa",
        whereabouts: match flag {
            "nowhere" => Whereabouts::Unknown,
            flag => Country::parse(flag).map_or(Whereabouts::NotAsked, Whereabouts::In),
        },
        ..signals
    }
}

fn letter(wanted: Use) -> char {
    match wanted {
        Use::Event => 'e',
        Use::Sync => 's',
        Use::Profile => 'p',
        Use::Bid => 'b',
        Use::Track => 't',
    }
}

/// Whether the document has the table, which `UPDATE_GOLDEN=1` makes it.
fn is_written(table: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/privacy.md");
    let text = fs::read_to_string(&path).expect("the document");
    let (before, rest) = text.split_once("<!-- signals -->\n").expect("a place for the table");
    let (_, after) = rest.split_once("<!-- /signals -->").expect("the end of that place");
    let anew = format!("{before}<!-- signals -->\n{table}<!-- /signals -->{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &anew).expect("written");
        return true;
    }
    anew == text
}

#[test]
fn the_table_of_signals_and_uses() {
    let policy = policy();
    let (mut tested, mut wrong) = (0, Vec::new());
    let mut table = String::from("| what is said | event | sync | profile | bid | track | forbidden by |\n|---|---|---|---|---|---|---|\n");
    for row in ROWS.lines().filter(|row| !row.is_empty()) {
        let cells = cells(row);
        let stated = stated(&cells);
        let permission = policy.permit(&flagged(stated.signals(), &cells[1]));
        table.push_str(&format!("| {} |", cells[0]));
        for wanted in Use::ALL {
            let allowed = permission.allows(wanted);
            tested += 1;
            if allowed != cells[7].contains(letter(wanted)) {
                wrong.push(format!("{}: {wanted:?}", cells[0]));
            }
            table.push_str(if allowed { " yes |" } else { " – |" });
        }
        let because = permission.because.map_or("", |ground| ground.label());
        table.push_str(&format!(" {because} |\n"));
    }
    wrong.iter().for_each(|cell| println!("not as expected: {cell}"));
    let mut figures = Figures::new();
    figures.at_least("privacy.table_cells", tested, CELLS_MIN);
    figures.exactly("privacy.table_wrong", wrong.len(), 0);
    figures.exactly("privacy.table_stale", usize::from(!is_written(&table)), 0);
    figures.settle();
}
