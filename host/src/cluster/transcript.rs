//! What of a container's output has been shown, and what is to be shown next. Pure.
//!
//! Two sources tell of the same output, and neither alone is whole: an attach gives only what is written after it stands,
//! but at once, stream by stream, byte for byte; the log has everything from the first byte, but some time later, by
//! completed lines, and without saying of which stream. So the log is shown, until a moment when both are silent, the attach
//! has seen a line from its start to its end, and both end in the same text: from there on the attach is shown. When it
//! breaks, the log goes on from where we are. On a terminal, where a person waits, the first bytes of the attach are shown
//! right away, and taken back should the log tell that something came before them.
//!
//! Positions and lengths leave out a carriage return before a line's end: some container runtimes keep it in the log, some
//! do not.

use std::collections::VecDeque;

use bytes::Bytes;

/// Which of a program's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output, and everything where there is a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What is to be done with the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Write.
    Bytes(Stream, Bytes),
    /// Take back everything that was shown: go up so many rows and clear to the end.
    TakeBack {
        /// How many rows above the cursor the first byte stands.
        rows: usize,
    },
}

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// How much of each source is kept to find where they join, in bytes.
const KEPT: usize = 64 << 10;

/// How much is shown early at the most, in bytes.
const PREVIEW: usize = 4 << 10;

/// Where what is shown comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Log,
    Attach,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Transcript {
    source: Source,
    screen: Option<Screen>,
    tty: bool,
    /// How many bytes of the whole output were shown.
    shown: u64,
    /// The last byte that was shown is a carriage return, which is not counted before what follows is known.
    after_return: bool,
    /// How many bytes of the log were read, in the present reading.
    log_read: u64,
    /// The log's last byte was a carriage return, which waits for what comes next.
    log_return: bool,
    log_tail: Tail,
    attach: Option<AttachRecord>,
    preview: Option<Preview>,
}

/// What came over the present attach connection.
#[derive(Debug, Default)]
struct AttachRecord {
    lines: [LineRecord; 2],
    /// The completed lines, of both streams in order of arrival.
    tail: Tail,
    /// What came, in order of arrival, should the log not be readable at all.
    held: VecDeque<(Stream, Bytes)>,
}

/// One stream of an attach.
#[derive(Debug, Default)]
struct LineRecord {
    /// How many bytes of completed lines came.
    completed: u64,
    /// What came since the last line end.
    partial: Vec<u8>,
    /// Completed lines that the log has not shown yet: they tell of which stream a line of the log is.
    expected: VecDeque<Vec<u8>>,
    expected_size: usize,
}

/// What was shown early.
#[derive(Debug, Default)]
struct Preview {
    shown: Vec<u8>,
    /// The start of the log, as far as it is needed to compare.
    log_head: Vec<u8>,
    /// Nothing more is shown early: there is enough to see, or it could not be taken back.
    full: bool,
}

/// The last bytes of a source.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(KEPT)..];
        let surplus = (self.0.len() + kept.len()).saturating_sub(KEPT);
        self.0.drain(..surplus);
        self.0.extend(kept);
    }

    /// Says whether two tails agree as far as both reach.
    fn ends_as(&self, other: &Self) -> bool {
        let theirs = other.0.iter().rev();
        self.0
            .iter()
            .rev()
            .zip(theirs)
            .all(|(ours, theirs)| ours == theirs)
    }
}

impl Transcript {
    /// A transcript of which nothing was shown. `screen` is the terminal that a person looks at, if one does; `tty` says
    /// whether the program has a terminal, too.
    pub(super) fn new(screen: Option<Screen>, tty: bool) -> Self {
        Self {
            source: Source::Log,
            screen,
            tty,
            shown: 0,
            after_return: false,
            log_read: 0,
            log_return: false,
            log_tail: Tail::default(),
            attach: None,
            preview: screen.map(|_| Preview::default()),
        }
    }

    /// Says whether what comes from the log is still needed.
    pub(super) fn wants_log(&self) -> bool {
        self.source == Source::Log
    }

    /// An attach connection stands.
    pub(super) fn attach_begins(&mut self) {
        self.attach = Some(AttachRecord::default());
    }

    /// The attach connection has ended: what is missing comes from the log.
    pub(super) fn attach_ends(&mut self) {
        self.source = Source::Log;
        // What it brought stays until the log is open: should there be none, it is all that there is.
    }

    /// The log is read from its first byte.
    pub(super) fn log_begins(&mut self) {
        self.log_read = 0;
        self.log_return = false;
        self.log_tail = Tail::default();
        if let Some(preview) = &mut self.preview {
            preview.log_head.clear();
        }
    }

