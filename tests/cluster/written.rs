//! Generated programs that write to two streams, and checks of what was shown of their output.

use std::fmt::Write as _;

use crate::random_debugs::Choices;

/// The program's streams, by index.
pub(crate) const STREAMS: [&str; 2] = ["", " >&2"];

/// A program for the shell, and each byte that it writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) script: String,
    pub(crate) bytes: [Vec<u8>; 2],
    /// Each line begins and ends with its number, so that parts of lines can be identified.
    is_unique: bool,
    lines: usize,
    /// The number of each stream's current line.
    numbers: [usize; 2],
}

impl Written {
    /// A program whose output the test knows.
    pub(crate) fn new(script: &str, stdout: &str, stderr: &str) -> Self {
        Self {
            script: script.into(),
            bytes: [stdout.into(), stderr.into()],
            is_unique: true,
            ..Self::default()
        }
    }

    /// The program of a seed. A `plain` one writes distinct, printable lines only.
    pub(crate) fn random(seed: u64, is_plain: bool) -> Self {
        let mut choices = Choices(seed);
        let mut written = Self {
            is_unique: is_plain || choices.chance(50),
            ..Self::default()
        };
        // The attach is there from the first byte, or late.
        if choices.chance(50) {
            written.script.push_str("sleep 1\n");
        }
        for _ in 0..3 + choices.below(25) {
            match choices.below(10) {
                0..=6 => written.text(&mut choices, is_plain),
                7 if !is_plain => written.burst(&mut choices),
                _ => writeln!(written.script, "usleep {}", choices.below(250_000)).unwrap(),
            }
        }
        if choices.chance(50) {
            written.script.push_str("usleep 300000\n");
        }
        written
    }

    fn text(&mut self, choices: &mut Choices, is_plain: bool) {
        let stream = usize::from(choices.chance(50));
        let text = match choices.below(if is_plain { 4 } else { 8 }) {
            0 | 1 => b"line\n".to_vec(),
            2 => b"part".to_vec(),
            3 => b"one\ntwo\nthree".to_vec(),
            4 => b"\r 50".to_vec(),
            5 => b"\n".to_vec(),
            6 => b"\n\na\na\n\n".to_vec(),
            _ => (0..1 + choices.below(40))
                .map(|_| choices.below(256) as u8)
                .collect(),
        };
        self.write(stream, &text);
    }

    fn write(&mut self, stream: usize, text: &[u8]) {
        let mut bytes = Vec::new();
        for byte in text {
            let begun = bytes.last().or(self.bytes[stream].last());
            if self.is_unique && begun.is_none_or(|byte| *byte == b'\n') {
                self.lines += 1;
                bytes.extend_from_slice(format!("{}.", self.lines).as_bytes());
                self.numbers[stream] = self.lines;
            }
            if self.is_unique && *byte == b'\n' {
                bytes.extend_from_slice(format!("~{}", self.numbers[stream]).as_bytes());
            }
            bytes.push(*byte);
        }
        let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
        writeln!(self.script, "printf '{octal}'{}", STREAMS[stream]).unwrap();
        self.bytes[stream].extend_from_slice(&bytes);
    }

    /// Many lines at once.
    fn burst(&mut self, choices: &mut Choices) {
        let stream = usize::from(choices.chance(50));
        let (from, count) = ((self.lines + 1) * 100_000, 1 + choices.below(3000) as usize);
        self.lines += 1;
        if !self.bytes[stream].ends_with(b"\n") {
            self.write(stream, b"\n");
        }
        writeln!(self.script, "seq {from} {}{}", from + count - 1, STREAMS[stream]).unwrap();
        for number in from..from + count {
            self.bytes[stream].extend_from_slice(format!("{number}\n").as_bytes());
        }
    }
}

/// The output of a session: the program's bytes, and notes about them.
pub(crate) struct Shown {
    pub(crate) bytes: [Vec<u8>; 2],
    pub(crate) told: Vec<String>,
}

/// How notes begin. No program of these tests writes that.
const NOTE_PREFIXES: [&str; 5] = [
    "Warning: ",
    "Note: ",
    "The connection ",
    "Container ",
    "Defaulting ",
];

impl Shown {
    /// Separates notes from the program's bytes on stderr.
    pub(crate) fn new(stdout: Vec<u8>, stderr: &[u8]) -> Self {
        let (mut rest, mut program, mut told) = (stderr, Vec::new(), Vec::new());
        while !rest.is_empty() {
            if NOTE_PREFIXES
                .iter()
                .any(|prefix| rest.starts_with(prefix.as_bytes()))
            {
                let end = rest
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(rest.len(), |end| end + 1);
                told.push(String::from_utf8_lossy(&rest[..end]).into_owned());
                rest = &rest[end..];
            } else {
                program.push(rest[0]);
                rest = &rest[1..];
            }
        }
        Self {
            bytes: [stdout, program],
            told,
        }
    }

