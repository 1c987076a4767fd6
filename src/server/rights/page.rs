//! The pages, in plain words. All that comes from outside is escaped; nothing on them runs.

use std::fmt::Write;

use html_escape::encode_text;

use super::Standing;
use super::access::{AtShop, Kept, Permitted};
use crate::base::time::Span;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fff}\
    h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
    td,th{text-align:left;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #ddd}\
    button{font:inherit;padding:.5rem 1rem}";

/// One page.
pub(super) enum Page {
    /// The browser has just opted out.
    OptedOut {
        /// It had a cookie of ours, so something was erased.
        was_known: bool,
    },
    /// It has just taken that back.
    Undone {
        /// It sends Global Privacy Control all the same.
        gpc: bool,
    },
    /// What is kept about it.
    Data {
        /// What it says of itself.
        standing: Standing,
        /// How long anything is kept.
        retention: Span,
        /// What is.
        kept: Option<Kept>,
    },
}

impl Page {
    /// As HTML; `host` is whose page it is.
    pub(super) fn html(&self, host: &str) -> String {
        let host = encode_text(host);
        let (title, body) = match self {
            Page::OptedOut { was_known } => ("You have opted out", opted_out(*was_known)),
            Page::Undone { gpc } => ("You have taken your opt-out back", undone(*gpc)),
            Page::Data { standing, retention, kept } => ("What we keep about this browser", data(*standing, *retention, kept.as_ref())),
        };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
             <title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n\
             <p>This page is of {host}, which shows people ads for products that they looked at in online shops.</p>\n\
             {body}</body></html>\n"
        )
    }
}

/// A button that posts to a path beside the page's own.
fn button(path: &str, text: &str) -> String {
    format!("<form method=\"post\" action=\"{path}\"><button>{text}</button></form>\n")
}

fn opted_out(was_known: bool) -> String {
    let erased = if was_known {
        "<p>What we kept about this browser is erased: what it looked at, which ads it saw, and every id that led to it.</p>\n"
    } else {
        "<p>We kept nothing about this browser.</p>\n"
    };
    format!(
        "{erased}<p>From now on we keep nothing about it, and no ad is chosen by what it was used for. A cookie named \
         <code>optout</code> reminds us of that: if you delete your cookies, come back here. Other browsers and devices of \
         yours have to opt out for themselves.</p>\n<p>You will still see ads, but not because of what you looked at.</p>\n{}{}",
        button("optout/undo", "Take my opt-out back"),
        "<p><a href=\"mydata\">What we keep about this browser</a></p>\n"
    )
}

fn undone(gpc: bool) -> String {
    let still = if gpc {
        "<p>Your browser sends Global Privacy Control, though. As long as it does, we go on keeping nothing.</p>\n"
    } else {
        "<p>From now on shops may tell us again what this browser looks at, where you permit them to. What was erased stays erased.</p>\n"
    };
    format!(
        "{still}{}<p><a href=\"../mydata\">What we keep about this browser</a></p>\n",
        button("../optout", "Opt out after all")
    )
}

fn data(standing: Standing, retention: Span, kept: Option<&Kept>) -> String {
    let mut out = String::new();
    // Writing into a String does not fail.
    if standing.opted_out {
        out.push_str("<p><strong>This browser has opted out</strong>, so we keep nothing about it.</p>\n");
        out.push_str(&button("optout/undo", "Take my opt-out back"));
    } else if standing.gpc {
        out.push_str("<p><strong>Your browser sends Global Privacy Control</strong>, so we add nothing to what is kept about it.</p>\n");
    }
    match kept {
        None => out.push_str("<p>Nothing is kept about it.</p>\n"),
        Some(kept) => {
            let _ = writeln!(
                out,
                "<p>It was last seen on {}. All of this is erased {} after a browser was last seen.</p>",
                kept.last_seen,
                in_words(retention)
            );
            if kept.taken_for_a_machine {
                out.push_str(
                    "<p>It did more than a person does, so it was taken for a machine and is shown no ads of ours for a day.</p>\n",
                );
            }
            if let Some(permitted) = &kept.permitted {
                of_permission(&mut out, permitted);
            }
            kept.shops.iter().for_each(|shop| of_shop(&mut out, shop));
            out.push_str("<h2>Whose ids lead here</h2>\n");
            if kept.matches.is_empty() {
                out.push_str("<p>Nobody's but ours.</p>\n");
            } else {
                out.push_str("<p>Of these ids we keep only scrambled forms that cannot be turned back.</p>\n<ul>");
                for (with, ids) in &kept.matches {
                    let _ = write!(out, "<li>{}: {ids}</li>", encode_text(with));
                }
                out.push_str("</ul>\n");
            }
        }
    }
    if !standing.opted_out {
        out.push_str("<h2>Have it erased</h2>\n<p>If you opt out, all of it is erased and nothing is kept any more.</p>\n");
        out.push_str(&button("optout", "Opt out and erase everything"));
    }
    out
}

