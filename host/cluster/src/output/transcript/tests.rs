//! Tests of the transcript: whatever an attach misses and however the two sources interleave, the output is shown once.

use proptest::prelude::*;

use super::*;

const SCREEN: Screen = Screen {
    columns: 80,
    rows: 24,
};

/// A transcript, the time, and what was shown.
struct Play {
    transcript: Transcript,
    at: Duration,
    out: Vec<Show>,
}

impl Play {
    fn for_script() -> Self {
        Self::new(Transcript::new(None, false))
    }

    fn for_person() -> Self {
        Self::new(Transcript::new(Some(SCREEN), true))
    }

    fn new(transcript: Transcript) -> Self {
        Self {
            transcript,
            at: Duration::ZERO,
            out: Vec::new(),
        }
    }

    fn attach_begins(&mut self) {
        self.transcript.attach_begins(self.at, &mut self.out);
    }

    fn attached(&mut self, stream: Stream, text: &str) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.transcript.attached(self.at, stream, &bytes, &mut self.out);
    }

    fn attach_ends(&mut self, is_clean: bool) {
        self.transcript.attach_ends(self.at, is_clean, &mut self.out);
    }

    fn log_begins(&mut self) {
        self.transcript.log_begins(self.at);
    }

    fn log(&mut self, text: &str) {
        self.transcript.log(self.at, text.as_bytes(), &mut self.out);
    }

    /// The log is read as it is now, as was wished for.
    fn snapshot(&mut self, text: &str) {
        let LogWish::Snapshot(not_before) = self.transcript.wish() else {
            panic!("no snapshot is wished for: {:?}", self.transcript.wish());
        };
        self.waits_until(not_before);
        self.log_begins();
        self.log(text);
        self.transcript.snapshot_ends(self.at, &mut self.out);
    }

    /// The program has ended.
    fn last_reading(&mut self, text: &str) -> Wholeness {
        self.log_begins();
        self.log(text);
        self.transcript.log_ends(self.at, &mut self.out)
    }

    fn waits(&mut self, milliseconds: u64) {
        self.waits_until(self.at + Duration::from_millis(milliseconds));
    }

    fn waits_until(&mut self, until: Duration) {
        while let Some(deadline) = self.transcript.deadline().filter(|deadline| *deadline <= until) {
            let before = self.transcript.deadline();
            self.at = self.at.max(deadline);
            self.transcript.tick(self.at, &mut self.out);
            assert!(
                self.transcript.deadline() != before,
                "a deadline passes once: {before:?}"
            );
        }
        self.at = self.at.max(until);
    }

    /// What is on the screen, with what was taken back gone.
    fn text(&self) -> String {
        self.text_of(None)
    }

    fn text_of(&self, wanted: Option<Stream>) -> String {
        let mut text: Vec<u8> = Vec::new();
        for show in &self.out {
            match show {
                Show::Bytes(stream, bytes) if wanted.is_none_or(|wanted| wanted == *stream) => {
                    text.extend_from_slice(bytes);
                }
                Show::Bytes(..) => {}
                Show::TakeBack { rows } => {
                    for _ in 0..*rows {
                        let end = text
                            .iter()
                            .rposition(|byte| *byte == b'\n')
                            .expect("so many rows were shown");
                        text.truncate(end);
                    }
                    let start = text
                        .iter()
                        .rposition(|byte| *byte == b'\n')
                        .map_or(0, |end| end + 1);
                    text.truncate(start);
                }
            }
        }
        String::from_utf8(text).unwrap()
    }

    fn was_taken_back(&self) -> bool {
        self.out.iter().any(|show| matches!(show, Show::TakeBack { .. }))
    }
}

#[test]
fn what_was_written_before_the_attach_comes_first() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stdout, "3\n4\npart");
    assert_eq!(play.text(), "", "it is not known what came before");
    play.snapshot("1\n2\n3\n4\n");
    assert_eq!(play.text(), "1\n2\n3\n4\npart");
    assert_eq!(play.transcript.wish(), LogWish::Nothing);
    play.attached(Stream::Stdout, "ial\n5\n");
    play.attach_ends(true);
    assert_eq!(play.last_reading("1\n2\n3\n4\npartial\n5\n"), Wholeness::Whole);
    assert_eq!(play.text(), "1\n2\n3\n4\npartial\n5\n");
}

