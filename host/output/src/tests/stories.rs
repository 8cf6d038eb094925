//! Programs that went wrong once, and what a person sees.

use super::world::{Nature, Step, World};
use crate::{Doubt, End, Event, Machine, Output, Setup, Stream};

const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

/// A cluster as it mostly is.
const NATURE: Nature = Nature {
    attach_lag: 10,
    base_lag: 0,
    log_lag: 10,
    log_from: 0,
    drops_returns: false,
    ends_cleanly: true,
    are_ends_mixed: false,
    misses_rotations: false,
    chunk: 1 << 15,
    seed: 1,
};

fn run(setup: Setup, nature: Nature, steps: &[Step]) -> World {
    let mut world = World::new(setup, nature);
    steps.iter().for_each(|step| world.act(step));
    world.end();
    world
}

/// The same steps with the streams and the log late in ways that differ.
fn each_order(nature: &Nature, steps: &[Step], check: impl Fn(&World)) {
    for seed in 1..20 {
        let nature = Nature {
            seed,
            ..nature.clone()
        };
        check(&run(Setup::default(), nature, steps));
    }
}

fn shown(world: &World) -> [String; 2] {
    world
        .shown
        .each_ref()
        .map(|text| String::from_utf8_lossy(text).into_owned())
}

fn write(stream: Stream, text: &str) -> Step {
    late(stream, text, 500, 500)
}

/// Writes with the thousandths of the longest delays that the attach has, and the log.
fn late(stream: Stream, text: &str, attach: u64, log: u64) -> Step {
    Step::Write(stream, text.as_bytes().to_vec(), [attach, log])
}

/// The writes a second apart; the attach begins after so many.
fn a_second_apart(writes: &[(Stream, &str)], missed: usize) -> [String; 2] {
    let mut steps = Vec::new();
    for (index, (stream, text)) in writes.iter().enumerate() {
        if index == missed {
            steps.push(Step::Attach);
        }
        steps.extend([write(*stream, text), Step::Wait(1000)]);
    }
    shown(&run(Setup::default(), NATURE, &steps))
}

#[test]
fn programs_with_unfinished_lines_on_one_stream_and_lines_on_the_other() {
    for writes in [
        &[(ERR, "Working..."), (OUT, "out\n"), (ERR, "done\n")][..],
        &[(OUT, "Working..."), (ERR, "warn\n"), (OUT, "done\n")],
        &[
            (ERR, "Downloading"),
            (ERR, "."),
            (ERR, "."),
            (ERR, "."),
            (ERR, " ok\n"),
            (OUT, "result\n"),
        ],
        &[
            (OUT, "part "),
            (ERR, "e\n"),
            (OUT, "more"),
            (OUT, "\n"),
            (OUT, "end\n"),
        ],
        &[
            (ERR, "1 "),
            (ERR, "2 "),
            (ERR, "3 "),
            (ERR, "4 "),
            (OUT, "\n"),
            (OUT, "out\n"),
            (ERR, "5"),
        ],
        &[
            (ERR, "  % Total\n\r  0   0"),
            (ERR, "\r 50  50"),
            (OUT, "{items: [\n"),
            (OUT, " 1,\n"),
            (ERR, "\r100\n"),
            (OUT, " ]}"),
        ],
    ] {
        let all = |stream: Stream| -> String {
            writes
                .iter()
                .filter(|(of, _)| *of == stream)
                .map(|(_, text)| *text)
                .collect()
        };
        assert_eq!(
            a_second_apart(writes, 0),
            [all(OUT), all(ERR)],
            "attached from the beginning"
        );
        // A line that began before the attach is whole, and on its stream as soon as the attach has brought some of it.
        let whole = a_second_apart(writes, 1);
        let missed = writes[0].1.rfind('\n').map_or("", |end| &writes[0].1[..=end]);
        let is_cut = writes[0].0 == ERR;
        let wanted = if is_cut {
            [missed.to_owned() + &all(OUT), all(ERR)[missed.len()..].to_owned()]
        } else {
            [all(OUT), all(ERR)]
        };
        assert_eq!(whole, wanted, "attached after the first write");
    }
}

