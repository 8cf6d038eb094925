//! The log is shown as it comes: because nobody is attached, or because it cannot be told where the attach begins in it.
//! Then the attach still tells of which stream a line is.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{
    screen::rows,
    text::{Plainer, Text},
    transcript::{Show, Stream, Transcript},
};

/// How long an attach must be silent before its beginning is looked for again, from there on.
const QUIET: Duration = Duration::from_millis(300);

/// How many lines and bytes are kept to find a line of the log among those of the attach.
const LINES_MOST: usize = 4096;
const LINES_SIZE: usize = 1 << 20;

/// A longer line is shown before it has ended.
const LONG_LINE: usize = 16 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Following {
    pub(super) ahead: Option<Ahead>,
    /// What the log has in place of what was shown ahead of it.
    text: Text,
    /// What an attach brought and was not shown, should the log never be readable.
    spare: Vec<(Stream, Bytes)>,
    beside: Option<Box<Beside>>,
    /// A line of the log that has not ended yet, where its stream is still to be found.
    rest: Vec<u8>,
}

/// What was shown before the log had it.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) plain: Vec<u8>,
    pub(super) written: Vec<u8>,
    /// The unfinished line before it.
    pub(super) line: Vec<u8>,
    /// It cannot be taken back.
    pub(super) is_stuck: bool,
}

/// An attach that is not shown, but knows the streams.
#[derive(Debug, Default)]
struct Beside {
    lines: [Lines; 2],
    last_byte: Duration,
}

#[derive(Debug, Default)]
struct Lines {
    plainer: Plainer,
    /// What came since the last line end.
    written: Vec<u8>,
    plain: Vec<u8>,
    /// The lines that the log has not shown yet.
    expected: VecDeque<Vec<u8>>,
    size: usize,
    /// The first line may have begun before the attach.
    may_be_cut: bool,
}

impl Following {
    /// The log goes on after an attach that has ended.
    pub(super) fn after(ahead: Option<Ahead>, spare: Vec<(Stream, Bytes)>) -> Self {
        Self {
            ahead,
            spare,
            ..Self::default()
        }
    }

    /// The log goes on beside an attach that has brought this so far.
    pub(super) fn beside(ahead: Option<Ahead>, at: Duration, held: &[(Stream, Bytes)]) -> Self {
        Self {
            ahead,
            beside: Some(Box::new(Beside::new(at, held))),
            ..Self::default()
        }
    }

    pub(super) fn take_spare(&mut self) -> Vec<(Stream, Bytes)> {
        std::mem::take(&mut self.spare)
    }

    /// What came of the log and was not shown yet.
    pub(super) fn take_text(&mut self) -> Text {
        let mut text = std::mem::take(&mut self.text);
        text.push(&std::mem::take(&mut self.rest));
        text
    }

    pub(super) fn is_beside_attach(&self) -> bool {
        self.beside.is_some()
    }

    pub(super) fn log_begins(&mut self) {
        self.text.clear();
        self.rest.clear();
    }

