//! What of a program's output is shown, and when: an attach and a log told as one.
//!
//! Pure: bytes and times go in, bytes and events come out. It opens nothing, waits for nothing and knows no clock.
//!
//! # Two sources
//! The *attach* is live and keeps the streams apart, but brings only what is written after it stands, and may break. The *log*
//! has everything from the first byte, but completed lines only (of a longer one pieces, and what has no end when the program
//! ends), some time later, and both streams in one. Neither says where it stands in the other.
//!
//! # Why nothing is lost or doubled
//! Both are cut into *units* (lines, and pieces of long ones), and the log leads: its units are taken one by one, in their
//! order, and for each there is one `Fate` (`merge.rs`). A unit that the attach has as the next of a stream is shown on that
//! stream. Any other waits a moment for the attach, and is then shown as missed, on standard output. If the log is silent for
//! long, what the attach brought is shown without it. What was shown from one source alone is counted, so that the copy from
//! the other strikes a count out and is not shown: **a text is shown as often as the source that has it more often has it**,
//! whatever the delays. Waiting only decides on which stream a unit is shown, and how soon. What is not a whole unit (the first line of
//! an attach, and the last one, if it broke) is never counted and never shown as a unit: it tells on which stream the unit of
//! the log that has it belongs, and how much of that is on the screen already.
//!
//! # Terminals
//! A person cannot wait for the log. Once nothing is missed, a terminal is *live*: what the attach brings is shown at once and
//! counted. What the log turns out to have besides is shown before the current line, the only thing that is ever written again.
//!
//! # What it may take
//! What one source told and the other did not is bounded (`Setup::limit`). Beyond it one source is not read until the other
//! has caught up; an attach that is not read holds the program up. So a log cannot run away from its reader, and rotation is
//! only a matter of broken readings, which go on by time stamps.
//!
//! # Left out
//! - `stream=` of the log's options (alpha): where a cluster has it, each stream is one `Machine` with one stream.
//! - Runtimes that write unfinished text into the log at once (CRI-O), and mix two streams within a line.
//! - Lines longer than a piece on both streams at once: the log does not say which piece goes on with which, so bytes are kept
//!   and lines may not be. The property finds such lines shown twice, about once in some ten thousand scripts of them, and
//!   on a real cluster parts of them are where neither has a newline at the end, or the attach begins within them.
//! - What was missed of a program that ends with text without a newline on one stream and lines on the other: the log may have both
//!   as one line. Where the attach has brought the end, the log's last text, which lacks it, tells them apart.
//! - Which of many equal lines was written on which stream, and before the attach or after, by a program that writes them on both
//!   without a pause of some tenths of a second: what is shown is right in number, and may be on the other stream.
//! - A line in pieces within which the log was rotated, where the attach began after it did: lengths do not tell what is missing,
//!   so what the log has of it then is not shown, and that is told.
//! - A carriage return right before the end of a line: containerd leaves it out of its logs, so that a line which the log alone has
//!   comes without it.
//! - A limit of about one line, where parts of the same text are shown on both streams and both attaches break: once in some
//!   hundred thousand scripts.

#![forbid(unsafe_code)]

mod counts;
mod end;
mod feed;
mod log;
mod machine;
mod merge;
mod placing;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

pub use machine::Machine;

/// Which of a program's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output, and everything where the program has a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Both streams.
pub(crate) const BOTH: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// What the output is of, and for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The program has a terminal: it has one stream, with carriage returns.
    pub tty: bool,
    /// A person looks at that terminal on a terminal.
    pub is_for_person: bool,
    /// The program can be answered: a line that does not end may be a question, and is shown although it may have begun
    /// before the attach. Else it is shown whole or not yet.
    pub is_answered: bool,
    /// The container may be started again, and what it wrote before cannot be read then: the log is read on until it ends.
    pub may_be_replaced: bool,
    /// The longest piece of a line without an end that the log has: 16 KiB with containerd.
    pub piece: usize,
    /// How many bytes may wait for the other source, for each stream and for the log.
    pub limit: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tty: false,
            is_for_person: false,
            is_answered: false,
            may_be_replaced: false,
            piece: 16 << 10,
            limit: 512 << 10,
        }
    }
}

/// How a source came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should: the other side says that there is no more.
    Finished,
    /// The connection broke, or was given up.
    Broken,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes to be written.
    Show(Stream, Vec<u8>),
    /// Something to be told.
    Event(Event),
}

/// What is to be told about the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Lines are shown that the log alone has: on standard output, whatever stream they were written to. Told once.
    FromLog,
    /// A line was shown whose beginning was missed and came too late to be shown.
    BeginningMissing {
        /// Where the line was shown.
        stream: Stream,
        /// What it began with.
        text: Vec<u8>,
    },
    /// The rest of a line that an attach had begun is in no log.
    EndMissing {
        /// Where its beginning was shown.
        stream: Stream,
    },
    /// A line was ended before its end came, so that another one could be shown.
    LineCut {
        /// Where its beginning was shown.
        stream: Stream,
    },
    /// Whether all of the output was shown is not known. Each reason is told once.
    Uncertain(Doubt),
}

/// Why it is not known whether output is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The log was rotated while it was not read, and no attach stood all that time.
    LogRotated,
    /// The log cannot be read any more.
    LogUnreadable,
    /// The log lacks lines that the attach brought; it may lack others.
    LogIncomplete,
}

/// How the log is to be read: with `timestamps=true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWish {
    /// On as it grows, or to where it ends now.
    pub follow: bool,
    /// What to give as `sinceTime`; none: from the first byte.
    pub since: Option<String>,
}

/// What an entry of a queue costs besides its text, in bytes, so that limits hold for short lines as well.
pub(crate) const ENTRY: usize = 96;

/// How long a line of the log waits for the attach to bring it on its own stream.
pub(crate) const GRACE: Duration = Duration::from_millis(400);
/// The same at a terminal, where there is one stream only.
// A person waits for what is shown, a prompt for example.
pub(crate) const TERMINAL_GRACE: Duration = Duration::from_millis(150);
/// The same once the attach is placed, so that only a slow connection can be the reason.
pub(crate) const PLACED_GRACE: Duration = Duration::from_secs(1);
/// The same where the attach has brought a later line of the other stream.
// Both streams come over one connection: what is not here soon after a later line is not on its way.
pub(crate) const CROSS_GRACE: Duration = Duration::from_millis(50);
/// The same at a terminal that is live.
pub(crate) const LIVE_GRACE: Duration = Duration::from_secs(2);
/// The same where a part of what may be that line is shown.
pub(crate) const PART_PATIENCE: Duration = Duration::from_secs(10);
/// How long a line of the attach that was shown from the log, or may have been, waits for the log to have it once more.
pub(crate) const STRUCK: Duration = Duration::from_secs(3);
/// How long a text that was shown from the log keeps the beginning of such a line from being shown: the attach may be late.
pub(crate) const KEPT: Duration = Duration::from_secs(10);
/// After how much silence a line without an end is shown.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// The same at a terminal, where it is most likely a prompt.
pub(crate) const PROMPT_PAUSE: Duration = Duration::from_millis(30);
/// The silence after which a log does not have what the attach has brought.
pub(crate) const OVERDUE: Duration = Duration::from_secs(10);
