//! The end of the log: text without a newline, of one stream or of both, and what the log does not have.

use crate::{
    BOTH, Doubt, Stream,
    feed::Fragment,
    machine::{Line, Machine},
    merge::MAX_LOOKED,
    text::{find, plain, without_end},
};

/// How many places are looked at where the same text stands in the log's last text.
const MAX_PLACES: usize = 64;

/// A shorter text is not told from what a line happens to begin with.
const MIN_END: usize = 6;

impl Machine {
    /// The log was read to its last byte. It ends with `last_text`, which has no newline.
    pub(crate) fn finish(&mut self) {
        let rest = &std::mem::take(&mut self.last_text)[..];
        // Lines before ends: what a stream ends with comes after all of its lines.
        BOTH.into_iter().for_each(|stream| self.finish_lines(stream));
        // The strictest first: each further one accepts more places at which the streams' ends may meet.
        let parts = [Fit::Exact, Fit::Begun, Fit::Lost]
            .into_iter()
            .find_map(|fit| self.split(rest, fit));
        match parts {
            Some(parts) => parts.into_iter().for_each(|(stream, part)| {
                self.finish_part(stream, part);
                self.line_is_over(stream);
            }),
            None => {
                BOTH.into_iter().for_each(|stream| self.finish_part(stream, b""));
                self.finish_missed(rest);
            }
        }
        // The other stream's end may come after this one's: so the log has it.
        let is_uncertain = !self.waiting.is_empty() && (self.is_doubted() || !self.has_finished);
        if is_uncertain || self.waiting.iter().any(|unit| unit.ends_with(b"\n")) {
            self.cut_line(Stream::Stdout);
        }
        self.show_waiting();
        // The log is complete: what was shown and is not in it, the log has lost, and perhaps other lines with it.
        if self.ahead.bytes() > 0 {
            self.doubt(Doubt::LogIncomplete);
        }
    }

    /// When a program ends, the log may have what one stream ends with before the last lines of the other, and in one line with
    /// the first of them: these are two units. Whether it is so the log's last text tells: it has not what is in a line.
    pub(crate) fn settle_ends(&mut self) {
        let front = self.units.front();
        let known = front.and_then(|unit| self.end_within(&unit.raw));
        let known = known.filter(|(stream, _)| !self.feeds[*stream as usize].is_open && !self.has_ends());
        let unknown = || front.and_then(|unit| self.unknown_end_within(&unit.raw));
        let Some((stream, end)) = known.or_else(unknown).filter(|_| !self.waits_for_last_text()) else {
            return;
        };
        if let Some(unit) = self.units.front_mut() {
            let line = unit.raw.split_off(end);
            let part = std::mem::replace(&mut unit.raw, line);
            self.unit_bytes -= end;
            self.confirmed(stream);
            self.finish_part(stream, &part);
            self.lines[stream as usize] = Line::Ended;
        }
    }

    /// Returns whether the log's last text tells what a unit is, and is still to come.
    pub(crate) fn waits_for_last_text(&self) -> bool {
        !self.is_read() && self.unit_bytes < self.setup.limit / 2
    }

    /// How much of a unit is what a stream has ended with, where the rest is the other one's next line.
    pub(crate) fn end_within(&self, unit: &[u8]) -> Option<(Stream, usize)> {
        let ends = |stream: Stream| Some((stream, self.end_before(stream, unit)?));
        BOTH.into_iter().find_map(ends)
    }

    /// How much of a unit is what a stream ends with, where the rest is the other one's next line.
    pub(crate) fn end_before(&self, stream: Stream, unit: &[u8]) -> Option<usize> {
        let (feed, others) = (&self.feeds[stream as usize], &self.feeds[other(stream) as usize]);
        let last = feed
            .queue
            .front()
            .filter(|last| !last.ends && feed.queue.len() == 1)?;
        let line = others.queue.front()?;
        // While it may still go on, a short one is not told from what a line happens to begin with.
        let is_end = last.is_last || (feed.is_open && last.raw.len() >= MIN_END);
        let is_line_itself = || {
            others
                .queue
                .iter()
                .take(MAX_PLACES)
                .any(|next| next.is_same(unit))
        };
        let end = end_and_line(last, line, unit).filter(|_| is_end)?;
        (!self.ahead.has(&plain(unit)) && !is_line_itself()).then_some(end)
    }

