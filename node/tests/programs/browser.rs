//! Headless Chromium, driven as its own developers' tools drive it.

use std::{net::TcpStream, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use wrt_test_servers::{Deadline, Process, chromium_binary};

use super::running::program;

/// Most of it is for a busy machine: alone it starts within a second, and answers within a few milliseconds.
const WITHIN: Duration = Duration::from_secs(60);

/// A browser with a profile of its own, which goes with it.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    asked: u64,
    _process: Process,
    _profile: TempDir,
}

/// One of its windows.
pub struct Window(String);

impl Browser {
    pub fn start() -> Self {
        let chromium = chromium_binary().unwrap_or_else(|error| panic!("{error}"));
        let profile = TempDir::new().unwrap();
        let mut command = program(chromium, profile.path());
        command.args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--remote-debugging-port=0",
        ]);
        let folder = profile.path().join("profile");
        command.arg(format!("--user-data-dir={}", folder.display()));
        command.arg("about:blank");
        let process = Process::spawn("chromium", command, profile.path().join("log")).unwrap();
        let start = "DevTools listening on ";
        let line = process.wait_for_log(start, WITHIN).unwrap();
        let (_, url) = line.split_once(start).expect("it was found by that");
        let address = url
            .strip_prefix("ws://")
            .and_then(|rest| rest.split('/').next());
        let stream = TcpStream::connect(address.expect("it says where")).unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        Self {
            socket,
            asked: 0,
            _process: process,
            _profile: profile,
        }
    }

    /// Opens a page in a window of its own.
    pub fn open(&mut self, url: &str) -> Window {
        let page = json!({ "url": url, "newWindow": true });
        let target = self.ask(None, "Target.createTarget", &page);
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.ask(None, "Target.attachToTarget", &attached);
        let session = attached["sessionId"].as_str();
        Window(session.expect("it has one").to_owned())
    }

    /// Gives a window a size, in CSS pixels.
    pub fn sized(&mut self, window: &Window, width: u32, height: u32) {
        let size = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": false,
        });
        self.ask(Some(window), "Emulation.setDeviceMetricsOverride", &size);
    }

    /// What a script says.
    pub fn says(&mut self, window: &Window, script: &str) -> Value {
        let script = json!({ "expression": script, "returnByValue": true });
        let said = self.ask(Some(window), "Runtime.evaluate", &script);
        assert!(said.get("exceptionDetails").is_none(), "{script}: {said}");
        said["result"]["value"].clone()
    }

    /// Waits until a script says `true`.
    pub fn waits_until(&mut self, window: &Window, script: &str) {
        let is_so = Deadline::after(WITHIN)
            .poll(|| (self.says(window, script) == Value::Bool(true)).then_some(()));
        if is_so.is_none() {
            let page = self.says(window, "document.documentElement.innerText");
            panic!("never was {script}; there is {page}");
        }
    }

    /// Types into what is found by a selector, and ends the line.
    pub fn types(&mut self, window: &Window, into: &str, line: &str) {
        self.says(window, &format!("document.querySelector({into:?}).focus()"));
        self.ask(Some(window), "Input.insertText", &json!({ "text": line }));
        for kind in ["keyDown", "keyUp"] {
            let enter = json!({
                "type": kind,
                "key": "Enter",
                "code": "Enter",
                "windowsVirtualKeyCode": 13,
                "text": "\r",
            });
            self.ask(Some(window), "Input.dispatchKeyEvent", &enter);
        }
    }

    fn ask(&mut self, window: Option<&Window>, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(Window(session)) = window {
            question["sessionId"] = session.as_str().into();
        }
        self.socket
            .send(Message::text(question.to_string()))
            .unwrap();
        loop {
            let Message::Text(told) = self.socket.read().unwrap() else {
                continue;
            };
            let told: Value = serde_json::from_str(&told).unwrap();
            // Events come in between.
            if told["id"] == self.asked {
                assert!(told.get("error").is_none(), "{method}: {told}");
                return told["result"].clone();
            }
        }
    }
}