#[test]
fn a_program_that_was_not_seen_is_shown_from_its_log_and_that_is_told() {
    let world = run(
        Setup::default(),
        NATURE,
        &[write(OUT, "one\n"), write(ERR, "two\n"), write(OUT, "three")],
    );
    assert_eq!(shown(&world), ["one\ntwo\nthree", ""]);
    assert_eq!(world.events, [Event::FromLog]);
}

#[test]
fn a_line_that_repeats_itself_for_long_is_counted() {
    let line = "abcdefghijklmnopqrstuvwxyz\n";
    let mut steps = vec![write(OUT, &line.repeat(300)), Step::Attach];
    for _ in 0..40 {
        steps.extend([write(OUT, &line.repeat(2500)), Step::Wait(3)]);
    }
    let world = run(Setup::default(), NATURE, &steps);
    assert_eq!(world.shown[0].len(), line.len() * (300 + 40 * 2500));
    assert_eq!(world.shown[1].len(), 0);
}

#[test]
fn bulk_without_line_ends_is_whole_and_little_of_it_is_kept() {
    for byte in [b"\0", b"x"] {
        let mut steps = vec![Step::Write(OUT, byte.repeat(100_000), [500; 2]), Step::Attach];
        for _ in 0..50 {
            steps.extend([Step::Write(OUT, byte.repeat(60_000), [500; 2]), Step::Wait(2)]);
        }
        let mut world = World::new(Setup::default(), NATURE);
        for step in &steps {
            world.act(step);
            assert!(
                world.machine.kept() <= 3 * (1 << 20) + (1 << 16),
                "{} bytes are kept",
                world.machine.kept()
            );
        }
        world.end();
        assert!(
            world.shown == [byte.repeat(3_100_000), Vec::new()],
            "{:?}",
            world.events
        );
    }
}

#[test]
fn nothing_is_lost_where_carriage_returns_are_left_out_of_the_log() {
    let setup = Setup {
        tty: true,
        ..Setup::default()
    };
    let steps = [
        write(OUT, "one\r\ntw"),
        Step::Attach,
        write(OUT, "o\r\n"),
        Step::Wait(500),
        write(OUT, "three\r\n$ "),
    ];
    for drops_returns in [true, false] {
        let world = run(
            setup,
            Nature {
                drops_returns,
                ..NATURE
            },
            &steps,
        );
        assert_eq!(shown(&world)[0], "one\r\ntwo\r\nthree\r\n$ ");
    }
}

const PERSON: Setup = Setup {
    tty: true,
    is_for_person: true,
    is_answered: true,
    may_be_replaced: false,
    piece: 16 << 10,
    limit: 1 << 20,
};

#[test]
fn a_prompt_is_there_at_once_and_what_was_missed_comes_before_it() {
    let nature = Nature {
        log_from: 600,
        ..NATURE
    };
    let mut world = World::new(PERSON, nature);
    for step in [
        write(OUT, "Welcome\r\n"),
        Step::Attach,
        write(OUT, "/ # "),
        Step::Wait(60),
    ] {
        world.act(&step);
    }
    assert_eq!(shown(&world)[0], "/ # ", "before the log can be read");
    world.act(&Step::Wait(1000));
    assert_eq!(shown(&world)[0], "/ # \r\x1b[KWelcome\r\n/ # ");
    world.act(&write(OUT, "l"));
    world.act(&Step::Wait(20));
    assert!(shown(&world)[0].ends_with("/ # l"), "an echo is shown at once");
    world.act(&write(OUT, "s\r\nbin\r\n/ # exit\r\n"));
    world.end();
    assert!(
        shown(&world)[0].ends_with("/ # ls\r\nbin\r\n/ # exit\r\n"),
        "{:?}",
        shown(&world)
    );
    assert_eq!(world.events, [], "there is one stream only");
}

#[test]
fn a_prompt_that_was_missed_and_drawn_again_is_no_loss() {
    let steps = [
        write(OUT, "/ # "),
        Step::Attach,
        write(OUT, "\r/ # "),
        Step::Wait(500),
        write(OUT, "ls\r\nbin\r\n/ # "),
    ];
    let world = run(PERSON, NATURE, &steps);
    assert_eq!(shown(&world)[0], "\r/ # ls\r\nbin\r\n/ # ");
    assert_eq!(world.events, []);
}