/// What was permitted, and how that was told.
fn of_permission(out: &mut String, permitted: &Permitted) {
    let by = match permitted.by {
        "tcf" => "by what you chose in a page's consent dialog",
        "gpp" => "by what you chose in a page's privacy dialog",
        "us_privacy" => "by a page's US privacy string, which says that you did not opt out",
        "gdpr_does_not_apply" => "a page said that European law does not apply to your visit",
        _ => "a page said nothing that forbids it",
    };
    let _ = write!(out, "<h2>What is permitted</h2>\n<p>As of {}: {by}.</p>\n<ul>", permitted.on);
    for (label, may) in [
        ("event", "to keep what this browser does at a shop"),
        ("sync", "to know this browser again by a cookie, and by ids of ad exchanges"),
        ("profile", "to look up what it did, when a page asks for an ad"),
        ("bid", "to choose an ad by that"),
        ("track", "to tell which ad led to which purchase"),
    ] {
        let answer = if permitted.uses.contains(&label) { "yes" } else { "no" };
        let _ = write!(out, "<li>{may}: {answer}</li>");
    }
    out.push_str("</ul>\n<p>Every visit and every request for an ad is judged anew by what it brings.</p>\n");
}

fn of_shop(out: &mut String, shop: &AtShop) {
    if shop.under_an_address {
        let _ = writeln!(
            out,
            "<h2>{}</h2>\n<p>Last seen there on {}. This shop was given an e-mail address, and what happened there is kept \
             under that: ask the shop for it. Opting out here ends the link to this browser.</p>",
            encode_text(&shop.name),
            shop.since
        );
        return;
    }
    let _ = write!(
        out,
        "<h2>{}</h2>\n<p>Known there since {}. Ads of this shop that we showed: {}, clicked: {}.</p>\n\
         <table><tr><th>Day</th><th>What happened</th><th>Product</th></tr>\n",
        encode_text(&shop.name),
        shop.since,
        shop.ads_shown,
        shop.ads_clicked
    );
    for event in &shop.events {
        let product = event.product.as_deref().unwrap_or("–");
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            event.day,
            event.event.replace('_', " "),
            encode_text(product)
        );
    }
    out.push_str("</table>\n");
}

fn in_words(span: Span) -> String {
    let days = span.0.div_ceil(Span::DAY.0);
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::rights::access::Event;

    #[test]
    fn names_of_shops_and_products_are_escaped() {
        let event = Event {
            event: "view_item",
            day: "2026-06-10".into(),
            product: Some("<script>alert(1)</script>".into()),
        };
        let shop = AtShop {
            name: "Boots & <b>more</b>".into(),
            since: "2026-06-01".into(),
            under_an_address: false,
            events: vec![event],
            ads_shown: 3,
            ads_clicked: 1,
        };
        let kept = Kept {
            last_seen: "2026-06-10".into(),
            taken_for_a_machine: false,
            permitted: Some(Permitted {
                on: "2026-06-09".into(),
                by: "tcf",
                uses: vec!["event", "sync"],
            }),
            shops: vec![shop],
            matches: [("the ad exchange <x>".to_owned(), 1)].into(),
        };
        let (opted_out, gpc) = (false, false);
        let page = Page::Data {
            standing: Standing { opted_out, gpc },
            retention: Span::days(90),
            kept: Some(kept),
        };
        let html = page.html("ads.example");
        for text in [
            "Boots &amp; &lt;b&gt;more&lt;/b&gt;",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "the ad exchange &lt;x&gt;: 1",
            "<td>view item</td>",
            "erased 90 days after",
            "action=\"optout\"",
            "As of 2026-06-09: by what you chose in a page's consent dialog",
            "know this browser again by a cookie, and by ids of ad exchanges: yes",
            "to choose an ad by that: no",
        ] {
            assert!(html.contains(text), "{text} is not in {html}");
        }
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
    }
}
