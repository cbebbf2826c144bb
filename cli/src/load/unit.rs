//! Figures as people read them.

use serde::Serialize;

use crate::output::size;

/// In which unit a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// So many a second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// A share of all.
    Share,
    /// Processors.
    Cores,
    /// A number without a unit.
    Number,
}

impl Unit {
    /// A figure in this unit, in as few digits as say something.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value == 0.0 => "0 s".to_owned(),
            Self::Seconds if value.abs() < 0.9995 => format!("{:.0} ms", value * 1e3),
            Self::Seconds => format!("{} s", digits(value)),
            Self::PerSecond => format!("{}/s", digits(value)),
            Self::Bytes => size(value.max(0.0) as u64),
            Self::BytesPerSecond => format!("{}/s", size(value.max(0.0) as u64)),
            Self::Share => format!("{} %", digits(value * 1e2)),
            Self::Cores | Self::Number => digits(value),
        }
    }

    /// The same, or a dash where it is not known.
    pub(crate) fn show_or_dash(self, value: Option<f64>) -> String {
        value.map_or_else(|| "-".to_owned(), |value| self.show(value))
    }
}

/// Three digits, or all before the point.
fn digits(value: f64) -> String {
    let after = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.after$}");
    if after == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_as_few_digits_as_say_something() {
        for (unit, value, text) in [
            (Unit::Seconds, 0.0, "0 s"),
            (Unit::Seconds, 0.0124, "12 ms"),
            (Unit::Seconds, 0.9999, "1 s"),
            (Unit::Seconds, 1.234, "1.23 s"),
            (Unit::Seconds, 99.99, "100 s"),
            (Unit::PerSecond, 5.0, "5/s"),
            (Unit::PerSecond, 12.34, "12.3/s"),
            (Unit::Share, 0.995, "99.5 %"),
            (Unit::Share, 1.0, "100 %"),
            (Unit::Bytes, 5e6, "5.00 MB"),
            (Unit::Cores, 0.0, "0"),
        ] {
            assert_eq!(unit.show(value), text);
        }
        assert_eq!(Unit::Seconds.show_or_dash(None), "-");
    }
}
