//! What a request asks for, step by step: the segments of its path, each `verb` or `verb:argument`.

/// The steps of a request, in their order.
pub struct Script {
    steps: Vec<(String, String)>,
    slow: bool,
}

/// How long the guest rests before each step of a slow script: longer than anybody waits for a body to
/// become whole.
pub const PAUSE_NS: u64 = 20_000_000;

/// Of a text that is as long as a step asks for: no letter stands at two places next to each other.
const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

impl Script {
    pub fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let step = |segment: &str| {
            let (verb, argument) = segment.split_once(':').unwrap_or((segment, ""));
            (verb.to_owned(), argument.to_owned())
        };
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        Self {
            steps: segments.map(step).collect(),
            slow: query.split('&').any(|part| part == "slow"),
        }
    }

    /// Whether the guest takes its time behind the head of its response.
    pub fn is_slow(&self) -> bool {
        self.slow
    }

    /// The steps before the one that sends the head, it, and those behind it.
    pub fn parts(&self) -> (Steps<'_>, Option<&str>, Steps<'_>) {
        let sends =
            |(verb, _): &(String, String)| matches!(verb.as_str(), "head" | "bare" | "error");
        let at = self.steps.iter().position(sends);
        let at = at.unwrap_or(self.steps.len());
        let head = self.steps.get(at).map(|(verb, _)| verb.as_str());
        let behind = self.steps.get(at + 1..).unwrap_or_default();
        (&self.steps[..at], head, behind)
    }
}

pub type Steps<'a> = &'a [(String, String)];

/// A number that a step is given; 0 where it is none.
pub fn number(argument: &str) -> u64 {
    argument.parse().unwrap_or_default()
}

/// A field that a step is given: `name:value`.
pub fn field(argument: &str) -> (String, Vec<u8>) {
    let (name, value) = argument.split_once(':').unwrap_or((argument, ""));
    (name.to_owned(), value.as_bytes().to_vec())
}

/// Status and fields that the steps before the head ask for.
pub fn head(steps: Steps<'_>) -> (u16, Vec<(String, Vec<u8>)>) {
    let (mut status, mut fields) = (200, Vec::new());
    for (verb, argument) in steps {
        match verb.as_str() {
            "status" => status = argument.parse().unwrap_or(status),
            "field" => fields.push(field(argument)),
            "length" => fields.push(("content-length".to_owned(), argument.as_bytes().to_vec())),
            _ => {}
        }
    }
    (status, fields)
}

/// So many letters, in as many pieces as the guest writes them in.
pub fn letters(count: u64, slow: bool) -> Vec<Vec<u8>> {
    let text: Vec<u8> = LETTERS
        .iter()
        .copied()
        .cycle()
        .take(count as usize)
        .collect();
    let piece = if slow {
        text.len().div_ceil(2)
    } else {
        text.len()
    };
    text.chunks(piece.max(1)).map(<[u8]>::to_vec).collect()
}

/// What the guest has read of its request: how much, what came behind it, or how it broke off.
pub fn told(bytes: u64, end: &Result<Vec<(String, Vec<u8>)>, String>) -> String {
    match end {
        Ok(trailers) => trailers
            .iter()
            .fold(format!("{bytes} bytes"), |text, (name, value)| {
                format!("{text}, {name}: {}", String::from_utf8_lossy(value))
            }),
        Err(error) => format!("broke off: {error}"),
    }
}