#[test]
fn a_silent_attach_does_not_keep_what_came_before_it() {
    let mut play = Play::for_script();
    play.log_begins();
    play.log("before\n");
    assert_eq!(play.text(), "before\n");
    play.attach_begins();
    assert_eq!(play.transcript.wish(), LogWish::Follow);
    play.log("while the attach was being made\n");
    assert_eq!(play.text(), "before\n", "the attach may still bring it");
    play.waits(500);
    assert_eq!(play.text(), "before\nwhile the attach was being made\n");
}

#[test]
fn a_program_that_repeats_itself_and_pauses_is_told_by_lengths() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stdout, "y\ny\n");
    play.snapshot("y\ny\ny\ny\ny\n");
    assert_eq!(play.text(), "", "the attach fits in several places");
    play.waits(500);
    assert_eq!(play.text(), "y\ny\ny\ny\ny\n");
    play.attached(Stream::Stdout, "y\n");
    assert_eq!(play.text(), "y\ny\ny\ny\ny\ny\n");
}

#[test]
fn a_program_that_repeats_itself_without_a_pause_is_shown_from_its_log() {
    let mut play = Play::for_script();
    let (mut log, mut attach) = ("y\n".repeat(50), 0);
    play.attach_begins();
    while play.transcript.wish() != LogWish::Follow || attach == 0 {
        for _ in 0..30 {
            play.attached(Stream::Stdout, "y\n");
            log.push_str("y\n");
            attach += 1;
            play.waits(10);
        }
        if matches!(play.transcript.wish(), LogWish::Snapshot(_)) {
            play.snapshot(&log);
        }
    }
    play.log_begins();
    play.log(&log);
    assert_eq!(play.text(), log);
    // Now it pauses: the attach is looked at anew, and a question is seen.
    play.attached(Stream::Stdout, "y\nmore? ");
    play.log("y\n");
    play.waits(2000);
    play.snapshot(&format!("{log}y\n"));
    assert_eq!(play.text(), format!("{log}y\nmore? "));
    play.attached(Stream::Stdout, "no\nend\n");
    play.snapshot(&format!("{log}y\nmore? no\nend\n"));
    assert_eq!(play.text(), format!("{log}y\nmore? no\nend\n"));
    assert_eq!(play.transcript.wish(), LogWish::Nothing);
}

#[test]
fn the_end_that_an_attach_lost_comes_from_the_log() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stdout, "zero\n");
    play.snapshot("zero\n");
    play.attached(Stream::Stdout, "one\ntw");
    play.attach_ends(false);
    assert_eq!(play.last_reading("zero\none\ntwo\nthree"), Wholeness::Whole);
    assert_eq!(play.text(), "zero\none\ntwo\nthree");
}

#[test]
fn what_was_written_while_the_connection_was_cut_is_shown_once() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stdout, "1\n");
    play.snapshot("0\n1\n");
    play.attached(Stream::Stdout, "2\n");
    play.attach_ends(false);
    play.attach_begins();
    play.attached(Stream::Stdout, "5\n");
    play.snapshot("0\n1\n2\n3\n4\n5\n");
    play.attached(Stream::Stdout, "6\n");
    assert_eq!(play.text(), "0\n1\n2\n3\n4\n5\n6\n");
}

#[test]
fn a_log_that_was_rotated_goes_on_where_we_are_or_the_gap_is_told() {
    let whole: String = (0..9000).map(|number| format!("{number}\n")).collect();
    for (kept_from, wholeness) in [(20_000, Wholeness::Whole), (40_000, Wholeness::Missing)] {
        let mut play = Play::for_script();
        play.attach_begins();
        play.attached(Stream::Stdout, &whole[..30_000]);
        play.snapshot(&whole[..30_000]);
        play.attach_ends(false);
        assert_eq!(play.last_reading(&whole[kept_from..]), wholeness);
        let wanted = format!("{}{}", &whole[..30_000], &whole[kept_from.max(30_000)..]);
        assert!(play.text() == wanted, "kept from {kept_from}");
    }
}

