//! What a program writes on two streams, and whether that is what was shown of it.

use std::fmt::Write as _;

use crate::random_debugs::Choices;

/// What the program's streams are, by their index.
pub(crate) const STREAMS: [&str; 2] = ["", " >&2"];

/// A program for the shell, and each byte that it writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) script: String,
    pub(crate) bytes: [Vec<u8>; 2],
    /// Each line begins and ends with its number, so that a part of it is told from all others.
    is_unique: bool,
    lines: usize,
    /// The number of each stream's present line.
    numbers: [usize; 2],
}

impl Written {
    /// A program whose text the test knows.
    pub(crate) fn new(script: &str, stdout: &str, stderr: &str) -> Self {
        Self {
            script: script.into(),
            bytes: [stdout.into(), stderr.into()],
            is_unique: true,
            ..Self::default()
        }
    }

    /// The program of a seed. A `plain` one writes no more than printable lines, each another one.
    pub(crate) fn random(seed: u64, is_plain: bool) -> Self {
        let mut choices = Choices(seed);
        let mut written = Self {
            is_unique: is_plain || choices.chance(50),
            ..Self::default()
        };
        // The attach is there from the first byte, or comes late.
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
        // When a program ends, what has no end may come into the log before the other stream's last lines, as one line with the
        // first of them: then no one can tell them apart who did not see them come.
        written.script.push_str("usleep 300000\n");
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

/// What came out: bytes of the program, and what was said about them.
pub(crate) struct Shown {
    pub(crate) bytes: [Vec<u8>; 2],
    pub(crate) told: Vec<String>,
}

/// How what is said begins. No program of these tests writes that.
const SAID: [&str; 5] = [
    "Warning: ",
    "Note: ",
    "The connection ",
    "Container ",
    "Defaulting ",
];

impl Shown {
    /// Takes what is said out of what was written to stderr.
    pub(crate) fn new(stdout: Vec<u8>, stderr: &[u8]) -> Self {
        let (mut rest, mut program, mut told) = (stderr, Vec::new(), Vec::new());
        while !rest.is_empty() {
            if SAID.iter().any(|said| rest.starts_with(said.as_bytes())) {
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
}

/// Lines with their ends, and the text that has none. A runtime leaves out carriage returns before a line's end in its log.
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

/// Says what is wrong with what was shown of a program of which nothing was lost; nothing where it is as it should be: each line
/// once and whole, and where lines can be told apart in its order, on its own stream, or on standard output where it was written
/// before the attach stood.
pub(crate) fn wrong(written: &Written, shown: &Shown) -> Option<String> {
    let [(out, out_rest), (err, err_rest)] = written.bytes.each_ref().map(|bytes| lines(bytes));
    let [(shown_out, shown_out_rest), (shown_err, shown_err_rest)] =
        shown.bytes.each_ref().map(|bytes| lines(bytes));
    let one = |rests: [&[u8]; 2]| rests.concat();
    let (ends, shown_ends) = (
        [&out_rest[..], &err_rest[..]],
        one([&shown_out_rest, &shown_err_rest]),
    );
    if one(ends) != shown_ends && one([ends[1], ends[0]]) != shown_ends {
        return Some(format!(
            "the ends are {:?} and {:?}",
            text(&shown_out_rest),
            text(&shown_err_rest)
        ));
    }
    if !written.is_unique {
        let sorted = |lines: [&[Vec<u8>]; 2]| {
            let mut lines = lines.concat();
            lines.sort();
            lines
        };
        let (lines, shown) = (sorted([&out, &err]), sorted([&shown_out, &shown_err]));
        return (lines != shown).then(|| difference("both streams", &lines, &shown));
    }
    let Some(missed) = err.strip_suffix(&shown_err[..]) else {
        return Some(difference("stderr", &err, &shown_err));
    };
    if !is_interleaved(&shown_out, &out, missed) {
        return Some(difference("stdout", &[&out[..], missed].concat(), &shown_out));
    }
    None
}

/// Returns whether the lines are those of both, each in its order.
fn is_interleaved(lines: &[Vec<u8>], one: &[Vec<u8>], other: &[Vec<u8>]) -> bool {
    if lines.len() != one.len() + other.len() {
        return false;
    }
    // How many of one's lines may have come, after so many lines: a range would not do, since texts repeat.
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

/// The lines that are missing, and those that are too many.
fn difference(stream: &str, wanted: &[Vec<u8>], shown: &[Vec<u8>]) -> String {
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
    format!(
        "{stream} lacks {:?} and has {:?} besides, in {} lines in the place of {}",
        without(wanted, shown),
        without(shown, wanted),
        shown.len(),
        wanted.len()
    )
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Says what is missing or shown twice of a program of which no two lines are the same, and whose connection was cut: what was
/// written while it was away is on standard output. A line may be shown in two parts, or without a beginning that was told.
pub(crate) fn wrong_after_cuts(written: &Written, shown: &Shown) -> Option<String> {
    let is_harmless = |told: &String| {
        ["The connection ", "Warning: a line is shown ", "Note: "]
            .iter()
            .any(|said| told.starts_with(said))
    };
    if let Some(told) = shown.told.iter().find(|told| !is_harmless(told)) {
        return Some(format!("nothing was lost, but it is said: {told}"));
    }
    if shown.told.iter().all(|told| !told.starts_with("Warning: ")) {
        return wrong_lines_after_cuts(written, shown);
    }
    let begun = "which was written before the attach: ";
    let beginnings = shown.told.iter().filter_map(|told| told.split_once(begun));
    let beginnings: String = beginnings.map(|(_, text)| text.trim_end_matches('\n')).collect();
    let sorted = |texts: &[&[u8]]| {
        let mut bytes = texts.concat();
        bytes.retain(|byte| *byte != b'\n');
        bytes.sort_unstable();
        bytes
    };
    let wanted = sorted(&[&written.bytes[0], &written.bytes[1]]);
    let found = sorted(&[&shown.bytes[0], &shown.bytes[1], beginnings.as_bytes()]);
    (wanted != found).then(|| format!("{} bytes in the place of {}", found.len(), wanted.len()))
}

fn wrong_lines_after_cuts(written: &Written, shown: &Shown) -> Option<String> {
    let [(out, _), (err, _)] = written.bytes.each_ref().map(|bytes| lines(bytes));
    let [(shown_out, shown_out_rest), (shown_err, shown_err_rest)] =
        shown.bytes.each_ref().map(|bytes| lines(bytes));
    let (missed, on_stdout): (Vec<_>, Vec<_>) =
        shown_out.iter().cloned().partition(|line| err.contains(line));
    if on_stdout != out {
        return Some(difference("stdout", &out, &on_stdout));
    }
    if !is_interleaved(&err, &missed, &shown_err) {
        return Some(difference("stderr", &err, &[missed, shown_err].concat()));
    }
    // Lines were compared; the ends are as they are without cuts.
    let ends = Written {
        bytes: written.bytes.each_ref().map(|bytes| lines(bytes).1),
        ..Written::default()
    };
    let shown_ends = Shown {
        bytes: [shown_out_rest, shown_err_rest],
        told: Vec::new(),
    };
    wrong(&ends, &shown_ends)
}
