//! The merge of both sources: what becomes of the log's next unit, and of what the attach brought and the log did not.

use crate::{
    BOTH, ENTRY, Event, Output, Stream,
    counts::Awaited,
    end::other,
    feed::Fragment,
    machine::{Line, Machine, Unit},
    placing::{Head, Placing},
    text::{plain, with_returns, without_questions, without_returns},
};

/// How many units or fragments are looked through.
pub(crate) const MAX_LOOKED: usize = 256;

/// Back to the start of the line, and clear it.
const CLEAR_LINE: &[u8] = b"\r\x1b[K";

/// What becomes of the log's next unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The attach brought it whole, as the fragment of a stream with this index: it is shown there.
    Brought(Stream, usize),
    /// The attach brought a part of it, which begins at this byte: the same.
    Part(Stream, usize, usize),
    /// It is a piece of a line that began before the attach, which brings the rest on this stream.
    Within(Stream),
    /// It was shown when the attach brought it.
    Known,
    /// The attach did not bring it.
    Missed,
    /// The attach may still bring it.
    Waits,
}

impl Machine {
    /// Decides what can be decided.
    pub(crate) fn settle(&mut self) {
        // The order is binding: a log that is given up, or that lacks lines, changes what is waited for, so both are asked
        // before any unit is looked at. Parts of lines come last, since a unit may still tell what they are parts of.
        self.gives_log_up();
        self.looks_for_lack();
        loop {
            // `|` and not `||`: each of the three may free what another one waits for.
            let is_settled =
                self.settle_log() | self.settle_feed(Stream::Stdout) | self.settle_feed(Stream::Stderr);
            self.go_live();
            if !is_settled {
                break;
            }
        }
        if self.waiting_bytes >= self.setup.limit
            || self.waiting_until().is_some_and(|until| self.now >= until)
        {
            self.cut_line(Stream::Stdout);
        }
        BOTH.into_iter().for_each(|stream| self.show_part(stream));
        if !self.may_come() && self.feeds.iter().all(|feed| feed.queue.is_empty()) {
            self.early.clear();
            self.lent.clear();
        }
    }

    fn settle_log(&mut self) -> bool {
        let mut is_settled = false;
        loop {
            self.place();
            if self.is_placing() {
                break;
            }
            if !matches!(self.placing, Placing::Missed(_)) {
                self.settle_ends();
            }
            let Some(unit) = self.units.front() else { break };
            match self.fate(unit) {
                Fate::Brought(stream, index) => {
                    (0..index).for_each(|_| self.pass(stream));
                    self.brought(stream);
                }
                Fate::Part(stream, index, start) => {
                    (0..index).for_each(|_| self.pass(stream));
                    self.part(stream, start);
                }
                Fate::Within(stream) => {
                    let unit = self.next_unit();
                    self.goes_within(stream, &unit);
                    // It may be one of the other stream, which the attach brings as well.
                    self.add_early(&unit);
                    self.show_logged(stream, &unit, false, Line::ByLog);
                }
                Fate::Known => self.known(),
                Fate::Missed => self.missed(),
                Fate::Waits => break,
            }
            is_settled = true;
        }
        is_settled
    }

