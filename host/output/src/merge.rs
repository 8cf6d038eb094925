//! The merge of both sources: what becomes of the log's next unit, and of what the attach brought and the log did not.

use crate::{
    BOTH, ENTRY, Event, Output, PATIENCE, Stream,
    counts::Recent,
    feed::Fragment,
    machine::Machine,
    text::{find, plain, same, with_returns, without_questions, without_returns},
};

/// How many units are looked through where the same text may be of either stream.
const MAX_PASSED: usize = 256;

/// Back to the start of the line, and clear it.
const CLEAR_LINE: &[u8] = b"\r\x1b[K";

/// What becomes of the log's next unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The attach brought it: it is shown on its stream.
    Brought(Stream),
    /// It was shown when the attach brought it.
    Known,
    /// The attach brought a part of it: the fragment with this index on a stream, which begins at this byte of it.
    Part(Stream, usize, usize),
    /// The attach did not bring it. It is shown here.
    Missed(Stream),
    /// It is a piece of a line that began before the attach, which brings the rest on this stream.
    Within(Stream),
    /// The attach did not bring it, and it is to be shown when the attach's line on this stream is.
    Closes(Stream),
    /// The same, when another unit of the log, with this index, has closed a line.
    After(usize),
    /// The attach may still bring it.
    Waits,
}

impl Machine {
    /// Decides what can be decided.
    pub(crate) fn settle(&mut self) {
        let was_read = self.wants_attach();
        loop {
            let is_settled =
                self.settle_log() | self.settle_attach(Stream::Stdout) | self.settle_attach(Stream::Stderr);
            self.go_live();
            if !is_settled {
                break;
            }
        }
        if !(was_read && self.wants_attach()) {
            self.blocked_at = self.now;
        }
        BOTH.into_iter().for_each(|stream| self.show_part(stream));
        if !self.may_come() && self.feeds.iter().all(|feed| feed.queue.is_empty()) {
            self.early = Recent::default();
            self.lent.clear();
        }
    }

    fn settle_log(&mut self) -> bool {
        let mut is_settled = false;
        while let Some(fate) = self.fate() {
            match fate {
                Fate::Brought(stream) => self.brought(stream),
                Fate::Known => self.known(),
                Fate::Part(stream, index, start) => {
                    (0..index).for_each(|_| self.pass(stream));
                    match self.feeds[stream as usize].queue.front() {
                        Some(next) if next.is_whole() => self.brought(stream),
                        _ => self.part(stream, start),
                    }
                }
                Fate::Missed(stream) => self.missed(stream),
                Fate::Within(stream) => {
                    let unit = self.next_unit();
                    if self.feeds[stream as usize].part().is_none()
                        || self.feeds.iter().all(|feed| feed.is_used)
                    {
                        // It may be one that the attach brings after that line, or on the other stream.
                        self.add_early(&unit);
                    }
                    self.show_piece(self.continued().unwrap_or(stream), &unit);
                }
                Fate::Closes(stream) => self.let_go(stream),
                Fate::After(index) => {
                    let first = self.units.remove(index).expect("a unit that was found is there");
                    self.units.push_front(first);
                }
                Fate::Waits => break,
            }
            is_settled = true;
        }
        is_settled
    }