#[test]
fn a_full_screen_program_is_not_shown_again_from_its_log() {
    let mut steps = vec![
        write(OUT, "$ vi\r\n"),
        Step::Attach,
        write(OUT, "\x1b[?1049h"),
        Step::Wait(500),
    ];
    for _ in 0..20 {
        steps.extend([write(OUT, &"\x1b[Hscreen ".repeat(200)), Step::Wait(100)]);
    }
    steps.push(write(OUT, "\x1b[?1049l\r\n$ "));
    let world = run(PERSON, NATURE, &steps);
    assert_eq!(shown(&world)[0].matches("screen").count(), 20 * 200);
}

#[test]
fn a_log_that_cannot_be_read_is_told_and_the_attach_shown() {
    let mut machine = Machine::new(Setup::default());
    let at = std::time::Duration::from_millis;
    machine.attach_opens(at(0));
    machine.attach_began(at(1));
    machine.attach_bytes(at(2), OUT, b"one\ntw");
    assert_eq!(machine.next_output(), None);
    machine.log_failed(at(3));
    machine.attach_bytes(at(4), OUT, b"o\n");
    machine.program_ended(at(5));
    machine.attach_ended(at(6), End::Finished);
    assert!(machine.is_done());
    let all: Vec<_> = std::iter::from_fn(|| machine.next_output()).collect();
    let doubt = Output::Event(Event::Uncertain(Doubt::LogUnreadable));
    assert_eq!(all, [doubt, Output::Show(OUT, b"one\ntwo\n".to_vec())]);
}

#[test]
fn a_line_of_pieces_in_which_the_attach_begins() {
    let nature = Nature {
        attach_lag: 0,
        log_lag: 0,
        ..NATURE
    };
    let setup = Setup {
        piece: 3,
        ..Setup::default()
    };
    let steps = [
        Step::Attach,
        write(OUT, "aaa\naaa"),
        write(OUT, "\n"),
        write(ERR, "\raa"),
        write(OUT, "\n\n\n"),
    ];
    let world = run(
        setup,
        Nature {
            chunk: 12,
            seed: 0,
            ..nature
        },
        &steps,
    );
    assert_eq!(shown(&world)[0], "aaa\naaa\n\n\n\n");
}

