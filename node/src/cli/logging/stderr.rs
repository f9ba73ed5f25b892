//! Standard error, written by a thread of its own.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    collections::VecDeque,
    io::{self, Write},
    panic::PanicHookInfo,
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tracing_subscriber::fmt::MakeWriter;
use wrt_host::GUEST_LOG_TARGET;

/// Bytes that wait for the reader of standard error. A message more is dropped and counted: a reader
/// that is stuck must not stop the node.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Of those, what guests have said: one part in so many. The rest is the node's, whose errors matter
/// most when a guest fills its part.
const GUESTS_SHARE: usize = 2;
/// How long the end of the process waits for the reader.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// The way to standard error. What waits is written when this is dropped, as far as the reader takes
/// it within [`LAST_WORDS_MAX`].
pub struct Stderr(Writer);

/// One writer to it, for the node's own messages. Never waits for the reader.
#[derive(Clone)]
pub struct Writer {
    queue: Arc<Queue>,
    speaker: Speaker,
}

/// Who a message is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Node,
    Guest,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Speaker, Vec<u8>)>,
    node: Account,
    guests: Account,
    is_writing: bool,
    /// The last message is there: what comes after it comes too late.
    is_closed: bool,
}

/// What one kind of speaker has in the queue.
#[derive(Default)]
struct Account {
    bytes: usize,
    /// Messages that found no room, and that nobody has been told of.
    dropped: u64,
    /// All that found no room.
    dropped_total: u64,
}

impl Stderr {
    pub(super) fn start() -> Self {
        Self::to(io::stderr(), WAITING_BYTES_MAX)
    }

