//! Whoever sits at the desk: opens pages, presses what has a name, and counts what pages may not do.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::chromium::Browser;
use crate::ads::browser::Chromium;
use crate::rig::Server;

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(60);

/// What was seen that may not be, and how much was asked for.
#[derive(Debug, Default)]
pub struct Tally {
    /// What consoles said and scripts threw, and what the page's policy forbade.
    pub complaints: usize,
    /// Requests without an answer, or with one that says no.
    pub failed: usize,
    /// Requests to anybody but the server.
    pub outside: usize,
    /// Faults of accessibility that are serious or critical.
    pub axe: usize,
    /// Pages wider than the screen.
    pub wide: usize,
    /// Elements made of what strangers wrote.
    pub injected: usize,
    /// All requests.
    pub requests: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.complaints += other.complaints;
        self.failed += other.failed;
        self.outside += other.outside;
        self.axe += other.axe;
        self.wide += other.wide;
        self.injected += other.injected;
        self.requests += other.requests;
    }
}

/// One browser at the desk.
pub struct Guest {
    /// What they sit before.
    pub browser: Browser,
    base: String,
    axe: Option<String>,
}

/// The checker of accessibility, where `npm ci` in `tools/desk` has brought it; in CI it must be there.
fn axe() -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/desk/node_modules/axe-core/axe.min.js");
    let source = std::fs::read_to_string(file).ok();
    assert!(
        source.is_some() || std::env::var("CI").as_deref() != Ok("true"),
        "no axe-core: `make test` installs it"
    );
    if source.is_none() {
        println!("no axe-core: accessibility was not looked at; `make test` installs it");
    }
    source
}

impl Guest {
    /// Kinds of things that are counted.
    pub const KINDS: usize = 6;

    /// Sits down before a server's desk.
    pub fn new(chromium: &Chromium, server: &Server) -> Guest {
        let mut browser = Browser::at_home(chromium.name());
        browser.call("Log.enable", json!({}));
        Guest {
            browser,
            base: format!("http://{}/", server.admin),
            axe: axe(),
        }
    }

