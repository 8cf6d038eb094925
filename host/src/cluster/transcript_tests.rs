//! Tests of the transcript: whatever an attach misses and however the two sources interleave, the output is shown once.

use proptest::prelude::*;

use super::*;

const SCREEN: Screen = Screen {
    columns: 80,
    rows: 24,
};

/// What a person has before them, with what was taken back gone.
fn text(shows: &[Show]) -> String {
    let mut text = Vec::new();
    for show in shows {
        match show {
            Show::Bytes(_, bytes) => text.extend_from_slice(bytes),
            Show::TakeBack { .. } => text.clear(),
        }
    }
    String::from_utf8(text).unwrap()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn what_was_written_before_the_attach_comes_first() {
    let mut transcript = Transcript::new(None, false);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.attached(Stream::Stdout, &bytes("3\n4\npart"), &mut out);
    assert!(
        out.is_empty(),
        "nothing is shown before it is known what came before: {out:?}"
    );
    transcript.log_begins();
    transcript.log(&bytes("1\n2\n3\n4\n"), &mut out);
    transcript.quiet(&mut out);
    assert_eq!(text(&out), "1\n2\n3\n4\npart");
    transcript.attached(Stream::Stdout, &bytes("ial\n5\n"), &mut out);
    assert_eq!(text(&out), "1\n2\n3\n4\npartial\n5\n");
}

#[test]
fn the_end_that_an_attach_lost_comes_from_the_log() {
    let mut transcript = Transcript::new(None, false);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.log_begins();
    transcript.attached(Stream::Stdout, &bytes("zero\n"), &mut out);
    transcript.log(&bytes("zero\n"), &mut out);
    transcript.quiet(&mut out);
    transcript.attached(Stream::Stdout, &bytes("one\ntw"), &mut out);
    transcript.attach_ends();
    transcript.log_begins();
    transcript.log(&bytes("zero\none\n"), &mut out);
    transcript.log(&bytes("two\nthree"), &mut out);
    transcript.log_ends(&mut out);
    assert_eq!(text(&out), "zero\none\ntwo\nthree");
}

#[test]
fn standard_error_stays_standard_error() {
    let mut transcript = Transcript::new(None, false);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.attached(Stream::Stderr, &bytes("bad\n"), &mut out);
    transcript.attached(Stream::Stdout, &bytes("good\n"), &mut out);
    transcript.log_begins();
    transcript.log(&bytes("missed\nbad\ngood\n"), &mut out);
    assert_eq!(
        out,
        [
            Show::Bytes(Stream::Stdout, bytes("missed\n")),
            Show::Bytes(Stream::Stderr, bytes("bad\n")),
            Show::Bytes(Stream::Stdout, bytes("good\n")),
        ]
    );
}

#[test]
fn a_person_sees_the_prompt_at_once_and_nothing_twice() {
    let mut transcript = Transcript::new(Some(SCREEN), true);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.attached(Stream::Stdout, &bytes("/ # "), &mut out);
    assert_eq!(text(&out), "/ # ");
    transcript.log_begins();
    transcript.quiet(&mut out);
    transcript.attached(Stream::Stdout, &bytes("ls\r\n"), &mut out);
    assert_eq!(text(&out), "/ # ls\r\n");
    assert!(!out.iter().any(|show| matches!(show, Show::TakeBack { .. })));
}

#[test]
fn what_was_shown_too_early_is_taken_back() {
    let mut transcript = Transcript::new(Some(SCREEN), true);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.attached(Stream::Stdout, &bytes("two\r\n/ # "), &mut out);
    transcript.log_begins();
    transcript.log(&bytes("one\ntwo\n"), &mut out);
    transcript.quiet(&mut out);
    assert!(out.contains(&Show::TakeBack { rows: 1 }), "{out:?}");
    assert_eq!(text(&out), "one\r\ntwo\r\n/ # ");
}

#[test]
fn a_program_that_draws_is_left_alone() {
    let mut transcript = Transcript::new(Some(SCREEN), true);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.attached(Stream::Stdout, &bytes("\u{1b}[2;5Hx"), &mut out);
    transcript.log_begins();
    transcript.log(&bytes("before\n"), &mut out);
    transcript.quiet(&mut out);
    transcript.attached(Stream::Stdout, &bytes("y"), &mut out);
    transcript.attach_ends();
    transcript.log_begins();
    transcript.log(&bytes("before\n\u{1b}[2;5Hxy"), &mut out);
    assert_eq!(text(&out), "\u{1b}[2;5Hxy");
}

#[test]
fn a_question_is_shown_although_no_log_has_it() {
    let mut transcript = Transcript::new(None, false);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.log_begins();
    transcript.attached(Stream::Stdout, &bytes("name? "), &mut out);
    transcript.quiet(&mut out);
    assert!(out.is_empty(), "its first half may be missing: {out:?}");
    transcript.waiting(&mut out);
    transcript.waiting(&mut out);
    transcript.attached(Stream::Stdout, &bytes("hello\n"), &mut out);
    transcript.log(&bytes("name? hello\n"), &mut out);
    assert_eq!(text(&out), "name? hello\n");
}

#[test]
fn a_line_that_began_before_the_attach_is_shown_whole() {
    let mut transcript = Transcript::new(None, false);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.log_begins();
    transcript.quiet(&mut out);
    transcript.attached(Stream::Stdout, &bytes("done\n"), &mut out);
    transcript.log(&bytes("working… done\n"), &mut out);
    transcript.quiet(&mut out);
    assert!(!transcript.wants_log());
    assert_eq!(text(&out), "working… done\n");
}

#[test]
fn without_a_log_the_attach_is_all_that_there_is() {
    let mut transcript = Transcript::new(Some(SCREEN), false);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.attached(Stream::Stdout, &bytes("a\n"), &mut out);
    transcript.log_fails(&mut out);
    transcript.attached(Stream::Stdout, &bytes("b\n"), &mut out);
    assert_eq!(text(&out), "a\nb\n");
}

#[test]
fn a_return_without_a_line_end_is_text() {
    let mut transcript = Transcript::new(Some(SCREEN), true);
    let mut out = Vec::new();
    transcript.attach_begins();
    transcript.attached(Stream::Stdout, &bytes("50%\r"), &mut out);
    transcript.log_begins();
    transcript.log(&bytes("50%\r60%\r"), &mut out);
    transcript.log(&bytes("\n"), &mut out);
    assert_eq!(text(&out), "50%\r60%\r\n");
}

#[test]
fn rows_are_counted_as_a_terminal_wraps() {
    assert_eq!(rows(b"abc", 80), 0);
    assert_eq!(rows(b"abc\r\nd", 80), 1);
    assert_eq!(rows(&[b'x'; 81], 80), 1);
    assert_eq!(rows("\u{1b}[31mä\u{1b}[0m".as_bytes(), 1), 0);
}

/// One step of a world in which both sources tell of the same text at their own pace.
#[derive(Clone, Debug)]
enum Step {
    Attach(usize),
    Log(usize),
    Quiet,
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..40).prop_map(Step::Attach),
        4 => (1_usize..40).prop_map(Step::Log),
        2 => Just(Step::Quiet),
        1 => Just(Step::Cut),
    ]
}

