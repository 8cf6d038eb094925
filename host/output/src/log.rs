//! The log as units, each once, however often its reading breaks.
//!
//! It is read with time stamps, so that a reading may resume. It is asked for from the second of the last line that came
//! (a server knows no finer times), and what was read already is skipped: everything up to that line. Where that line is
//! not there any more, the log was rotated meanwhile.
//!
//! Of a line in pieces the first one's time is all that comes. So where a log was rotated within such a line, what it has of it
//! now may have been read or not: it is only counted, and lengths tell whether something is missing (`Torn`).

use jiff::Timestamp;

use crate::text::Cutter;

/// A longer time stamp is none.
const MAX_STAMP: usize = 40;
/// How much of what a log has of a torn line is compared.
const MAX_LAST: usize = 64;
/// How much of a log that seems to be rotated is kept until that is certain.
// The runtime writes the two streams by two writers, so a later stamp may stand before an earlier one.
const MAX_LATER: usize = 256 << 10;

/// How far the log was read.
#[derive(Clone, Debug)]
struct Place {
    /// When it was written.
    stamp: Timestamp,
    /// The line is the so-manieth with this stamp.
    number: usize,
    /// How many of its bytes were given as units.
    given: usize,
    has_ended: bool,
    /// It is the rest of one that is torn.
    is_torn: bool,
}

/// A line in pieces, within which the log was rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    /// How many of its bytes were read.
    pub(crate) read: usize,
    /// Its end was read.
    pub(crate) has_ended: bool,
    /// How many bytes of it the log has now.
    pub(crate) found: usize,
    /// The last ones of them.
    pub(crate) last: Vec<u8>,
    /// Its end is among them.
    pub(crate) is_over: bool,
    /// What was read of it and is not in a unit yet.
    pub(crate) rest: Vec<u8>,
}

/// What to do with the present line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Its time stamp comes.
    Stamp,
    /// It is read, but for so many bytes that were given before.
    Read(usize),
    /// It was read before, or is not the program's.
    Skip,
    /// It may be one that is new in a log that was rotated.
    Keep,
    /// It is what the log has of one that is torn.
    Torn,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Log {
    piece: usize,
    place: Option<Place>,
    /// The place is looked for; so many lines with its stamp came.
    searching: Option<usize>,
    line: Line,
    head: Vec<u8>,
    later: Vec<u8>,
    /// What was read last is a line that is torn.
    pub(crate) torn: Option<Torn>,
    /// Others follow it.
    pub(crate) passed: Option<Torn>,
    unit: Vec<u8>,
    cutter: Cutter,
    /// It does not go on where it was read to: some of it may be gone.
    pub(crate) is_rotated: bool,
    /// Something stands in it that is not the program's.
    pub(crate) has_strange_lines: bool,
}

impl Log {
    pub(crate) fn new(piece: usize) -> Self {
        Self {
            piece,
            place: None,
            searching: None,
            line: Line::Stamp,
            head: Vec::new(),
            later: Vec::new(),
            torn: None,
            passed: None,
            unit: Vec::new(),
            cutter: Cutter::default(),
            is_rotated: false,
            has_strange_lines: false,
        }
    }

    /// From when on it is to be read, in whole seconds; none from its first byte.
    pub(crate) fn since(&self) -> Option<String> {
        // `sinceTime` is compared in whole seconds: with a fraction, lines of that second could be left out.
        let second = self.place.as_ref()?.stamp.as_second();
        Timestamp::from_second(second).ok().map(|since| since.to_string())
    }

    /// It is read, from what `since` said.
    pub(crate) fn begins(&mut self) {
        self.has_strange_lines = false;
        self.searching = self.place.is_some().then_some(0);
        self.line = Line::Stamp;
        self.head.clear();
        self.later.clear();
        // What was read of a unit is read again, or was rotated away.
        self.cutter = Cutter::default();
    }

