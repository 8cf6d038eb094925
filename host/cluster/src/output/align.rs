//! Where in a log an attach begins: every place at which what the attach brought fits what the log has.

/// How much of the attach's beginning is searched for in the log; what follows is compared where that was found.
const NEEDLE: usize = 16 << 10;

/// With more places than these, nothing is to be learnt from the text.
const MOST_PLACES: usize = 64;

/// Where an attach may begin in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The text fits nowhere.
    Nowhere,
    /// It fits at this place alone, counted in bytes from the log's beginning.
    At(usize),
    /// It fits at several places; this is the one with the largest overlap.
    Several(usize),
}

/// How many bytes of the attach the log may have, whatever the text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overlap {
    pub(super) least: usize,
    pub(super) most: usize,
}

/// Finds where an attach begins in a log: there both say the same, as far as both reach. The log may lack the end of what the
/// attach has, and the other way round.
pub(super) fn fit(attach: &[u8], log: &[u8], overlap: Overlap) -> Fit {
    let needle = &attach[..attach.len().min(NEEDLE)];
    let mut places = Places::default();
    let mut search = Search::new(needle);
    let mut tried = 0;
    for (index, byte) in log.iter().enumerate() {
        if search.reads(*byte) {
            let place = index + 1 - needle.len();
            let reached = log.len() - place;
            let common = reached.min(attach.len());
            if !(overlap.least..=overlap.most).contains(&reached) {
                continue;
            }
            tried += 1;
            if log[place..place + common] == attach[..common] {
                places.add(place, common);
            }
            if tried > MOST_PLACES {
                return Fit::Several(places.best.map_or(log.len(), |(place, _)| place));
            }
        }
    }
    // The log may also end within the needle.
    if search.is_whole() {
        search.shorten();
    }
    loop {
        if (overlap.least..=overlap.most).contains(&search.matched) {
            places.add(log.len() - search.matched, search.matched);
        }
        if search.matched == 0 {
            return places.fit();
        }
        search.shorten();
    }
}

/// Every place in the log at which a text stands, two at the most.
pub(super) fn occurrences(text: &[u8], log: &[u8]) -> Vec<usize> {
    let mut search = Search::new(text);
    let mut found = Vec::new();
    for (index, byte) in log.iter().enumerate() {
        if search.reads(*byte) {
            found.push(index + 1 - text.len());
            if found.len() == 2 {
                break;
            }
        }
    }
    found
}

/// A search for a text, byte by byte, that never goes back in what it reads.
struct Search<'a> {
    text: &'a [u8],
    failures: Vec<usize>,
    /// How much of the text's beginning stands where the search is.
    matched: usize,
}

impl<'a> Search<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            failures: failures(text),
            matched: 0,
        }
    }

    /// Reads the next byte; says whether the whole text ends with it.
    fn reads(&mut self, byte: u8) -> bool {
        while self.matched > 0 && (self.is_whole() || self.text[self.matched] != byte) {
            self.shorten();
        }
        if self.text.get(self.matched) == Some(&byte) {
            self.matched += 1;
        }
        self.is_whole()
    }

    fn is_whole(&self) -> bool {
        self.matched == self.text.len() && self.matched > 0
    }

    /// Goes on with the next shorter beginning that stands here as well.
    fn shorten(&mut self) {
        self.matched = self.failures[self.matched - 1];
    }
}

/// For each beginning of a text: how long is the longest shorter beginning that it also ends with.
fn failures(text: &[u8]) -> Vec<usize> {
    let mut failures = vec![0; text.len()];
    let mut matched = 0;
    for index in 1..text.len() {
        while matched > 0 && text[matched] != text[index] {
            matched = failures[matched - 1];
        }
        if text[matched] == text[index] {
            matched += 1;
        }
        failures[index] = matched;
    }
    failures
}

#[derive(Default)]
struct Places {
    count: usize,
    best: Option<(usize, usize)>,
}

impl Places {
    fn add(&mut self, place: usize, common: usize) {
        self.count += 1;
        // Of equal overlaps the later place: the attach began late rather than early.
        if self.best.is_none_or(|(_, best)| common >= best) {
            self.best = Some((place, common));
        }
    }

    fn fit(&self) -> Fit {
        match (self.count, self.best) {
            (_, None) => Fit::Nowhere,
            (1, Some((place, _))) => Fit::At(place),
            (_, Some((place, _))) => Fit::Several(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: Overlap = Overlap {
        least: 0,
        most: usize::MAX,
    };

    fn of(attach: &str, log: &str, least: usize, most: usize) -> Fit {
        fit(attach.as_bytes(), log.as_bytes(), Overlap { least, most })
    }

    #[test]
    fn a_text_that_does_not_repeat_itself_fits_at_one_place() {
        assert_eq!(of("3\n4\n", "1\n2\n3\n4\n", 1, 99), Fit::At(4));
        assert_eq!(of("3\n4\n5\n", "1\n2\n3\n4\n", 1, 99), Fit::At(4));
        assert_eq!(of("2\n3\n", "1\n2\n3\n4\n5\n", 1, 99), Fit::At(2));
        assert_eq!(of("6\n", "1\n2\n3\n", 1, 99), Fit::Nowhere);
    }

    #[test]
    fn a_text_that_repeats_itself_needs_to_be_bounded() {
        assert_eq!(of("y\ny\n", "y\ny\ny\ny\n", 0, 99), Fit::Several(4));
        assert_eq!(of("y\ny\n", "y\ny\ny\ny\n", 4, 4), Fit::At(4));
        assert_eq!(of("y\ny\n", "y\ny\ny\ny\n", 6, 99), Fit::Several(2));
        assert_eq!(of("y\ny\nend\n", "y\ny\ny\ny\nend\n", 1, 99), Fit::At(4));
    }

    #[test]
    fn what_the_log_does_not_have_yet_fits_behind_it() {
        assert_eq!(of("/ # ", "banner\n", 0, 99), Fit::At(7));
        assert_eq!(of("", "all\n", 0, 0), Fit::At(4));
    }

    #[test]
    fn occurrences_are_counted_up_to_two() {
        assert_eq!(occurrences(b"ab", b"xababab"), [1, 3]);
        assert_eq!(occurrences(b"abab", b"xababx"), [1]);
        assert!(occurrences(b"q", b"xababx").is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_place_that_fits_is_found(
            whole in "[ab]{0,40}",
            begins in 0_usize..40,
            attach_ends in 0_usize..40,
            log_ends in 0_usize..40,
        ) {
            let whole = whole.as_bytes();
            let log = &whole[..log_ends.min(whole.len())];
            let begins = begins.min(log.len());
            let attach = &whole[begins..attach_ends.max(begins).min(whole.len())];
            let fits = |place: &usize| {
                let common = (log.len() - place).min(attach.len());
                log[*place..place + common] == attach[..common]
            };
            let count = (0..=log.len()).filter(fits).count();
            let found = fit(attach, log, ANY);
            prop_assert!(fits(&begins));
            if attach.is_empty() {
                return Ok(());
            }
            match found {
                Fit::At(place) => prop_assert_eq!((count, place), (1, begins)),
                Fit::Several(_) => prop_assert!(count > 1),
                Fit::Nowhere => prop_assert!(false, "it does fit"),
            }
        }
    }
}