    fn fate(&self, unit: &Unit) -> Fate {
        let raw = &unit.raw;
        // The order of these rules is binding: each takes less for certain than the one before it.
        // 1. It was written before the attach stood, so nothing that the attach has is this unit.
        if matches!(self.placing, Placing::Missed(_)) {
            let is_known = self.ahead.has(&plain(raw)) || self.is_of_cut(raw);
            return if is_known { Fate::Known } else { Fate::Missed };
        }
        if self
            .within
            .is_some_and(|within| self.lines[within as usize] == Line::ByLog)
        {
            // 2. The log is within a line that it alone shows: what the attach has next belongs to a later line.
            let is_known = self.ahead.has(&plain(raw));
            let other = if is_known { Fate::Known } else { Fate::Missed };
            return self.long_on(raw).map_or(other, Fate::Within);
        }
        let has_end = || match self.has_finished {
            true => self.end_within(raw).is_some(),
            false => self.unknown_end_within(raw).is_some(),
        };
        // 3. One line of the log may be the end of one stream and a line of the other. Only the log's last text tells, and
        // what is shown is never taken back, so this comes before the rules that compare texts.
        if self.waits_for_last_text() && has_end() {
            return Fate::Waits;
        }
        // 4. Within the line in which the attach began, equal texts prove nothing: later units decide.
        match self.head_in(unit) {
            Head::Of(stream, start) => {
                let first = self.feeds[stream as usize].queue.front();
                let is_all = first.is_some_and(|first| first.is_same(raw));
                return if is_all {
                    Fate::Brought(stream, 0)
                } else {
                    Fate::Part(stream, 0, start)
                };
            }
            Head::Waits => return Fate::Waits,
            Head::No => {}
        }
        let next = self.next_on(raw);
        // The log goes on with the line that it has begun, unless another one came between its pieces.
        let is_between = self
            .within
            .is_some_and(|within| next != Some(within) && self.is_undecided(within));
        let is_whole = |stream: &Stream| {
            self.feeds[*stream as usize]
                .queue
                .front()
                .is_some_and(Fragment::is_whole)
        };
        let next_now = next.filter(|_| !is_between);
        // 5. A whole line that a stream has next is the surest sign: its beginning and its end were both seen.
        if let Some(stream) = next_now.filter(is_whole) {
            return Fate::Brought(stream, 0);
        }
        // 6. That a unit was shown is more certain than that the end of a line is all of it.
        if self.ahead.has(&plain(raw)) || self.is_of_cut(raw) {
            return Fate::Known;
        }
        // 7. Of these only the end of the line was seen, and many lines end alike.
        if let Some(stream) = next_now {
            return Fate::Brought(stream, 0);
        }
        // 8. A line that began before the attach is cut at other places than in the log, so no text of it is equal.
        if let Some(stream) = self.long_on(raw) {
            return Fate::Within(stream);
        }
        // 9. What follows is likely and not certain: the attach gets its time before it, since what is shown stays.
        if self.awaited_until(unit).is_some_and(|until| self.now < until) {
            return Fate::Waits;
        }
        // 10. The line that came between two pieces, then what lies further back; what fits nothing was missed.
        let next = next.map(|stream| Fate::Brought(stream, 0));
        next.or_else(|| self.found(raw)).unwrap_or(Fate::Missed)
    }

    /// Returns whether it belongs to a line that began before the attach, and was shown without its beginning.
    fn is_of_cut(&self, unit: &[u8]) -> bool {
        let piece = self.setup.piece;
        let is_piece = unit.len() >= piece && !unit.ends_with(b"\n");
        let is_long = |cut: &&Fragment| is_piece && cut.raw.len() > piece && cut.shown > 0;
        let is_end = |cut: &Fragment| cut.start_in(unit, piece).is_some();
        let mut present = self.feeds.iter().filter_map(|feed| feed.long(piece));
        self.cut.as_ref().is_some_and(|cut| is_long(&cut) || is_end(cut))
            || present.any(|long| is_long(&long))
    }

    /// The stream of which the next fragment is this unit; of both, the one in whose line the log is, or that was brought earlier.
    fn next_on(&self, unit: &[u8]) -> Option<Stream> {
        let next = |stream: &Stream| self.feeds[*stream as usize].queue.front();
        // Of an end of a line it is not certain that it is all of it; the unit may rather be what a shown part goes on with.
        let is_begun = || {
            let mut begun = BOTH
                .iter()
                .filter_map(next)
                .filter(|next| next.shown > 0 && !next.ends);
            begun.any(|next| next.start_in(unit, self.setup.piece).is_some())
        };
        let is_next = |next: &Fragment| next.is_same(unit) && (next.begins || !is_begun());
        BOTH.into_iter()
            .filter(|stream| next(stream).is_some_and(is_next) && !self.comes_later(*stream))
            .min_by_key(|stream| {
                next(stream).map(|next| (self.within != Some(*stream), !next.begins, next.at))
            })
    }

    /// Returns whether what a stream has next comes after a line of the other one in the log: an earlier attach has brought that.
    fn comes_later(&self, stream: Stream) -> bool {
        let other = other(stream);
        let earlier = &self.feeds[other as usize];
        let is_sure = |first: &Fragment| first.is_whole() && first.shown == 0 && !self.is_told(first);
        self.feeds[stream as usize].old == 0
            && earlier.old > 0
            && !self.has_gap[other as usize]
            && earlier.queue.front().is_some_and(is_sure)
    }

    /// The only stream that is within a long line which began before the attach: so it is cut into pieces at other places.
    fn long_on(&self, unit: &[u8]) -> Option<Stream> {
        let is_piece = unit.len() >= self.setup.piece && !unit.ends_with(b"\n");
        let long = |stream: &Stream| {
            let long = self.feeds[*stream as usize].long(self.setup.piece);
            is_piece && long.is_some_and(|long| long.shown == 0)
        };
        let mut streams = BOTH.into_iter().filter(long);
        streams.next().filter(|_| streams.next().is_none())
    }

