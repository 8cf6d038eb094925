//! How much of a container's log stands before its last lines. Reads only.

use std::{collections::VecDeque, time::Duration};

use super::{
    client::Cluster,
    error::{Action, ClusterError},
    lines::Lines,
};

/// The most lines that are looked for.
// The place of each line is kept: 8 MB at most.
const MAX_LINES: usize = 1_000_000;

/// How often a log is read that cannot be read at once, and the pause between.
const TRIES: (usize, Duration) = (3, Duration::from_millis(200));

/// What a kubelet writes instead of a log that it cannot read just now, with the container's id behind it.
const UNREADABLE: &[u8] = b"unable to retrieve container logs for ";

/// Reads the log of a container as it is now, and counts the bytes before its last lines.
///
/// # Errors
/// Fails when the log may not be read, and when the connection breaks.
pub async fn bytes_before_tail(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    container: &str,
    lines: usize,
) -> Result<u64, ClusterError> {
    let action = Action::of_pod("get", "log", Some(namespace), pod);
    let mut tried = 1;
    loop {
        let counted = count_once(cluster, &action, container, lines).await;
        let may_pass = match &counted {
            Ok(tail) => tail.is_unreadable(),
            Err(error) => error.may_pass(),
        };
        if !may_pass || tried == TRIES.0 {
            return counted.map(Tail::before);
        }
        tried += 1;
        tokio::time::sleep(TRIES.1).await;
    }
}

async fn count_once(
    cluster: &Cluster,
    action: &Action,
    container: &str,
    lines: usize,
) -> Result<Tail, ClusterError> {
    let body = cluster.stream(action, &[("container", container)]).await?;
    let (mut log, mut tail) = (Lines::new(body), Tail::new(lines));
    loop {
        let chunk = log.chunk().await.map_err(|reason| ClusterError::Broken {
            action: action.clone(),
            reason,
        })?;
        match chunk {
            Some(chunk) => tail.see(&chunk),
            None => return Ok(tail),
        }
    }
}

/// Where the last lines of a text begin.
struct Tail {
    lines: usize,
    length: u64,
    /// Where the last lines begin, and behind them where the next one will.
    starts: VecDeque<u64>,
    /// The first bytes, as many as tell a kubelet's message from a log.
    head: Vec<u8>,
}

impl Tail {
    fn new(lines: usize) -> Self {
        Self {
            lines: lines.min(MAX_LINES),
            length: 0,
            starts: VecDeque::from([0]),
            head: Vec::new(),
        }
    }

    fn see(&mut self, bytes: &[u8]) {
        let missing = UNREADABLE.len() - self.head.len();
        self.head.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        for (index, _) in ends {
            self.starts.push_back(self.length + index as u64 + 1);
            if self.starts.len() > self.lines + 1 {
                self.starts.pop_front();
            }
        }
        self.length += bytes.len() as u64;
    }

    /// Whether this is a kubelet's message instead of a log: one line without an end.
    fn is_unreadable(&self) -> bool {
        self.head == UNREADABLE && self.starts.back() == Some(&0)
    }

    /// How many bytes stand before the last lines. One without an end is a line as well.
    fn before(mut self) -> u64 {
        let is_whole = self.starts.back() == Some(&self.length);
        let wanted = self.lines + usize::from(is_whole);
        while self.starts.len() > wanted {
            self.starts.pop_front();
        }
        self.starts.front().copied().unwrap_or(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(lines: usize, text: &str) -> String {
        let mut tail = Tail::new(lines);
        // In pieces, as it comes.
        text.as_bytes().chunks(3).for_each(|chunk| tail.see(chunk));
        text[usize::try_from(tail.before()).unwrap()..].to_owned()
    }

    #[test]
    fn what_a_kubelet_says_instead_of_a_log_is_not_one() {
        for (text, wanted) in [
            ("unable to retrieve container logs for containerd://ec97", true),
            ("unable to retrieve container logs for me\n", false),
            ("unable", false),
            ("", false),
        ] {
            let mut tail = Tail::new(1);
            text.as_bytes().chunks(3).for_each(|chunk| tail.see(chunk));
            assert_eq!(tail.is_unreadable(), wanted, "{text}");
        }
    }

    #[test]
    fn the_last_lines_are_those_of_tail() {
        for (lines, text, wanted) in [
            (0, "", ""),
            (0, "one\ntwo\n", ""),
            (0, "one\ntwo", ""),
            (1, "one\ntwo\n", "two\n"),
            (1, "one\ntwo", "two"),
            (2, "one\ntwo", "one\ntwo"),
            (2, "one\n\n\n", "\n\n"),
            (5, "one\ntwo\n", "one\ntwo\n"),
            (5, "", ""),
        ] {
            assert_eq!(last(lines, text), wanted, "{lines} of {text:?}");
        }
    }
}
