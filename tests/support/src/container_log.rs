//! A model of a container's log as containerd writes it and a kubelet reads it. Pure: without files and clock.
//!
//! Output enters the log as complete lines per stream. An unfinished line enters it in pieces when it is long enough, or at the
//! program's end. A carriage return before a line end is dropped. The log is a sequence of rotated files, of which new readings see
//! the newest only. Modelled after `internal/cri/io/logger.go` of containerd 2.4 and `pkg/logs/logs.go` of
//! k8s.io/cri-client 0.37, and compared with both on a real node.

/// A stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The largest entry, in bytes. A longer line is split.
pub const MAX_ENTRY_BYTES: usize = 16 << 10;

/// The buffer through which containerd reads a stream. Unfinished lines are processed when it is full.
const READ_BUFFER_BYTES: usize = 4 << 10;

/// The default size at which a kubelet rotates the log.
pub const DEFAULT_FILE_BYTES: usize = 10 << 20;

/// The number of files that are kept.
const MAX_FILES: usize = 5;

/// The bytes of an entry in a file besides its text: time, stream, tag, line end.
const ENTRY_OVERHEAD_BYTES: usize = 46;

/// The log of a container. Times are nanoseconds since any epoch.
#[derive(Debug)]
pub struct ContainerLog {
    streams: [Splitter; 2],
    files: Vec<File>,
    /// The number of the first of the files that are kept.
    first_file: usize,
    max_file_bytes: usize,
}

#[derive(Debug, Default)]
struct File {
    text: Vec<u8>,
    entries: Vec<Entry>,
}

impl File {
    fn text_of(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.entries[before].end);
        &self.text[start..self.entries[index].end]
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    time: i128,
    /// The end of its text within the file's text.
    end: usize,
}

impl Default for ContainerLog {
    fn default() -> Self {
        Self::new(DEFAULT_FILE_BYTES)
    }
}

impl ContainerLog {
    /// Creates an empty log that is rotated at a size.
    pub fn new(max_file_bytes: usize) -> Self {
        Self {
            streams: Default::default(),
            files: vec![File::default()],
            first_file: 0,
            max_file_bytes,
        }
    }

    /// Changes the size at which it is rotated.
    pub fn limit_files(&mut self, max_file_bytes: usize) {
        self.max_file_bytes = max_file_bytes;
    }

    /// Adds output.
    pub fn write(&mut self, stream: OutputStream, bytes: &[u8], time: i128) {
        for entry in self.streams[stream as usize].take(bytes) {
            self.push(&entry, time);
        }
    }

    /// Ends a stream: its unfinished line enters the log, without a line end.
    pub fn end(&mut self, stream: OutputStream, time: i128) {
        for entry in self.streams[stream as usize].rest() {
            self.push(&entry, time);
        }
    }

    /// Rotates the log.
    pub fn rotate(&mut self) {
        self.files.push(File::default());
        if self.files.len() > MAX_FILES {
            self.files.remove(0);
            self.first_file += 1;
        }
    }

    fn push(&mut self, text: &[u8], time: i128) {
        let file = self.files.last_mut().expect("a log has a file");
        file.text.extend_from_slice(text);
        let end = file.text.len();
        file.entries.push(Entry { time, end });
        if end + file.entries.len() * ENTRY_OVERHEAD_BYTES >= self.max_file_bytes {
            self.rotate();
        }
    }

    /// The bytes of output in the newest file.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.newest().1.text.len()
    }

    fn newest(&self) -> (usize, &File) {
        let file = self.files.last().expect("a log has a file");
        (self.first_file + self.files.len() - 1, file)
    }

    /// Returns what a reading without `follow` gets now.
    pub fn read(&self, options: &ReadOptions) -> Vec<u8> {
        LogReader::new(self, options, false).next(self)
    }
}

/// The options of a reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Each line has its time, in RFC 3339 with nine digits, and a space before it.
    pub timestamps: bool,
    /// Only entries of this time or later.
    pub since: Option<i128>,
    /// Only so many of the last entries.
    pub tail_lines: Option<usize>,
    /// At most so many bytes, those of the times included.
    pub limit_bytes: Option<usize>,
}

/// A reading of the log.
#[derive(Debug)]
pub struct LogReader {
    options: ReadOptions,
    /// The file, counted from the first one, and the next entry in it.
    file: usize,
    entry: usize,
    /// The number of entries that are still wanted.
    entries_left: usize,
    bytes_left: usize,
    is_line_begun: bool,
}