    /// More of it came. Gives the units that ended.
    pub(crate) fn push(&mut self, bytes: &[u8], units: &mut Vec<Vec<u8>>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let newline = rest.iter().position(|byte| *byte == b'\n');
            let end = newline.map_or(rest.len(), |end| end + 1);
            match self.line {
                Line::Stamp => {
                    let space = rest[..end].iter().position(|byte| *byte == b' ');
                    let end = space.map_or(end, |end| end + 1).min(MAX_STAMP);
                    self.head.extend_from_slice(&rest[..end]);
                    rest = &rest[end..];
                    if self.head.ends_with(b" ") || self.head.ends_with(b"\n") || self.head.len() >= MAX_STAMP
                    {
                        self.line_begins(units);
                    }
                    continue;
                }
                Line::Read(given) => {
                    let known = given.min(end);
                    self.line = Line::Read(given - known);
                    self.give(&rest[known..end], units);
                }
                Line::Skip => {}
                Line::Torn => {
                    if let Some(torn) = &mut self.torn {
                        torn.found += end;
                        torn.last.extend_from_slice(&rest[..end]);
                        torn.last.drain(..torn.last.len().saturating_sub(MAX_LAST));
                        torn.is_over = newline.is_some();
                    }
                }
                Line::Keep => self.later.extend_from_slice(&rest[..end]),
            }
            if newline.is_some() {
                self.line = Line::Stamp;
            }
            rest = &rest[end..];
            if self.later.len() > MAX_LATER {
                self.rotated(units);
            }
        }
    }

    /// Gives bytes of the line that is read.
    fn give(&mut self, mut bytes: &[u8], units: &mut Vec<Vec<u8>>) {
        while let Some(end) = self.cutter.end(bytes, self.piece) {
            self.unit.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end..];
            let unit = std::mem::take(&mut self.unit);
            if let Some(place) = &mut self.place {
                place.given += unit.len();
                place.has_ended = unit.ends_with(b"\n");
            }
            units.push(unit);
        }
        self.unit.extend_from_slice(bytes);
    }

    /// A line's time stamp is whole.
    fn line_begins(&mut self, units: &mut Vec<Vec<u8>>) {
        let head = std::mem::take(&mut self.head);
        // A kubelet's own message (it cannot find the file, for example) stands in the log without a stamp.
        let Some(stamp) = stamp(&head) else {
            self.has_strange_lines = true;
            self.line = if head.ends_with(b"\n") {
                Line::Stamp
            } else {
                Line::Skip
            };
            return;
        };
        let is_same = self.place.as_ref().is_some_and(|place| place.stamp == stamp);
        // The place was found, or nothing was read yet: the line is new. Until then all is skipped that comes before the
        // place, since a reading begins at a whole second.
        let Some((place, seen)) = self.place.as_mut().zip(self.searching) else {
            // The first line after a rotation within a line may be a piece of it, read or not: it is only counted.
            let is_torn = self.torn.is_some() && self.place.is_none();
            // A further line shows that the torn one is over.
            if !is_torn {
                self.passed = self.torn.take().or(self.passed.take());
            }
            let place = self.place.as_ref().filter(|_| is_same);
            self.place = Some(Place {
                stamp,
                // Lines may have equal stamps, so a place needs a number among them.
                number: place.map_or(0, |place| place.number) + 1,
                given: 0,
                has_ended: false,
                is_torn,
            });
            self.line = if is_torn { Line::Torn } else { Line::Read(0) };
            return;
        };
        // Of several lines with this stamp, the one with the place's number is the place: those before it were read.
        if is_same {
            self.searching = Some(seen + 1);
            self.line = Line::Skip;
            if seen + 1 == place.number {
                self.searching = None;
                self.later.clear();
                // Bytes that were read and not given as a unit come again.
                self.unit.clear();
                self.line = match &mut self.torn {
                    Some(torn) if place.is_torn => {
                        torn.found = 0;
                        torn.last.clear();
                        Line::Torn
                    }
                    // A line that was cut off goes on behind what was given of it; one that had ended does not.
                    _ if place.has_ended => Line::Skip,
                    _ => Line::Read(place.given),
                };
            }
        } else if stamp <= place.stamp {
            // It comes before the place, so it was read.
            self.line = Line::Skip;
        } else {
            // A second is more than the two writers differ: the place does not come any more, so the log was rotated.
            let is_much_later = stamp.as_nanosecond() > place.stamp.as_nanosecond() + 1_000_000_000;
            self.later.extend_from_slice(&head);
            // Not given yet: where the place still follows, it was read as well.
            self.line = Line::Keep;
            if is_much_later {
                self.rotated(units);
            }
        }
    }

    /// Says whether lines wait for the place to be found before them.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.later.is_empty()
    }

    /// The place is not in it any more: what came after it is new.
    pub(crate) fn rotated(&mut self, units: &mut Vec<Vec<u8>>) {
        // A kubelet's message instead of the log says nothing about a rotation.
        let is_other = self.has_strange_lines && self.later.is_empty();
        if self.searching.take().is_none() || is_other {
            return;
        }
        let rest = std::mem::take(&mut self.unit);
        if let Some(torn) = self.torn.take_if(|torn| torn.is_over) {
            self.passed = Some(torn);
        } else if let Some(place) = self.place.take()
            && self.torn.is_none()
            && (!place.has_ended || place.given > self.piece)
        {
            self.torn = Some(Torn {
                read: place.given + rest.len(),
                has_ended: place.has_ended,
                found: 0,
                last: Vec::new(),
                is_over: false,
                rest,
            });
        }
        self.place = None;
        self.is_rotated = true;
        self.line = Line::Stamp;
        let later = std::mem::take(&mut self.later);
        self.push(&later, units);
    }

    /// All that it has of a torn line is new: it is read once more, from the first byte that it has now.
    pub(crate) fn again(&mut self) {
        *self = Self {
            unit: self.torn.take().map_or_else(Vec::new, |torn| torn.rest),
            ..Self::new(self.piece)
        };
    }

    /// It has come to its end, and the program too. Returns the text that has no newline.
    pub(crate) fn ends(&mut self) -> Vec<u8> {
        match self.torn.take() {
            Some(torn) if torn.is_over || torn.has_ended => {
                self.passed = Some(torn);
                Vec::new()
            }
            Some(mut torn) => {
                let rest = std::mem::take(&mut torn.rest);
                self.passed = Some(torn);
                rest
            }
            None => std::mem::take(&mut self.unit),
        }
    }
}