    /// What a unit can be that is not the next of a stream as it is: the line in which an attach broke or began, or one that comes
    /// after such, or after what was shown already.
    fn found(&self, unit: &[u8]) -> Option<Fate> {
        let torn = BOTH.into_iter().filter_map(|stream| {
            let first = self.feeds[stream as usize]
                .closed()
                .filter(|first| !first.ends && (first.begins || first.shown > 0 || first.is_last))?;
            // A stream that ended without a newline cannot be a line of the log that has one.
            let is_over = first.is_last && unit.ends_with(b"\n");
            let start = first.start_in(unit, self.setup.piece).filter(|_| !is_over)?;
            // The next attach may have brought its end: all of the rest, or some of it.
            let next = self.feeds[stream as usize].queue.get(1);
            let next = next.filter(|next| !next.begins && next.ends);
            let goes_on_at = next.and_then(|next| next.start_in(unit, self.setup.piece));
            let length = first.raw.len();
            let is_whole = goes_on_at == Some(start + length);
            let likely = (is_whole, length, goes_on_at.is_some());
            Some((likely, Fate::Part(stream, 0, start)))
        });
        if let Some((_, fate)) = torn.max_by_key(|(likely, _)| *likely) {
            return Some(fate);
        }
        let passed = BOTH.into_iter().filter_map(|stream| {
            let count = self.passed(stream);
            let queue = self.feeds[stream as usize].queue.iter().take(count + 1);
            let index = queue
                .enumerate()
                .position(|(index, next)| index > 0 && next.is_whole() && next.is_same(unit))?;
            Some((index, Fate::Brought(stream, index)))
        });
        if let Some((_, fate)) = passed.min_by_key(|(index, _)| *index) {
            return Some(fate);
        }
        let heads = BOTH.into_iter().filter_map(|stream| {
            let (index, start) = self.head_of(stream, unit)?;
            let head = &self.feeds[stream as usize].queue[index];
            Some((head.raw.len(), Fate::Part(stream, index, start)))
        });
        heads.max_by_key(|(length, _)| *length).map(|(_, fate)| fate)
    }

    /// The fragment of a stream that is the end of this unit, whose beginning an attach did not see, if it is not rather that of a
    /// later one.
    fn head_of(&self, stream: Stream, unit: &[u8]) -> Option<(usize, usize)> {
        let feed = &self.feeds[stream as usize];
        let count = self.passed(stream);
        let mut reached = feed.queue.iter().take(count + 1).enumerate();
        // That a line ended says nothing about which one it was.
        let has_text = |next: &Fragment| next.raw != b"\n";
        let (index, head) = reached.find(|(_, next)| !next.begins && next.ends && has_text(next))?;
        let start = head.start_in(unit, self.setup.piece)?;
        let next = feed.queue.get(index + 1).filter(|next| next.is_whole());
        let later = self.units.iter().skip(1).take(MAX_LOOKED);
        let mut later = later.take_while(|unit| next.is_none_or(|next| !next.is_same(&unit.raw)));
        let is_later = later.any(|unit| head.start_in(&unit.raw, self.setup.piece).is_some());
        (!is_later).then_some((index, start))
    }

    /// How many fragments of a stream the log may be past: it has told of them, or has them as parts of units.
    fn passed(&self, stream: Stream) -> usize {
        let has_gap = self.has_gap[stream as usize];
        let limit = if has_gap { usize::MAX } else { MAX_LOOKED };
        let feed = &self.feeds[stream as usize];
        let closed = feed.queue.len() - usize::from(feed.is_open);
        let is_passed = |fragment: &&Fragment| {
            let is_known = || self.is_told(fragment) || self.lent_index(stream, fragment).is_some();
            match fragment.is_whole() {
                true => has_gap || is_known(),
                false => fragment.shown == 0 || (has_gap && fragment.ends),
            }
        };
        let queue = feed.queue.iter().take(closed.min(limit));
        queue.take_while(is_passed).count()
    }

    /// Returns whether it is not known which unit of the log a stream has next.
    pub(crate) fn is_undecided(&self, stream: Stream) -> bool {
        let feed = &self.feeds[stream as usize];
        self.passed(stream) + usize::from(feed.is_open) >= feed.queue.len()
    }