#[test]
fn an_attach_that_is_whole_is_shown_although_the_log_was_rotated() {
    let whole: String = (0..9000).map(|number| format!("{number}\n")).collect();
    // The log is empty; it begins within what the attach brought; it goes on where an earlier reading was cut.
    for (first, rotated) in [
        ("", ""),
        ("", &whole[20_000..]),
        (&whole[..2_000], &whole[20_000..]),
    ] {
        let mut play = Play::for_script();
        play.attach_begins();
        play.attached(Stream::Stdout, &whole[1_000..]);
        if !first.is_empty() {
            play.waits(50);
            play.log_begins();
            play.log(first);
            play.transcript.log_breaks();
        }
        play.attach_ends(true);
        assert_eq!(play.last_reading(rotated), Wholeness::Missing);
        assert!(
            play.text() == whole[1_000..],
            "{} bytes: {:?}",
            play.text().len(),
            &play.text()[..20]
        );
    }
}

#[test]
fn a_short_program_is_placed_when_it_has_ended() {
    for (attached, log) in [
        ("hello", "hello"),
        ("y\ny\n", "y\ny\ny\ny\n"),
        ("two\nthree\n", "one\ntwo\nthree\nfour\n"),
    ] {
        let mut play = Play::for_script();
        play.attach_begins();
        play.attached(Stream::Stdout, attached);
        play.attach_ends(true);
        assert_eq!(play.last_reading(log), Wholeness::Whole);
        assert_eq!(play.text(), log);
    }
    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stderr, "bad\n");
    play.attached(Stream::Stdout, "good");
    play.attach_ends(true);
    assert_eq!(play.last_reading("first\nbad\ngood"), Wholeness::Whole);
    assert_eq!(play.text_of(Some(Stream::Stderr)), "bad\n");
    assert_eq!(play.text_of(Some(Stream::Stdout)), "first\ngood");
}

#[test]
fn a_log_that_is_sooner_than_the_attach_is_not_repeated() {
    for (before, attached, log) in [
        ("1\n2\n3\n", "3\n", "1\n2\n3\n"),
        ("1\n2\n3\n", "3\n4\n", "1\n2\n3\n4\n"),
        ("1\n2\n3\n", "2\n3\n", "1\n2\n3\n4\n"),
        ("2\n2\n2\n", "2\n2\n", "2\n2\n2\n"),
    ] {
        for ends_at_once in [true, false] {
            let mut play = Play::for_script();
            play.log_begins();
            play.log(before);
            play.attach_begins();
            play.attached(Stream::Stdout, attached);
            if !ends_at_once {
                play.snapshot(log);
                play.waits(2000);
            }
            play.attach_ends(true);
            assert_eq!(play.last_reading(log), Wholeness::Whole, "{attached:?} {log:?}");
            assert_eq!(play.text(), log, "{attached:?}");
        }
    }
}

#[test]
fn a_log_that_began_anew_confirms_what_ended_as_it_should() {
    for (log, wholeness, text) in [
        ("", Wholeness::Whole, "1\n2\n"),
        ("2\n", Wholeness::Whole, "1\n2\n"),
        // The kubelet dropped what it could not send in time, and the log does not reach back to it.
        ("9\n", Wholeness::Missing, "1\n2\n9\n"),
    ] {
        let mut play = Play::for_script();
        play.attach_begins();
        play.attached(Stream::Stdout, "1\n");
        play.snapshot("1\n");
        play.attached(Stream::Stdout, "2\n");
        play.attach_ends(true);
        assert_eq!(play.last_reading(log), wholeness, "{log:?}");
        assert_eq!(play.text(), text);
    }
}

