//! Numbers as people read them: three digits that mean something, and a unit.

/// A count, its thousands apart.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How many a second.
pub(super) fn rate(per_s: f64) -> String {
    match per_s {
        ..100.0 => format!("{per_s:.1}/s"),
        // A rate is neither negative nor beyond a count.
        _ => format!("{}/s", count(per_s.round() as u64)),
    }
}

/// A time given in microseconds.
pub(super) fn time(us: u64) -> String {
    let scaled = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", three_digits(scaled / 1e3)),
        _ => format!("{} s", three_digits(scaled / 1e6)),
    }
}

/// Memory or traffic, in bytes.
pub(super) fn bytes(bytes: f64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let mut scaled = bytes;
    let mut at = 0;
    while scaled.abs() >= 999.5 && at + 1 < units.len() {
        scaled /= 1000.0;
        at += 1;
    }
    match at {
        0 => format!("{scaled:.0} B"),
        _ => format!("{} {}", three_digits(scaled), units[at]),
    }
}

/// 1.23, 12.3, 123 or 1234.
fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn rates_are_as_exact_as_they_are_small() {
        for (value, text) in [(0.0, "0.0/s"), (9.96, "10.0/s"), (12345.6, "12,346/s")] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn times_have_the_unit_that_makes_them_short() {
        let cases = [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.00 ms"),
            (12_345, "12.3 ms"),
        ];
        for (us, text) in cases
            .into_iter()
            .chain([(999_400, "999 ms"), (61_000_000, "61.0 s")])
        {
            assert_eq!(time(us), text);
        }
    }

    #[test]
    fn bytes_have_the_unit_that_makes_them_short() {
        let cases = [
            (0.0, "0 B"),
            (300.0, "300 B"),
            (1000.0, "1.00 KB"),
            (-4500.0, "-4.50 KB"),
        ];
        for (value, text) in cases
            .into_iter()
            .chain([(12e6, "12.0 MB"), (999_900.0, "1.00 MB")])
        {
            assert_eq!(bytes(value), text);
        }
    }
}
