//! Writing to a descriptor that does not wait: another program that shares the terminal or pipe may have set it so, and then
//! what does not fit at once is an error, and the message that should say why something failed is lost.

use std::{
    io::{self, Write},
    os::fd::AsFd,
};

use rustix::event::{PollFd, PollFlags, poll};

/// Writes all of it, however long the reader takes.
pub(super) fn write_all(out: &mut (impl Write + AsFd), bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match patiently(out, |out| out.write(rest), &wait)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => rest = rest.get(written..).unwrap_or_default(),
        }
    }
    patiently(out, Write::flush, &wait)
}

fn wait(out: &impl AsFd) -> io::Result<()> {
    poll(&mut [PollFd::new(out, PollFlags::OUT)], None)?;
    Ok(())
}

/// Tries again after each wait. A write that fails so has taken nothing.
fn patiently<W, T>(
    out: &mut W,
    attempt: impl Fn(&mut W) -> io::Result<T>,
    wait: &dyn Fn(&W) -> io::Result<()>,
) -> io::Result<T> {
    loop {
        match attempt(out) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(out)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_does_not_fit_is_written_once_there_is_room() {
        let room = Cell::new(false);
        let mut written = Vec::new();
        let attempt = |out: &mut Vec<u8>| match room.replace(false) {
            true => out.write(b"why it failed"),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        let wait = |_: &Vec<u8>| {
            room.set(true);
            Ok(())
        };
        assert_eq!(patiently(&mut written, attempt, &wait).unwrap(), 13);
        assert_eq!(written, b"why it failed");
        let closed = |_: &Vec<u8>| Err(io::ErrorKind::BrokenPipe.into());
        let failed = patiently(&mut written, attempt, &closed).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_full_pipe_that_does_not_wait_takes_all_once_it_is_read() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let mut filled = 0;
        while let Ok(more) = writer.write(&[b'x'; 4096]) {
            filled += more;
        }
        let message = vec![b'y'; 200_000];
        let read = std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut all = Vec::new();
                io::Read::read_to_end(&mut reader, &mut all).map(|_| all)
            });
            write_all(&mut writer, &message).unwrap();
            drop(writer);
            reading.join().unwrap().unwrap()
        });
        assert_eq!(read.len(), filled + message.len());
        assert!(read.ends_with(&message));
    }
}