#[test]
fn standard_error_stays_standard_error() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stderr, "bad\n");
    play.attached(Stream::Stdout, "good\n");
    play.snapshot("missed\nbad\ngood\n");
    play.waits(500);
    assert_eq!(play.text_of(Some(Stream::Stdout)), "missed\ngood\n");
    assert_eq!(play.text_of(Some(Stream::Stderr)), "bad\n");
    play.attached(Stream::Stderr, "worse\n");
    play.attach_ends(true);
    assert_eq!(play.last_reading("missed\nbad\ngood\nworse\n"), Wholeness::Whole);
    assert_eq!(play.text_of(Some(Stream::Stderr)), "bad\nworse\n");
}

#[test]
fn two_streams_that_never_pause_are_told_by_their_first_lines() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stdout, "out 3\n");
    play.attached(Stream::Stderr, "err 4\n");
    // The attach of standard error began later, and the log is ahead.
    play.snapshot("out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nout 4\nerr 4\nout 5\n");
    play.attached(Stream::Stdout, "out 4\nout 5\n");
    play.waits(500);
    assert_eq!(play.text_of(Some(Stream::Stderr)), "err 4\n");
    assert_eq!(
        play.text_of(Some(Stream::Stdout)),
        "out 1\nerr 1\nout 2\nerr 2\nerr 3\nout 3\nout 4\nout 5\n"
    );
}

#[test]
fn streams_are_told_apart_even_where_the_place_is_not() {
    let mut play = Play::for_script();
    let mut log = "out\nerr\n".repeat(20);
    play.attach_begins();
    while play.transcript.wish() != LogWish::Follow || play.out.is_empty() && log.len() < 200 {
        for _ in 0..30 {
            play.attached(Stream::Stdout, "out\n");
            play.attached(Stream::Stderr, "err\n");
            log.push_str("out\nerr\n");
            play.waits(10);
        }
        if matches!(play.transcript.wish(), LogWish::Snapshot(_)) {
            play.snapshot(&log);
        }
    }
    play.log_begins();
    play.log(&log);
    assert_eq!(play.text(), log);
    let errors = play.text_of(Some(Stream::Stderr));
    assert!(
        errors.len() >= log.len() / 2 - 200,
        "{} of {}",
        errors.len(),
        log.len()
    );
    assert!(!errors.contains("out"), "{errors:?}");
}

#[test]
fn bytes_without_a_line_end_are_placed_as_well() {
    let output: Vec<u8> = (0..200_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80)
        .collect();
    let mut play = Play::for_script();
    let (mut read, mut given) = (Vec::new(), 70_000);
    play.attach_begins();
    while play.transcript.wish() != LogWish::Nothing {
        let bytes = Bytes::copy_from_slice(&output[given..given + 10_000]);
        play.transcript
            .attached(play.at, Stream::Stdout, &bytes, &mut play.out);
        given += 10_000;
        play.waits(60);
        if let LogWish::Snapshot(_) = play.transcript.wish() {
            play.log_begins();
            let pieces = given / 16_384 * 16_384;
            play.transcript.log(play.at, &output[..pieces], &mut play.out);
            play.transcript.snapshot_ends(play.at, &mut play.out);
        }
    }
    for show in &play.out {
        let Show::Bytes(_, bytes) = show else {
            panic!("nothing is taken back from a pipe")
        };
        read.extend_from_slice(bytes);
    }
    assert!(read == output[..given], "{} of {given} bytes", read.len());
}

#[test]
fn a_person_sees_the_prompt_at_once_and_nothing_twice() {
    let mut play = Play::for_person();
    play.attach_begins();
    play.attached(Stream::Stdout, "/ # ");
    assert_eq!(play.text(), "/ # ");
    play.log_begins();
    play.waits(1000);
    play.attached(Stream::Stdout, "ls\r\n");
    assert_eq!(play.text(), "/ # ls\r\n");
    play.attached(Stream::Stdout, "bin\r\n/ # ");
    play.snapshot("/ # ls\nbin\n");
    assert!(!play.was_taken_back());
    assert_eq!(play.text(), "/ # ls\r\nbin\r\n/ # ");
    assert_eq!(play.transcript.wish(), LogWish::Nothing);
}