impl LogReader {
    /// Begins a reading.
    pub fn new(log: &ContainerLog, options: &ReadOptions, follows: bool) -> Self {
        let (number, file) = log.newest();
        let tail = options.tail_lines.unwrap_or(usize::MAX);
        Self {
            options: options.clone(),
            file: number,
            entry: file.entries.len().saturating_sub(tail),
            entries_left: if follows { usize::MAX } else { tail },
            bytes_left: options.limit_bytes.unwrap_or(usize::MAX),
            is_line_begun: false,
        }
    }

    /// Returns true if the reading is complete, regardless of later output.
    pub fn is_over(&self) -> bool {
        self.bytes_left == 0 || self.entries_left == 0
    }

    /// Returns the entries since the last call. At the end of its file the reading continues with the newest one: files in
    /// between are never read.
    pub fn next(&mut self, log: &ContainerLog) -> Vec<u8> {
        let mut text = Vec::new();
        let (newest, _) = log.newest();
        loop {
            let file = self
                .file
                .checked_sub(log.first_file)
                .and_then(|index| log.files.get(index));
            while let Some(file) = file.filter(|file| self.entry < file.entries.len() && !self.is_over()) {
                self.read_entry(file, &mut text);
            }
            if self.file == newest || self.is_over() {
                return text;
            }
            self.file = newest;
            self.entry = 0;
        }
    }

    fn read_entry(&mut self, file: &File, text: &mut Vec<u8>) {
        let Entry { time, .. } = file.entries[self.entry];
        let content = file.text_of(self.entry);
        self.entry += 1;
        self.entries_left -= 1;
        if self.options.since.is_none_or(|since| time >= since) {
            let mut line = Vec::new();
            if self.options.timestamps && !self.is_line_begun {
                line.extend_from_slice(format!("{} ", timestamp(time)).as_bytes());
            }
            line.extend_from_slice(content);
            line.truncate(self.bytes_left);
            self.bytes_left -= line.len();
            text.extend_from_slice(&line);
        }
        self.is_line_begun = content.last().is_some_and(|byte| *byte != b'\n');
    }
}

/// A time as a kubelet writes it.
fn timestamp(nanoseconds: i128) -> String {
    let time = jiff::Timestamp::from_nanosecond(nanoseconds).expect("the time is one of this age");
    format!("{time:.9}")
}

/// The state of one stream.
#[derive(Debug, Default)]
struct Splitter {
    /// Bytes that were not processed yet.
    buffer: Vec<u8>,
    /// The processed part of the current line that is not in the log yet.
    line: Vec<u8>,
}

impl Splitter {
    /// Adds bytes. Returns the entries that they complete.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.buffer.extend_from_slice(bytes);
        let mut entries = Vec::new();
        let mut start = 0;
        loop {
            let ahead = &self.buffer[start..];
            let window = &ahead[..ahead.len().min(READ_BUFFER_BYTES)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                let content = &window[..end];
                // A carriage return before the line end is a part of it.
                self.line
                    .extend_from_slice(content.strip_suffix(b"\r").unwrap_or(content));
                entries.extend(self.piece());
                let mut entry = std::mem::take(&mut self.line);
                entry.push(b'\n');
                entries.push(entry);
                start += end + 1;
            } else if window.len() == READ_BUFFER_BYTES {
                // A carriage return at the end of the buffer waits for what follows it.
                let content = window.strip_suffix(b"\r").unwrap_or(window);
                self.line.extend_from_slice(content);
                start += content.len();
                entries.extend(self.piece());
            } else {
                self.buffer.drain(..start);
                return entries;
            }
        }
    }

    /// The last entry, at the end of the stream.
    fn rest(&mut self) -> Vec<Vec<u8>> {
        self.line.append(&mut self.buffer);
        let mut entries: Vec<_> = self.piece().into_iter().collect();
        if !self.line.is_empty() {
            entries.push(std::mem::take(&mut self.line));
        }
        entries
    }

    /// A piece of the current line, if it is too long for one entry.
    fn piece(&mut self) -> Option<Vec<u8>> {
        if self.line.len() <= MAX_ENTRY_BYTES {
            return None;
        }
        let rest = self.line.split_off(MAX_ENTRY_BYTES);
        Some(std::mem::replace(&mut self.line, rest))
    }
}

#[cfg(test)]
mod tests;