    fn to(mut target: impl Write + Send + 'static, bytes_max: usize) -> Self {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            bytes_max,
        });
        let written = Arc::clone(&queue);
        // Without the thread nothing is logged, and the process works all the same.
        let _nothing_is_logged = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                loop {
                    let message = written.next();
                    // There is nobody to tell that standard error is closed.
                    let _closed = target.write_all(&message).and_then(|()| target.flush());
                }
            });
        Self(Writer {
            queue,
            speaker: Speaker::Node,
        })
    }

    /// Another writer.
    pub fn writer(&self) -> Writer {
        self.0.clone()
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        let queue = &self.0.queue;
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let mut state = queue.lock();
        // Whoever is not heard within this time is not heard.
        queue
            .changed
            .wait_while_for(&mut state, is_busy, LAST_WORDS_MAX);
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn push(&self, speaker: Speaker, message: &[u8]) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        if !state.has_room(speaker, message.len(), self.bytes_max) {
            let account = state.account(speaker);
            account.dropped += 1;
            account.dropped_total += 1;
            return;
        }
        state.tell_dropped(speaker);
        state.push(speaker, message.to_vec());
        drop(state);
        self.changed.notify_all();
    }

    /// Has room also where others have none.
    fn close(&self, message: Vec<u8>) {
        let mut state = self.lock();
        state.tell_dropped(Speaker::Guest);
        state.tell_dropped(Speaker::Node);
        state.push(Speaker::Node, message);
        state.is_closed = true;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next message, which counts as written when this is called again.
    fn next(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.is_writing = false;
        loop {
            if state.waiting.is_empty() {
                state.tell_dropped(Speaker::Node);
                state.tell_dropped(Speaker::Guest);
            }
            if let Some((speaker, message)) = state.waiting.pop_front() {
                state.account(speaker).bytes -= message.len();
                state.is_writing = true;
                return message;
            }
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
    }
}

impl State {
    fn account(&mut self, speaker: Speaker) -> &mut Account {
        match speaker {
            Speaker::Node => &mut self.node,
            Speaker::Guest => &mut self.guests,
        }
    }

    fn has_room(&self, speaker: Speaker, bytes: usize, bytes_max: usize) -> bool {
        let is_within_share =
            speaker == Speaker::Node || self.guests.bytes + bytes <= bytes_max / GUESTS_SHARE;
        is_within_share && self.node.bytes + self.guests.bytes + bytes <= bytes_max
    }

    fn push(&mut self, speaker: Speaker, message: Vec<u8>) {
        self.account(speaker).bytes += message.len();
        self.waiting.push_back((speaker, message));
    }

    /// Says, where they are missing, how many messages are. It takes the room of those whose they were.
    fn tell_dropped(&mut self, speaker: Speaker) {
        let dropped = std::mem::take(&mut self.account(speaker).dropped);
        if dropped > 0 {
            let whose = match speaker {
                Speaker::Node => "",
                Speaker::Guest => " of guests",
            };
            let text = format!(
                "WARN wrt::log: {dropped} messages{whose} found no room here: standard error is read too slowly\n"
            );
            self.push(speaker, text.into_bytes());
        }
    }
}

impl Writer {
    /// Writes a line.
    pub fn line(&self, text: &str) {
        self.queue
            .push(self.speaker, format!("{text}\n").as_bytes());
    }

    /// How many messages found no room so far.
    pub fn dropped_total(&self) -> u64 {
        let state = self.queue.lock();
        state.node.dropped_total + state.guests.dropped_total
    }

    /// Writes a line, and nothing after it.
    pub fn last_line(&self, text: &str) {
        self.queue.close(format!("{text}\n").into_bytes());
    }

    /// Writes what a thread's panic says, as the standard library would, which waits for the reader.
    pub fn panic(&self, panic: &PanicHookInfo<'_>) {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("without a name");
        let backtrace = Backtrace::capture();
        match backtrace.status() {
            BacktraceStatus::Captured => {
                self.line(&format!("thread '{thread}' {panic}\n{backtrace}"));
            }
            _ => self.line(&format!("thread '{thread}' {panic}")),
        }
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self {
        let speaker = match meta.target() {
            GUEST_LOG_TARGET => Speaker::Guest,
            _ => Speaker::Node,
        };
        Self {
            queue: Arc::clone(&self.queue),
            speaker,
        }
    }
}

impl Write for Writer {
    /// The whole message: it is either written whole or dropped whole.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.queue.push(self.speaker, message);
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A reader that takes nothing while its lock is held.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<Vec<u8>>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A reader that stood still took the executor along.
    #[test]
    fn a_reader_that_is_stuck_stops_nobody_and_hears_of_what_it_missed() {
        let reader = Reader::default();
        let stuck = reader.0.lock();
        let stderr = Stderr::to(reader.clone(), 80);
        let writer = stderr.writer();
        // The thread has one in hand, or will have: from here on exactly eight find room.
        writer.line("line 000");
        while !stderr.0.queue.lock().is_writing {
            thread::yield_now();
        }
        for number in 1..100 {
            writer.line(&format!("line {number:03}"));
        }
        drop(stuck);
        drop(stderr);
        assert_eq!(writer.dropped_total(), 91);
        let text = String::from_utf8(reader.0.lock().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10, "{text}");
        assert_eq!((lines[0], lines[8]), ("line 000", "line 008"));
        assert!(lines[9].contains("91 messages found no room"), "{text}");
    }

    #[test]
    fn guests_that_fill_their_part_leave_the_node_its_own() {
        let reader = Reader::default();
        let stuck = reader.0.lock();
        let stderr = Stderr::to(reader.clone(), 4096);
        let writer = stderr.writer();
        writer.line("first");
        while !stderr.0.queue.lock().is_writing {
            thread::yield_now();
        }
        let logger = tracing_subscriber::fmt()
            .with_writer(writer)
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(logger, || {
            for number in 0..1000 {
                tracing::warn!(target: GUEST_LOG_TARGET, number, "a guest speaks");
            }
            tracing::error!("the node fails");
        });
        drop(stuck);
        drop(stderr);
        let text = String::from_utf8(reader.0.lock().clone()).unwrap();
        assert!(text.contains("the node fails"), "{text}");
        let heard = text.matches("a guest speaks").count();
        assert!((10..100).contains(&heard), "{text}");
        let dropped = format!("{} messages of guests found no room", 1000 - heard);
        assert!(text.contains(&dropped), "{text}");
    }

    #[test]
    fn the_last_line_finds_room_and_nothing_comes_after_it() {
        let reader = Reader::default();
        let stuck = reader.0.lock();
        let stderr = Stderr::to(reader.clone(), 10);
        let writer = stderr.writer();
        for _ in 0..3 {
            writer.line("a line of the log");
        }
        writer.last_line("why it failed");
        writer.line("late");
        drop(stuck);
        drop(stderr);
        let text = String::from_utf8(reader.0.lock().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("3 messages found no room"), "{text}");
        assert_eq!(lines[1..], ["why it failed"]);
    }

    /// A worker that panicked waited for the reader for ever.
    #[test]
    fn a_panic_is_told_and_does_not_wait() {
        let reader = Reader::default();
        let stderr = Stderr::to(reader.clone(), 4096);
        let writer = stderr.writer();
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match thread::current().name() {
            Some("worker of test") => writer.panic(panic),
            _ => others(panic),
        }));
        let stuck = reader.0.lock();
        let worker = thread::Builder::new().name("worker of test".to_owned());
        let worker = worker.spawn(|| panic!("a bug")).unwrap();
        assert!(worker.join().is_err());
        drop(stuck);
        drop(stderr);
        let text = String::from_utf8(reader.0.lock().clone()).unwrap();
        let told = text.starts_with("thread 'worker of test' panicked at ");
        assert!(told && text.contains("a bug"), "{text}");
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let reader = Reader::default();
        let stuck = reader.0.lock();
        let stderr = Stderr::to(reader.clone(), 80);
        stderr.writer().line("nobody reads this");
        let started = Instant::now();
        drop(stderr);
        let elapsed = started.elapsed();
        assert!(
            elapsed >= LAST_WORDS_MAX && elapsed < 5 * LAST_WORDS_MAX,
            "{elapsed:?}"
        );
        drop(stuck);
    }
}
