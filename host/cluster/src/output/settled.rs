//! What was shown for good: how much, and enough of it to know it again in a log.

/// How much of the beginning and of the end is kept, in bytes.
const KEPT: usize = 4 << 10;

/// The text that was shown and is certain, in its plain form.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    length: u64,
    hash: u64,
    /// Both streams were written to, whose order in the log may be another one: then lengths count, but no text.
    is_mixed: bool,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// What the last line looks like, should the screen below it have to be cleared.
    line: Vec<u8>,
}

impl Default for Settled {
    fn default() -> Self {
        Self {
            length: 0,
            hash: FNV_OFFSET,
            is_mixed: false,
            head: Vec::new(),
            tail: Vec::new(),
            line: Vec::new(),
        }
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Hashes on: FNV-1a, to tell texts apart that nobody forges.
pub(super) fn hashed(mut hash: u64, bytes: &[u8]) -> u64 {
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    }
    hash
}

/// The hash of nothing.
pub(super) const fn unhashed() -> u64 {
    FNV_OFFSET
}

impl Settled {
    pub(super) fn push(&mut self, plain: &[u8]) {
        self.length += plain.len() as u64;
        let for_head = KEPT.saturating_sub(self.head.len()).min(plain.len());
        self.head.extend_from_slice(&plain[..for_head]);
        let kept = &plain[plain.len().saturating_sub(KEPT)..];
        let surplus = (self.tail.len() + kept.len()).saturating_sub(2 * KEPT);
        if surplus > 0 {
            self.tail.drain(..self.tail.len() - KEPT.min(self.tail.len()));
        }
        self.tail.extend_from_slice(kept);
        if !self.is_mixed {
            self.hash = hashed(self.hash, plain);
        }
        match plain.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                self.line.clear();
                self.line.extend_from_slice(&plain[end + 1..]);
            }
            None => self.line.extend_from_slice(plain),
        }
        self.line.truncate(KEPT);
    }

    /// From now on two streams are written to.
    pub(super) fn mix(&mut self) {
        self.is_mixed = true;
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The unfinished line at its end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The beginning of it, as far as it can be told from another text's.
    pub(super) fn head(&self) -> Option<&[u8]> {
        (!self.is_mixed).then_some(self.head.as_slice())
    }

    /// The end of it.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail[self.tail.len().saturating_sub(KEPT)..]
    }

    /// Says whether a text of the same length is the same one, as far as that can be told.
    pub(super) fn is(&self, hash: u64) -> bool {
        self.is_mixed || self.hash == hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_again_by_its_ends_and_its_hash() {
        let mut settled = Settled::default();
        let lines: Vec<String> = (0..5000).map(|number| format!("{number}\n")).collect();
        let whole = lines.concat();
        for line in &lines {
            settled.push(line.as_bytes());
        }
        settled.push(b"part");
        assert_eq!(settled.length(), whole.len() as u64 + 4);
        assert_eq!(settled.line(), b"part");
        assert_eq!(settled.head().unwrap(), &whole.as_bytes()[..KEPT]);
        let end = format!("{whole}part");
        assert_eq!(settled.tail(), &end.as_bytes()[end.len() - KEPT..]);
        assert!(settled.is(hashed(unhashed(), end.as_bytes())));
        assert!(!settled.is(hashed(unhashed(), whole.as_bytes())));
        settled.mix();
        assert!(settled.is(0) && settled.head().is_none());
    }
}