    /// Returns whether the log has told this fragment already: it was shown as missed.
    pub(crate) fn is_told(&self, fragment: &Fragment) -> bool {
        fragment.is_whole() && fragment.shown == 0 && self.early.has(&plain(&fragment.raw))
    }

    /// Where it stands that the log's line of this fragment was taken for the same text of the other stream.
    fn lent_index(&self, stream: Stream, fragment: &Fragment) -> Option<usize> {
        let is_lent = |(to, text): &(Option<Stream>, Vec<u8>)| *to != Some(stream) && fragment.is_same(text);
        self.lent.iter().position(is_lent)
    }

    /// Returns whether the attach brings a line of which a part is shown, and which may be this unit.
    pub(crate) fn is_begun(&self, stream: Stream, unit: &[u8]) -> bool {
        let part = self.feeds[stream as usize].part().filter(|part| part.shown > 0);
        part.is_some_and(|part| part.start_in(unit, self.setup.piece).is_some())
    }

    /// Returns whether an attach broke within a line which may be this unit, and the next one has brought nothing yet.
    pub(crate) fn is_torn(&self, stream: Stream, unit: &[u8]) -> bool {
        let feed = &self.feeds[stream as usize];
        let torn = feed.closed().filter(|first| !first.ends && first.shown > 0);
        feed.queue.len() == 1 && torn.is_some_and(|torn| torn.start_in(unit, self.setup.piece).is_some())
    }

    /// Deals with a fragment before one that the log has come to.
    fn pass(&mut self, stream: Stream) {
        let Some(fragment) = self.feeds[stream as usize].pop() else {
            return;
        };
        if self.strike_out(&fragment) {
            return;
        }
        if let Some(index) = self.lent_index(stream, &fragment).filter(|_| fragment.is_whole()) {
            // The line that the other stream has is still to come in the log.
            self.lent.remove(index);
            return self.show_unconfirmed(stream, &fragment);
        }
        match fragment.ends {
            // The log has most likely lost it.
            true if self.has_gap[stream as usize] && (fragment.begins || fragment.shown > 0) => {
                self.show_unconfirmed(stream, &fragment);
            }
            _ if fragment.shown > 0 => self.end_missing(stream),
            _ => {}
        }
    }

    /// Forgets that the log has told this fragment. Returns whether it has, so that it is not shown again.
    fn strike_out(&mut self, fragment: &Fragment) -> bool {
        self.is_told(fragment) && self.early.take(&plain(&fragment.raw))
    }

    /// Shows what the attach brought and the log may still bring.
    fn show_unconfirmed(&mut self, stream: Stream, fragment: &Fragment) {
        self.show(stream, &fragment.raw[fragment.shown..], Line::ByAttach);
        self.ahead.add(stream, &plain(&fragment.raw));
    }

    pub(crate) fn confirmed(&mut self, stream: Stream) {
        // What an earlier attach brought says nothing of the present one.
        self.is_placed |= self.feeds[stream as usize].old == 0;
        self.gap_ends(stream);
        self.feeds[stream as usize].confirmed_at = self.now;
    }

    /// The log has come to a line of a stream, and goes on with what comes after it.
    fn gap_ends(&mut self, stream: Stream) {
        if std::mem::take(&mut self.has_gap[stream as usize]) {
            self.ahead.gap_ends(stream);
        }
    }

    /// A unit of the log is of this stream. One without an end is a piece, and another one follows.
    fn goes_within(&mut self, stream: Stream, unit: &[u8]) {
        self.within = (!unit.ends_with(b"\n")).then_some(stream);
    }

    fn brought(&mut self, stream: Stream) {
        let unit = self.next_unit();
        self.goes_within(stream, &unit);
        self.confirmed(stream);
        let fragment = self.feeds[stream as usize].pop().expect("the fragment was found");
        self.is_at_long = fragment.ends && fragment.raw.len() > self.setup.piece;
        self.show(stream, &fragment.raw[fragment.shown..], Line::ByAttach);
        if !fragment.begins {
            // It may have been the end of another unit, and the attach may bring this one as well.
            self.add_early(&fragment.raw);
        } else if !self.setup.tty {
            self.lend(Some(stream), fragment.raw);
        }
    }

    /// A line of the log was taken for a stream's, or for that of the stream to which such a one was lent before.
    fn lend(&mut self, stream: Option<Stream>, line: Vec<u8>) {
        self.lent.push_back((stream, line));
        if self.lent.len() > MAX_LOOKED {
            self.lent.pop_front();
        }
    }

