//! `wrt dev`, with a compiler that is quick: it writes another word into a guest.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use wrt_test_servers::Deadline;

use super::{
    running::{Running, guest, request, wrt},
    swaps::Clients,
};

const WITHIN: Duration = Duration::from_secs(60);

/// How long after a change nothing may have come of it.
const QUIET: Duration = Duration::from_millis(500);

/// What stands for a compiler. `one` and all other words of three letters become what the guest says.
const COMPILER: &str = r#"
word=$(cat src/word) || exit
case $word in
bad) echo "error: no such word" >&2; exit 7;;
its) date +%s%N >src/made; sleep 0.3; date +%s%N >src/made;;
eon) sleep 1000 & echo $! >sleeper; wait;;
nil) echo "no component" >hello.wasm; exit;;
esac
echo "$word" >>built
LC_ALL=C sed "s/Hello from WRT/Hello from $word/" guest.wasm >hello.wasm
"#;

const MANIFEST: &str = r#"
[app]
name = "hello"

[component.hello]
source = "hello.wasm"
build = "sh compile.sh"
watch = ["src"]

[provider.web]
backend = "http-server"
config = { address = "127.0.0.1:0" }
calls = [{ component = "hello" }]
"#;

/// An app of one component, and `wrt dev` that runs it.
pub struct Project {
    folder: TempDir,
    running: Option<Running>,
}

impl Project {
    /// Begins with the word `one`.
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut project = Self {
            folder,
            running: None,
        };
        fs::create_dir(project.path("src")).unwrap();
        fs::copy(guest("hello_http_p3"), project.path("guest.wasm")).unwrap();
        project.write("compile.sh", COMPILER);
        project.write("app.toml", MANIFEST);
        project.save("one");
        let at = project.folder.path().to_owned();
        let command = |_: &Path| wrt(&at);
        project.running = Some(Running::launch_by(command, &["dev"]));
        project.running().wait_for("is ready");
        project
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Writes a word, as an editor does that writes in place.
    pub fn save(&self, word: &str) {
        self.write("src/word", word);
    }

    pub fn address(&self) -> String {
        self.running().address("web")
    }

    fn says(&self) -> String {
        let (status, text) = request(&self.address(), "GET", "/", "");
        assert_eq!(status, 200, "{text}");
        let said = text.trim().strip_prefix("Hello from ");
        said.expect("the guest says so").to_owned()
    }

    pub fn wait_until_it_says(&self, word: &str) {
        let said = Deadline::after(WITHIN).poll(|| (self.says() == word).then_some(()));
        assert!(said.is_some(), "{word}: {}", self.running().log());
    }

    fn times(&self, text: &str) -> usize {
        self.running().log().matches(text).count()
    }

    /// Waits until something was told once more than `before` times.
    fn wait_for_another(&self, text: &str, before: usize) {
        let told = Deadline::after(WITHIN).poll(|| (self.times(text) > before).then_some(()));
        assert!(told.is_some(), "{text}: {}", self.running().log());
    }

    /// The process that a build which never ends has started, once it is there.
    fn sleeper(&self) -> PathBuf {
        let sleeper = || fs::read_to_string(self.path("sleeper")).ok();
        let is_whole = |text: &String| text.ends_with('\n');
        let id = Deadline::after(WITHIN).poll(|| sleeper().filter(is_whole));
        fs::remove_file(self.path("sleeper")).unwrap();
        Path::new("/proc").join(id.expect("it is started").trim())
    }

    fn stop(mut self) {
        self.running.take().expect("it runs").stop();
    }
}

fn is_gone(process: &Path) {
    let is_gone = || {
        let stat = fs::read_to_string(process.join("stat"));
        // One that nobody has asked for yet how it has ended is as good as gone.
        stat.map_or(true, |stat| stat.contains(") Z "))
            .then_some(())
    };
    let gone = Deadline::after(WITHIN).poll(is_gone);
    assert!(gone.is_some(), "{} is still there", process.display());
}

#[test]
fn a_save_is_served_however_it_is_written() {
    let project = Project::start();
    assert_eq!(project.says(), "one");
    let address = project.address();
    project.save("two");
    project.wait_until_it_says("two");

    project.write("src/.word.new", "six");
    fs::rename(project.path("src/.word.new"), project.path("src/word")).unwrap();
    project.wait_until_it_says("six");

    fs::remove_file(project.path("src/word")).unwrap();
    project.wait_for_another("has failed", 0);
    assert_eq!(project.says(), "six");
    project.save("ten");
    project.wait_until_it_says("ten");

    fs::rename(project.path("src"), project.path("gone")).unwrap();
    project.wait_for_another("has failed", 1);
    fs::create_dir(project.path("src")).unwrap();
    project.save("new");
    project.wait_until_it_says("new");
    assert_eq!(project.address(), address);
    project.stop();
}

