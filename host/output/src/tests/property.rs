//! Whatever a program writes and however the two sources interleave, its output is shown once.

use proptest::{prelude::*, test_runner::RngSeed};

use super::world::{Nature, Step, World};
use crate::{
    Doubt, Event, Setup, Stream,
    text::{find, plain, without_returns},
};

/// How many cases are tried. A failure prints the least script that fails.
fn cases() -> ProptestConfig {
    let cases = std::env::var("TROCAR_TEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let seed = std::env::var("TROCAR_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(3000),
        rng_seed: RngSeed::Fixed(seed.unwrap_or(1)),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

/// What is written before an attach that comes late.
fn without_attach(steps: Vec<Step>) -> Vec<Step> {
    let is_other = |step: &Step| !matches!(step, Step::Attach);
    steps.into_iter().filter(is_other).collect()
}

/// Something at once on both streams.
fn on_both(out: &[u8], err: &[u8]) -> [Step; 2] {
    [(Stream::Stdout, out), (Stream::Stderr, err)]
        .map(|(stream, text)| Step::Write(stream, text.to_vec(), [0; 2]))
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ab]{0,3}\n".prop_map(String::into_bytes),
        2 => "[ab]{1,3}".prop_map(String::into_bytes),
        2 => "[ab\n]{1,8}".prop_map(String::into_bytes),
        1 => "[a\r\n]{1,4}".prop_map(String::into_bytes),
        1 => Just(b"\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..12),
        1 => (1_usize..6, "[ab]{0,2}\n").prop_map(|(count, line)| line.repeat(count).into_bytes()),
    ]
}

fn step(breaks: u32, rotates: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (stream(), text(), [0..=1000_u64, 0..=1000_u64])
            .prop_map(|(stream, text, lags)| Step::Write(stream, text, lags)),
        4 => (1_u64..100).prop_map(Step::Wait),
        2 => (100_u64..1000).prop_map(Step::Wait),
        1 => (5000_u64..8000).prop_map(Step::Wait),
        2 => Just(Step::Attach),
        breaks => (0_usize..6).prop_map(Step::Break),
        breaks => Just(Step::BreakLog),
        rotates => Just(Step::Rotate),
    ]
}

fn nature(attach_lag: u64, log_lag: u64) -> impl Strategy<Value = Nature> {
    let log_from = prop_oneof![2 => Just(0_u64), 1 => 0_u64..1000];
    (0..=attach_lag, 0..=log_lag, log_from, any::<bool>(), any::<u64>()).prop_map(
        |(attach_lag, log_lag, log_from, ends_cleanly, seed)| Nature {
            attach_lag,
            base_lag: 0,
            log_lag,
            log_from,
            drops_returns: seed % 2 == 0,
            ends_cleanly,
            are_ends_mixed: false,
            misses_rotations: seed % 3 == 0,
            chunk: 12,
            seed,
        },
    )
}

/// Each line begins with its number, if it shall be told from all others.
fn numbered(steps: &[Step]) -> Vec<Step> {
    let (mut count, mut is_begun) = (0, [false; 2]);
    let mut number = |step: &Step| {
        let Step::Write(stream, bytes, lags) = step else {
            return step.clone();
        };
        let mut text = Vec::new();
        for byte in bytes {
            let is_begun = &mut is_begun[*stream as usize];
            if !std::mem::replace(is_begun, *byte != b'\n') {
                count += 1;
                text.extend_from_slice(format!("{count}.").as_bytes());
            }
            text.push(*byte);
        }
        Step::Write(*stream, text, *lags)
    };
    steps.iter().map(&mut number).collect()
}

/// Lets it happen, and once more with its story where it does not come out right.
fn try_out(
    setup: Setup,
    nature: &Nature,
    steps: &[Step],
    check: impl Fn(&World) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let run = |story: Option<String>| {
        let mut world = World::new(setup, nature.clone());
        world.story = story;
        steps.iter().for_each(|step| world.act(step));
        world.end();
        world
    };
    check(&run(None)).map_err(|error| match error {
        TestCaseError::Fail(reason) => {
            let story = run(Some(String::new())).story.unwrap_or_default();
            TestCaseError::fail(format!("{reason}\n{story}"))
        }
        reject => reject,
    })
}

/// Lines with their ends, and what has none. Some logs leave out carriage returns before a line's end, so they do not count.
fn lines(text: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let mut lines: Vec<Vec<u8>> = lines.map(|line| plain(line).into_owned()).collect();
    let rest = lines.pop_if(|line| !line.ends_with(b"\n")).unwrap_or_default();
    (lines, rest)
}