#[test]
fn a_banner_that_was_missed_comes_before_the_prompt() {
    let mut play = Play::for_person();
    play.attach_begins();
    play.attached(Stream::Stdout, "\r/ # \u{1b}[J");
    play.log_begins();
    play.log("banner\n\n");
    play.waits(100);
    assert_eq!(play.text(), "banner\r\n\r\n\r/ # \u{1b}[J");
    // The shell wrote its prompt before us, too, and asked the terminal where the cursor is.
    play.attached(Stream::Stdout, "ls\r\nbin\r\n");
    let before = play.out.len();
    play.snapshot("banner\n\n/ # \u{1b}[6n\r/ # \u{1b}[Jls\nbin\n");
    assert_eq!(play.out.len(), before, "the prompt was drawn over itself");
    play.attached(Stream::Stdout, "/ # ");
    assert_eq!(play.text(), "banner\r\n\r\n\r/ # \u{1b}[Jls\r\nbin\r\n/ # ");
}

#[test]
fn what_was_shown_too_early_is_taken_back() {
    let mut play = Play::for_person();
    play.attach_begins();
    play.attached(Stream::Stdout, "two\r\n/ # ");
    assert_eq!(play.text(), "two\r\n/ # ");
    play.snapshot("one\ntwo\n");
    assert!(play.out.contains(&Show::TakeBack { rows: 1 }), "{:?}", play.out);
    assert_eq!(play.text(), "one\r\ntwo\r\n/ # ");
}

#[test]
fn the_beginning_of_a_line_that_was_missed_is_put_before_it() {
    let mut play = Play::for_person();
    play.attach_begins();
    play.log_begins();
    play.attached(Stream::Stdout, "bob\r\n");
    play.snapshot("Name: bob\n");
    assert_eq!(play.text(), "Name: bob\r\n");
}

#[test]
fn a_program_that_draws_is_left_alone() {
    let mut play = Play::for_person();
    play.attach_begins();
    play.attached(Stream::Stdout, "\u{1b}[2;5Hx");
    assert_eq!(play.transcript.wish(), LogWish::Nothing);
    play.attached(Stream::Stdout, "y");
    play.attach_ends(false);
    assert!(!play.transcript.wants_last_reading());
    assert_eq!(play.text(), "\u{1b}[2;5Hxy");
}

#[test]
fn a_person_waits_when_there_is_too_much_to_take_back() {
    let mut play = Play::for_person();
    let lines: String = (0..100).map(|number| format!("{number}\r\n")).collect();
    play.attach_begins();
    for line in lines.split_inclusive('\n') {
        play.attached(Stream::Stdout, line);
    }
    assert!(play.text().lines().count() < 24);
    play.snapshot(&format!("before\n{}", lines.replace("\r\n", "\n")));
    assert_eq!(play.text(), format!("before\r\n{lines}"));
}

#[test]
fn a_question_is_shown_although_no_log_has_it() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.log_begins();
    play.attached(Stream::Stdout, "name? ");
    assert_eq!(play.text(), "", "its first half may be missing");
    play.waits(500);
    play.snapshot("");
    assert_eq!(play.text(), "name? ");
    play.attached(Stream::Stdout, "hello\n");
    play.snapshot("name? hello\n");
    assert_eq!(play.text(), "name? hello\n");
}

#[test]
fn a_line_that_was_shown_without_its_beginning_is_shown_again() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.log_begins();
    play.attached(Stream::Stdout, "..");
    play.waits(500);
    play.snapshot("");
    play.attached(Stream::Stdout, ".");
    assert_eq!(play.text(), "...");
    play.attached(Stream::Stdout, " done\nnext\n");
    play.snapshot("Working... done\nnext\n");
    assert_eq!(play.text(), "...Working... done\nnext\n");
}