    /// Bytes came over the attach connection.
    pub(super) fn attached(&mut self, stream: Stream, bytes: &Bytes, out: &mut Vec<Show>) {
        if self.source == Source::Attach {
            self.count(bytes);
            out.push(Show::Bytes(stream, bytes.clone()));
            return;
        }
        if self.show_early(stream, bytes, out) {
            return;
        }
        if let Some(record) = &mut self.attach {
            record.push(stream, bytes);
        }
    }

    /// Counts what the attach brought as the log will have it: a carriage return once it is known not to be of a line's end.
    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let is_text_after_return = self.after_return && *byte != b'\n';
            let counted = u64::from(is_text_after_return) + u64::from(*byte != b'\r');
            self.shown = self.shown.saturating_add(counted);
            self.after_return = *byte == b'\r';
        }
    }

    /// Shows bytes before the log is there. Says whether the attach is the source from now on.
    fn show_early(&mut self, stream: Stream, bytes: &Bytes, out: &mut Vec<Show>) -> bool {
        let (Some(preview), Some(screen)) = (&mut self.preview, self.screen) else {
            return false;
        };
        if preview.full {
            return false;
        }
        let draws = draws(bytes);
        if draws && self.tty {
            // A program that draws its own screen: nothing can be taken back, and it repaints by itself.
            self.preview = None;
            self.source = Source::Attach;
            self.shown = u64::MAX;
            out.push(Show::Bytes(stream, bytes.clone()));
            return true;
        }
        let shown = preview.shown.len() + bytes.len();
        let rows = rows(&preview.shown, screen.columns) + rows(bytes, screen.columns);
        if draws || shown > PREVIEW || rows + 2 > usize::from(screen.rows) {
            preview.full = true;
            return false;
        }
        preview.shown.extend_from_slice(bytes);
        out.push(Show::Bytes(stream, bytes.clone()));
        false
    }

    /// Bytes of the log came.
    pub(super) fn log(&mut self, bytes: &Bytes, out: &mut Vec<Show>) {
        let mut text = Vec::with_capacity(bytes.len() + 1);
        if std::mem::take(&mut self.log_return) {
            text.push(b'\r');
        }
        text.extend_from_slice(bytes);
        if text.last() == Some(&b'\r') {
            self.log_return = true;
            text.pop();
        }
        self.log_text(text, out);
    }

    /// Text of the log came, of which the last byte is no carriage return.
    fn log_text(&mut self, text: Vec<u8>, out: &mut Vec<Show>) {
        let logged = as_logged(&text);
        let start = self.log_read;
        self.log_read += logged.len() as u64;
        self.log_tail.push(&logged);
        if self.source == Source::Attach {
            return;
        }
        let known = self.shown.saturating_sub(start).min(logged.len() as u64);
        let known = usize::try_from(known).unwrap_or(logged.len());
        if known == logged.len() {
            return;
        }
        if let Some(preview) = &mut self.preview {
            if preview.shown.is_empty() {
                self.preview = None;
            } else {
                preview.log_head.extend_from_slice(&logged[known..]);
                self.settle_preview(out);
                return;
            }
        }
        self.shown = self.log_read;
        let start = written_length(&text, known);
        self.show_log(&Bytes::from(text).slice(start..), out);
    }

    /// Compares what was shown early with the log.
    fn settle_preview(&mut self, out: &mut Vec<Show>) {
        let Some(preview) = &self.preview else {
            return;
        };
        let shown = as_logged(&preview.shown);
        let common = shown.len().min(preview.log_head.len());
        // What was shown may end within a line's end: then the log's next byte tells.
        let is_within_end = preview.shown.last() == Some(&b'\r');
        let next = preview.log_head.get(common).copied();
        let goes_on = !is_within_end || common < shown.len() || matches!(next, None | Some(b'\n' | b'\r'));
        if shown[..common] != preview.log_head[..common] || !goes_on {
            self.take_back(out);
        } else if common == shown.len() && (!is_within_end || next.is_some()) {
            let rest = Bytes::copy_from_slice(&preview.log_head[common..]);
            self.shown = self.log_read;
            self.preview = None;
            self.expect_shown(common);
            self.after_return = is_within_end;
            self.show_log(&rest, out);
        }
    }

    /// Something came before what was shown early: clear it, where that can be, and show the log instead.
    fn take_back(&mut self, out: &mut Vec<Show>) {
        let Some(preview) = self.preview.take() else {
            return;
        };
        if let (Some(screen), false) = (self.screen, preview.shown.is_empty()) {
            out.push(Show::TakeBack {
                rows: rows(&preview.shown, screen.columns),
            });
        }
        self.shown = self.log_read;
        self.show_log(&preview.log_head.into(), out);
    }

    /// Lines that were shown early are not expected from the log any more.
    fn expect_shown(&mut self, mut bytes: usize) {
        let Some(record) = &mut self.attach else {
            return;
        };
        for lines in &mut record.lines {
            while let Some(line) = lines.expected.front() {
                if line.len() > bytes {
                    break;
                }
                bytes -= line.len();
                lines.expected_size -= line.len();
                lines.expected.pop_front();
            }
        }
    }

    /// Shows text of the log, each line on the stream on which the attach saw it.
    fn show_log(&mut self, text: &Bytes, out: &mut Vec<Show>) {
        // The attach may have ended within a line's end.
        let is_shown = self.after_return && text.first() == Some(&b'\r');
        let text = &text.slice(usize::from(is_shown)..);
        let mut start = 0;
        let mut stream = Stream::Stdout;
        let mut at = 0;
        while at < text.len() {
            let end = text[at..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(text.len(), |end| at + end + 1);
            let of = self.attach.as_mut().map_or(Stream::Stdout, |record| {
                record.stream_of(&as_logged(&text[at..end]))
            });
            if of != stream && start < at {
                out.push(Show::Bytes(stream, self.as_written(text.slice(start..at))));
                start = at;
            }
            stream = of;
            at = end;
        }
        if start < text.len() {
            out.push(Show::Bytes(stream, self.as_written(text.slice(start..))));
        }
    }

    /// Text of the log as the program's terminal wrote it: with a carriage return before each line's end.
    fn as_written(&mut self, text: Bytes) -> Bytes {
        let Some(last) = text.last().copied() else {
            return text;
        };
        let mut after_return = std::mem::replace(&mut self.after_return, last == b'\r');
        if !self.tty {
            return text;
        }
        let mut written = Vec::with_capacity(text.len() + 16);
        for byte in text {
            if byte == b'\n' && !after_return {
                written.push(b'\r');
            }
            after_return = byte == b'\r';
            written.push(byte);
        }
        written.into()
    }

    /// Neither source said anything for a while, and the log is open: perhaps they join here.
    pub(super) fn quiet(&mut self, out: &mut Vec<Show>) {
        let (Source::Log, Some(record)) = (self.source, &self.attach) else {
            return;
        };
        let [stdout, stderr] = &record.lines;
        let completed = stdout.completed + stderr.completed;
        let Some(missed) = self.log_read.checked_sub(completed) else {
            return;
        };
        // The first line that an attach sees may have begun before it; the log has it once it is complete.
        let may_be_cut = |lines: &LineRecord| lines.completed == 0 && !lines.partial.is_empty();
        if completed == 0 || may_be_cut(stdout) || may_be_cut(stderr) {
            return;
        }
        let is_one_stream = stderr.completed == 0 || stdout.completed == 0;
        if is_one_stream && !self.log_tail.ends_as(&record.tail) {
            return;
        }
        if self
            .preview
            .as_ref()
            .is_some_and(|preview| missed > 0 || preview.full)
        {
            self.take_back(out);
        }
        self.follow_attach(out);
    }

    /// Nothing came for so long that the program waits for an answer: show its unfinished line, which no log has.
    pub(super) fn waiting(&mut self, out: &mut Vec<Show>) {
        let (Source::Log, Some(record), None) = (self.source, &self.attach, self.screen) else {
            return;
        };
        let question = &record.lines[Stream::Stdout as usize];
        if question.completed > 0 || question.partial.is_empty() {
            return;
        }
        let preview = self.preview.get_or_insert_with(|| Preview {
            full: true,
            ..Preview::default()
        });
        if let Some(new) = question.partial.strip_prefix(preview.shown.as_slice()) {
            if !new.is_empty() {
                let new = Bytes::copy_from_slice(new);
                preview.shown.extend_from_slice(&new);
                out.push(Show::Bytes(Stream::Stdout, new));
            }
        }
    }

    /// From here on the attach is shown, starting with what the log does not have yet.
    fn follow_attach(&mut self, out: &mut Vec<Show>) {
        self.source = Source::Attach;
        let was_shown = self.preview.take().is_some();
        let Some(record) = self.attach.take() else {
            return;
        };
        self.shown = self.log_read;
        for (stream, lines) in [Stream::Stdout, Stream::Stderr].into_iter().zip(record.lines) {
            self.count(&lines.partial);
            if !lines.partial.is_empty() && !was_shown {
                out.push(Show::Bytes(stream, lines.partial.into()));
            }
        }
    }

    /// The log cannot be read: the attach is all that there is.
    pub(super) fn log_fails(&mut self, out: &mut Vec<Show>) {
        if self.source == Source::Attach {
            return;
        }
        let mut skip = self.preview.take().map_or(0, |preview| preview.shown.len());
        self.source = Source::Attach;
        self.shown = u64::MAX;
        for (stream, mut bytes) in self.attach.take().map(|record| record.held).into_iter().flatten() {
            let skipped = skip.min(bytes.len());
            skip -= skipped;
            drop(bytes.split_to(skipped));
            if !bytes.is_empty() {
                out.push(Show::Bytes(stream, bytes));
            }
        }
    }

    /// The log was read to its end and the program has ended.
    pub(super) fn log_ends(&mut self, out: &mut Vec<Show>) {
        if std::mem::take(&mut self.log_return) {
            self.log_text(vec![b'\r'], out);
        }
        // A log that is shorter than what was shown early was lost or rotated; then what was shown stays.
        if let Some(preview) = self.preview.take() {
            if !as_logged(&preview.shown).starts_with(&preview.log_head) {
                self.preview = Some(preview);
                self.take_back(out);
            }
        }
    }
}

