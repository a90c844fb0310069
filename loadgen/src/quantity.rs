//! Numbers as people read them: three significant digits and a unit that fits.

/// What stands where there is no value.
pub const NONE: &str = "-";

/// A time given in microseconds: `950ns`, `12.3us`, `6.71ms`, `1.2s`.
#[must_use]
pub fn time(us: f64) -> String {
    let (scaled, unit) = match us.abs() {
        // Bounds are where three digits would round up to the next unit.
        us if us < 0.9995 => (us * 1e3, "ns"),
        us if us < 999.5 => (us, "us"),
        us if us < 999.5e3 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    format!("{}{unit}", digits(scaled.copysign(us)))
}

/// A time that may be missing.
#[must_use]
pub fn time_or_none(us: Option<f64>) -> String {
    us.map_or_else(|| NONE.to_owned(), time)
}

/// A rate or a count: `7.25`, `850`, `11.7k`, `2.1M`.
#[must_use]
pub fn amount(value: f64) -> String {
    match value.abs() {
        size if size < 999.5 => digits(value),
        size if size < 999.5e3 => format!("{}k", digits(value / 1e3)),
        _ => format!("{}M", digits(value / 1e6)),
    }
}

/// A ratio: `15.3x`, `1040x`.
#[must_use]
pub fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| NONE.to_owned(), |ratio| format!("{}x", digits(ratio)))
}

/// A part of a whole: `0.25%`.
#[must_use]
pub fn share(share: f64) -> String {
    format!("{}%", digits(share * 100.0))
}

/// Three significant digits, no exponent, at most two decimals.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_the_unit_that_fits() {
        let expected = [
            (0.0, "0ns"),
            (0.15, "150ns"),
            (0.9999, "1.00us"),
            (12.34, "12.3us"),
            (999.6, "1.00ms"),
            (6_712.0, "6.71ms"),
            (99_960.0, "100ms"),
            (1.5e6, "1.50s"),
        ];
        for (us, text) in expected {
            assert_eq!(time(us), text, "{us}");
        }
        assert_eq!(time_or_none(None), "-");
    }

    #[test]
    fn amounts_are_short() {
        let expected =
            [(0.0, "0"), (7.25, "7.25"), (850.4, "850"), (11_676.0, "11.7k"), (2.1e6, "2.10M")];
        for (value, text) in expected {
            assert_eq!(amount(value), text);
        }
        assert_eq!((ratio(Some(408.2)), ratio(None)), ("408x".to_owned(), "-".to_owned()));
        assert_eq!(share(0.0025), "0.25%");
    }
}
