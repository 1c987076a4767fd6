//! A browser that is told what to do: Chromium by its DevTools protocol, over a pipe.
//!
//! Messages are JSON ended by a zero byte; the page's commands carry its session. One page, one visitor, a
//! profile of its own that goes with the browser.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::street::Street;

const PATIENCE: Duration = Duration::from_secs(60);
/// Lists of known bots have the name that a browser without a window gives itself.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// How a browser treats its visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it comes.
    Plain,
    /// Cookies of third parties are blocked.
    Strict,
    /// A private window.
    Private,
}

/// A running browser; dropped, it ends.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    heard: Vec<Value>,
    calls: u64,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one whose every request leads to the street.
    pub fn open(program: &str, street: &Street, manner: Manner) -> Browser {
        let hosts = format!("--host-resolver-rules=MAP * 127.0.0.1:{}", street.port);
        let authority = format!("--ignore-certificate-errors-spki-list={}", street.authority);
        Browser::start(program, &[hosts, authority], manner)
    }

    /// Starts one that reaches this machine and nothing beyond.
    pub fn at_home(program: &str) -> Browser {
        let hosts = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1";
        Browser::start(program, &[hosts.to_owned()], Manner::Plain)
    }

    fn start(program: &str, arguments: &[String], manner: Manner) -> Browser {
        let profile = tempfile::tempdir().expect("a folder");
        // Said either way: without a window its default is another than with one.
        let is_strict = manner == Manner::Strict;
        let preferences = json!({"profile": {"cookie_controls_mode": u8::from(is_strict), "block_third_party_cookies": is_strict}});
        let folder = profile.path().join("Default");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("Preferences"), preferences.to_string()).expect("preferences");
        // The protocol is spoken over the third and fourth file; a shell gives it the first two.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", program]);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--remote-debugging-pipe", "--window-size=800,900"]);
        command.arg(format!("--user-agent={USER_AGENT}"));
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.args(arguments);
        if manner == Manner::Private {
            command.arg("--incognito");
        }
        command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the browser starts");
        let input = child.stdin.take().expect("its input");
        let output = child.stdout.take().expect("its output");
        let (send, messages) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                // Whoever listened may be gone.
                send.send(serde_json::from_slice(&message).unwrap_or_default()).ok();
            }
        });
        let mut browser = Browser {
            child,
            input,
            messages,
            heard: Vec::new(),
            calls: 0,
            session: String::new(),
            _profile: profile,
        };
        browser.attach();
        browser
    }

    /// To the page that it opened with.
    fn attach(&mut self) {
        let end = Instant::now() + PATIENCE;
        let page = loop {
            let targets = self.call("Target.getTargets", json!({}));
            let targets = targets["targetInfos"].as_array().cloned().unwrap_or_default();
            if let Some(page) = targets.into_iter().find(|target| target["type"] == "page") {
                break page["targetId"].clone();
            }
            assert!(Instant::now() < end, "the browser opened no page");
            thread::sleep(Duration::from_millis(20));
        };
        let attached = self.call("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        self.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Network", "Runtime"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// A command and its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).expect("the browser listens");
        let id = self.calls;
        let answer = self.until(&format!("an answer to {method}"), |message| message["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// The next message like this; others are kept.
    fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|_| panic!("no {what}"));
            if is_it(&message) {
                return message;
            }
            self.heard.push(message);
        }
    }

    /// Goes to an address, or by a script, and waits until the page there has loaded.
    pub fn go(&mut self, to: &str) {
        let script = to.strip_prefix("javascript:");
        match script {
            Some(script) => drop(self.run(script)),
            None => drop(self.call("Page.navigate", json!({"url": to}))),
        }
        let loaded = |message: &Value| message["method"] == "Page.loadEventFired";
        if let Some(at) = self.heard.iter().position(loaded) {
            self.heard.remove(at);
            return;
        }
        self.until(&format!("page at {to}"), loaded);
    }

    /// What a script comes to; promises are awaited.
    pub fn run(&mut self, script: &str) -> Value {
        let asked = json!({"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let done = self.call("Runtime.evaluate", asked);
        assert!(done["exceptionDetails"].is_null(), "{script}: {}", done["exceptionDetails"]);
        done["result"]["value"].clone()
    }

    /// Sends Global Privacy Control from now on, in headers and to scripts.
    pub fn object(&mut self) {
        self.call("Network.setExtraHTTPHeaders", json!({"headers": {"Sec-GPC": "1"}}));
        let source = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})";
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": source}));
    }

    /// The cookies of these hosts, one a line, as a person would want to read them.
    pub fn jar(&mut self, hosts: &[&str]) -> Vec<String> {
        let urls: Vec<String> = hosts.iter().map(|host| format!("https://{host}/")).collect();
        let found = self.call("Network.getCookies", json!({"urls": urls}));
        let cookies = found["cookies"].as_array().cloned().unwrap_or_default();
        let mut jar: Vec<String> = cookies.iter().map(line).collect();
        jar.sort();
        jar
    }

    /// What scripts threw and consoles complained of since the last time.
    pub fn complaints(&mut self) -> Vec<String> {
        self.run("0");
        let is_bad = |message: &Value| {
            message["method"] == "Runtime.exceptionThrown"
                || (message["method"] == "Runtime.consoleAPICalled" && message["params"]["type"] == "error")
        };
        let bad = self.heard.iter().filter(|message| is_bad(message));
        let bad = bad.map(|message| message["params"].to_string()).collect();
        self.heard.clear();
        bad
    }

    /// What the browser told since the last time.
    pub fn news(&mut self) -> Vec<Value> {
        self.run("0");
        std::mem::take(&mut self.heard)
    }

    /// Leaves a picture of the whole page.
    pub fn whole_picture(&mut self, file: &Path) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        self.keep_picture(json!({"captureBeyondViewport": true, "clip": clip}), file);
    }

    /// Leaves a picture.
    pub fn picture(&mut self, file: &Path) {
        self.keep_picture(json!({}), file);
    }

    fn keep_picture(&mut self, manner: Value, file: &Path) {
        let shot = self.call("Page.captureScreenshot", manner);
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap_or(""));
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, bytes.expect("a picture")).expect("a picture");
    }
}

/// `host name; attributes; days`.
fn line(cookie: &Value) -> String {
    let text = |name: &str| cookie[name].as_str().unwrap_or("").to_owned();
    let mut parts = vec![format!("{} {}", text("domain"), text("name"))];
    let flags = [("secure", "Secure"), ("httpOnly", "HttpOnly")];
    parts.extend(
        flags
            .iter()
            .filter(|(key, _)| cookie[*key] == true)
            .map(|(_, name)| (*name).to_owned()),
    );
    if cookie["sameSite"].is_string() {
        parts.push(format!("SameSite={}", text("sameSite")));
    }
    if cookie["session"] == false {
        let left = cookie["expires"].as_f64().unwrap_or(0.0) - jiff::Timestamp::now().as_second() as f64;
        parts.push(format!("{:.0} days", left / 86_400.0));
    }
    parts.join("; ")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