    fn known(&mut self) {
        let unit = self.next_unit();
        if let Some(awaited) = self.ahead.take(&plain(&unit)) {
            if let Awaited::Of(stream) = awaited {
                self.gap_ends(stream);
            }
            return self.lend(None, unit);
        }
        if unit.ends_with(b"\n")
            && let Some(cut) = self.cut.take()
            && let Some(start) = cut.start_in(&unit, self.setup.piece)
        {
            self.beginning_missing(Stream::Stdout, &unit[..start]);
        }
    }

    /// A unit is shown, less what is on the screen of the fragment of it.
    fn part(&mut self, stream: Stream, start: usize) {
        let unit = self.next_unit();
        self.goes_within(stream, &unit);
        self.confirmed(stream);
        // It may have been a part of another unit, and the attach may bring this one as well.
        self.add_early(&unit);
        let fragment = self.feeds[stream as usize].pop().expect("the fragment was found");
        self.is_at_long = fragment.ends && fragment.raw.len() > self.setup.piece;
        let shown = fragment.shown;
        self.pass_end_of(stream, &unit, start + fragment.raw.len());
        if shown > 0 {
            self.beginning_missing(stream, &unit[..start]);
        }
        match fragment.ends {
            true if shown > 0 => self.show(stream, &fragment.raw[shown..], Line::ByAttach),
            true if !fragment.is_longer_than(&unit) => {
                self.show(
                    stream,
                    &[&unit[..start], &fragment.raw[..]].concat(),
                    Line::ByAttach,
                );
            }
            _ => {
                let from = if shown > 0 {
                    unit_index(&unit, start + shown)
                } else {
                    0
                };
                let after_return = fragment.raw[..shown].ends_with(b"\r");
                self.show_logged(stream, &unit[from..], after_return, Line::ByLog);
            }
        }
    }

    /// The unit in which an attach broke may be the one in which the next one began.
    fn pass_end_of(&mut self, stream: Stream, unit: &[u8], from: usize) {
        let feed = &mut self.feeds[stream as usize];
        let next = feed.closed().filter(|next| !next.begins && next.shown == 0);
        let start = next
            .filter(|next| next.ends)
            .and_then(|next| next.start_in(unit, self.setup.piece));
        if start.is_some_and(|start| start >= from) {
            feed.pop();
        }
    }

    fn missed(&mut self) {
        let unit = self.next_unit();
        self.unheard += unit.len() + ENTRY;
        if self.may_come() || self.feeds.iter().any(|feed| !feed.queue.is_empty()) {
            self.add_early(&unit);
        }
        self.show_missed(unit);
    }

    /// A unit that the log alone has is shown on standard output, unless it goes on with a line of standard error.
    pub(crate) fn show_missed(&mut self, unit: Vec<u8>) {
        // A terminal has one stream only.
        if !self.setup.tty && !std::mem::replace(&mut self.from_log_told, true) {
            self.event(Event::FromLog);
        }
        let may_go_on = self.may_come() || !self.feeds[1].queue.is_empty();
        if !may_go_on && self.within == Some(Stream::Stderr) && self.lines[1] == Line::ByAttach {
            // Of a line that an attach has begun the log has the end.
            self.lines[1] = Line::ByLog;
        }
        let stream = match self.lines {
            // The log does not say which stream a line is of: only what goes on with a line of stderr is known to be there.
            [Line::Ended | Line::ByAttach, Line::ByLog] => Stream::Stderr,
            _ => Stream::Stdout,
        };
        self.goes_within(stream, &unit);
        let is_within = self.lines[stream as usize] == Line::ByAttach && self.current_line().is_empty();
        if is_within || (stream == Stream::Stdout && !self.waiting.is_empty()) {
            if self.waiting.is_empty() {
                self.waiting_since = self.now;
            }
            self.waiting_bytes += unit.len() + ENTRY;
            self.waiting.push_back(unit);
        } else {
            self.show_logged(stream, &unit, false, Line::ByLog);
        }
    }

    fn add_early(&mut self, unit: &[u8]) {
        self.early.add(&plain(unit), 1);
        self.early_at = self.now;
    }

