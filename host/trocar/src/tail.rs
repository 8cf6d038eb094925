//! Skips the beginning of a session's output, for `attach --tail`.

use std::io;

use trocar_cluster::{Output, SessionEvent, Stream};

/// Drops the first bytes of a session's output.
pub(crate) struct TailOutput<'a> {
    output: &'a mut dyn Output,
    /// The number of bytes that are still to be dropped.
    left: u64,
}

impl<'a> TailOutput<'a> {
    pub(crate) fn new(output: &'a mut dyn Output, skipped: u64) -> Self {
        Self {
            output,
            left: skipped,
        }
    }
}

impl Output for TailOutput<'_> {
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        // Both streams count together, since the log that was counted has them in one.
        let out = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.left -= out as u64;
        match &bytes[out..] {
            [] => Ok(()),
            shown => self.output.show(stream, shown),
        }
    }

    fn event(&mut self, event: SessionEvent) {
        self.output.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Shown(String);

    impl Output for Shown {
        fn show(&mut self, _: Stream, bytes: &[u8]) -> io::Result<()> {
            self.0 += std::str::from_utf8(bytes).unwrap();
            Ok(())
        }

        fn event(&mut self, _: SessionEvent) {}
    }

    #[test]
    fn the_first_bytes_are_dropped_across_writes() {
        for pieces in [
            vec!["one\ntwo\n"],
            vec!["on", "e\nt", "wo\n"],
            vec!["one\n", "two\n"],
        ] {
            let mut shown = Shown::default();
            let mut tail = TailOutput::new(&mut shown, 4);
            for piece in &pieces {
                tail.show(Stream::Stdout, piece.as_bytes()).unwrap();
            }
            assert_eq!(shown.0, "two\n", "{pieces:?}");
        }
    }
}