#[test]
fn a_line_that_began_before_the_attach_is_shown_whole() {
    let mut play = Play::for_script();
    play.attach_begins();
    play.log_begins();
    play.attached(Stream::Stdout, "done\n");
    play.snapshot("working… done\n");
    assert_eq!(play.text(), "working… done\n");
    assert_eq!(play.transcript.wish(), LogWish::Nothing);
}

#[test]
fn without_a_log_the_attach_is_all_that_there_is() {
    let mut play = Play::for_person();
    play.attach_begins();
    play.attached(Stream::Stdout, "a\r\n");
    play.transcript.log_fails(&mut play.out);
    play.attached(Stream::Stdout, "b\r\n");
    assert_eq!(play.text(), "a\r\nb\r\n");

    let mut play = Play::for_script();
    play.attach_begins();
    play.attached(Stream::Stdout, "a\n");
    play.attach_ends(true);
    play.transcript.log_fails(&mut play.out);
    assert_eq!(play.text(), "a\n");
}

#[test]
fn a_return_without_a_line_end_is_text() {
    let mut play = Play::for_person();
    play.attach_begins();
    play.attached(Stream::Stdout, "50%\r");
    play.attach_ends(true);
    play.last_reading("50%\r60%\r\n");
    assert_eq!(play.text(), "50%\r60%\r\n");
    let mut play = Play::for_script();
    play.last_reading("50%\r");
    assert_eq!(play.text(), "50%\r");
}

#[test]
fn too_much_before_the_place_is_known_has_to_wait() {
    let mut play = Play::for_script();
    let line = format!("{}\n", "x".repeat(100_000));
    play.attach_begins();
    let mut brought = String::new();
    while play.transcript.wants_attach() {
        play.attached(Stream::Stdout, &line);
        brought.push_str(&line);
    }
    assert!(brought.len() < 8 << 20);
    play.snapshot(&format!("first\n{brought}"));
    assert!(play.transcript.wants_attach());
    assert!(play.text() == format!("first\n{brought}"));
}

/// One step of a world in which both sources tell of the same text at their own pace.
#[derive(Clone, Debug)]
enum Step {
    /// The program writes so many bytes, and the attach brings all but the last so many.
    Write(usize, usize),
    Wait(u64),
    /// The log is read as is wished for; a follow gets so many bytes.
    Log(usize),
    Cut,
    Attach,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => ((1_usize..40), prop_oneof![3 => Just(0), 1 => 1_usize..20]).prop_map(|(write, lag)| Step::Write(write, lag)),
        3 => (1_u64..150).prop_map(Step::Wait),
        6 => (1_usize..60).prop_map(Step::Log),
        1 => Just(Step::Cut),
        1 => Just(Step::Attach),
    ]
}

/// A program and its cluster.
struct World {
    play: Play,
    output: String,
    log_keeps_returns: bool,
    written: usize,
    /// Up to where the attach has brought it; none while nobody is attached.
    brought: Option<usize>,
    /// Up to where a follow of the log has come.
    followed: Option<usize>,
    /// The attach began within a line, and this line has not ended. Taken for a question it would be shown again.
    is_within_line: bool,
    silence: u64,
    /// For how long the attach has been behind.
    late: u64,
}

impl World {
    /// The log has completed lines only, until the program ends.
    fn logged(&self, written: usize) -> usize {
        self.output[..written].rfind('\n').map_or(0, |end| end + 1)
    }

    fn in_log(&self, from: usize, to: usize) -> String {
        let text = &self.output[from..to];
        if self.log_keeps_returns {
            text.to_owned()
        } else {
            text.replace("\r\n", "\n")
        }
    }

    fn bring(&mut self, to: usize) {
        if let Some(brought) = self.brought.filter(|brought| *brought < to) {
            let text = self.output[brought..to].to_owned();
            self.is_within_line &= !text.contains('\n');
            self.silence = 0;
            self.play.attached(Stream::Stdout, &text);
            self.brought = Some(to);
        }
    }