    /// The same where the attach broke before it brought how that stream ends, when it had brought the other one's line. Short lines
    /// are the end of others by chance, and so may be one that is still to come.
    pub(crate) fn unknown_end_within(&self, unit: &[u8]) -> Option<(Stream, usize)> {
        if !self.is_over() || self.has_finished || self.ahead.has(&plain(unit)) {
            return None;
        }
        let end_before = |line_on: Stream| {
            let line = self.feeds[line_on as usize].queue.front()?;
            let is_certain = line.is_whole() && line.shown == 0 && without_end(&line.raw).len() >= MIN_END;
            let part = without_end(unit).strip_suffix(without_end(&line.raw))?;
            let begun = &self.feeds[other(line_on) as usize].queue;
            let is_end = match begun.front() {
                None => true,
                Some(begun) if begun.ends => false,
                Some(begun) => starts_in(begun, part).is_some(),
            };
            let later = || self.units.iter().skip(1).take(MAX_LOOKED);
            let fits = is_certain && is_end && begun.len() <= 1 && !part.is_empty() && unit.ends_with(b"\n");
            (fits && !later().any(|unit| line.is_same(&unit.raw))).then_some((other(line_on), part.len()))
        };
        BOTH.into_iter().find_map(end_before)
    }

    /// Returns whether the log's last text is what both streams have ended with, as far as that is known.
    fn has_ends(&self) -> bool {
        let is_end = |stream: Stream, part: &[u8]| {
            let feed = &self.feeds[stream as usize];
            match feed.queue.back().filter(|last| last.is_last) {
                Some(last) if last.begins => part == last.raw,
                Some(last) => part.ends_with(&last.raw),
                None => part.is_empty() || !feed.is_used,
            }
        };
        let rest = &self.last_text[..];
        let is_both = |one: Stream, at: usize| is_end(one, &rest[..at]) && is_end(other(one), &rest[at..]);
        (0..=rest.len()).any(|at| BOTH.into_iter().any(|one| is_both(one, at)))
    }

    /// A stream ends where it is. What comes after it does not go on with its line.
    fn line_is_over(&mut self, stream: Stream) {
        let line = &mut self.lines[stream as usize];
        *line = match stream {
            Stream::Stdout if *line != Line::Ended => Line::ByLog,
            _ => Line::Ended,
        };
    }

