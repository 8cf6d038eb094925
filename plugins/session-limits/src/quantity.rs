//! Comparing amounts as Kubernetes writes them: `500m`, `1.5Gi`, `2e3`.
//!
//! Source: the Kubernetes page "Quantity".

/// Reads an amount, in thousandths. None when it is no amount.
pub(crate) fn thousandths(typed: &str) -> Option<f64> {
    let digits = typed.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let (number, factor) = match &typed[digits.len()..] {
        // An exponent of ten ends in digits, so it is part of the number.
        "" => (typed, 1.0),
        "n" => (digits, 1e-9),
        "u" => (digits, 1e-6),
        "m" => (digits, 1e-3),
        "k" => (digits, 1e3),
        "M" => (digits, 1e6),
        "G" => (digits, 1e9),
        "T" => (digits, 1e12),
        "P" => (digits, 1e15),
        "E" => (digits, 1e18),
        "Ki" => (digits, 1024.0),
        "Mi" => (digits, 1_048_576.0),
        "Gi" => (digits, 1_073_741_824.0),
        "Ti" => (digits, 1_099_511_627_776.0),
        "Pi" => (digits, 1_125_899_906_842_624.0),
        "Ei" => (digits, 1_152_921_504_606_846_976.0),
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    number.is_finite().then_some(number * factor * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (typed, wanted) in [
            ("1", Some(1000.0)),
            ("500m", Some(500.0)),
            ("1.5", Some(1500.0)),
            ("1Ki", Some(1_024_000.0)),
            ("2e3", Some(2_000_000.0)),
            ("1k", Some(1_000_000.0)),
            ("1kb", None),
            ("", None),
            ("inf", None),
            ("abc", None),
        ] {
            assert_eq!(thousandths(typed), wanted, "{typed:?}");
        }
    }
}
