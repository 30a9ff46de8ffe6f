//! `AWSDate`, `AWSTime`, `AWSDateTime`: extended ISO 8601 with offsets down to seconds.

/// A date, with an optional offset.
pub(super) fn is_date(text: &str) -> bool {
    let mut scanner = Scanner(text.as_bytes());
    scanner.date() && (scanner.at_end() || scanner.offset()) && scanner.at_end()
}

/// A time, with an optional offset.
pub(super) fn is_time(text: &str) -> bool {
    let mut scanner = Scanner(text.as_bytes());
    scanner.time() && (scanner.at_end() || scanner.offset()) && scanner.at_end()
}

/// A date and a time with an offset, which is compulsory.
pub(super) fn is_date_time(text: &str) -> bool {
    let mut scanner = Scanner(text.as_bytes());
    scanner.date() && scanner.byte(b'T') && scanner.time() && scanner.offset() && scanner.at_end()
}

/// What is left to read. Every method reads what it is named after, or says `false`.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self, wanted: u8) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if first == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// The leading digits, however many.
    fn digits(&mut self) -> &[u8] {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = self.0.split_at(count.count());
        self.0 = rest;
        digits
    }

    /// Exactly two digits that make a number up to `highest`.
    fn pair(&mut self, highest: u32) -> Option<u32> {
        let [tens, ones, rest @ ..] = self.0 else {
            return None;
        };
        if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
            return None;
        }
        let value = u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
        self.0 = rest;
        (value <= highest).then_some(value)
    }

    fn date(&mut self) -> bool {
        let Some(year) = self.year() else {
            return false;
        };
        if !self.byte(b'-') {
            return false;
        }
        let Some(month) = self.pair(12) else {
            return false;
        };
        self.byte(b'-')
            && self
                .pair(31)
                .is_some_and(|day| day >= 1 && day <= days_of(year, month))
    }

    /// Four digits; more with a sign, and `-` before any (ISO 8601's expanded years).
    fn year(&mut self) -> Option<u32> {
        let minus = self.byte(b'-');
        let plus = !minus && self.byte(b'+');
        let digits = self.digits();
        let length_fits = match (minus, plus) {
            (false, false) => digits.len() == 4,
            (true, _) => (4..=9).contains(&digits.len()),
            (false, true) => (5..=9).contains(&digits.len()),
        };
        let year = digits
            .iter()
            .fold(0, |year, digit| year * 10 + u32::from(digit - b'0'));
        (length_fits && !(minus && year == 0)).then_some(year)
    }

    /// Hours and minutes, seconds if there are any, and up to nine digits of a fraction of them.
    fn time(&mut self) -> bool {
        if self.pair(23).is_none() || !self.byte(b':') || self.pair(59).is_none() {
            return false;
        }
        if !self.byte(b':') {
            return true;
        }
        self.pair(59).is_some() && (!self.byte(b'.') || (1..=9).contains(&self.digits().len()))
    }

    /// `Z`, or hours and minutes and perhaps seconds up to 18 hours either way.
    fn offset(&mut self) -> bool {
        if self.byte(b'Z') {
            return true;
        }
        if !self.byte(b'+') && !self.byte(b'-') {
            return false;
        }
        let Some(hours) = self.pair(18) else {
            return false;
        };
        if !self.byte(b':') {
            return false;
        }
        let Some(minutes) = self.pair(59) else {
            return false;
        };
        let seconds = if self.byte(b':') {
            self.pair(59)
        } else {
            Some(0)
        };
        seconds.is_some_and(|seconds| hours * 3600 + minutes * 60 + seconds <= 18 * 3600)
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(takes: fn(&str) -> bool, taken: &[&str], refused: &[&str]) {
        for text in taken {
            assert!(takes(text), "{text} is taken");
        }
        for text in refused {
            assert!(!takes(text), "{text} is refused");
        }
    }

    #[test]
    fn dates_are_days_of_the_calendar_with_an_optional_offset() {
        check(
            is_date,
            &[
                "1970-01-01",
                "1970-01-01Z",
                "1970-01-01-07:00",
                "1970-01-01+05:30",
                "1970-01-01+05:30:45",
                "2024-02-29",
                "2000-02-29",
                "0000-01-01",
                "-0044-03-15",
                "-0004-02-29",
                "+12345-01-01",
                "9999-12-31+18:00",
            ],
            &[
                "",
                "1970",
                "1970-1-1",
                "1970-01-01T",
                "1970-01-01T00:00Z",
                "2023-02-29",
                "1900-02-29",
                "2024-00-01",
                "2024-13-01",
                "2024-04-31",
                "2024-01-00",
                "2024-01-32",
                "12345-01-01",
                "+2024-01-01",
                "-0000-01-01",
                "1970-01-01z",
                "1970-01-01+5:30",
                "1970-01-01+0530",
                "1970-01-01+19:00",
                "1970-01-01+18:00:01",
                "1970-01-01+05:60",
                " 1970-01-01",
                "1970-01-01 ",
                "１970-01-01",
            ],
        );
    }

    #[test]
    fn times_have_up_to_nine_fraction_digits_and_an_optional_offset() {
        check(
            is_time,
            &[
                "12:30",
                "12:30Z",
                "12:30:24",
                "12:30:24.1",
                "12:30:24.123456789",
                "12:30:24-07:00",
                "12:30:24.500+05:30:45",
                "00:00:00",
                "23:59:59.999999999Z",
            ],
            &[
                "",
                "12",
                "1:30",
                "24:00",
                "12:60",
                "12:30:60",
                "12:30:24.",
                "12:30:24.1234567890",
                "12:30.5",
                "12:30:24,5",
                "T12:30",
                "12:30:24 Z",
                "12:30:24+05",
            ],
        );
    }

    #[test]
    fn date_times_must_have_an_offset() {
        check(
            is_date_time,
            &[
                "2024-02-29T12:30Z",
                "2024-02-29T12:30:45Z",
                "2024-02-29T12:30:45.123Z",
                "2024-02-29T12:30:45.000000000Z",
                "2024-02-29T12:30:45.48+05:30",
                "2024-02-29T12:30:45-07:00:30",
                "-0044-03-15T12:00Z",
            ],
            &[
                "2024-02-29",
                "2024-02-29Z",
                "2024-02-29T12:30:45",
                "2024-02-29T12Z",
                "2024-02-29 12:30Z",
                "2024-02-29t12:30Z",
                "2024-02-29Z12:30Z",
                "2023-02-29T12:30Z",
                "2024-02-29T12:30ZZ",
                "2024-02-29T12:30:45.Z",
            ],
        );
    }
}