    fn finish_missed(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.show_missed(rest.to_vec());
        }
    }

    /// The log has all the lines that are left, or lacks them.
    fn finish_lines(&mut self, stream: Stream) {
        let is_line = |fragment: &Fragment| fragment.is_whole() || (fragment.ends && fragment.shown > 0);
        if self.is_doubted() {
            self.finish_head(stream);
        }
        while self.feeds[stream as usize].queue.iter().any(is_line) {
            self.let_go(stream);
        }
        // Of what the log has, and was not begun to be shown, nothing is to be told.
        self.feeds[stream as usize]
            .queue
            .retain(|fragment| fragment.is_last || fragment.shown > 0);
    }

    /// Of the first line of an attach the log may have nothing: then its end is all that there is of it.
    fn finish_head(&mut self, stream: Stream) {
        let piece = self.setup.piece;
        let is_piece = |text: &Vec<u8>| text.len() >= piece && !text.ends_with(b"\n");
        let has_pieces = self.early.any(is_piece);
        let feed = &mut self.feeds[stream as usize];
        let head = feed.queue.front_mut().filter(|head| !head.begins && head.ends);
        // It may be longer than the last piece of its line.
        let is_end = |head: &Fragment, text: &Vec<u8>| {
            has_pieces && (ends_with(&head.raw, text) || (is_piece(text) && find(&head.raw, text).is_some()))
        };
        let is_shown = |head: &Fragment| {
            self.early
                .any(|text| head.start_in(text, piece).is_some() || is_end(head, text))
        };
        if let Some(head) = head.filter(|head| !is_shown(head)) {
            head.begins = true;
        }
    }

    /// Splits the log's last text into the parts of the streams, as far as both are known.
    fn split<'a>(&self, rest: &'a [u8], fit: Fit) -> Option<[(Stream, &'a [u8]); 2]> {
        let orders = [(Stream::Stdout, Stream::Stderr), (Stream::Stderr, Stream::Stdout)];
        let ways = orders.into_iter().flat_map(|(one, two)| {
            let places = self.places(rest, one, two);
            places
                .into_iter()
                .map(move |end| [(one, &rest[..end]), (two, &rest[end..])])
        });
        let ways = ways.filter(|parts| parts.iter().all(|(stream, part)| self.fits(*stream, part, fit)));
        let lost = |parts: &[(Stream, &[u8]); 2]| {
            let fits = parts
                .iter()
                .filter(|(stream, part)| self.fits(*stream, part, Fit::Begun));
            2 - fits.count()
        };
        ways.min_by_key(lost)
    }

    /// Where the end of one stream's text may be and that of the other may begin.
    fn places(&self, rest: &[u8], one: Stream, two: Stream) -> Vec<usize> {
        let known = |stream: Stream| self.feeds[stream as usize].queue.iter();
        let ends = known(one).flat_map(|known| {
            let places = occurrences(rest, &known.raw).map(|start| start + known.raw.len());
            places.chain([known.raw.len()])
        });
        let starts = known(two).flat_map(|known| {
            let last = rest.len().checked_sub(known.raw.len());
            occurrences(rest, &known.raw).chain(last)
        });
        let places = [rest.len(), 0].into_iter().chain(ends).chain(starts);
        places.filter(|place| *place <= rest.len()).collect()
    }

    /// Returns whether a stream may end with this text, which has no newline.
    fn fits(&self, stream: Stream, part: &[u8], fit: Fit) -> bool {
        let queue = &self.feeds[stream as usize].queue;
        let (Some(first), Some(last)) = (queue.front(), queue.back()) else {
            // An attach that ended with the program has brought the end of each stream of which it has brought anything.
            let has_brought = self.has_finished && self.feeds[stream as usize].is_used;
            let is_known = (has_brought && fit == Fit::Exact) || (self.setup.tty && stream == Stream::Stderr);
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
        let has_pieces = fragment.raw.len() >= self.setup.piece || self.lines.contains(&Line::ByLog);
        !fragment.begins && has_pieces && fragment.raw.ends_with(part)
    }

    /// A stream ends with this text in the log.
    fn finish_part(&mut self, stream: Stream, part: &[u8]) {
        let Some(first) = self.feeds[stream as usize].pop() else {
            return self.finish_missed(part);
        };
        // It may be the beginning of what the log had as one line.
        let is_in = |text: &Vec<u8>| {
            text.ends_with(&first.raw) || (first.raw.len() >= MIN_END && find(text, &first.raw).is_some())
        };
        let is_known = self.is_longer(&first, part) || self.early.any(is_in);
        match starts_in(&first, part) {
            Some(start) if first.shown > 0 => {
                self.show_logged(stream, &part[start + first.shown..], false, Line::ByLog);
            }
            Some(_) => self.show_logged(stream, part, false, Line::ByLog),
            None if is_known => self.show_logged(stream, part, false, Line::ByLog),
            None => {
                if first.is_last {
                    self.doubt(Doubt::LogIncomplete);
                    self.show(stream, &first.raw[first.shown..], Line::ByAttach);
                } else if first.shown > 0 {
                    self.end_missing(stream);
                }
                self.finish_missed(part);
            }
        }
    }
}

pub(crate) const fn other(stream: Stream) -> Stream {
    match stream {
        Stream::Stdout => Stream::Stderr,
        Stream::Stderr => Stream::Stdout,
    }
}

/// How much of a unit is what a stream ends with, where the rest is this line of the other one.
pub(crate) fn end_and_line(last: &Fragment, line: &Fragment, unit: &[u8]) -> Option<usize> {
    if !unit.ends_with(b"\n") || !line.raw.ends_with(b"\n") {
        return None;
    }
    let part = without_end(unit).strip_suffix(without_end(&line.raw))?;
    let is_last = match last.begins {
        true => part == last.raw,
        false => part.ends_with(&last.raw),
    };
    is_last.then_some(part.len())
}

/// Returns whether the end of a line ends with another one, but for carriage returns.
fn ends_with(line: &[u8], end: &[u8]) -> bool {
    end.ends_with(b"\n") && without_end(line).ends_with(without_end(end))
}

/// Where a part stands in a text: the first places.
fn occurrences(text: &[u8], part: &[u8]) -> impl Iterator<Item = usize> {
    let is_there = |place: &usize| !part.is_empty() && text[*place..].starts_with(part);
    (0..text.len()).filter(is_there).take(MAX_PLACES)
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
