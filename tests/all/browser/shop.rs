//! The shops' pages: a product, the tag, gtag's stub, and where it is asked for a consent
//! manager of each kind that decides when it is told to.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use super::street::{Asked, status, typed};

/// IAB Europe's framework: `choose(true)` and `choose(false)` end the choice, which the shop remembers.
const TCF: &str = r#"<script>
(function () {
  const strings = {true: '@yes@', false: '@no@'};
  const kept = /euconsent=(true|false)/.exec(document.cookie);
  const listeners = [];
  let choice = kept && kept[1], status = 'tcloaded';
  const tc = () => choice === null ? {eventStatus: 'cmpuishown', gdprApplies: true} : {
    eventStatus: status, gdprApplies: true, tcString: strings[choice],
    purpose: {consents: choice === 'true' ? {1: true, 2: true, 3: true, 4: true, 7: true} : {7: true}, legitimateInterests: {}},
    vendor: {consents: {10: true}, legitimateInterests: {}}
  };
  window.__tcfapi = (command, version, back) => {
    if (command !== 'addEventListener') return back(null, false);
    listeners.push(back);
    back(tc(), true);
  };
  window.choose = yes => {
    choice = String(yes);
    status = 'useractioncomplete';
    document.cookie = 'euconsent=' + choice + ';path=/;secure;max-age=86400';
    listeners.forEach(back => back(tc(), true));
  };
})();
</script>"#;

/// The Global Privacy Platform: one section, whose string is in the query.
const GPP: &str = r#"<script>
window.__gpp = (command, back) => back({eventName: 'signalStatus', pingData: {
  signalStatus: 'ready', gppString: '@string@', applicableSections: [7]}}, true);
</script>"#;

/// The US Privacy framework.
const USP: &str = r#"<script>window.__uspapi = (command, version, back) => back({version: 1, uspString: '@string@'}, true);</script>"#;

/// TC strings that grant vendor 10 purposes 1 to 4 and 7, and 7 alone.
pub const CONSENTED: &str = "CQI9IYAQI9IYAAKABBENBkEgAPIAAAAAAAYgAFABAAAAA";
/// See [`CONSENTED`].
pub const REFUSED: &str = "CQI9IYAQI9IYAAKABBENBkEgAAIAAAAAAAYgAFABAAAAA";

/// A shop's answer.
pub fn page(asked: &Asked, snippets: &[String; 2]) -> Response<Full<Bytes>> {
    if !asked.path.starts_with("/p/") {
        return status(StatusCode::NO_CONTENT);
    }
    let shop = asked.host.trim_end_matches(".example");
    let string = asked.parameter("string").unwrap_or_default();
    let manager = match asked.parameter("cmp").as_deref() {
        Some("tcf") => TCF.replace("@yes@", CONSENTED).replace("@no@", REFUSED),
        Some("gpp") => GPP.replace("@string@", &string),
        Some("usp") => USP.replace("@string@", &string),
        Some("script") => format!("<script>{string}</script>"),
        _ => String::new(),
    };
    let snippet = snippets[usize::from(shop == "shop-b")].as_str();
    let item = asked.path.trim_start_matches("/p/");
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{shop}</title>\
         <script>window.dataLayer = window.dataLayer || []; function gtag() {{ dataLayer.push(arguments) }}</script>\n\
         {manager}\n{snippet}\n<h1>{shop}</h1><p>{item}</p></html>"
    );
    typed("text/html; charset=utf-8", html)
}