/// All that is shown, and what is told.
fn taken(machine: &mut Machine) -> (String, Vec<Event>) {
    let (mut text, mut events) = (String::new(), Vec::new());
    while let Some(output) = machine.next_output() {
        match output {
            Output::Show(_, bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Output::Event(event) => events.push(event),
        }
    }
    (text, events)
}

/// A line in pieces that an attach brought whole. The log was read up to here, then it was rotated, and has this now.
fn rotated_within(before: &str, now: &str) -> (String, Vec<Event>) {
    let at = std::time::Duration::from_millis;
    let mut machine = Machine::new(Setup {
        piece: 4,
        ..Setup::default()
    });
    machine.attach_opens(at(0));
    machine.attach_began(at(0));
    machine.log_began(at(1));
    machine.attach_bytes(at(2), OUT, b"abcdefghijkl\n");
    machine.log_bytes(at(3), format!("2026-01-31T12:00:00Z {before}").as_bytes());
    machine.attach_ended(at(4), End::Finished);
    machine.program_ended(at(5));
    machine.log_ended(at(6), End::Finished);
    let rotated = format!("2026-01-31T12:00:01Z {now}");
    for round in 1..10 {
        if !machine.is_done() {
            machine.log_began(at(100 * round));
            machine.log_bytes(at(100 * round), rotated.as_bytes());
            machine.log_ended(at(100 * round + 1), End::Finished);
        }
    }
    assert!(machine.is_done());
    let (text, mut events) = taken(&mut machine);
    events.retain(|event| *event != Event::FromLog);
    (text, events)
}

#[test]
fn a_line_within_which_the_log_was_rotated_is_told_by_its_length() {
    let whole = "abcdefghijkl\n";
    let none: &[Event] = &[];
    for (before, now) in [
        // It was read to its end, and the log has a part of it still.
        (whole, "efghijkl\n"),
        // It was read up to where the log goes on.
        ("abcdefgh", "ijkl\n"),
        ("abcd", "efghijkl\n"),
    ] {
        let (text, events) = rotated_within(before, now);
        assert_eq!((text.as_str(), &events[..]), (whole, none), "{before:?}, {now:?}");
    }
    // What was between is gone, and what the log has now may have been read.
    let (text, events) = rotated_within("abcd", "ijkl\n");
    assert_eq!(text, "abcd\n");
    assert_eq!(events, [Event::Uncertain(Doubt::LogRotated)]);
}

#[test]
fn what_one_stream_ends_with_is_not_the_beginning_of_the_others_line() {
    let nature = Nature {
        are_ends_mixed: true,
        ..NATURE
    };
    let steps = [
        Step::Attach,
        write(OUT, "begins\n"),
        write(ERR, "begins, too\n"),
        Step::Wait(1000),
        write(OUT, "one\ntwo\nunfinished"),
        write(ERR, "three\nnot finished"),
    ];
    each_order(&nature, &steps, |world| {
        let wanted = ["begins\none\ntwo\nunfinished", "begins, too\nthree\nnot finished"];
        assert_eq!(shown(world), wanted, "{:?}", world.log);
        assert_eq!(world.events, []);
    });
}

/// The same text on both streams, and an attach that breaks within both.
#[test]
fn a_break_within_equal_lines_of_both_streams() {
    let late = [
        Step::Attach,
        Step::Write(OUT, b"\naa".to_vec(), [0; 2]),
        Step::Write(ERR, b"\naa".to_vec(), [0; 2]),
        Step::Wait(118),
        Step::Break(0),
        Step::Attach,
        Step::Write(OUT, b"\n\n".to_vec(), [236, 0]),
    ];
    let nature = Nature {
        attach_lag: 5,
        log_lag: 0,
        drops_returns: true,
        chunk: 12,
        seed: 0,
        ..NATURE
    };
    let world = run(Setup::default(), nature.clone(), &late);
    assert_eq!(shown(&world), ["\naa\n\n", "\naa"]);
    let longer = [
        Step::Attach,
        Step::Write(ERR, b"\n".to_vec(), [0, 627]),
        Step::Write(OUT, b"\na".to_vec(), [0; 2]),
        Step::Write(ERR, b"a\0".to_vec(), [0; 2]),
        Step::Wait(5000),
        Step::Break(0),
        Step::Write(ERR, b"\n".to_vec(), [0; 2]),
        Step::Attach,
        Step::Write(OUT, b"\n".to_vec(), [0; 2]),
    ];
    let nature = Nature {
        attach_lag: 0,
        ends_cleanly: false,
        drops_returns: false,
        seed: 2_427_041_237_107_373_933,
        ..nature
    };
    let world = run(Setup::default(), nature, &longer);
    assert_eq!(shown(&world), ["\na\n", "\na\0\n"]);
}

/// The attach comes late, and the program's last texts are one line in the log.
#[test]
fn the_end_of_one_stream_before_the_others_line_where_the_attach_came_late() {
    let nature = Nature {
        are_ends_mixed: true,
        ..NATURE
    };
    let steps = [
        write(ERR, "1 2 "),
        Step::Wait(300),
        Step::Attach,
        Step::Wait(300),
        write(ERR, "3 4 5 "),
        Step::Wait(300),
        write(OUT, "\nout\n"),
    ];
    each_order(&nature, &steps, |world| {
        assert_eq!(shown(world), ["\nout\n", "1 2 3 4 5 "], "{:?}", world.events);
    });
}

/// Lines that are the same on both streams, some of them written before the attach: lengths tell which.
#[test]
fn equal_lines_of_both_streams_before_the_attach_and_after() {
    let steps = [
        write(OUT, "line\n"),
        write(OUT, "before\n"),
        Step::Wait(100),
        Step::Attach,
        Step::Wait(300),
        write(ERR, "line\n"),
        Step::Wait(300),
        write(OUT, "line\n"),
        Step::Wait(1000),
    ];
    let world = run(Setup::default(), NATURE, &steps);
    assert_eq!(
        shown(&world),
        ["line\nbefore\nline\n", "line\n"],
        "{:?}",
        world.events
    );
    assert_eq!(world.events, [Event::FromLog]);
}

/// Of the line in which it begins an attach brings what another line is as well.
#[test]
fn a_line_whose_end_is_another_line() {
    let steps = [
        write(OUT, "line\n"),
        write(ERR, "this "),
        Step::Wait(100),
        Step::Attach,
        Step::Wait(300),
        write(ERR, "line\nline\n"),
        Step::Wait(300),
        write(OUT, "end\n"),
    ];
    each_order(&NATURE, &steps, |world| {
        let wanted = ["line\nend\n", "this line\nline\n"];
        assert_eq!(shown(world), wanted, "{:?}", world.events);
        assert_eq!(world.events, [Event::FromLog]);
    });
}

/// The program's last texts are one in the log, and the attach has brought one of them.
#[test]
fn the_ends_of_both_streams_where_the_attach_brought_one() {
    let steps = [
        write(OUT, "start\nend of one"),
        Step::Wait(300),
        Step::Attach,
        Step::Wait(300),
        write(ERR, "line\nend of the other"),
        Step::Wait(300),
    ];
    each_order(&NATURE, &steps, |world| {
        let wanted = ["start\nend of one", "line\nend of the other"];
        assert_eq!(shown(world), wanted, "{:?}", world.events);
        assert_eq!(world.events, [Event::FromLog]);
    });
}

/// Text that is short, on one stream, and a line on the other one, which are one line in the log: its last text tells.
#[test]
fn a_short_end_of_one_stream_before_the_others_line() {
    let nature = Nature {
        are_ends_mixed: true,
        ..NATURE
    };
    let steps = [
        Step::Attach,
        Step::Wait(300),
        write(OUT, "a"),
        write(ERR, "b"),
        Step::Wait(300),
        write(ERR, "c\n"),
    ];
    each_order(&nature, &steps, |world| {
        assert_eq!(shown(world), ["a", "bc\n"], "{:?}", world.events);
        assert_eq!(world.events, []);
    });
}

/// The attach breaks when it has brought the line, and not what the log has before it in one line.
#[test]
fn the_end_of_one_stream_that_a_broken_attach_did_not_bring_before_the_others_line() {
    for begun in ["", "begun, "] {
        let nature = Nature {
            attach_lag: 100,
            ends_cleanly: false,
            are_ends_mixed: true,
            ..NATURE
        };
        let steps = [
            Step::Attach,
            Step::Wait(300),
            write(OUT, "begins\n"),
            late(ERR, begun, 0, 0),
            Step::Wait(1000),
            late(ERR, "the end", 1000, 1000),
            late(OUT, "the last line\n", 0, 1000),
            Step::Wait(0),
        ];
        each_order(&nature, &steps, |world| {
            let all = shown(world).concat();
            assert_eq!(all.matches("the last line").count(), 1, "{:?}", world.shown);
            assert_eq!(all.matches("the end").count(), 1, "{:?}", world.shown);
        });
    }
}

/// What has no end on both streams is shown as the log has it, and no line is cut.
#[test]
fn the_end_of_a_stream_that_the_attach_did_not_see_comes_after_the_others() {
    let steps = [
        write(ERR, "of stderr"),
        Step::Wait(100),
        Step::Attach,
        Step::Wait(300),
        write(OUT, "line\nof stdout"),
        Step::Wait(1000),
    ];
    each_order(&NATURE, &steps, |world| {
        let wanted = ["line\nof stdoutof stderr", ""];
        assert_eq!(shown(world), wanted, "{:?}", world.events);
        assert_eq!(world.events, [Event::FromLog]);
    });
}

#[test]
fn a_log_that_brings_nothing_any_more_is_opened_again_soon() {
    let nature = Nature {
        misses_rotations: true,
        ..NATURE
    };
    let mut world = World::new(Setup::default(), nature);
    let steps = [
        Step::Attach,
        write(OUT, "one\n"),
        Step::Wait(500),
        Step::Rotate,
        write(OUT, "two\n"),
        write(ERR, "three\n"),
        Step::Wait(3000),
    ];
    steps.iter().for_each(|step| world.act(step));
    assert_eq!(shown(&world), ["one\ntwo\n", "three\n"]);
}

/// Every line that was written is shown, on either stream, and no other.
fn assert_each_line_once(nature: Nature, steps: &[Step]) {
    let world = run(Setup::default(), nature, steps);
    let [written, shown] = [&world.written, &world.shown].map(|texts| {
        let text = texts.concat();
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        lines.sort_unstable();
        lines.concat()
    });
    assert_eq!(shown, written);
}

#[test]
fn what_a_broken_attach_brought_comes_before_what_the_next_one_brings() {
    let nature = Nature {
        attach_lag: 145,
        log_lag: 789,
        seed: 3_888_092_768_292_953_285,
        chunk: 12,
        ..NATURE
    };
    let steps = [
        late(OUT, "\n", 0, 119),
        Step::Attach,
        late(OUT, "a\n", 0, 151),
        Step::Wait(2),
        Step::Break(1),
        Step::Attach,
        late(OUT, "\n\n\n", 0, 418),
        late(OUT, "a\n", 0, 0),
        late(ERR, "\na", 0, 0),
        Step::Wait(347),
        late(ERR, "aa\n", 276, 0),
        late(OUT, "\naa\n", 0, 0),
    ];
    assert_each_line_once(nature, &steps);
}

#[test]
fn a_line_of_which_a_part_is_shown_is_not_taken_for_another_streams() {
    let nature = Nature {
        attach_lag: 1061,
        log_lag: 0,
        seed: 0,
        chunk: 12,
        ..NATURE
    };
    let steps = [
        late(ERR, "1.a", 0, 0),
        Step::Attach,
        late(OUT, "2.\n", 629, 0),
        Step::Wait(5000),
        late(ERR, "\n", 378, 0),
        late(OUT, "3.a", 0, 0),
        Step::Wait(5000),
        late(OUT, "\n", 378, 0),
        late(ERR, "4.\n5.\n", 0, 0),
    ];
    assert_each_line_once(nature, &steps);
}

#[test]
fn lines_that_are_equal_and_rotated_away_do_not_hold_the_program_up() {
    let setup = Setup {
        limit: 2000,
        ..Setup::default()
    };
    let mut world = World::new(setup, NATURE);
    let steps = [
        Step::Attach,
        write(OUT, "begins\n"),
        Step::Wait(500),
        Step::BreakLog,
        write(OUT, &"y\n".repeat(50)),
        Step::Rotate,
        Step::Wait(3000),
        write(OUT, &"y\n".repeat(50)),
        Step::Wait(3000),
    ];
    steps.iter().for_each(|step| world.act(step));
    assert_eq!(shown(&world)[0], format!("begins\n{}", "y\n".repeat(100)));
}

/// The log lacks more lines than may wait for it, and none of them again: what comes after them is not shown before the attach has
/// brought it, and not twice.
#[test]
fn lines_that_are_rotated_away_are_shown_once_however_many() {
    let setup = Setup {
        limit: 2000,
        ..Setup::default()
    };
    let mut world = World::new(setup, NATURE);
    let lines = |from: usize| {
        (from..from + 10)
            .map(|number| format!("{number}\n"))
            .collect::<String>()
    };
    let all = |from: usize| (0..40).map(move |part| lines(from + 10 * part));
    let steps = [
        Step::Attach,
        write(OUT, "begins\n"),
        Step::Wait(500),
        Step::BreakLog,
    ]
    .into_iter()
    .chain(all(1000).map(|text| write(OUT, &text)))
    .chain([Step::Rotate])
    .chain(all(2000).map(|text| write(OUT, &text)))
    .chain([Step::Wait(5000), write(OUT, "ends\n"), Step::Wait(3000)]);
    steps.for_each(|step| world.act(&step));
    let wanted = format!(
        "begins\n{}{}ends\n",
        all(1000).collect::<String>(),
        all(2000).collect::<String>()
    );
    assert!(shown(&world)[0] == wanted, "{} bytes", shown(&world)[0].len());
    assert_eq!(world.events, [Event::Uncertain(Doubt::LogRotated)]);
}
