//! How the reference spells a number.

use std::time::Duration;

const UNITS: [(&str, u128); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];
/// Numbers up to here have no commas.
const PLAIN_MAX: u128 = 9999;

/// A number as it is, with commas where it is long.
pub fn plain(number: u128) -> String {
    let digits = number.to_string();
    if number <= PLAIN_MAX {
        return digits;
    }
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes, in the largest unit of which it is a whole number.
pub fn bytes(number: u128) -> String {
    let mut units = UNITS.iter();
    let unit = units.find(|(_, of)| number >= *of && number.is_multiple_of(*of));
    match unit {
        Some((unit, of)) => format!("{} {unit}", number / of),
        None => format!("{} bytes", plain(number)),
    }
}

/// A time, in each way that there is for it.
pub fn time(time: Duration) -> Vec<String> {
    let millis = time.as_millis();
    let (seconds, left) = (millis / 1000, millis % 1000);
    if millis == 0 || left != 0 {
        return vec![format!("{} ms", plain(millis))];
    }
    let mut all = vec![format!("{} s", plain(seconds))];
    match seconds {
        3600 => all.push("an hour".to_owned()),
        86_400 => all.push("a day".to_owned()),
        _ if seconds.is_multiple_of(60) => all.push(format!("{} minutes", plain(seconds / 60))),
        _ => {}
    }
    all
}

/// A number that may be bytes, milliseconds, or neither: in each way.
pub fn any(number: u128) -> Vec<String> {
    let mut all = vec![plain(number), bytes(number)];
    let millis = u64::try_from(number).map(Duration::from_millis);
    all.extend(millis.map(time).unwrap_or_default());
    all
}

/// Whether `text` has it as a word of its own, and not as a part of a longer number.
pub fn is_in(spelled: &str, text: &str) -> bool {
    let is_of_number = |c: char| c.is_ascii_digit();
    text.match_indices(spelled).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + spelled.len()..]);
        let mut before = before.chars().rev();
        let mut after = after.chars();
        let is_longer_before = match before.next() {
            Some(',' | '.') => before.next().is_some_and(is_of_number),
            Some(c) => c.is_ascii_alphanumeric(),
            None => false,
        };
        let is_longer_after = match after.next() {
            Some(',' | '.') => after.next().is_some_and(is_of_number),
            Some(c) => c.is_ascii_alphanumeric(),
            None => false,
        };
        !is_longer_before && !is_longer_after
    })
}

mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_people_read_them() {
        for (number, expected) in [
            (8, "8, 8 bytes, 8 ms"),
            (1024, "1024, 1 KiB, 1024 ms"),
            (65_536, "65,536, 64 KiB, 65,536 ms"),
            (60_000, "60,000, 60,000 bytes, 60 s, 1 minutes"),
            (3_600_000, "3,600,000, 3,600,000 bytes, 3600 s, an hour"),
            (1_000_000, "1,000,000, 1,000,000 bytes, 1000 s"),
        ] {
            assert_eq!(any(number).join(", "), expected);
        }
    }

    #[test]
    fn a_part_of_a_number_is_none() {
        for (text, expected) in [
            ("16", true),
            ("16 [1, 4096]; 8", true),
            ("at most 16.", true),
            ("16,384", false),
            ("1,16", false),
            ("160", false),
            ("16KiB", false),
        ] {
            assert_eq!(is_in("16", text), expected, "{text}");
        }
    }
}