    /// The notes that are not about the container itself.
    fn notes_about_output(&self) -> impl Iterator<Item = &String> {
        let is_usual = |told: &&String| {
            ["Container ", "Defaulting "]
                .iter()
                .any(|prefix| told.starts_with(prefix))
        };
        self.told.iter().filter(move |told| !is_usual(told))
    }

    fn without_connection(&self) -> Self {
        let told = self
            .told
            .iter()
            .filter(|told| !told.starts_with("The connection "));
        Self {
            bytes: self.bytes.clone(),
            told: told.cloned().collect(),
        }
    }
}

/// Lines with their ends, and the rest. A runtime drops carriage returns before line ends in its log.
fn lines(text: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let plain = |line: &[u8]| match line.strip_suffix(b"\n") {
        Some(line) => {
            let end = line
                .iter()
                .rposition(|byte| *byte != b'\r')
                .map_or(0, |last| last + 1);
            [&line[..end], b"\n"].concat()
        }
        None => line.to_vec(),
    };
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(plain).collect();
    let rest = lines.pop_if(|line| !line.ends_with(b"\n")).unwrap_or_default();
    (lines, rest)
}

/// Checks the output of a session without losses. Returns what is wrong, if anything: every byte must be on its stream or, with a
/// note that lines are from the log alone, on standard output and in order: output from before the attach, and what the attach did
/// not deliver at the program's end.
pub(crate) fn wrong(written: &Written, shown: &Shown, log: &[u8]) -> Option<String> {
    let (notes, others): (Vec<_>, Vec<_>) = shown
        .notes_about_output()
        .partition(|told| told.starts_with("Note: "));
    if !others.is_empty() || notes.len() > 1 {
        return Some(format!(
            "nothing was lost, but there are notes: {others:?} {notes:?}"
        ));
    }
    let (wanted, found) = (Parts::of(&written.bytes), Parts::of(&shown.bytes));
    if notes.is_empty() {
        return (written.bytes != shown.bytes).then(|| difference(&wanted.all(), &found.all()));
    }
    let wanted = wanted.with_joined_ends(log, &found, &[0]);
    if !wanted.has_same_ends(&found) {
        return Some(format!(
            "the ends are {:?} and {:?}",
            text(&found.ends[0]),
            text(&found.ends[1])
        ));
    }
    // Equal lines before and after the attach, and on both streams, cannot be told apart.
    if !written.is_unique {
        let sorted = |parts: &Parts| {
            let mut lines = parts.lines.concat();
            lines.sort();
            lines
        };
        let is_same = sorted(&wanted) == sorted(&found);
        return (!is_same).then(|| difference(&wanted.all(), &found.all()));
    }
    let Some(missed) = without_run(&wanted.lines[1], &found.lines[1]) else {
        return Some(difference(&wanted.all(), &found.all()));
    };
    if !is_interleaved(&found.lines[0], &wanted.lines[0], &missed) {
        return Some(format!("stdout: {}", difference(&wanted.all(), &found.all())));
    }
    None
}

/// The lines before and after a range: those before the attach, and those that it should have delivered when the program ended, of
/// which a kubelet drops what it has not sent by then.
fn without_run(lines: &[Vec<u8>], run: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let mut starts = (0..=lines.len().checked_sub(run.len())?).rev();
    let start = starts.find(|start| lines[*start..].starts_with(run))?;
    Some([&lines[..start], &lines[start + run.len()..]].concat())
}

/// The lines of both streams, and their unfinished last lines.
#[derive(Clone)]
struct Parts {
    lines: [Vec<Vec<u8>>; 2],
    ends: [Vec<u8>; 2],
}

impl Parts {
    fn of(bytes: &[Vec<u8>; 2]) -> Self {
        let [(out, out_end), (err, err_end)] = bytes.each_ref().map(|bytes| lines(bytes));
        Self {
            lines: [out, err],
            ends: [out_end, err_end],
        }
    }

    fn all(&self) -> Vec<Vec<u8>> {
        [self.lines.concat(), self.ends.to_vec()].concat()
    }

    /// When a program ends, the log may have the unfinished line of one stream before the other's last lines, joined with the first of
    /// them. If no attach delivered that text whole, they cannot be told apart: they are one line of the stream on which it is shown,
    /// which may be one of these.
    fn with_joined_ends(self, log: &[u8], found: &Self, on: &[usize]) -> Self {
        let (log, _) = lines(log);
        for (ended, other) in [(0, 1), (1, 0)] {
            for index in 0..self.lines[other].len() {
                let one = [&self.ends[ended][..], &self.lines[other][index]].concat();
                // Another line may have the same text.
                let count = |lines: &[Vec<u8>]| lines.iter().filter(|line| **line == one).count();
                let written: usize = self.lines.iter().map(|lines| count(lines)).sum();
                let shown: usize = on.iter().map(|stream| count(&found.lines[*stream])).sum();
                if !self.ends[ended].is_empty() && count(&log) > written && shown > written {
                    let mut parts = self;
                    parts.ends[ended].clear();
                    parts.lines[other][index] = one;
                    return parts;
                }
            }
        }
        self
    }