impl AttachRecord {
    fn push(&mut self, stream: Stream, bytes: &Bytes) {
        self.held.push_back((stream, bytes.clone()));
        let mut size: usize = self.held.iter().map(|(_, bytes)| bytes.len()).sum();
        while size > 16 * KEPT {
            size -= self.held.pop_front().map_or(0, |(_, bytes)| bytes.len());
        }
        self.lines[stream as usize].push(bytes, &mut self.tail);
    }

    /// Of which stream a line of the log is. Only a line that is next on standard error alone is taken for that.
    fn stream_of(&mut self, line: &[u8]) -> Stream {
        let [stdout, stderr] = &mut self.lines;
        if stdout.take(line) {
            return Stream::Stdout;
        }
        if stderr.take(line) {
            Stream::Stderr
        } else {
            Stream::Stdout
        }
    }
}

impl LineRecord {
    fn push(&mut self, mut bytes: &[u8], tail: &mut Tail) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(&bytes[..=end]);
            let line = as_logged(&std::mem::take(&mut self.partial));
            tail.push(&line);
            self.completed += line.len() as u64;
            self.expected_size += line.len();
            self.expected.push_back(line);
            bytes = &bytes[end + 1..];
        }
        self.partial.extend_from_slice(bytes);
        while self.expected_size > 16 * KEPT {
            self.expected_size -= self.expected.pop_front().map_or(0, |line| line.len());
        }
    }

    fn take(&mut self, line: &[u8]) -> bool {
        let is_next = self.expected.front().is_some_and(|next| next == line);
        if is_next {
            self.expected.pop_front();
            self.expected_size -= line.len();
        }
        is_next
    }
}

