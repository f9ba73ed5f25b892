//! Bits, addresses of hardware and what else Postgres writes in a way of its own.

use std::fmt::Write as _;

use super::types::PgValue;

/// So many bits as digits.
///
/// # Errors
/// Bytes that are not as many as the bits need, in words.
pub(super) fn bits_text(count: usize, bytes: &[u8]) -> Result<String, String> {
    if count.div_ceil(8) != bytes.len() {
        let given = bytes.len();
        return Err(format!(
            "{count} bits are in {} bytes, and not in {given}",
            count.div_ceil(8)
        ));
    }
    let digits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| (byte >> at) & 1));
    Ok(digits
        .take(count)
        .map(|digit| char::from(b'0' + digit))
        .collect())
}

/// How many bits, and the bytes that hold them; the first bit is the highest.
pub(super) fn bits_of(text: &str) -> Option<(u32, Vec<u8>)> {
    let mut bytes = vec![0; text.len().div_ceil(8)];
    for (at, digit) in text.bytes().enumerate() {
        match digit {
            b'0' => {}
            b'1' => bytes[at / 8] |= 128 >> (at % 8),
            _ => return None,
        }
    }
    Some((text.len().try_into().ok()?, bytes))
}

pub(super) fn address_text(bytes: &[u8]) -> String {
    let parts = bytes.iter().map(|byte| format!("{byte:02x}"));
    parts.collect::<Vec<_>>().join(":")
}

pub(super) fn address_of<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut parts = text.split(':');
    let mut bytes = [0; BYTES];
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

pub(super) fn lsn_text(place: u64) -> String {
    format!("{:X}/{:X}", place >> 32, place & u64::from(u32::MAX))
}

pub(super) fn lsn_of(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let half = |text| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some((half(high)? << 32) | half(low)?)
}

pub(super) fn snapshot_text(first: i64, next: i64, running: &[i64]) -> String {
    let mut text = format!("{first}:{next}:");
    for (at, id) in running.iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        write!(text, "{separator}{id}").expect("a string takes any text");
    }
    text
}

pub(super) fn snapshot_of(text: &str) -> Option<PgValue> {
    let mut parts = text.splitn(3, ':');
    let mut number = || parts.next()?.parse().ok();
    let (first, next) = (number()?, number()?);
    let running = parts.next()?.split(',').filter(|id| !id.is_empty());
    let running = running.map(|id| id.parse().ok()).collect::<Option<_>>()?;
    Some(PgValue::PgSnapshot((first, next, running)))
}

/// `-$1,234.50` as a number. How money is written is a matter of the database's locale: what is not written so
/// could be read wrongly, and is not read.
pub(super) fn money_of(text: &str) -> Option<String> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => ("-", text),
        None => ("", text),
    };
    let (whole, cents) = text.strip_prefix('$')?.split_once('.')?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let is_whole = matches!(first.len(), 1..=3)
        && is_digits(first)
        && groups.all(|group| group.len() == 3 && is_digits(group));
    let is_one = is_whole && cents.len() == 2 && is_digits(cents);
    is_one.then(|| format!("{sign}{}.{cents}", whole.replace(',', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_kept_with_their_number() {
        for (text, bytes) in [
            ("", vec![]),
            ("1", vec![128]),
            ("101000011", vec![0xa1, 0x80]),
        ] {
            let (count, read) = bits_of(text).expect("bits");
            assert_eq!((count as usize, &read), (text.len(), &bytes));
            assert_eq!(bits_text(text.len(), &bytes).as_deref(), Ok(text));
        }
        assert_eq!(bits_of("102"), None);
        assert!(bits_text(9, &[1]).is_err());
        assert!(bits_text(8, &[1, 2]).is_err());
    }

    #[test]
    fn addresses_and_places_are_read_as_they_are_written() {
        let bytes = [8, 0, 0x2b, 1, 2, 0xff];
        assert_eq!(address_text(&bytes), "08:00:2b:01:02:ff");
        assert_eq!(address_of("08:00:2b:01:02:ff"), Some(bytes));
        assert_eq!(address_of::<6>("08:00:2b:01:02"), None);
        assert_eq!(address_of::<6>("08:00:2b:01:02:ff:00"), None);
        for (place, text) in [(0, "0/0"), (0x16_B374_D848, "16/B374D848")] {
            assert_eq!(lsn_text(place), text);
            assert_eq!(lsn_of(text), Some(place));
        }
        let snapshot = PgValue::PgSnapshot((10, 20, vec![10, 14]));
        assert_eq!(snapshot_of("10:20:10,14"), Some(snapshot));
        assert_eq!(snapshot_text(10, 20, &[10, 14]), "10:20:10,14");
        assert_eq!(
            snapshot_of("10:20:"),
            Some(PgValue::PgSnapshot((10, 20, vec![])))
        );
        assert_eq!(snapshot_of("10:20"), None);
    }

    #[test]
    fn money_is_read_where_it_cannot_be_another_sum() {
        for (text, expected) in [
            ("$1.50", Some("1.50")),
            ("-$1,234,567.00", Some("-1234567.00")),
            ("$1.234,50", None),
            ("1.234,50 €", None),
            ("$1,234", None),
            ("$1234.50", None),
            ("$1,23.50", None),
            ("$.50", None),
        ] {
            assert_eq!(money_of(text).as_deref(), expected, "{text}");
        }
    }
}