    /// A screen of such a width, in such a light.
    pub fn dress(&mut self, width: u32, is_dark: bool) {
        let screen = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500});
        self.browser.call("Emulation.setDeviceMetricsOverride", screen);
        let light = json!([{"name": "prefers-color-scheme", "value": if is_dark { "dark" } else { "light" }}]);
        self.browser.call("Emulation.setEmulatedMedia", json!({"features": light}));
    }

    /// Opens a page anew and waits until all of it is there.
    pub fn open(&mut self, address: &str) {
        self.browser.go("about:blank");
        self.browser.go(&format!("{}{address}", self.base));
        self.settle();
    }

    /// Waits until nothing is being loaded any more.
    pub fn settle(&mut self) {
        let is_there = "!!document.querySelector('main h1, main [role=alert]') && !document.querySelector('.loading, [aria-busy=true], .act button:disabled + *')";
        let end = Instant::now() + PATIENCE;
        let mut quiet = 0;
        while quiet < 3 {
            assert!(Instant::now() < end, "the page goes on loading: {}", self.text("main"));
            quiet = if self.browser.run(is_there) == true { quiet + 1 } else { 0 };
            thread::sleep(PAUSE);
        }
    }

    /// Waits until a script comes to true; whether it did.
    pub fn until(&mut self, script: &str) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.browser.run(script) == true {
                return true;
            }
            thread::sleep(PAUSE);
        }
        false
    }

    /// The text of an element.
    pub fn text(&mut self, selector: &str) -> String {
        let said = self
            .browser
            .run(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)));
        said.as_str().unwrap_or("").to_owned()
    }

    /// Presses the button of this name.
    pub fn press(&mut self, name: &str) {
        let script = format!(
            "(() => {{ const found = [...document.querySelectorAll('button')].filter((b) => b.innerText.trim() === {} && !b.disabled); \
             found.at(-1)?.click(); return found.length; }})()",
            json!(name)
        );
        assert!(self.until(&format!("{script} > 0")), "no button `{name}`: {}", self.text("main"));
    }

    /// Writes into a field, as fingers do.
    pub fn write(&mut self, selector: &str, text: &str) {
        let field = json!(selector);
        assert!(self.until(&format!("!!document.querySelector({field})")), "no field {selector}");
        self.browser.run(&format!(
            "(() => {{ const f = document.querySelector({field}); f.focus(); f.select?.(); }})()"
        ));
        self.browser.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key while others are held.
    pub fn key(&mut self, key: &str, code: u32, modifiers: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let stroke = json!({"type": kind, "key": key, "code": format!("Key{}", key.to_uppercase()), "windowsVirtualKeyCode": code, "modifiers": modifiers});
            self.browser.call("Input.dispatchKeyEvent", stroke);
        }
    }

    /// Opens the desk with a token.
    pub fn sign_in(&mut self, token: &str) {
        self.open("#/");
        self.write("input[type=password]", token);
        self.press("Sign in");
        assert!(
            self.until("!!document.querySelector('nav')"),
            "not signed in: {}",
            self.text("main")
        );
        self.settle();
    }

    /// Leaves no session behind.
    pub fn sign_out(&mut self) {
        self.open("#/");
        if self.browser.run("!!document.querySelector('header nav')") == true {
            self.press("Sign out");
            assert!(self.until("!document.querySelector('header nav')"));
        }
    }

    /// Whether the page that was opened is there, and is the one for whoever is signed in or not.
    pub fn is_open(&mut self, is_login: bool) -> bool {
        let script = "[!!document.querySelector('main h1')?.innerText, !document.querySelector('main [role=alert]'), \
            !document.querySelector('header nav')].join()";
        let found = self.browser.run(script);
        found == format!("true,true,{is_login}")
    }

    /// How many rows the list shows at once, of so many campaigns; none is lost.
    pub fn rows_of_all(&mut self, campaigns: usize) -> usize {
        self.open("#/campaigns");
        let all = self.text("main p[role=status]");
        let expected = campaigns + 2;
        assert!(
            all.replace([',', '.'], "").starts_with(&expected.to_string()),
            "{all} in place of {expected}"
        );
        self.browser
            .run("document.querySelectorAll('tbody tr').length")
            .as_u64()
            .unwrap_or(0) as usize
    }

    /// Counts what was seen since the last time.
    pub fn look_around(&mut self, what: &str) -> Tally {
        let wide = self
            .browser
            .run("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            == true;
        let injected = self
            .browser
            .run("document.querySelectorAll('main img, main script').length + (window.ran ? 1 : 0)");
        let mut tally = Tally {
            wide: usize::from(wide),
            injected: injected.as_u64().unwrap_or(0) as usize,
            axe: self.faults_of_access(what),
            ..Tally::default()
        };
        if wide {
            println!("{what}: wider than the screen");
        }
        let news = self.browser.news();
        let mut asked: HashMap<String, String> = HashMap::new();
        for message in &news {
            self.hear(message, &mut asked, what, &mut tally);
        }
        tally
    }

    fn hear(&self, message: &Value, asked: &mut HashMap<String, String>, what: &str, tally: &mut Tally) {
        let told = &message["params"];
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let id = text(&told["requestId"]);
        let mut complain = |said: String| {
            println!("{what}: {said}");
            tally.complaints += 1;
        };
        match message["method"].as_str().unwrap_or("") {
            "Runtime.exceptionThrown" => complain(told["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if ["error", "warning", "assert"].contains(&told["type"].as_str().unwrap_or("")) => {
                complain(told["args"].to_string());
            }
            // What becomes of requests is counted by their answers.
            "Log.entryAdded" if told["entry"]["source"] != "network" && told["entry"]["level"] == "error" => {
                complain(told["entry"]["text"].to_string());
            }
            "Network.requestWillBeSent" => {
                let url = text(&told["request"]["url"]);
                tally.requests += 1;
                let is_ours = url.starts_with(&self.base) || url.starts_with("data:") || url.starts_with("about:");
                if !is_ours {
                    println!("{what}: asks {url}");
                    tally.outside += 1;
                }
                asked.insert(id, format!("{} {url}", text(&told["request"]["method"])));
            }
            "Network.responseReceived" => {
                let status = told["response"]["status"].as_u64().unwrap_or(0);
                let call = asked.get(&id).cloned().unwrap_or_default();
                if status >= 400 && !is_meant(&call, status, &self.base) {
                    println!("{what}: {status} to {call}");
                    tally.failed += 1;
                }
            }
            "Network.loadingFailed" if told["canceled"] != true => {
                println!("{what}: {} of {:?}", told["errorText"], asked.get(&id));
                tally.failed += 1;
            }
            _ => {}
        }
    }

    fn faults_of_access(&mut self, what: &str) -> usize {
        let Some(source) = self.axe.clone() else { return 0 };
        if self.browser.run("typeof axe") != "object" {
            self.browser.run(&format!("{source}; 0"));
        }
        let script = "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations\
            .filter(({impact}) => impact === 'serious' || impact === 'critical')\
            .map(({id, nodes}) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`))";
        let found = self.browser.run(script);
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().for_each(|fault| println!("{what}: {fault}"));
        found.len()
    }

    /// Plants one of each kind of thing that is counted; how many kinds were.
    pub fn planted(&mut self) -> usize {
        self.open("#/");
        self.look_around("before what is planted");
        let script = "console.error('planted'); document.querySelector('main').insertAdjacentHTML('beforeend', \
            '<button></button><img alt=\"\" src=\"data:,\"><p id=\"wide\">.</p>'); document.getElementById('wide').style.width = '4000px'; \
            fetch('api/nosuch').then(() => 0)";
        self.browser.run(script);
        let mut seen = self.look_around("planted");
        // The policy lets scripts ask nobody else; whoever follows a link does.
        self.browser.call("Page.navigate", json!({"url": "http://outside.example/"}));
        self.open("#/");
        seen += self.look_around("planted");
        // Without the checker there is nothing that it could have caught.
        let axe = if self.axe.is_some() { seen.axe } else { 1 };
        let kinds = [seen.complaints, seen.failed, seen.outside, axe, seen.wide, seen.injected];
        kinds.iter().filter(|count| **count > 0).count()
    }
}

/// Calls that are meant to be refused: what somebody looks up and is not there, and what is at fault.
fn is_meant(call: &str, status: u64, base: &str) -> bool {
    let meant = [
        ("GET", "api/users/", 404),
        ("PUT", "api/advertisers/", 400),
        ("PUT", "api/advertisers/", 412),
    ];
    meant
        .iter()
        .any(|(method, path, code)| *code == status && call.starts_with(&format!("{method} {base}{path}")))
}