/// What a log keeps of a text: no carriage return before a line's end, nor one whose line's end has not come yet.
fn as_logged(text: &[u8]) -> Vec<u8> {
    let mut logged = Vec::with_capacity(text.len());
    for (index, byte) in text.iter().enumerate() {
        let is_return = *byte == b'\r' && matches!(text.get(index + 1), None | Some(b'\n'));
        if !is_return {
            logged.push(*byte);
        }
    }
    logged
}

/// How many bytes of a text make up so many of what a log keeps of it.
fn written_length(text: &[u8], logged: usize) -> usize {
    let mut counted = 0;
    for (index, byte) in text.iter().enumerate() {
        if counted == logged {
            return index;
        }
        let is_within_end = *byte == b'\r' && text.get(index + 1) == Some(&b'\n');
        counted += usize::from(!is_within_end);
    }
    text.len()
}

/// Says whether bytes move the cursor otherwise than by writing: then what they drew cannot be taken back.
fn draws(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|byte| *byte == 0x1b) {
        rest = &rest[start + 1..];
        let is_harmless = match rest {
            [] => true,
            [b'[', parameters @ ..] => {
                let end = parameters.iter().find(|byte| byte.is_ascii_alphabetic());
                // Colours, clearing to the right or below, asking where the cursor is.
                end.is_none_or(|end| b"mJKn".contains(end))
            }
            _ => false,
        };
        if !is_harmless {
            return true;
        }
    }
    false
}

/// How many rows further down the cursor is after bytes that do not draw.
fn rows(bytes: &[u8], columns: u16) -> usize {
    let columns = usize::from(columns.max(1));
    let (mut row, mut column) = (0, 0_usize);
    let mut in_escape = false;
    for byte in bytes {
        match byte {
            0x1b => in_escape = true,
            byte if in_escape => in_escape = !byte.is_ascii_alphabetic(),
            b'\n' => (row, column) = (row + 1, 0),
            b'\r' => column = 0,
            0x08 => column = column.saturating_sub(1),
            b'\t' => column = (column / 8 + 1) * 8,
            // Only the first byte of a letter takes a cell.
            byte if *byte >= 0x20 && (*byte & 0xc0) != 0x80 => {
                if column >= columns {
                    (row, column) = (row + 1, 0);
                }
                column += 1;
            }
            _ => {}
        }
    }
    row
}

#[cfg(test)]
#[path = "transcript_tests.rs"]
mod tests;