    fn fate(&self) -> Option<Fate> {
        let unit = self.units.front()?;
        let raw = &unit.raw;
        if let Some(stream) = self.brought_on(raw, true) {
            return Some(Fate::Brought(stream));
        }
        let piece = self.setup.piece;
        let is_piece = raw.len() >= piece && !raw.ends_with(b"\n");
        let is_within_cut = || is_piece && self.cut.iter().any(|cut| cut.raw.len() >= piece);
        if self.ahead.has(&plain(raw)) || self.cut_of(raw).is_some() || is_within_cut() {
            return Some(Fate::Known);
        }
        if let Some(stream) = self.brought_on(raw, false) {
            return Some(Fate::Brought(stream));
        }
        let long = |stream: Stream| {
            self.feeds[stream as usize]
                .long(piece)
                .filter(|_| is_piece && !BOTH.into_iter().any(|stream| self.has_begun(stream, raw)))
        };
        match BOTH.map(long) {
            [Some(long), None] | [None, Some(long)] if long.shown > 0 => return Some(Fate::Known),
            [Some(_), None] => return Some(Fate::Within(Stream::Stdout)),
            [None, Some(_)] => return Some(Fate::Within(Stream::Stderr)),
            _ => {}
        }
        if self.awaited_until(unit.at).is_some_and(|until| self.now < until) {
            return Some(Fate::Waits);
        }
        if self.wants_log()
            && self.wants_attach()
            && BOTH.into_iter().all(|stream| self.is_begun(stream, raw))
        {
            return Some(Fate::Waits);
        }
        let parts = BOTH.into_iter().filter_map(|stream| {
            let (index, start) = self.find(stream, raw)?;
            let fragment = &self.feeds[stream as usize].queue[index];
            Some((
                (
                    fragment.shown > 0 && !fragment.is_last && self.feeds[stream as usize].part().is_none(),
                    self.continued() == Some(stream),
                    fragment.is_whole(),
                    fragment.shown > 0,
                    start == 0,
                    fragment.raw.len(),
                    self.is_followed(stream, index, raw),
                ),
                Fate::Part(stream, index, start),
            ))
        });
        if let Some((_, part)) = parts.max_by_key(|(likely, _)| *likely) {
            return Some(part);
        }
        if self.has_gap.contains(&true) && !self.wants_attach() {
            // What was brought before it the log does not have, and there is no room for it yet.
            let feed = |stream: &Stream| &self.feeds[*stream as usize];
            let can_go = |stream: &Stream| {
                self.has_gap[*stream as usize]
                    && !feed(stream).queue.is_empty()
                    && feed(stream).part().is_none()
            };
            let fullest = BOTH
                .into_iter()
                .filter(can_go)
                .max_by_key(|stream| feed(stream).bytes);
            return fullest.map(Fate::Closes).or_else(|| Some(self.fate_of_missed()));
        }
        Some(self.fate_of_missed())
    }

    /// The fragment of a stream that a unit of the log may be the whole of, and where in the unit it begins. Before it are only
    /// such as may be passed over.
    fn find(&self, stream: Stream, unit: &[u8]) -> Option<(usize, usize)> {
        let feed = &self.feeds[stream as usize];
        let count = self.passed(stream);
        let reached = feed.queue.iter().take(count + 1);
        let same = reached
            .clone()
            .position(|fragment| fragment.is_whole() && fragment.is_same(unit))
            .map(|index| (index, 0));
        let part = || {
            reached.enumerate().find_map(|(index, fragment)| {
                Some((index, feed.start_in(index, fragment, unit, self.setup.piece)?))
            })
        };
        same.or_else(part)
    }

    /// How many fragments of a stream the log may be past: it has told of them, or has them as parts of units.
    fn passed(&self, stream: Stream) -> usize {
        let is_passed = |fragment: &&Fragment| match fragment.is_whole() {
            true => self.has_gap[stream as usize] || self.was_told(stream, fragment),
            false => fragment.shown == 0,
        };
        let limit = if self.has_gap[stream as usize] {
            usize::MAX
        } else {
            MAX_PASSED
        };
        self.feeds[stream as usize]
            .queue
            .iter()
            .take(limit)
            .take_while(is_passed)
            .count()
    }

    /// A unit has waited for long, or the attach has to, so that standard output should be within no line.
    fn is_overdue(&self) -> bool {
        let since = self.units.front().map(|unit| unit.at);
        since.is_some_and(|since| self.now >= since + PATIENCE) || !self.wants_log() || !self.wants_attach()
    }

    /// Returns whether it is not known which unit of the log a stream has next.
    pub(crate) fn is_undecided(&self, stream: Stream) -> bool {
        let feed = &self.feeds[stream as usize];
        self.passed(stream) + usize::from(feed.is_open) >= feed.queue.len()
    }

    /// Returns whether the log has told this unit already: it was shown as missed, or taken for the same text of the other stream.
    fn was_told(&self, stream: Stream, unit: &Fragment) -> bool {
        (unit.shown == 0 && self.early.has(&plain(&unit.raw))) || self.lent_index(stream, &unit.raw).is_some()
    }

    fn lent_index(&self, stream: Stream, unit: &[u8]) -> Option<usize> {
        self.lent
            .iter()
            .position(|(to, text)| *to != Some(stream) && same(text, unit))
    }

    /// Deals with a fragment before one that the log has come to.
    fn pass(&mut self, stream: Stream) {
        let Some(fragment) = self.feeds[stream as usize].pop().filter(Fragment::is_whole) else {
            return;
        };
        if fragment.shown == 0 && self.early.take(&plain(&fragment.raw)) {
            return;
        }
        if let Some(index) = self.lent_index(stream, &fragment.raw) {
            self.lent.remove(index);
        }
        self.show(stream, &fragment.raw[fragment.shown..]);
        self.add_ahead(&fragment.raw);
    }