/// The log has completed lines only, until the program ends.
fn logged(text: &str, written: usize) -> usize {
    text[..written].rfind('\n').map_or(0, |end| end + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_output_is_shown_once_and_in_order(
        lines in prop::collection::vec("[ab]{0,6}", 0..30),
        ends_with_newline: bool,
        first in 0_usize..60,
        steps in prop::collection::vec(step(), 0..60),
        on_terminal: bool,
        tty: bool,
        log_keeps_returns: bool,
    ) {
        // A terminal writes a return before each line's end; some logs leave it out.
        let end = if tty { "\r\n" } else { "\n" };
        let mut output = lines.join(end);
        if ends_with_newline {
            output.push_str(end);
        }
        let in_log = |text: &str| match log_keeps_returns {
            true => bytes(text),
            false => bytes(&text.replace("\r\n", "\n")),
        };
        let mut transcript = Transcript::new(on_terminal.then_some(SCREEN), tty);
        let mut out = Vec::new();
        // The attach stands from the byte `first` on, never within a line's end, which a terminal writes at once.
        // `written` is what both could know of.
        let mut written = first.min(output.len());
        if output[..written].ends_with('\r') {
            written -= 1;
        }
        let mut log_at: Option<usize> = None;
        let mut is_attached = true;
        transcript.attach_begins();
        for step in steps {
            match step {
                Step::Attach(count) => {
                    let end = (written + count).min(output.len());
                    if is_attached && end > written {
                        transcript.attached(Stream::Stdout, &bytes(&output[written..end]), &mut out);
                    }
                    written = end;
                }
                Step::Log(count) => {
                    let at = log_at.unwrap_or_else(|| {
                        transcript.log_begins();
                        0
                    });
                    let end = (at + count).min(logged(&output, written));
                    let ends_within = output[..end].ends_with('\r') && !log_keeps_returns;
                    let end = if ends_within { end - 1 } else { end };
                    if end > at {
                        transcript.log(&in_log(&output[at..end]), &mut out);
                    }
                    log_at = Some(end.max(at));
                }
                Step::Quiet => {
                    // Silence is only taken for it when the log has caught up.
                    if log_at == Some(logged(&output, written)) {
                        transcript.quiet(&mut out);
                    }
                }
                Step::Cut => {
                    if is_attached && !transcript.wants_log() {
                        is_attached = false;
                        transcript.attach_ends();
                        log_at = None;
                    }
                }
            }
        }
        // The program ends: the attach ends, and the log has all of it.
        transcript.attach_ends();
        transcript.log_begins();
        if !output.is_empty() {
            transcript.log(&in_log(&output), &mut out);
        }
        transcript.log_ends(&mut out);
        prop_assert_eq!(text(&out), output);
    }
}