/// Reads `2026-01-31T12:00:00.123456789Z ` or the same with `+02:00`.
fn stamp(head: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(head.strip_suffix(b" ")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a log again, as it is then.
    fn read(log: &mut Log, text: &str) -> Vec<String> {
        let mut units = Vec::new();
        log.begins();
        log.push(text.as_bytes(), &mut units);
        units
            .into_iter()
            .map(|unit| String::from_utf8(unit).unwrap())
            .collect()
    }

    const ONE: &str = "2026-01-31T12:00:00.000000001Z one\n";
    const TWO: &str = "2026-01-31T12:00:00.000000001Z two\n";
    const THREE: &str = "2026-01-31T12:00:01.5Z three\n";
    const SOON_AFTER: &str = "2026-01-31T13:00:00.9+01:00 soon\n";

    #[test]
    fn a_reading_that_breaks_goes_on_where_it_was() {
        let mut log = Log::new(8);
        assert_eq!(log.since(), None);
        assert_eq!(
            read(&mut log, &format!("{ONE}{TWO}{}", &THREE[..28])),
            ["one\n", "two\n"]
        );
        assert_eq!(log.since().as_deref(), Some("2026-01-31T12:00:01Z"));
        assert_eq!(read(&mut log, THREE), ["three\n"]);
        assert_eq!(read(&mut log, THREE), [""; 0]);
        assert!(!log.is_rotated);
    }

    #[test]
    fn lines_with_one_time_stamp_are_counted() {
        let mut log = Log::new(8);
        assert_eq!(read(&mut log, ONE), ["one\n"]);
        assert_eq!(
            read(&mut log, &format!("{ONE}{TWO}{THREE}")),
            ["two\n", "three\n"]
        );
    }

    #[test]
    fn a_long_line_is_resumed_within() {
        let mut log = Log::new(4);
        let line = "2026-01-31T12:00:00Z abcdefghij\n";
        assert_eq!(read(&mut log, &line[..27]), ["abcd"]);
        assert_eq!(read(&mut log, line), ["efgh", "ij\n"]);
        assert_eq!(read(&mut log, &format!("{line}{THREE}")), ["thre", "e\n"]);
    }

    #[test]
    fn a_log_that_was_rotated_is_noticed_and_read_on() {
        let mut log = Log::new(8);
        read(&mut log, ONE);
        assert_eq!(read(&mut log, SOON_AFTER), [""; 0], "the place may still follow");
        assert!(log.is_in_doubt() && !log.is_rotated);
        assert_eq!(
            read(&mut log, &format!("{SOON_AFTER}{THREE}")),
            ["soon\n", "three\n"]
        );
        assert!(log.is_rotated);
    }

    #[test]
    fn a_line_in_which_a_log_was_rotated_is_not_read_twice() {
        let mut log = Log::new(4);
        assert_eq!(read(&mut log, "2026-01-31T12:00:00Z abcdefgh"), ["abcd", "efgh"]);
        // The file begins with a piece of the same line, of which it is not known whether it was read.
        let rotated = "2026-01-31T12:00:05Z efghijkl\n2026-01-31T12:00:06Z abc\n";
        assert_eq!(read(&mut log, rotated), ["abc\n"]);
        assert!(log.is_rotated);
    }

    #[test]
    fn what_is_not_the_programs_is_left_out() {
        let mut log = Log::new(64);
        let text = format!("unable to retrieve container logs for containerd://0\n\n{ONE}");
        assert_eq!(read(&mut log, &text), ["one\n"]);
        assert!(log.has_strange_lines);
    }

    #[test]
    fn time_stamps_are_compared_as_times() {
        let at = |text: &str| stamp(text.as_bytes()).map(Timestamp::as_nanosecond);
        assert_eq!(at("1970-01-01T00:00:00Z "), Some(0));
        assert_eq!(at("2024-02-29T12:00:00.5Z "), Some(1_709_208_000_500_000_000));
        assert_eq!(at("2024-02-29T14:00:00.5+02:00 "), at("2024-02-29T12:00:00.5Z "));
        assert_eq!(
            at("2024-03-01T00:00:00Z ").unwrap() - at("2024-02-29T00:00:00Z ").unwrap(),
            86_400_000_000_000
        );
        for strange in [
            "2024-02-29 ",
            "yesterday ",
            "2024-02-29T12:00:00.5 ",
            "\u{e4}\u{e4}\u{e4} ",
        ] {
            assert_eq!(at(strange), None, "{strange}");
        }
    }
}