fn texts(lines: &[Vec<u8>]) -> Vec<String> {
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

/// What was written and not shown, and what was shown and not written, line by line. Beginnings that were told do not count.
struct Difference {
    missing: Vec<Vec<u8>>,
    surplus: Vec<Vec<u8>>,
}

fn difference(world: &World) -> Difference {
    let [written, shown] =
        [&world.written, &world.shown].map(|streams| streams.each_ref().map(|text| lines(text)));
    let [mut missing, mut surplus] = [&written, &shown].map(|of| [&of[0].0[..], &of[1].0[..]].concat());
    missing.retain(|line| {
        let index = surplus.iter().position(|shown| shown == line);
        index.map(|index| surplus.swap_remove(index)).is_none()
    });
    let [mut rests, mut wanted] = [shown, written].map(|of| of.map(|(_, rest)| rest).to_vec());
    for event in &world.events {
        if let Event::BeginningMissing { text, .. } = event {
            let line = |shown: &Vec<u8>| {
                missing
                    .iter()
                    .position(|line| *line == [text, &shown[..]].concat())
            };
            match surplus
                .iter()
                .enumerate()
                .find_map(|(index, shown)| Some((index, line(shown)?)))
            {
                Some((shown, line)) => {
                    surplus.remove(shown);
                    missing.remove(line);
                }
                // In what the log ends with two texts may be one.
                None => rests.push(text.clone()),
            }
        }
    }
    if !orders(&wanted)
        .iter()
        .any(|wanted| orders(&rests).contains(wanted))
    {
        missing.append(&mut wanted);
        surplus.append(&mut rests);
    }
    Difference { missing, surplus }
}

/// Texts put together, in each order.
fn orders(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if texts.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: usize| {
        let rest: Vec<_> = texts
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != first)
            .map(|(_, text)| text.clone())
            .collect();
        orders(&rest)
            .into_iter()
            .map(move |rest| [&texts[first][..], &rest].concat())
    };
    (0..texts.len()).flat_map(with_first).collect()
}

/// Everything was shown, once, and no line within another.
fn assert_whole(world: &World) -> Result<(), TestCaseError> {
    if world
        .events
        .iter()
        .any(|event| matches!(event, Event::LineCut { .. }))
    {
        return assert_bytes(world);
    }
    let difference = difference(world);
    let is_same = difference.missing.is_empty() && difference.surplus.is_empty();
    prop_assert!(is_same, "{}", story(world, &difference));
    let is_doubt = |event: &&Event| matches!(event, Event::Uncertain(_) | Event::EndMissing { .. });
    prop_assert_eq!(world.events.iter().find(is_doubt), None, "nothing is missing");
    Ok(())
}

fn story(world: &World, difference: &Difference) -> String {
    format!(
        "missing {:?}, surplus {:?}\n written {:?}\n shown {:?}\n events {:?}",
        texts(&difference.missing),
        texts(&difference.surplus),
        texts(&world.written),
        texts(&world.shown),
        world.events
    )
}

/// Each stream has its lines in the order of the log.
fn assert_order(world: &World) -> Result<(), TestCaseError> {
    let log = lines(&world.log.text(world.log.length())).0;
    for shown in &world.shown {
        let mut log = log.iter();
        for line in lines(shown).0 {
            let is_next = log.any(|next| *next == line);
            prop_assert!(
                is_next,
                "{} is not in its order\n shown {:?}\n written {:?}",
                String::from_utf8_lossy(&line),
                texts(&world.shown),
                texts(&world.written)
            );
        }
    }
    Ok(())
}

/// Each byte was shown as often as it was written. Where the log has another stream's line within a piece of a long one, it
/// does not say where which ends.
fn assert_bytes(world: &World) -> Result<(), TestCaseError> {
    let sorted = |texts: &[Vec<u8>]| {
        let mut bytes: Vec<u8> = texts
            .concat()
            .into_iter()
            .filter(|byte| !b"\r\n".contains(byte))
            .collect();
        bytes.sort_unstable();
        bytes
    };
    let told = world.events.iter().filter_map(|event| match event {
        Event::BeginningMissing { text, .. } => Some(text.clone()),
        _ => None,
    });
    let shown: Vec<_> = world.shown.iter().cloned().chain(told).collect();
    let difference = Difference {
        missing: Vec::new(),
        surplus: Vec::new(),
    };
    prop_assert_eq!(
        sorted(&shown),
        sorted(&world.written),
        "{}",
        story(world, &difference)
    );
    Ok(())
}