    /// Returns whether the attach brings a line of which a part is shown, and which may be this unit.
    fn is_begun(&self, stream: Stream, unit: &[u8]) -> bool {
        let part = self.feeds[stream as usize].part().filter(|part| part.shown > 0);
        part.is_some_and(|part| part.start_in(unit, self.setup.piece).is_some())
    }

    /// Returns whether the attach after the one that broke within a line has brought the end of that line.
    fn is_followed(&self, stream: Stream, index: usize, unit: &[u8]) -> bool {
        let next = self.feeds[stream as usize]
            .queue
            .get(index + 1)
            .filter(|next| !next.begins && next.ends);
        next.is_some_and(|next| next.start_in(unit, self.setup.piece).is_some())
    }

    /// Returns whether a stream is within a line of which a part is shown, and which may be this unit.
    fn has_begun(&self, stream: Stream, unit: &[u8]) -> bool {
        let next = self.feeds[stream as usize]
            .queue
            .front()
            .filter(|next| next.shown > 0);
        next.is_some_and(|next| next.start_in(unit, self.setup.piece).is_some())
    }

    /// The stream of which the next fragment is the same as a unit of the log; of both, the one that was brought earlier.
    fn brought_on(&self, unit: &[u8], begins: bool) -> Option<Stream> {
        let next = |stream: &Stream| self.feeds[*stream as usize].queue.front();
        let is_brought = |stream: &Stream| {
            let is_same = next(stream).is_some_and(|next| next.begins == begins && next.is_same(unit));
            let other = self.continued().filter(|continued| continued != stream);
            let is_rest = |stream: &Stream| {
                next(stream).is_some_and(|next| next.start_in(unit, self.setup.piece).is_some())
            };
            is_same
                && match begins {
                    true => !other.is_some_and(|other| is_rest(&other)),
                    false => other.is_none() && !BOTH.into_iter().any(|stream| self.has_begun(stream, unit)),
                }
        };
        BOTH.into_iter()
            .filter(is_brought)
            .min_by_key(|stream| next(stream).map(|next| next.at))
    }

    /// A unit that the log alone has is shown on standard output, or on standard error while that is within a line.
    fn fate_of_missed(&self) -> Fate {
        let is_open = |stream: Stream| self.open[stream as usize];
        let begun = |stream: Stream| {
            self.feeds[stream as usize]
                .queue
                .front()
                .filter(|next| next.shown > 0)
        };
        let has_ended = |stream: Stream| begun(stream).is_some_and(|next| next.ends);
        let closer = |stream: Stream| {
            let begun = begun(stream).filter(|_| is_open(stream))?;
            let units = self.units.iter().take(MAX_PASSED);
            units
                .enumerate()
                .skip(1)
                .find_map(|(index, unit)| begun.start_in(&unit.raw, self.setup.piece).map(|_| index))
        };
        match self.continued() {
            Some(stream) => Fate::Missed(stream),
            _ if !is_open(Stream::Stdout) || self.may_redraw() => Fate::Missed(Stream::Stdout),
            _ if has_ended(Stream::Stdout) => Fate::Closes(Stream::Stdout),
            _ if self.may_come() && !self.is_overdue() && closer(Stream::Stdout).is_none() => Fate::Waits,
            _ if !is_open(Stream::Stderr) && !self.setup.tty => Fate::Missed(Stream::Stderr),
            _ if has_ended(Stream::Stderr) => Fate::Closes(Stream::Stderr),
            _ => match closer(Stream::Stdout).or_else(|| closer(Stream::Stderr)) {
                Some(index) => Fate::After(index),
                None if self.wants_log() && self.wants_attach() => Fate::Waits,
                None => Fate::Missed(Stream::Stdout),
            },
        }
    }

    fn brought(&mut self, stream: Stream) {
        if std::mem::take(&mut self.has_gap[stream as usize]) {
            // The log will not have what was shown before.
            self.lost_ahead = self.ahead.bytes();
        }
        let unit = self.next_unit();
        self.is_placed = true;
        let feed = &mut self.feeds[stream as usize];
        feed.confirmed_at = self.now;
        let fragment = feed.pop().expect("the fragment was found");
        self.show(stream, &fragment.raw[fragment.shown..]);
        self.unit_ends(stream, &unit, false);
        if !fragment.begins {
            // It may have been the end of another unit, and the attach may bring this one as well.
            self.add_early(&unit);
            return;
        }
        if !self.setup.tty {
            self.lend(Some(stream), fragment.raw);
        }
    }

