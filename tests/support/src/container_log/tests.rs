//! The log after some output. Values marked as such were measured on a real node.

use super::{
    OutputStream::{Stderr, Stdout},
    *,
};

fn written(writes: &[(OutputStream, &str)]) -> ContainerLog {
    let mut log = ContainerLog::default();
    for (time, (stream, text)) in writes.iter().enumerate() {
        log.write(*stream, text.as_bytes(), time as i128);
    }
    log
}

fn text(log: &ContainerLog, options: &ReadOptions) -> String {
    String::from_utf8(log.read(options)).unwrap()
}

fn all(log: &ContainerLog) -> String {
    text(log, &ReadOptions::default())
}

#[test]
fn lines_enter_the_log_when_they_are_complete_and_the_rest_when_the_program_ends() {
    let mut log = written(&[
        (Stderr, "Working..."),
        (Stdout, "out\n"),
        (Stdout, "half"),
        (Stderr, "done\n"),
        (Stderr, "rest"),
    ]);
    assert_eq!(all(&log), "out\nWorking...done\n");
    log.end(Stderr, 9);
    assert_eq!(all(&log), "out\nWorking...done\nrest");
    log.end(Stdout, 9);
    assert_eq!(all(&log), "out\nWorking...done\nresthalf");
    log.end(Stdout, 9);
    assert_eq!(all(&log), "out\nWorking...done\nresthalf");
}

/// Measured on a real node: of 20,479 bytes without a line end the log has nothing, of 20,480 it has 16,384.
#[test]
fn a_long_line_enters_the_log_in_pieces() {
    for (bytes, pieces) in [(18_000, 0), (20_479, 0), (20_480, 16_384), (40_000, 32_768)] {
        let mut log = ContainerLog::default();
        let line = vec![b'x'; bytes];
        for part in line.chunks(777) {
            log.write(Stdout, part, 0);
        }
        assert_eq!(log.read(&ReadOptions::default()).len(), pieces, "{bytes}");
        log.end(Stdout, 0);
        assert_eq!(log.read(&ReadOptions::default()), line);
    }
    let mut log = ContainerLog::default();
    log.write(Stdout, "x".repeat(33_000).as_bytes(), 0);
    log.write(Stdout, b"\nnext\n", 1);
    let last = |lines| ReadOptions {
        tail_lines: Some(lines),
        ..ReadOptions::default()
    };
    assert_eq!(text(&log, &last(2)).len(), 33_000 - 2 * 16_384 + "\nnext\n".len());
    assert_eq!(text(&log, &last(3)).len(), 33_000 - 16_384 + "\nnext\n".len());
}

/// Measured on a real node.
#[test]
fn a_carriage_return_before_a_line_end_is_dropped() {
    let mut log = written(&[(Stdout, "a\r\nb\r\r\nc\rd\n\r\n\n\rx\r")]);
    assert_eq!(all(&log), "a\nb\r\nc\rd\n\n\n");
    log.end(Stdout, 1);
    assert_eq!(all(&log), "a\nb\r\nc\rd\n\n\n\rx\r");
    let line = "x".repeat(4095);
    let log = written(&[(Stdout, &line), (Stdout, "\r"), (Stdout, "\r\ny\n")]);
    assert_eq!(all(&log), format!("{line}\r\ny\n"));
}

#[test]
fn after_a_rotation_only_the_newest_file_is_read_from_its_beginning() {
    let mut log = written(&[(Stdout, "1\n2\n")]);
    let mut following = LogReader::new(&log, &ReadOptions::default(), true);
    assert_eq!(following.next(&log), b"1\n2\n");
    log.write(Stdout, b"3\n", 4);
    log.rotate();
    log.write(Stdout, b"4\n", 5);
    assert_eq!(all(&log), "4\n");
    assert_eq!(following.next(&log), b"3\n4\n");
    // A reading that misses two rotations misses the file between them.
    log.write(Stdout, b"5\n", 6);
    log.rotate();
    log.write(Stdout, b"6\n", 7);
    log.rotate();
    log.write(Stdout, b"7\n", 8);
    assert_eq!(following.next(&log), b"5\n7\n");
}

#[test]
fn a_file_that_is_full_is_followed_by_another() {
    let mut log = ContainerLog::new(1000);
    let mut following = LogReader::new(&log, &ReadOptions::default(), true);
    let mut followed = Vec::new();
    let mut written = Vec::new();
    for number in 0..1000 {
        let line = format!("line {number}\n");
        log.write(Stdout, line.as_bytes(), number);
        written.extend_from_slice(line.as_bytes());
        followed.extend_from_slice(&following.next(&log));
    }
    assert_eq!(followed, written);
    let newest = log.read(&ReadOptions::default());
    assert!(written.ends_with(&newest) && newest.len() < 1000);
}

#[test]
fn times_tails_and_limits() {
    let mut log = written(&[(Stdout, "zero\n"), (Stderr, "one\n"), (Stdout, "two\n")]);
    log.write(Stdout, b"rest", 3);
    log.end(Stdout, 1_500_000_000);
    let all = ReadOptions {
        timestamps: true,
        ..ReadOptions::default()
    };
    let time = |nanoseconds: &str| format!("1970-01-01T00:00:{nanoseconds}Z");
    assert_eq!(
        text(&log, &all),
        format!(
            "{} zero\n{} one\n{} two\n{} rest",
            time("00.000000000"),
            time("00.000000001"),
            time("00.000000002"),
            time("01.500000000")
        )
    );
    let plain = ReadOptions::default();
    for (options, wanted) in [
        (
            ReadOptions {
                since: Some(1),
                ..plain.clone()
            },
            "one\ntwo\nrest",
        ),
        (
            ReadOptions {
                tail_lines: Some(2),
                ..plain.clone()
            },
            "two\nrest",
        ),
        (
            ReadOptions {
                tail_lines: Some(0),
                ..plain.clone()
            },
            "",
        ),
        (
            ReadOptions {
                limit_bytes: Some(7),
                ..plain.clone()
            },
            "zero\non",
        ),
        (
            ReadOptions {
                tail_lines: Some(1),
                limit_bytes: Some(12),
                timestamps: true,
                ..plain
            },
            "1970-01-01T0",
        ),
    ] {
        assert_eq!(text(&log, &options), wanted, "{options:?}");
    }
}

#[test]
fn a_following_tail_goes_on_after_its_lines() {
    let mut log = written(&[(Stdout, "1\n"), (Stdout, "2\n")]);
    let options = ReadOptions {
        tail_lines: Some(1),
        ..ReadOptions::default()
    };
    let mut reader = LogReader::new(&log, &options, true);
    assert_eq!(reader.next(&log), b"2\n");
    log.write(Stdout, b"3\n4\n", 3);
    assert_eq!((reader.next(&log), reader.is_over()), (b"3\n4\n".to_vec(), false));
}

#[test]
fn a_piece_of_a_line_has_no_time_of_its_own() {
    let mut log = ContainerLog::default();
    log.write(Stdout, "x".repeat(33_000).as_bytes(), 0);
    log.write(Stdout, b"\nnext\n", 1);
    let options = ReadOptions {
        timestamps: true,
        ..ReadOptions::default()
    };
    let text = text(&log, &options);
    assert_eq!((text.matches("1970").count(), text.len()), (2, 33_006 + 2 * 31));
}