/// Each byte was shown at least as often as it was written. Where two streams are within long lines at once, the log does not
/// say which piece goes on with which, so that one may be shown from both sources.
fn assert_nothing_lost(world: &World) -> Result<(), TestCaseError> {
    let count =
        |texts: &[Vec<u8>; 2], byte: u8| texts.concat().iter().filter(|other| **other == byte).count();
    for byte in (0..=u8::MAX).filter(|byte| !b"\r\n".contains(byte)) {
        let told = world.events.iter().map(|event| match event {
            Event::BeginningMissing { text, .. } => text.iter().filter(|other| **other == byte).count(),
            _ => 0,
        });
        let shown = count(&world.shown, byte) + told.sum::<usize>();
        prop_assert!(
            shown >= count(&world.written, byte),
            "byte {byte} is missing\n{:?}\n{:?}",
            world.written,
            world.shown
        );
    }
    Ok(())
}

/// Nothing was shown twice, and what is missing was lost, and told.
fn assert_told(world: &World) -> Result<(), TestCaseError> {
    let Difference { mut missing, surplus } = difference(world);
    let texts = story(
        world,
        &Difference {
            missing: missing.clone(),
            surplus: surplus.clone(),
        },
    );
    // Of a line that was cut so that what waited for it could be shown, and was told, the rest stands alone.
    let is_cut = world
        .events
        .iter()
        .any(|event| matches!(event, Event::LineCut { .. }));
    for part in surplus.iter().filter(|_| !is_cut) {
        // Of a line that was lost an attach may have brought a part.
        let part = part.strip_suffix(b"\n").unwrap_or(part);
        let is_part = |line: &[u8]| find(line, without_returns(part)).is_some();
        // The log ends with the last texts of both streams in one.
        let ends: Vec<_> = missing
            .iter()
            .filter(|line| !line.ends_with(b"\n"))
            .cloned()
            .collect();
        if orders(&ends).iter().any(|ends| is_part(ends)) {
            continue;
        }
        let line = missing.iter().position(|line| is_part(line));
        prop_assert!(
            line.is_some() || part.is_empty(),
            "{part:?} is shown twice\n{texts}"
        );
        line.map(|line| missing.remove(line));
    }
    for event in &world.events {
        let is_real = match event {
            Event::Uncertain(Doubt::LogRotated) => world.is_rotated,
            Event::EndMissing { .. } | Event::Uncertain(_) => !world.lost.is_empty() || world.is_rotated,
            _ => true,
        };
        prop_assert!(is_real, "it was not so: {event:?}\n{texts}");
    }
    let is_told = world
        .events
        .iter()
        .any(|event| matches!(event, Event::Uncertain(_)));
    prop_assert!(missing.is_empty() || is_told, "it was not told\n{texts}");
    Ok(())
}

/// No byte was shown more often than it was written, and where one is missing, it was lost, and told.
fn assert_bytes_told(world: &World) -> Result<(), TestCaseError> {
    let count = |texts: &[Vec<u8>]| {
        let mut counts = [0_usize; 256];
        texts
            .concat()
            .iter()
            .for_each(|byte| counts[usize::from(*byte)] += 1);
        counts
    };
    let (written, shown) = (count(&world.written), count(&world.shown));
    let nothing = Difference {
        missing: Vec::new(),
        surplus: Vec::new(),
    };
    let texts = story(world, &nothing);
    let told = world.events.iter().filter_map(|event| match event {
        Event::BeginningMissing { text, .. } => Some(text.clone()),
        _ => None,
    });
    let told = count(&told.collect::<Vec<_>>());
    let counted = (0..256).filter(|byte| !b"\r\n".contains(&(*byte as u8)));
    let (mut is_missing, mut is_twice) = (false, false);
    for byte in counted {
        is_missing |= shown[byte] + told[byte] < written[byte];
        is_twice |= shown[byte] + told[byte] > written[byte];
    }
    prop_assert!(!is_twice, "something is shown twice\n{texts}");
    let is_doubt = |event: &Event| matches!(event, Event::Uncertain(_) | Event::EndMissing { .. });
    let is_told = world.events.iter().any(is_doubt);
    prop_assert!(!is_missing || is_told, "it was not told\n{texts}");
    let may_be_lost = !world.lost.is_empty() || world.is_rotated;
    prop_assert!(is_missing || !is_told || may_be_lost, "it was not so\n{texts}");
    Ok(())
}

/// Both streams end with text that has no newline and is not short. What comes first is not among what is mixed.
fn with_ends(steps: &[Step]) -> Vec<Step> {
    let end = |stream: Stream| Step::Write(stream, b"the end".to_vec(), [0; 2]);
    [
        &[Step::Wait(1)],
        steps,
        &[end(Stream::Stdout), end(Stream::Stderr)],
    ]
    .concat()
}

