//! The header `range`.

/// A part of a file, both offsets included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub start: u64,
    pub end: u64,
}

/// What `bytes=<first>-<last>` asks for of a file of that size; either may be missing. Nothing, where it is
/// written in another way: then all of the file is the answer, as a server may decide.
///
/// # Errors
/// Where the file has no such part.
pub fn part_of(header: &str, size: u64) -> Result<Option<Part>, String> {
    let Some((first, last)) = header
        .strip_prefix("bytes=")
        .and_then(|it| it.split_once('-'))
    else {
        return Ok(None);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (number(first), number(last)) {
        (Some(start), Some(end)) if start <= end => (start, end),
        (Some(start), None) if last.trim().is_empty() => (start, u64::MAX),
        // So many bytes at the end.
        (None, Some(count)) if first.trim().is_empty() && count > 0 => {
            (size.saturating_sub(count), u64::MAX)
        }
        _ => return Ok(None),
    };
    if start >= size {
        return Err(format!("the file has {size} bytes"));
    }
    let end = end.min(size - 1);
    Ok(Some(Part { start, end }))
}
