//! `numeric` in the server's binary form: digits to the base of 10,000.

use std::fmt::Write as _;

use crate::decode::take;

const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;
const INFINITE: u16 = 0xD000;
const NEGATIVE_INFINITE: u16 = 0xF000;

/// The number as the server writes it; none where the bytes are no number.
pub(crate) fn text_of(mut raw: &[u8]) -> Option<String> {
    let count = usize::try_from(i16::from_be_bytes(take(&mut raw)?)).ok()?;
    // The weight of the first digit, as a power of 10,000.
    let weight = i32::from(i16::from_be_bytes(take(&mut raw)?));
    let sign = u16::from_be_bytes(take(&mut raw)?);
    let scale = usize::from(u16::from_be_bytes(take(&mut raw)?));
    match sign {
        NOT_A_NUMBER => return Some("NaN".to_owned()),
        INFINITE => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITE => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let mut digits = Vec::with_capacity(count);
    for _ in 0..count {
        digits.push(u16::from_be_bytes(take(&mut raw)?));
    }
    let digit = |power: i32| {
        let at = usize::try_from(weight - power).ok()?;
        digits.get(at).copied()
    };
    let mut text = String::from(if sign == NEGATIVE { "-" } else { "" });
    write!(text, "{}", digit(weight.max(0)).unwrap_or(0)).ok()?;
    for power in (0..weight.max(0)).rev() {
        write!(text, "{:04}", digit(power).unwrap_or(0)).ok()?;
    }
    if scale > 0 {
        let mut fraction = String::with_capacity(scale + 4);
        let mut power = -1;
        while fraction.len() < scale {
            write!(fraction, "{:04}", digit(power).unwrap_or(0)).ok()?;
            power -= 1;
        }
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_server_writes_them() {
        let raw = |weight: i16, sign: u16, scale: u16, digits: &[u16]| {
            let count = i16::try_from(digits.len()).expect("few");
            let mut raw = count.to_be_bytes().to_vec();
            raw.extend(weight.to_be_bytes());
            raw.extend(sign.to_be_bytes());
            raw.extend(scale.to_be_bytes());
            raw.extend(digits.iter().flat_map(|digit| digit.to_be_bytes()));
            raw
        };
        for (raw, expected) in [
            (raw(0, 0, 0, &[]), "0"),
            (raw(0, 0, 2, &[]), "0.00"),
            (raw(0, 0, 4, &[1234, 5600]), "1234.5600"),
            (raw(1, NEGATIVE, 0, &[1]), "-10000"),
            (raw(1, 0, 1, &[12, 3, 5000]), "120003.5"),
            (raw(-1, 0, 4, &[12]), "0.0012"),
            (raw(-2, NEGATIVE, 8, &[12]), "-0.00000012"),
            (raw(0, NOT_A_NUMBER, 0, &[]), "NaN"),
            (raw(0, NEGATIVE_INFINITE, 0, &[]), "-Infinity"),
        ] {
            assert_eq!(text_of(&raw).as_deref(), Some(expected));
        }
        assert_eq!(
            text_of(&[0, 1, 0, 0, 0, 0, 0, 0]),
            None,
            "a digit is missing"
        );
        assert_eq!(text_of(&[]), None);
    }
}
