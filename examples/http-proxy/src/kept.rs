//! A response, as the store has it: four lines, and the body behind them.

/// The largest body that is kept.
pub const BYTES_MAX: usize = 256 * 1024;

const VERSION: &str = "http-proxy 1";

/// What is kept of a response.
#[derive(Debug, PartialEq)]
pub struct Kept {
    /// When it was fetched, in seconds since 1970.
    pub since: u64,
    /// Until when it is fresh.
    pub fresh_until: u64,
    pub content_type: Vec<u8>,
    pub body: Vec<u8>,
}

impl Kept {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{VERSION}\n{}\n{}\n", self.since, self.fresh_until).into_bytes();
        bytes.extend_from_slice(&self.content_type);
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// None where somebody else has put something there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(5, |byte| *byte == b'\n');
        let mut line = || parts.next();
        if line()? != VERSION.as_bytes() {
            return None;
        }
        let number = |text: &[u8]| str::from_utf8(text).ok()?.parse().ok();
        Some(Self {
            since: number(line()?)?,
            fresh_until: number(line()?)?,
            content_type: line()?.to_vec(),
            body: line()?.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_was() {
        let kept = Kept {
            since: 1_700_000_000,
            fresh_until: 1_700_000_060,
            content_type: b"text/plain".to_vec(),
            body: b"a\nb\n\0\xff".to_vec(),
        };
        assert_eq!(Kept::read(&kept.to_bytes()), Some(kept));
    }

    #[test]
    fn what_somebody_else_has_put_there_is_nothing() {
        for bytes in [
            &b""[..],
            b"7",
            b"http-proxy 1\nx\n2\n\n",
            b"http-proxy 2\n1\n2\n\n",
        ] {
            assert_eq!(Kept::read(bytes), None);
        }
    }
}