    /// Deals with what the log did not confirm in time.
    fn settle_feed(&mut self, stream: Stream) -> bool {
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
        if self.strike_out(&fragment) {
            return;
        }
        if !fragment.ends && !fragment.is_last {
            if self.is_blind() {
                self.show(stream, &fragment.raw[fragment.shown..], Line::ByAttach);
            }
            if self.is_blind() || fragment.shown > 0 {
                self.end_missing(stream);
            }
            return;
        }
        // The line that it is the end of is the log's to show.
        if !fragment.begins && fragment.shown == 0 && !self.is_blind() && !self.is_live {
            return;
        }
        if fragment.begins && !self.is_blind() {
            return self.show_unconfirmed(stream, &fragment);
        }
        self.show(stream, &fragment.raw[fragment.shown..], Line::ByAttach);
        if !self.is_blind() {
            self.cut = Some(Fragment {
                shown: fragment.raw.len(),
                ..fragment
            });
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
        // The log's copy of this line may be shown already: its beginning would then be shown twice.
        if may_be_late && self.early.any(|text| part.may_be_of(text)) {
            return;
        }
        // A carriage return before a newline may be left out of the log.
        let end = without_returns(&part.raw).len().max(part.shown);
        let bytes = part.raw[part.shown..end].to_vec();
        part.shown = end;
        self.show(stream, &bytes, Line::ByAttach);
    }

    /// Shows bytes. `next` says what a line goes on with that they do not end.
    pub(crate) fn show(&mut self, stream: Stream, bytes: &[u8], next: Line) {
        let Some(last) = bytes.last() else {
            return;
        };
        self.lines[stream as usize] = if *last == b'\n' { Line::Ended } else { next };
        self.redrawn = 0;
        match self.out.back_mut() {
            Some(Output::Show(same, shown)) if *same == stream => shown.extend_from_slice(bytes),
            _ => self.out.push_back(Output::Show(stream, bytes.to_vec())),
        }
        if stream == Stream::Stdout && *last == b'\n' {
            self.show_waiting();
        }
    }

    /// Shows what waited for standard output's line to end.
    pub(crate) fn show_waiting(&mut self) {
        self.waiting_bytes = 0;
        for unit in std::mem::take(&mut self.waiting) {
            self.show_logged(Stream::Stdout, &unit, false, Line::ByLog);
        }
    }

    /// Shows text of the log as the program wrote it; at a terminal before the line on which the cursor is.
    pub(crate) fn show_logged(&mut self, stream: Stream, text: &[u8], after_return: bool, next: Line) {
        if !self.setup.tty {
            return self.show(stream, text, next);
        }
        let text = with_returns(text, after_return);
        if !self.is_eager() {
            return self.show(stream, &text, next);
        }
        let line = self.current_line().to_vec();
        match self.out.back_mut() {
            Some(Output::Show(_, shown)) if self.redrawn > 0 => shown.truncate(shown.len() - self.redrawn),
            _ if line.is_empty() => {}
            _ => self.show(stream, CLEAR_LINE, next),
        }
        self.show(stream, &without_questions(&text), next);
        self.show(stream, &line, Line::ByAttach);
        self.redrawn = line.len();
    }

    /// What is shown of the line on which the cursor is, at a terminal where it may be written again.
    fn current_line(&self) -> &[u8] {
        let first = self.feeds[0].queue.front().filter(|_| self.is_eager());
        first.map_or(&[], |first| &first.raw[..first.shown])
    }

    /// At a terminal that is a prompt, which was drawn again.
    fn beginning_missing(&mut self, stream: Stream, text: &[u8]) {
        if !text.is_empty() && !self.is_eager() {
            self.event(Event::BeginningMissing {
                stream,
                text: text.to_vec(),
            });
        }
    }

    /// Ends a line so that another one can be shown.
    pub(crate) fn cut_line(&mut self, stream: Stream) {
        if self.lines[stream as usize] != Line::Ended {
            self.event(Event::LineCut { stream });
            self.end_line(stream);
        }
    }

    pub(crate) fn end_missing(&mut self, stream: Stream) {
        self.event(Event::EndMissing { stream });
        self.end_line(stream);
    }

    fn end_line(&mut self, stream: Stream) {
        if self.lines[stream as usize] != Line::Ended {
            let end: &[u8] = if self.setup.tty { b"\r\n" } else { b"\n" };
            self.show(stream, end, Line::Ended);
        }
    }
}

/// A place in a unit of the log, which may have fewer carriage returns before its newline than the attach brought.
fn unit_index(unit: &[u8], index: usize) -> usize {
    index.min(unit.strip_suffix(b"\n").map_or(unit.len(), <[u8]>::len))
}