#[test]
fn many_saves_make_few_builds() {
    let project = Project::start();
    for word in ["two", "six", "ten"].iter().cycle().take(50) {
        project.save(word);
    }
    project.save("end");
    project.wait_until_it_says("end");
    let built = fs::read_to_string(project.path("built")).unwrap();
    assert!(built.lines().count() <= 3, "{built}");
    // What is saved as it was is no change.
    let before = project.times("building: ");
    project.save("end");
    std::thread::park_timeout(QUIET);
    assert_eq!(project.times("building: "), before);
    project.stop();
}

#[test]
fn what_cannot_be_built_read_or_compiled_takes_the_place_of_nothing() {
    let project = Project::start();
    project.save("bad");
    project.wait_for_another("error: no such word", 0);
    project.wait_for_another("exit status: 7", 0);
    assert_eq!(project.says(), "one");
    project.save("nil");
    project.wait_for_another("what ran before goes on", 1);
    assert_eq!(project.says(), "one");
    project.save("two");
    project.wait_until_it_says("two");

    let before = project.times("what ran before goes on");
    project.write("app.toml", "[app\n");
    project.wait_for_another("what ran before goes on", before);
    project.write("app.toml", &MANIFEST.replace("backend =", "backed ="));
    project.wait_for_another("did you mean `backend`", 0);
    project.save("six");
    project.wait_for_another("did you mean `backend`", 1);
    assert_eq!(project.says(), "two");
    project.write("app.toml", MANIFEST);
    project.wait_until_it_says("six");
    project.stop();
}

/// Its port was another one at each change.
#[test]
fn a_manifest_that_changes_leaves_the_port_that_it_says_nothing_new_of() {
    let project = Project::start();
    let address = project.address();
    let more = MANIFEST.replace("watch =", "environment = { GREETING = \"hi\" }\nwatch =");
    project.write("app.toml", &more);
    project.wait_for_another("is served anew", 0);
    assert_eq!(project.address(), address);
    assert_eq!(project.says(), "one");
    let routed = MANIFEST.replace(
        "calls = [{ component = \"hello\" }]",
        "calls = [{ component = \"hello\", path = \"/hello\" }]",
    );
    project.write("app.toml", &routed);
    project.wait_for_another("is served anew", 1);
    project.wait_for_another("web listens on", 1);
    project.stop();
}

#[test]
fn a_build_that_never_ends_gives_way_and_ends_with_the_program() {
    let project = Project::start();
    project.save("eon");
    let sleeper = project.sleeper();
    assert!(sleeper.exists());
    project.save("two");
    project.wait_until_it_says("two");
    is_gone(&sleeper);
    project.save("eon");
    let sleeper = project.sleeper();
    assert!(sleeper.exists());
    project.stop();
    is_gone(&sleeper);
}

/// It was given up for ever, each time that it had begun.
#[test]
fn a_build_that_writes_what_it_is_made_for_ends_all_the_same() {
    let project = Project::start();
    project.save("its");
    project.wait_until_it_says("its");
    project.save("two");
    project.wait_until_it_says("two");
    project.stop();
}

/// Calls in hand end on what they have begun with, and no other fails.
#[test]
fn swaps_fail_no_request() {
    let project = Project::start();
    let clients = Clients::start(&project.address());
    let words = ["two", "six", "ten", "end", "new"];
    for word in words {
        let before = clients.answered();
        project.save(word);
        project.wait_until_it_says(word);
        // Each kind of request goes on with this one.
        let has_gone_on = || clients.have_gone_on_since(&before).then_some(());
        let gone_on = Deadline::after(WITHIN).poll(has_gone_on);
        let log = || project.running().log();
        assert!(
            gone_on.is_some(),
            "{word}: {:?}\n{}",
            clients.answered(),
            log()
        );
    }
    let heard = clients.stop();
    for word in words {
        assert!(heard.contains(word), "{heard:?}");
    }
    project.stop();
}

/// A request that was there before a swap is answered whole after it.
#[test]
fn a_request_in_hand_ends_on_what_it_has_begun_with() {
    let project = Project::start();
    let begun = super::swaps::Begun::start(&project.address());
    project.save("two");
    project.wait_until_it_says("two");
    begun.finish();
    project.stop();
}
