//! The end of the log: text without a newline, of one stream or of both, and what the log does not have.

use crate::{BOTH, Doubt, Stream, feed::Fragment, machine::Machine, text::find};

impl Machine {
    /// The log was read to its last byte. It ends with this text, which has no newline.
    pub(crate) fn finish(&mut self, rest: &[u8]) {
        while !self.units.is_empty() {
            // Both streams are within a line whose end is not in the log, or only in this text.
            self.cut_line(Stream::Stdout);
            self.settle();
        }
        BOTH.into_iter().for_each(|stream| self.finish_lines(stream));
        let parts = [Fit::Exact, Fit::Begun, Fit::Lost]
            .into_iter()
            .find_map(|fit| self.split(rest, fit));
        match parts {
            Some(parts) => parts
                .into_iter()
                .for_each(|(stream, part)| self.finish_part(stream, part)),
            None => {
                BOTH.into_iter().for_each(|stream| self.finish_part(stream, b""));
                self.show_missed(Stream::Stdout, rest);
            }
        }
        if self.ahead.bytes() > 0 {
            self.doubt(Doubt::LogIncomplete);
        }
    }

    /// The log has all the lines that are left, or lacks them.
    fn finish_lines(&mut self, stream: Stream) {
        while self.feeds[stream as usize]
            .queue
            .iter()
            .any(|fragment| fragment.is_whole() || (fragment.ends && fragment.shown > 0))
        {
            self.let_go(stream);
        }
        // Of what the log has, and was not begun to be shown, nothing is to be told.
        self.feeds[stream as usize]
            .queue
            .retain(|fragment| fragment.is_last || fragment.shown > 0);
    }

    /// Splits the log's last text into the parts of the streams, as far as both are known.
    fn split<'a>(&self, rest: &'a [u8], fit: Fit) -> Option<[(Stream, &'a [u8]); 2]> {
        let orders = [(Stream::Stdout, Stream::Stderr), (Stream::Stderr, Stream::Stdout)];
        let places = [rest.len()].into_iter().chain(1..rest.len());
        let ways = places.flat_map(|end| orders.map(|(one, two)| [(one, &rest[..end]), (two, &rest[end..])]));
        let ways = ways.filter(|parts| parts.iter().all(|(stream, part)| self.fits(*stream, part, fit)));
        let lost = |parts: &[(Stream, &[u8]); 2]| {
            parts
                .iter()
                .filter(|(stream, part)| !self.fits(*stream, part, Fit::Begun))
                .count()
        };
        ways.min_by_key(lost)
    }

    /// Returns whether a stream may end with this text, which has no newline.
    fn fits(&self, stream: Stream, part: &[u8], fit: Fit) -> bool {
        let queue = &self.feeds[stream as usize].queue;
        let (Some(first), Some(last)) = (queue.front(), queue.back()) else {
            // An attach that ended with the program has brought the end of each stream.
            let is_known =
                (self.has_finished && fit == Fit::Exact) || (self.setup.tty && stream == Stream::Stderr);
            return part.is_empty() || !is_known;
        };
        let is_long = self.is_longer(first, part);
        let is_exact = match queue.len() {
            1 if first.begins => part == first.raw,
            _ => part.ends_with(&last.raw) && starts_in(first, part).is_some(),
        };
        match fit {
            Fit::Exact => is_long || (last.is_last && is_exact),
            Fit::Begun => is_long || starts_in(first, part).is_some(),
            Fit::Lost => part.is_empty() || !last.is_last || starts_in(first, part).is_some(),
        }
    }

    /// Returns whether the text is only the end of what the attach brought of the line, which the log had pieces of.
    fn is_longer(&self, fragment: &Fragment, part: &[u8]) -> bool {
        let has_pieces = fragment.raw.len() >= self.setup.piece || self.continued().is_some();
        !fragment.begins && has_pieces && fragment.raw.ends_with(part)
    }

    /// A stream ends with this text in the log.
    fn finish_part(&mut self, stream: Stream, part: &[u8]) {
        let place = self.continued().unwrap_or(stream);
        let Some(first) = self.feeds[stream as usize].pop() else {
            if !part.is_empty() {
                self.show_missed(place, part);
            }
            return;
        };
        let is_known = || self.is_longer(&first, part) || self.early.any(|text| text.ends_with(&first.raw));
        match starts_in(&first, part) {
            Some(start) if first.shown > 0 => self.show_logged(stream, &part[start + first.shown..], false),
            None if is_known() => self.show_logged(place, part, false),
            Some(_) => self.show_logged(place, part, false),
            None if first.is_last => {
                self.doubt(Doubt::LogIncomplete);
                self.show(stream, &first.raw[first.shown..]);
            }
            None if first.shown > 0 => self.end_missing(stream),
            None => {}
        }
    }
}

/// Where what an attach brought of a stream's last line is in that line.
fn starts_in(fragment: &Fragment, part: &[u8]) -> Option<usize> {
    match fragment.begins {
        true => part.starts_with(&fragment.raw).then_some(0),
        false => find(part, &fragment.raw),
    }
}

/// How well what the attaches brought of the last lines goes with the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It is all that there is.
    Exact,
    /// It is where they begin.
    Begun,
    /// The log may lack it.
    Lost,
}