    fn lend(&mut self, stream: Option<Stream>, unit: Vec<u8>) {
        self.lent.push_back((stream, unit));
        if self.lent.len() > MAX_PASSED {
            self.lent.pop_front();
        }
    }

    fn known(&mut self) {
        let unit = self.next_unit();
        if self.ahead.take(&plain(&unit)) {
            self.lend(None, unit);
        } else if let Some((index, start)) = self.cut_of(&unit) {
            let cut = self.cut.remove(index);
            self.beginning_missing(Stream::Stdout, &unit[..start], &cut.raw);
        }
    }

    fn cut_of(&self, unit: &[u8]) -> Option<(usize, usize)> {
        let starts = self.cut.iter().map(|cut| cut.start_in(unit, self.setup.piece));
        starts
            .enumerate()
            .find_map(|(index, start)| Some((index, start?)))
    }

    fn add_ahead(&mut self, unit: &[u8]) {
        self.ahead.add(&plain(unit));
        self.ahead_at = self.now;
    }

    fn add_early(&mut self, unit: &[u8]) {
        self.early.add(&plain(unit));
        self.early_at = self.now;
    }

    /// A unit is shown, less what is on the screen of the fragment of it.
    fn part(&mut self, stream: Stream, start: usize) {
        let unit = self.next_unit();
        self.is_placed = true;
        // It may have been a part of another unit, and the attach may bring this one as well.
        self.add_early(&unit);
        let feed = &mut self.feeds[stream as usize];
        feed.confirmed_at = self.now;
        let is_open = feed.part().is_some();
        let fragment = feed.queue.front_mut().expect("the fragment was found");
        let shown = std::mem::take(&mut fragment.shown);
        let after_return = fragment.raw[..shown].ends_with(b"\r");
        let is_exact = fragment.ends;
        let text = match is_exact {
            true if shown > 0 => fragment.raw[shown..].to_vec(),
            true if !fragment.is_longer_than(&unit) => [&unit[..start], &fragment.raw[..]].concat(),
            _ if shown > 0 => unit[unit_index(&unit, start + shown)..].to_vec(),
            _ => unit.clone(),
        };
        let end = start + fragment.raw.len();
        if !is_open {
            feed.pop();
            self.pass_end_of(stream, &unit, end);
        }
        if shown > 0 {
            self.beginning_missing(stream, &unit[..start], &unit[start..]);
        }
        // Where the beginning of its line was shown as missed, the rest is as well.
        let stream = self.continued().filter(|_| shown == 0).unwrap_or(stream);
        if is_exact {
            self.show(stream, &text);
        } else {
            self.show_logged(stream, &text, after_return);
        }
        self.unit_ends(stream, &unit, false);
    }

    /// The unit in which an attach broke may be the one in which the next one began.
    fn pass_end_of(&mut self, stream: Stream, unit: &[u8], from: usize) {
        let feed = &mut self.feeds[stream as usize];
        let Some(next) = feed
            .queue
            .front()
            .filter(|next| !next.begins && next.ends && next.shown == 0)
        else {
            return;
        };
        if next
            .start_in(unit, self.setup.piece)
            .is_some_and(|start| start >= from)
        {
            feed.pop();
        }
    }

    fn missed(&mut self, stream: Stream) {
        let unit = self.next_unit();
        self.unheard += unit.len() + ENTRY;
        self.add_early(&unit);
        self.show_missed(stream, &unit);
    }

    pub(crate) fn show_missed(&mut self, stream: Stream, text: &[u8]) {
        if !self.from_log_told {
            self.from_log_told = true;
            self.event(Event::FromLog);
        }
        if self.continued() != Some(stream) && !self.may_redraw() {
            self.cut_line(stream);
        }
        self.show_piece(stream, text);
    }

    fn show_piece(&mut self, stream: Stream, text: &[u8]) {
        self.show_logged(stream, text, false);
        self.unit_ends(stream, text, true);
    }

    /// A unit was shown: if it is a piece, another one follows.
    fn unit_ends(&mut self, stream: Stream, unit: &[u8], is_missed: bool) {
        self.piece_on[stream as usize] = (!unit.ends_with(b"\n")).then_some(is_missed);
    }

    /// The stream of the line that the log goes on with.
    pub(crate) fn continued(&self) -> Option<Stream> {
        let is_continued = |stream: &Stream| {
            self.piece_on[*stream as usize].is_some_and(|is_missed| is_missed || !self.may_come())
        };
        BOTH.into_iter().find(is_continued)
    }

