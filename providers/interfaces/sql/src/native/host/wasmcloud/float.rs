//! Floats in parts: mantissa, exponent to the base of two, and sign. That is what `integer_decode` of the
//! crate `num-traits` makes of a float, and what guests of the package make theirs with.

use super::types::HashableF64;

/// The exponents that infinities have, and numbers that are none.
const F64_SPECIAL: i16 = 972;
const F32_SPECIAL: i16 = 105;

/// The mantissas of infinities; those of numbers that are none are larger.
const F64_INFINITE: u64 = 1 << 52;
const F32_INFINITE: u64 = 1 << 23;

pub(super) fn parts_of_f64(value: f64) -> HashableF64 {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i16;
    let fraction = bits & (F64_INFINITE - 1);
    let mantissa = match exponent {
        // A subnormal one.
        0 => fraction << 1,
        _ => fraction | F64_INFINITE,
    };
    (mantissa, exponent - 1075, sign(value.is_sign_negative()))
}

pub(super) fn parts_of_f32(value: f32) -> HashableF64 {
    let bits = value.to_bits();
    let exponent = ((bits >> 23) & 0xff) as i16;
    let fraction = u64::from(bits) & (F32_INFINITE - 1);
    let mantissa = match exponent {
        0 => fraction << 1,
        _ => fraction | F32_INFINITE,
    };
    (mantissa, exponent - 150, sign(value.is_sign_negative()))
}

fn sign(is_negative: bool) -> i8 {
    if is_negative { -1 } else { 1 }
}

/// The float that has these parts, or the nearest one.
///
/// # Errors
/// Parts of no float, in words.
pub(super) fn f64_of(parts: HashableF64) -> Result<f64, String> {
    let (mantissa, exponent, sign) = parts;
    if !matches!(sign, 1 | -1) {
        return Err(format!("the sign of a float is 1 or -1, and not {sign}"));
    }
    let sign = f64::from(sign);
    if exponent == F64_SPECIAL {
        match mantissa {
            F64_INFINITE => return Ok(sign * f64::INFINITY),
            F64_INFINITE.. if mantissa < F64_INFINITE << 1 => return Ok(f64::NAN),
            _ => {}
        }
    }
    let value = sign * scaled(mantissa, exponent);
    match value.is_finite() {
        true => Ok(value),
        false => Err(format!(
            "{mantissa} * 2^{exponent} is out of a float's range"
        )),
    }
}

/// As [`f64_of`]; its parts may be those that it has as an `f64`, too.
pub(super) fn f32_of(parts: HashableF64) -> Result<f32, String> {
    let (mantissa, exponent, sign) = parts;
    if exponent == F32_SPECIAL && (F32_INFINITE..F32_INFINITE << 1).contains(&mantissa) {
        // It is the same float with the parts of an `f64`.
        let wide = f64_of((mantissa << 29, F64_SPECIAL, sign))?;
        return Ok(wide as f32);
    }
    let wide = f64_of(parts)?;
    let narrow = wide as f32;
    match narrow.is_finite() || !wide.is_finite() {
        true => Ok(narrow),
        false => Err(format!("{wide:e} is out of a float4's range")),
    }
}

/// Rounded once: the product that may have too few digits is the last one.
fn scaled(mantissa: u64, exponent: i16) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    // Beyond, the product is zero or infinite whatever the mantissa is.
    let exponent = i32::from(exponent).clamp(-2000, 2000);
    let half = exponent / 2;
    mantissa as f64 * 2_f64.powi(half) * 2_f64.powi(exponent - half)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_those_of_num() {
        for (value, expected) in [
            (1.0, (1 << 52, -52, 1)),
            (-0.5, (1 << 52, -53, -1)),
            (0.0, (0, -1075, 1)),
            (-0.0, (0, -1075, -1)),
            (f64::from_bits(1), (2, -1075, 1)),
            (f64::MAX, ((1 << 53) - 1, 971, 1)),
            (f64::NEG_INFINITY, (1 << 52, 972, -1)),
        ] {
            assert_eq!(parts_of_f64(value), expected, "{value:e}");
        }
        assert_eq!(parts_of_f32(1.0), (1 << 23, -23, 1));
        assert_eq!(parts_of_f32(f32::INFINITY), (1 << 23, 105, 1));
        assert!(f64_of(parts_of_f64(f64::NAN)).is_ok_and(f64::is_nan));
        assert!(f32_of(parts_of_f32(f32::NAN)).is_ok_and(f32::is_nan));
        assert!(f32_of(parts_of_f64(f64::NAN)).is_ok_and(f32::is_nan));
        assert_eq!(f32_of(parts_of_f64(f64::INFINITY)), Ok(f32::INFINITY));
    }

    #[test]
    fn parts_of_no_float_are_refused() {
        for parts in [
            (1, 0, 0),
            (1, 0, 2),
            (1, 1024, 1),
            (1 << 53, 972, -1),
            (1, i16::MAX, 1),
        ] {
            assert!(f64_of(parts).is_err(), "{parts:?}");
        }
        assert_eq!(f64_of((1, i16::MIN, 1)), Ok(0.0));
        assert_eq!(f64_of((0, i16::MAX, -1)), Ok(-0.0));
        assert_eq!(f64_of((3, -1, 1)), Ok(1.5));
        assert!(f32_of((1, 128, 1)).is_err());
        assert_eq!(f32_of((1, 0, 2)).ok(), None);
        assert_eq!(f32_of((1 << 23, 105, 3)).ok(), None);
    }

    proptest! {
        #[test]
        fn a_float_is_made_of_its_parts(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            if !value.is_nan() {
                prop_assert_eq!(f64_of(parts_of_f64(value)).map(f64::to_bits), Ok(bits));
            }
            let value = f32::from_bits(bits as u32);
            if !value.is_nan() {
                prop_assert_eq!(f32_of(parts_of_f32(value)).map(f32::to_bits), Ok(bits as u32));
            }
        }

        #[test]
        fn any_parts_make_a_float_or_none(parts in any::<(u64, i16, i8)>()) {
            let _ = f64_of(parts);
            let _ = f32_of(parts);
        }
    }
}