    pub(super) fn attached(&mut self, at: Duration, stream: Stream, bytes: &[u8]) {
        if let Some(beside) = &mut self.beside {
            beside.last_byte = at;
            beside.lines[stream as usize].push(bytes);
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let beside = self.beside.as_ref()?;
        self.is_between_lines().then(|| beside.last_byte + QUIET)
    }

    fn is_between_lines(&self) -> bool {
        self.rest.is_empty() && self.ahead.is_none()
    }

    /// The attach is silent, and starts anew: gives the lines that it has not finished.
    pub(super) fn quiet(&mut self, at: Duration) -> Option<Vec<(Stream, Bytes)>> {
        let beside = self.beside.as_ref()?;
        if at < beside.last_byte + QUIET || !self.is_between_lines() {
            return None;
        }
        let unfinished = [Stream::Stdout, Stream::Stderr].into_iter().zip(&beside.lines);
        let unfinished = unfinished.filter(|(_, lines)| !lines.written.is_empty());
        Some(
            unfinished
                .map(|(stream, lines)| (stream, Bytes::copy_from_slice(&lines.written)))
                .collect(),
        )
    }

    /// Text of the log came.
    pub(super) fn logged(&mut self, transcript: &mut Transcript, text: &Text, out: &mut Vec<Show>) {
        self.spare.clear();
        let Some(ahead) = &self.ahead else {
            // The attach did not come so far as the log that was shown.
            let known = transcript.surplus.min(text.plain.len());
            transcript.surplus -= known;
            transcript.settle(Stream::Stdout, &text.plain[..known]);
            self.show(transcript, text.part(known, text.plain.len()), out);
            return;
        };
        self.text.push(&text.written);
        let common = ahead.plain.len().min(self.text.plain.len());
        let is_same = ahead.plain[..common] == self.text.plain[..common];
        if is_same && common < ahead.plain.len() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        let Some(ahead) = self.ahead.take() else {
            return;
        };
        if is_same {
            transcript.settle(Stream::Stdout, &ahead.plain);
            let rest = text.part(common, text.plain.len()).to_vec();
            self.show(transcript, &rest, out);
            return;
        }
        if !ahead.is_stuck {
            take_back(transcript, &ahead.written, &ahead.line, out);
        }
        self.show(transcript, &text.written, out);
    }

    /// No more comes of the attach.
    pub(super) fn attach_ends(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) {
        self.beside = None;
        self.show(transcript, &[], out);
    }

    /// No more comes of the log, and it is whole: what it does not have was shown twice.
    pub(super) fn log_ends(&mut self, transcript: &mut Transcript, out: &mut Vec<Show>) {
        self.attach_ends(transcript, out);
        if let Some(ahead) = self.ahead.take().filter(|ahead| !ahead.is_stuck) {
            take_back(transcript, &ahead.written, &ahead.line, out);
            let text = std::mem::take(&mut self.text);
            self.show(transcript, &text.written, out);
        }
    }

    /// Shows text of the log, each line on the stream on which the attach saw it.
    fn show(&mut self, transcript: &mut Transcript, written: &[u8], out: &mut Vec<Show>) {
        let mut text = std::mem::take(&mut self.rest);
        text.extend_from_slice(written);
        let Some(beside) = &mut self.beside else {
            show(transcript, Stream::Stdout, &text, out);
            return;
        };
        let mut start = 0;
        while start < text.len() {
            let end = text[start..].iter().position(|byte| *byte == b'\n');
            let end = match end {
                Some(end) => start + end + 1,
                None if text.len() - start > LONG_LINE => text.len(),
                None => {
                    self.rest = text[start..].to_vec();
                    return;
                }
            };
            let line = &text[start..end];
            let mut plain = Vec::new();
            Plainer::default().push(line, &mut plain);
            let stream = beside.stream_of(&plain);
            show(transcript, stream, line, out);
            start = end;
        }
    }
}

/// Shows text of the log for good.
fn show(transcript: &mut Transcript, stream: Stream, written: &[u8], out: &mut Vec<Show>) {
    if written.is_empty() {
        return;
    }
    let mut plain = Vec::new();
    Plainer::default().push(written, &mut plain);
    transcript.settle(stream, &plain);
    transcript.emit_log(stream, written, out);
}

/// Clears what was shown too early. The unfinished line before it is written again.
pub(super) fn take_back(transcript: &mut Transcript, written: &[u8], line: &[u8], out: &mut Vec<Show>) {
    let Some(screen) = transcript.screen else {
        return;
    };
    let mut region = line.to_vec();
    region.extend_from_slice(written);
    let rows = rows(&region, screen.columns);
    out.push(Show::TakeBack {
        rows: rows.min(usize::from(screen.rows).saturating_sub(1)),
    });
    transcript.returns = 0;
    transcript.emit_log(Stream::Stdout, line, out);
}

impl Beside {
    /// An attach of which this has come so far.
    fn new(at: Duration, held: &[(Stream, Bytes)]) -> Self {
        let mut beside = Self {
            last_byte: at,
            ..Self::default()
        };
        for lines in &mut beside.lines {
            lines.may_be_cut = true;
        }
        for (stream, bytes) in held {
            beside.lines[*stream as usize].push(bytes);
        }
        beside
    }

    /// Of which stream a line of the log is. Only a line that standard error alone has is taken for that.
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

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.written.extend_from_slice(piece);
            self.plainer.push(piece, &mut self.plain);
            if self.plain.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.plain);
                self.written.clear();
                self.size += line.len();
                self.expected.push_back(line);
            }
        }
        while self.size > LINES_SIZE || self.expected.len() > LINES_MOST {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        self.size -= self.expected.pop_front().map_or(0, |line| line.len());
        self.may_be_cut = false;
    }

    fn take(&mut self, line: &[u8]) -> bool {
        let is_cut = self.may_be_cut && self.expected.front().is_some_and(|first| line.ends_with(first));
        let place = self.expected.iter().position(|expected| expected == line);
        // What stands before it was shown already, when the log was not read for the streams yet.
        let count = match place {
            Some(place) => place + 1,
            None => usize::from(is_cut),
        };
        for _ in 0..count {
            self.drop_first();
        }
        count > 0
    }
}
