//! Lines of what is described.

use wrt_host::Printable;

/// Lines with names in front, all as long.
#[derive(Default)]
pub(super) struct Lines(Vec<(&'static str, String)>);

const NAME_WIDTH: usize = 12;

impl Lines {
    pub(super) fn add(&mut self, name: &'static str, text: impl AsRef<str>) {
        // Much of it is somebody else's own text.
        let text = Printable(text.as_ref()).to_string();
        self.0.push((name, text));
    }

    /// The first behind the name, the others below it; where there is none, `-`.
    pub(super) fn list(&mut self, name: &'static str, texts: impl IntoIterator<Item = String>) {
        let mut name = name;
        for text in texts {
            self.add(std::mem::take(&mut name), text);
        }
        if !name.is_empty() {
            self.add(name, "-");
        }
    }

    pub(super) fn text(self) -> String {
        let line = |(name, text): (&'static str, String)| format!("{name:NAME_WIDTH$}{text}");
        self.0.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