    /// The line on which a terminal's cursor is may be written again.
    fn may_redraw(&self) -> bool {
        self.is_eager() && self.feeds[0].part().is_some_and(|part| part.shown > 0)
    }

    /// Deals with what the log did not confirm in time.
    fn settle_attach(&mut self, stream: Stream) -> bool {
        let mut is_settled = false;
        while self.patience(stream).is_some_and(|until| self.now >= until) {
            is_settled = true;
            self.let_go(stream);
        }
        is_settled
    }

    /// Deals with the first fragment of a stream without the log.
    pub(crate) fn let_go(&mut self, stream: Stream) {
        let fragment = self.feeds[stream as usize]
            .pop()
            .expect("a fragment that waits is there");
        let is_known = fragment.is_whole() && fragment.shown == 0 && self.early.take(&plain(&fragment.raw));
        let is_shown = fragment.is_whole() || fragment.shown > 0 || self.is_blind();
        if is_known || !is_shown {
            return;
        }
        if !fragment.ends && !self.is_blind() {
            return self.end_missing(stream);
        }
        self.show(stream, &fragment.raw[fragment.shown..]);
        match fragment.begins {
            _ if self.is_blind() => {}
            true => self.add_ahead(&fragment.raw),
            false => self.cut.push(fragment),
        }
    }

    /// Shows what may be shown of a unit that has not ended.
    fn show_part(&mut self, stream: Stream) {
        if self.pause(stream).is_none_or(|until| self.now < until) {
            return;
        }
        let may_be_late = self.now < self.kept_until();
        let feed = &mut self.feeds[stream as usize];
        let part = feed.queue.front_mut().expect("a part that is shown is there");
        if may_be_late && self.early.any(|text| part.may_be_of(text)) {
            return;
        }
        // A carriage return before a newline may be left out of the log.
        let end = without_returns(&part.raw).len().max(part.shown);
        let bytes = part.raw[part.shown..end].to_vec();
        part.shown = end;
        self.show(stream, &bytes);
    }

    pub(crate) fn show(&mut self, stream: Stream, bytes: &[u8]) {
        let Some(last) = bytes.last() else {
            return;
        };
        self.open[stream as usize] = *last != b'\n';
        self.piece_on[stream as usize] = None;
        match self.out.back_mut() {
            Some(Output::Show(same, shown)) if *same == stream => shown.extend_from_slice(bytes),
            _ => self.out.push_back(Output::Show(stream, bytes.to_vec())),
        }
    }

    /// Shows text of the log as the program wrote it; at a terminal before the line on which the cursor is.
    pub(crate) fn show_logged(&mut self, stream: Stream, text: &[u8], after_return: bool) {
        if !self.setup.tty {
            return self.show(stream, text);
        }
        let text = with_returns(text, after_return);
        let line = self.feeds[0]
            .part()
            .filter(|_| self.is_eager())
            .map(|part| part.raw[..part.shown].to_vec());
        let line = line.filter(|line| !line.is_empty());
        if line.is_some() {
            self.show(stream, CLEAR_LINE);
        }
        self.show(
            stream,
            &if self.is_eager() {
                without_questions(&text)
            } else {
                text
            },
        );
        self.show(stream, &line.unwrap_or_default());
    }

    /// At a terminal not told of a prompt that was written again.
    fn beginning_missing(&mut self, stream: Stream, text: &[u8], shown: &[u8]) {
        if !text.is_empty() && !(self.is_eager() && find(shown, text).is_some()) {
            self.event(Event::BeginningMissing {
                stream,
                text: text.to_vec(),
            });
        }
    }

    /// Ends a line so that another one can be shown.
    pub(crate) fn cut_line(&mut self, stream: Stream) {
        if self.open[stream as usize] {
            self.event(Event::LineCut { stream });
            self.end_line(stream);
        }
    }

    pub(crate) fn end_missing(&mut self, stream: Stream) {
        self.event(Event::EndMissing { stream });
        self.end_line(stream);
    }

    fn end_line(&mut self, stream: Stream) {
        if self.open[stream as usize] {
            self.show(stream, if self.setup.tty { b"\r\n" } else { b"\n" });
        }
    }
}

/// A place in a unit of the log, which may have fewer carriage returns before its newline than the attach brought.
fn unit_index(unit: &[u8], index: usize) -> usize {
    index.min(unit.strip_suffix(b"\n").map_or(unit.len(), <[u8]>::len))
}
