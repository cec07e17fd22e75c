//! The size of a difference: a share of the control's value, or a value of its own.

use std::fmt;
use std::str::FromStr;

/// A difference between a variant and the control.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// A share of the control's value: −0.02 is written `-2%`.
    Relative(f64),
    /// In the metric's own unit: a share of viewers, clicks, or won.
    Absolute(f64),
}

impl Size {
    /// The number, whatever it counts.
    pub fn number(self) -> f64 {
        let (Self::Relative(number) | Self::Absolute(number)) = self;
        number
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let size = match text.trim().strip_suffix('%') {
            Some(share) => number(share).map(|share| Self::Relative(share / 100.0)),
            None => number(text).map(Self::Absolute),
        };
        size.ok_or_else(|| "expected a share of the control's value, such as 2%, or a number, such as 0.005".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // 0.07 · 100 is 7.000000000000001.
            Self::Relative(share) => write!(f, "{}%", (share * 1e8).round() / 1e6),
            Self::Absolute(value) => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_share_or_a_number() {
        for (text, size) in [
            ("2%", Size::Relative(0.02)),
            ("-2.5 %", Size::Relative(-0.025)),
            ("-0.005", Size::Absolute(-0.005)),
            ("500", Size::Absolute(500.0)),
        ] {
            assert_eq!(text.parse(), Ok(size), "{text}");
        }
        assert_eq!(Size::Relative(0.07).to_string(), "7%");
        for wrong in ["", "%", "two", "nan", "inf%", "2%%", "2 won"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