    /// An attach is never more behind than it is assumed to be, in time.
    fn wait(&mut self, milliseconds: u64) {
        self.late += milliseconds;
        if self.late > 150 || self.brought == Some(self.written) {
            self.bring(self.written);
            self.late = 0;
        }
        self.silence += milliseconds;
        if !self.is_within_line || self.silence < 250 {
            self.play.waits(milliseconds);
        }
    }

    fn log(&mut self, count: usize) {
        match self.play.transcript.wish() {
            LogWish::Nothing => self.followed = None,
            LogWish::Snapshot(not_before) => {
                self.followed = None;
                self.play.waits_until(not_before);
                self.play.log_begins();
                let text = self.in_log(0, self.logged(self.written));
                self.play.log(&text);
                self.play
                    .transcript
                    .snapshot_ends(self.play.at, &mut self.play.out);
            }
            LogWish::Follow => {
                let from = self.followed.unwrap_or_else(|| {
                    self.play.log_begins();
                    0
                });
                let mut to = (from + count).min(self.logged(self.written)).max(from);
                if self.output[..to].ends_with('\r') && !self.log_keeps_returns {
                    to -= 1;
                }
                let text = self.in_log(from, to.max(from));
                self.play.log(&text);
                self.followed = Some(to.max(from));
            }
        }
    }

    fn act(&mut self, step: &Step) {
        match step {
            Step::Write(count, lag) => {
                self.written = (self.written + count).min(self.output.len());
                // A terminal writes a line's end at once.
                if self.output[..self.written].ends_with('\r') {
                    self.written -= 1;
                }
                let floor = self.brought.unwrap_or(0);
                let mut to = self.written.saturating_sub(*lag).max(floor);
                if self.output[..to].ends_with('\r') && to > floor {
                    to -= 1;
                }
                self.bring(to);
            }
            Step::Wait(milliseconds) => self.wait(*milliseconds),
            Step::Log(count) => self.log(*count),
            Step::Cut => {
                if self.brought.take().is_some() {
                    self.play.attach_ends(false);
                }
            }
            Step::Attach => {
                if self.brought.is_none() {
                    self.play.attach_begins();
                    self.brought = Some(self.written);
                    let line = self.output[..self.written].rfind('\n').map_or(0, |end| end + 1);
                    self.is_within_line = line < self.written;
                    self.silence = 0;
                }
            }
        }
    }

    /// The program writes the rest and ends.
    fn end(&mut self) -> Wholeness {
        self.written = self.output.len();
        self.bring(self.written);
        if self.brought.take().is_some() {
            self.play.attach_ends(true);
        }
        let text = self.in_log(0, self.written);
        self.play.last_reading(&text)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_output_is_shown_once_and_in_order(
        lines in prop::collection::vec("[ab]{0,6}", 0..40),
        is_unique: bool,
        ends_with_newline: bool,
        first in 0_usize..60,
        steps in prop::collection::vec(step(), 0..80),
        on_terminal: bool,
        tty: bool,
        log_keeps_returns: bool,
    ) {
        // A terminal writes a return before each line's end; some logs leave it out.
        let end = if tty { "\r\n" } else { "\n" };
        // Where a program repeats itself, a person is shown what is likely.
        let is_unique = is_unique || on_terminal;
        let lines = lines.iter().enumerate().map(|(number, line)| match is_unique {
            true => format!("{number}{line}"),
            false => line.clone(),
        });
        let mut output = lines.collect::<Vec<_>>().join(end);
        if ends_with_newline {
            output.push_str(end);
        }
        let mut written = first.min(output.len());
        if output[..written].ends_with('\r') {
            written -= 1;
        }
        let mut world = World {
            play: Play::new(Transcript::new(on_terminal.then_some(SCREEN), tty)),
            output,
            log_keeps_returns,
            written,
            brought: None,
            followed: None,
            is_within_line: false,
            silence: 0,
            late: 0,
        };
        world.act(&Step::Attach);
        for step in &steps {
            world.act(step);
        }
        let wholeness = world.end();
        prop_assert_eq!(world.play.text(), world.output);
        prop_assert_eq!(wholeness, Wholeness::Whole);
    }
}