    /// Returns whether the streams end the same. The log may have their unfinished lines as one text, within which an attach that
    /// delivered its end may have begun.
    fn has_same_ends(&self, found: &Self) -> bool {
        let one = self.joined_ends();
        let is_one = |stream: usize| found.ends[1 - stream].is_empty() && one.contains(&found.ends[stream]);
        self.ends == found.ends || is_one(0) || is_one(1)
    }

    /// Returns whether the streams end with what the log has as one text, within which an attach broke.
    fn ends_as(&self, log: &[u8], found: &Self) -> bool {
        let (_, logged) = lines(log);
        self.joined_ends().contains(&logged) && found.ends.concat() == logged
    }

    /// Both unfinished lines as one text, in either order.
    fn joined_ends(&self) -> [Vec<u8>; 2] {
        let [out, err] = self.ends.each_ref().map(|end| &end[..]);
        [[out, err].concat(), [err, out].concat()]
    }
}

/// Returns whether the lines are a merge of both, each in its order.
fn is_interleaved(lines: &[Vec<u8>], one: &[Vec<u8>], other: &[Vec<u8>]) -> bool {
    if lines.len() != one.len() + other.len() {
        return false;
    }
    // The possible numbers of one stream's lines after each line. A set rather than a range, since texts repeat.
    let mut reached = vec![false; one.len() + 1];
    reached[0] = true;
    for (count, line) in lines.iter().enumerate() {
        let mut next = vec![false; one.len() + 1];
        for from in (0..=one.len().min(count)).filter(|from| reached[*from]) {
            if one.get(from) == Some(line) {
                next[from + 1] = true;
            }
            if other.get(count - from) == Some(line) {
                next[from] = true;
            }
        }
        reached = next;
    }
    reached[one.len()]
}

/// Missing and surplus lines.
fn difference(wanted: &[Vec<u8>], shown: &[Vec<u8>]) -> String {
    let without = |lines: &[Vec<u8>], others: &[Vec<u8>]| {
        let mut rest = others.to_vec();
        rest.sort();
        let mut lines = lines.to_vec();
        lines.retain(|line| match rest.binary_search(line) {
            Ok(index) => {
                rest.remove(index);
                false
            }
            Err(_) => true,
        });
        lines.iter().take(20).map(|line| text(line)).collect::<Vec<_>>()
    };
    let (missing, surplus) = (without(wanted, shown), without(shown, wanted));
    match missing.is_empty() && surplus.is_empty() {
        true => "lines are in another order, or on another stream".to_owned(),
        false => format!("{missing:?} is missing, {surplus:?} is too much"),
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Checks the output of a program with distinct lines whose connection was cut. Returns what is wrong, if anything: each line must be
/// there once, whole, in order, and on its stream or, with a note that lines are from the log alone, on standard output.
pub(crate) fn wrong_after_cuts(written: &Written, shown: &Shown, log: &[u8]) -> Option<String> {
    let said = || {
        shown
            .notes_about_output()
            .filter(|told| !told.starts_with("The connection "))
    };
    if let Some(told) = said().find(|told| !told.starts_with("Note: ")) {
        return Some(format!("nothing was lost, but there is a note: {told}"));
    }
    let (wanted, found) = (Parts::of(&written.bytes), Parts::of(&shown.bytes));
    let wanted = wanted.with_joined_ends(log, &found, &[0, 1]);
    if said().next().is_none() {
        // An attach may have begun within a line that the log has joined with the other stream's end: only the log has how it begins.
        let is_as_the_log_has_it = (&wanted.lines, &wanted.ends) == (&found.lines, &found.ends);
        return wrong(written, &shown.without_connection(), log).filter(|_| !is_as_the_log_has_it);
    }
    let [out, err] = &wanted.lines;
    let (missed, on_stdout): (Vec<_>, Vec<_>) = found.lines[0]
        .iter()
        .cloned()
        .partition(|line| err.contains(line));
    if on_stdout != *out || !is_interleaved(err, &missed, &found.lines[1]) {
        return Some(difference(&wanted.all(), &found.all()));
    }
    if !wanted.has_same_ends(&found) && !wanted.ends_as(log, &found) {
        return Some(format!(
            "the ends are {:?} and {:?}",
            text(&found.ends[0]),
            text(&found.ends[1])
        ));
    }
    None
}
