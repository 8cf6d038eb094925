//! Kubernetes quantities: `500m`, `1.5Gi`, `2e3`. Compared exactly, as integers of billionths.
//!
//! Source: the Kubernetes page "Quantity", and `resource.ParseQuantity`.

/// The largest quantity of Kubernetes, 2^63 - 1, in billionths. Larger ones saturate.
const MAX: u128 = (i64::MAX as u128) * BILLION;

const BILLION: u128 = 1_000_000_000;

/// The most digits that are parsed. A quantity with more is invalid, which is on the safe side.
const MAX_DIGITS: usize = 30;

/// Parses a quantity in billionths, rounded up as by Kubernetes. None for an invalid or negative
/// one.
pub(crate) fn billionths(typed: &str) -> Option<u128> {
    let typed = typed.strip_prefix('+').unwrap_or(typed);
    let is_of_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let end = typed.find(|letter| !is_of_number(letter)).unwrap_or(typed.len());
    let (number, suffix) = typed.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if number.len() == number.matches('.').count() || part.contains('.') {
        return None;
    }
    let (bits, exponent) = scale(suffix)?;
    let part = part.trim_end_matches('0');
    let digits = format!("{whole}{part}");
    let digits = digits.trim_start_matches('0');
    if digits.len() > MAX_DIGITS {
        return None;
    }
    let digits: u128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let exponent = exponent.saturating_add(9).saturating_sub(part.len() as i32);
    Some(scaled(digits.checked_mul(1 << bits)?, exponent).min(MAX))
}

/// The exponents of a suffix: a power of two and one of ten.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        exponent => {
            let exponent = exponent.strip_prefix(['e', 'E'])?;
            (0, exponent.parse().ok()?)
        }
    })
}

/// A number times a power of ten, rounded up and saturating.
fn scaled(number: u128, exponent: i32) -> u128 {
    let power = 10_u128.checked_pow(exponent.unsigned_abs());
    match (power, exponent >= 0) {
        _ if number == 0 => 0,
        (Some(power), true) => number.saturating_mul(power),
        (Some(power), false) => number.div_ceil(power),
        (None, true) => u128::MAX,
        (None, false) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (typed, wanted) in [
            ("1", Some(BILLION)),
            ("+1", Some(BILLION)),
            ("500m", Some(BILLION / 2)),
            ("1.5", Some(BILLION * 3 / 2)),
            (".5", Some(BILLION / 2)),
            ("5.", Some(BILLION * 5)),
            ("1.500000000000000000000000000000000000000", Some(BILLION * 3 / 2)),
            ("1Ki", Some(BILLION * 1024)),
            ("2e3", Some(BILLION * 2000)),
            ("2E-3", Some(BILLION / 500)),
            ("1E", Some(BILLION * BILLION * BILLION)),
            ("1k", Some(BILLION * 1000)),
            ("0", Some(0)),
            ("0e99", Some(0)),
            ("1n", Some(1)),
            ("0.1n", Some(1)),
            ("1e-99", Some(1)),
            ("1e99", Some(MAX)),
            ("8Ei", Some(MAX)),
            ("9223372036854775807", Some(MAX)),
            ("-1", None),
            ("1kb", None),
            ("1e", None),
            ("1e1.5", None),
            ("1e99999999999", None),
            ("1 ", None),
            ("1.2.3", None),
            (".", None),
            ("", None),
            ("inf", None),
            ("abc", None),
            ("1111111111111111111111111111111111111111", None),
        ] {
            assert_eq!(billionths(typed), wanted, "{typed:?}");
        }
    }

    #[test]
    fn amounts_that_a_floating_point_number_cannot_tell_apart_are_told_apart() {
        assert!(billionths("9007199254740993") > billionths("9007199254740992"));
        assert!(billionths("0.300000001") > billionths("300m"));
        assert_eq!(billionths("0.1"), billionths("100m"));
        assert_eq!(billionths("1024Mi"), billionths("1Gi"));
    }
}