/// All of it is written to standard output, and none of it is a carriage return, of which a runtime may leave some out.
fn on_stdout(mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        if let Step::Write(stream, bytes, _) = step {
            *stream = Stream::Stdout;
            without_returns_in(bytes);
        }
    }
    steps
}

fn without_returns_in(bytes: &mut [u8]) {
    let returns = bytes.iter_mut().filter(|byte| **byte == b'\r');
    returns.for_each(|byte| *byte = b'c');
}

/// Each line ends before the program does.
fn ended(steps: Vec<Step>) -> Vec<Step> {
    ended_on(&[Stream::Stdout, Stream::Stderr], steps)
}

/// The same on some streams.
fn ended_on(streams: &[Stream], mut steps: Vec<Step>) -> Vec<Step> {
    for stream in streams.iter().copied() {
        let last = steps.iter().rev().find_map(|step| match step {
            Step::Write(of, bytes, _) if *of == stream => bytes.last(),
            _ => None,
        });
        if last.is_some_and(|last| *last != b'\n') {
            steps.push(Step::Write(stream, b"\n".to_vec(), [500; 2]));
        }
    }
    steps
}

/// Where two streams are in the log, a piece that ends with carriage returns does not tell where it ends.
fn without_returns_on_both(mut steps: Vec<Step>) -> Vec<Step> {
    let is_on = |stream: Stream| {
        steps
            .iter()
            .any(|step| matches!(step, Step::Write(of, ..) if *of == stream))
    };
    if is_on(Stream::Stdout) && is_on(Stream::Stderr) {
        for step in &mut steps {
            if let Step::Write(_, bytes, _) = step {
                without_returns_in(bytes);
            }
        }
    }
    steps
}

/// What is written is whole lines.
fn whole(mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        if let Step::Write(_, bytes, _) = step
            && !bytes.ends_with(b"\n")
        {
            bytes.push(b'\n');
        }
    }
    steps
}

