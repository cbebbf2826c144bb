//! A browser without a window, told what to do and asked what it shows through the pipe that Chromium's "DevTools
//! protocol" knows beside its socket: JSON, each message ended by a zero byte. So it takes no more than a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::until;

/// Far longer than any answer takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A browser that shows one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    sent: u64,
    session: Option<String>,
    /// What it told without being asked.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn start(program: &Path) -> Self {
        let profile = TempDir::new().expect("a directory for temporary files");
        // It reads from descriptor 3 and writes to 4. Root, as which CI runs, may have no sandbox; the page is ours.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--hide-scrollbars"])
            .args(["--remote-debugging-pipe", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh is there");
        let to = child.stdin.take().expect("it was asked for");
        let answers = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("it speaks JSON");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser =
            Self { child, to, from, sent: 0, session: None, events: Vec::new(), _profile: profile };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let page = |targets: &Value| {
            let targets = targets["targetInfos"].as_array()?;
            targets.iter().find(|target| target["type"] == "page")?["targetId"]
                .as_str()
                .map(ToOwned::to_owned)
        };
        let mut found = None;
        until("there is a page", || {
            found = page(&self.call("Target.getTargets", json!({})));
            found.is_some()
        });
        let attached = self.call("Target.attachToTarget", json!({ "targetId": found, "flatten": true }));
        self.session = attached["sessionId"].as_str().map(ToOwned::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let answer = self.from.recv_timeout(DEADLINE);
            let mut answer = answer.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
            if answer["id"] == self.sent {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Shows a page as wide and high as this, in a theme: `dark` or `light`.
    pub(crate) fn resize(&mut self, width: u32, height: u32, theme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// What an expression is in the page.
    pub(crate) fn see(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut seen = self.call("Runtime.evaluate", parameters);
        assert!(seen.get("exceptionDetails").is_none(), "{expression}: {seen}");
        seen["result"]["value"].take()
    }

    /// Waits until an expression holds in the page; says what the page shows if it never does.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        let mut holds = false;
        for _ in 0..600 {
            holds = self.see(&format!("!!({expression})")) == true;
            if holds {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let shown = self.see("document.body.innerText");
        assert!(holds, "never: {expression}; the page: {shown}; it told: {:?}", self.complaints());
    }

    /// Presses a key: `Tab`, `Enter`, `Escape`, `ArrowDown`, or a character.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { key };
        let mut down = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code });
        if text.chars().count() == 1 {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Keeps what the whole page looks like as a PNG.
    pub(crate) fn picture(&mut self, file: &Path) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].take();
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let wanted = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let taken = self.call("Page.captureScreenshot", wanted);
        let png = STANDARD.decode(taken["data"].as_str().expect("it is a text")).expect("it is base64");
        std::fs::write(file, png).expect("room for a picture");
    }

    /// All that the page or the browser complained of: exceptions, console messages, breaches of the page's policy.
    pub(crate) fn complaints(&self) -> Vec<&Value> {
        let kinds = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
        self.events.iter().filter(|event| kinds.iter().any(|kind| event["method"] == *kind)).collect()
    }

    /// The URLs that were asked for.
    pub(crate) fn requests(&self) -> Vec<&str> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Killed, it would leave its own children to find out. It may be gone already.
        let close = json!({ "id": self.sent + 1, "method": "Browser.close" });
        let _told = self.to.write_all(format!("{close}\0").as_bytes());
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
