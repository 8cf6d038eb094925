//! Quantities of resources, read as the API server reads them.
//!
//! Source: k8s.io/apimachinery/pkg/api/resource/quantity.go.

/// The largest power of ten that is read in a quantity's exponent: more than any resource needs, and less than an `i128`.
const MAX_EXPONENT: i32 = 18;

/// How many digits a quantity may have.
const MAX_DIGITS: usize = 38;

/// A quantity in thousandths, rounded up as the API server rounds the resources of a container.
///
/// None for a text that is not a quantity, or that is larger than all that a resource may be.
pub(crate) fn milli(text: &str) -> Option<i128> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.len() + fraction.len();
    // More digits may not fit into an `i128`.
    if digits == 0 || digits > MAX_DIGITS || fraction.contains('.') {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (multiplier, exponent) = factor(suffix)?;
    let scale = exponent + 3 - i32::try_from(fraction.len()).ok()?;
    let amount = scaled(mantissa.checked_mul(multiplier)?, scale)?;
    Some(if is_negative { -amount } else { amount })
}

/// The number times a power of ten, away from zero.
fn scaled(number: i128, exponent: i32) -> Option<i128> {
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    match (exponent < 0, power) {
        (false, _) if number == 0 => Some(0),
        (false, power) => number.checked_mul(power?),
        (true, Some(power)) => Some(number / power + i128::from(number % power != 0)),
        (true, None) => Some(i128::from(number != 0)),
    }
}

/// What a suffix multiplies with: a number, and a power of ten.
fn factor(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        // Alone it is a suffix. With a number behind it, as in `1E3`, it begins an exponent.
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        other => {
            let exponent: i32 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
            (-MAX_EXPONENT..=MAX_EXPONENT)
                .contains(&exponent)
                .then_some((1, exponent))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::milli;

    #[test]
    fn quantities_mean_what_the_api_server_takes_them_for() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("1", Some(1_000)),
            ("+1.5", Some(1_500)),
            ("-2", Some(-2_000)),
            (".5", Some(500)),
            ("1.", Some(1_000)),
            ("100m", Some(100)),
            ("1n", Some(1)),
            ("0n", Some(0)),
            ("1e3", Some(1_000_000)),
            ("1E-3", Some(1)),
            ("1E", Some(1_000_000_000_000_000_000_000)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("16Ei", Some(18_446_744_073_709_551_616_000)),
            ("", None),
            (".", None),
            ("-", None),
            ("1.2.3", None),
            ("1 Gi", None),
            ("1gi", None),
            ("1e", None),
            ("1e999999999", None),
            ("1e-2147483648", None),
            ("0x10", None),
            ("one", None),
        ] {
            assert_eq!(milli(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_quantity_beyond_all_numbers_is_refused_and_one_below_all_rounds_up() {
        assert_eq!(milli(&"9".repeat(39)), None);
        assert_eq!(milli(&format!("{}E", "9".repeat(38))), None);
        assert_eq!(milli(&format!("0.{}1n", "0".repeat(36))), Some(1));
    }
}