/// What an attach brought is on its stream, and what the log alone has is on standard output, in the log's order. What both streams
/// end with may be one text.
fn assert_streams(world: &World) -> Result<(), TestCaseError> {
    let Some((begun, missed)) = world.begun.first() else {
        return Ok(());
    };
    let after_newline = |text: &[u8]| {
        text.iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1)
    };
    // Of the lines from the one within which the attach began, and of what has no end.
    let from = |stream: usize| {
        let text = &world.written[stream];
        let end = after_newline(text);
        let line = after_newline(&text[..begun[stream]]).min(end);
        (&text[line..end], &text[end..], begun[stream] == text.len())
    };
    let [(out, out_end, _), (err, err_end, is_missed)] = [from(0), from(1)];
    let log = &world.log.text(*missed)[..];
    let wanted = match is_missed {
        true => vec![
            [[log, out, out_end, err_end].concat(), err.to_vec()],
            [[log, out, err_end, out_end].concat(), err.to_vec()],
        ],
        false => vec![[[log, out, out_end].concat(), [err, err_end].concat()]],
    };
    // A carriage return before a line's end may be left out of the log.
    let is_shown = |wanted: &[Vec<u8>; 2]| {
        [0, 1]
            .iter()
            .all(|at| lines(&wanted[*at]) == lines(&world.shown[*at]))
    };
    prop_assert!(
        wanted.iter().any(is_shown),
        "{:?} is not {:?}, events {:?}",
        texts(&world.shown),
        texts(&wanted[0]),
        world.events
    );
    let is_out_missed = begun[0] == world.written[0].len() && !out_end.is_empty();
    let is_told = *missed > 0 || (is_missed && !err_end.is_empty()) || is_out_missed;
    prop_assert_eq!(&world.events[..], &[Event::FromLog][..usize::from(is_told)]);
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn lines_keep_their_order_however_late_the_attach_is(
        steps in prop::collection::vec(step(2, 0), 0..60),
        nature in nature(3000, 700),
    ) {
        let steps = numbered(&whole(steps));
        try_out(Setup::default(), &nature, &steps, |world| {
            assert_whole(world)?;
            assert_order(world)
        })?;
    }

    #[test]
    fn output_is_shown_once_whatever_breaks_and_however_late(
        steps in prop::collection::vec(step(2, 0), 0..60),
        nature in nature(3000, 6000),
        is_unique: bool,
    ) {
        let steps = if is_unique { numbered(&steps) } else { steps };
        try_out(Setup::default(), &nature, &steps, assert_whole)?;
    }

    #[test]
    fn long_lines_are_shown_once_in_pieces(
        steps in prop::collection::vec(step(2, 0), 0..40),
        nature in nature(100, 40),
        piece in 3_usize..10,
    ) {
        // The last texts of both streams are one in the log, and may be longer than a piece.
        let steps = ended_on(&[Stream::Stderr], without_returns_on_both(steps));
        try_out(Setup { piece, ..Setup::default() }, &nature, &steps, |world| match world.written.iter().all(|text| !text.is_empty()) {
            // Which piece goes on with which is not in the log.
            true => assert_nothing_lost(world),
            false => assert_whole(world),
        })?;
    }

    #[test]
    fn a_source_that_is_far_ahead_waits_for_the_other(
        steps in prop::collection::vec(step(1, 0), 0..60),
        nature in nature(200, 40),
        limit in 1000_usize..8000,
    ) {
        try_out(Setup { limit, ..Setup::default() }, &nature, &steps, assert_whole)?;
    }

    #[test]
    fn what_is_rotated_away_is_told(
        steps in prop::collection::vec(step(2, 2), 0..60),
        nature in nature(200, 40),
        limit in prop_oneof![2 => Just(1_usize << 20), 1 => 1000_usize..8000],
        is_unique: bool,
    ) {
        let steps = if is_unique { numbered(&steps) } else { steps };
        try_out(Setup { limit, ..Setup::default() }, &nature, &steps, |world| match world.lost.is_empty() {
            true if !world.is_rotated => assert_whole(world),
            _ => assert_told(world),
        })?;
    }

    #[test]
    fn long_lines_are_never_shown_twice_and_what_is_rotated_away_is_told(
        steps in prop::collection::vec(step(1, 2), 0..60),
        nature in nature(200, 40),
        piece in 3_usize..10,
    ) {
        let steps = on_stdout(steps);
        try_out(Setup { piece, ..Setup::default() }, &nature, &steps, assert_bytes_told)?;
    }

    #[test]
    fn an_attach_from_the_beginning_is_shown_as_it_is(
        steps in prop::collection::vec(step(0, 0), 0..60),
        nature in nature(40, 20),
        base_lag in 0_u64..110,
        are_ends_mixed: bool,
    ) {
        let nature = Nature { ends_cleanly: true,
            are_ends_mixed,
            base_lag,
            ..nature };
        // Where both streams begin with the same text, it is not known whose comes first in the log.
        let first = on_both(b"out\n", b"err\n");
        // Where lines are equal, the log does not say which of them another stream's end comes before.
        let steps = if are_ends_mixed { with_ends(&numbered(&steps)) } else { steps };
        let steps = [&[Step::Attach][..], &first, &steps].concat();
        try_out(Setup::default(), &nature, &steps, |world| {
            prop_assert_eq!(texts(&world.shown), texts(&world.written));
            prop_assert_eq!(&world.events, &[]);
            Ok(())
        })?;
    }

    #[test]
    fn each_line_is_on_the_stream_on_which_an_attach_brought_it(
        before in prop::collection::vec(step(0, 0), 0..20),
        after in prop::collection::vec(step(0, 0), 0..40),
        nature in nature(40, 20),
        base_lag in 0_u64..110,
        is_unique: bool,
    ) {
        // Lines that are equal to what was missed, and on both streams, may be taken for each other: here they are on one.
        let nature = Nature { ends_cleanly: true,
            base_lag,
            ..nature };
        let before = without_attach(before);
        // Where an attach begins with the same line on both streams, it is not known whose comes first in the log.
        let first = on_both(b"out\n", b"err\n");
        let after = if is_unique { after } else { on_stdout(after) };
        let steps = [&ended(before)[..], &[Step::Attach], &first, &after].concat();
        let steps = if is_unique { numbered(&steps) } else { steps };
        try_out(Setup::default(), &nature, &steps, assert_streams)?;
    }

    #[test]
    fn a_line_within_which_an_attach_began_is_on_its_stream(
        before in prop::collection::vec(step(0, 0), 0..20),
        after in prop::collection::vec(step(0, 0), 0..40),
        nature in nature(40, 20),
        base_lag in 0_u64..110,
    ) {
        let nature = Nature { ends_cleanly: true,
            base_lag,
            ..nature };
        let before = without_attach(before);
        // That lines ended says nothing about which they were.
        let first = on_both(b"o", b"e");
        let steps = numbered(&[&before[..], &[Step::Attach], &first, &after].concat());
        try_out(Setup::default(), &nature, &steps, assert_streams)?;
    }
}
