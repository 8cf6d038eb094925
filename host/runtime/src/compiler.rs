//! Compiling components, with a limit on the processor's time: how long it takes on a busy machine is nobody's fault.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    thread::{Pid, gettid},
    time::{ClockId, clock_gettime},
};
use trocar_core::text::message;
use wasmtime::Engine;

use crate::{
    error::WasmError,
    limits::{Limit, Limits},
    trusted::{self, CompiledHere},
};

/// How long a person waits before being told why.
const NOTICEABLE: Duration = Duration::from_millis(500);

/// How often it is looked how far the compiler is.
const INTERVAL: Duration = Duration::from_millis(50);

/// Compiles on threads of its own. One that takes too long is left behind: nothing can stop a compiler.
///
/// `tell` is called once when it takes longer than a person waits without a word.
///
/// # Errors
/// Fails when the component is not valid, and at the limit.
pub(crate) fn compile(
    engine: &Engine,
    component: &[u8],
    limits: &Limits,
    tell: &dyn Fn(),
) -> Result<CompiledHere, WasmError> {
    let threads = Arc::new(Threads::new());
    let (sender, receiver) = mpsc::channel();
    let (engine, bytes) = (engine.clone(), component.to_vec());
    let pool = rayon::ThreadPoolBuilder::new().start_handler({
        let threads = threads.clone();
        move |_| threads.add()
    });
    let pool = pool
        .build()
        .map_err(|error| WasmError::Host(format!("cannot start the compiler: {error}")))?;
    thread::spawn(move || {
        let compiled = pool.install(|| trusted::compile(&engine, &bytes));
        sender.send(compiled)
    });
    let started = Instant::now();
    let progress = Progress {
        processor: &|| threads.time(),
        wall: &|| started.elapsed(),
    };
    match progress.wait(&receiver, limits.compile_time, tell) {
        Some(Ok(compiled)) => compiled.map_err(|error| WasmError::Invalid(message(&format!("{error:#}")))),
        Some(Err(Panicked)) => Err(WasmError::Invalid("the compiler gave up on it".into())),
        None => Err(WasmError::Limit {
            limit: Limit::CompileTime,
            allowed: limits.get(Limit::CompileTime),
            asked: None,
        }),
    }
}

/// The compiler ended without an answer.
#[derive(Debug, PartialEq, Eq)]
struct Panicked;

/// How far a compiler is.
struct Progress<'a> {
    /// The processor's time that it has taken.
    processor: &'a dyn Fn() -> Duration,
    /// The time since it began.
    wall: &'a dyn Fn() -> Duration,
}

impl Progress<'_> {
    /// Waits for an answer; none once as much of the processor's time was taken as is allowed.
    fn wait<T>(
        &self,
        answer: &Receiver<T>,
        allowed: Duration,
        tell: &dyn Fn(),
    ) -> Option<Result<T, Panicked>> {
        let mut is_told = false;
        loop {
            let left = allowed.saturating_sub((self.processor)());
            if left.is_zero() {
                return None;
            }
            if !is_told && (self.wall)() >= NOTICEABLE {
                is_told = true;
                tell();
            }
            match answer.recv_timeout(left.min(INTERVAL)) {
                Ok(answer) => return Some(Ok(answer)),
                Err(RecvTimeoutError::Disconnected) => return Some(Err(Panicked)),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// The threads of one compiler, and how much of the processor's time they took.
struct Threads {
    ids: Mutex<Vec<Pid>>,
    /// What the whole process had taken when the compiler began.
    process: Duration,
}

impl Threads {
    fn new() -> Self {
        Self {
            ids: Mutex::default(),
            process: process_time(),
        }
    }

    /// Counts the thread that calls this.
    fn add(&self) {
        if let Ok(mut ids) = self.ids.lock() {
            ids.push(gettid());
        }
    }

    /// What these threads took. Where the system does not say it of threads, what the process took meanwhile.
    fn time(&self) -> Duration {
        self.time_of(&thread_time, &process_time)
    }

    /// The same by the clocks of a caller.
    fn time_of(
        &self,
        of_thread: &dyn Fn(Pid) -> Option<Duration>,
        of_process: &dyn Fn() -> Duration,
    ) -> Duration {
        let of_threads = self.ids.lock().ok().and_then(|ids| {
            let times = ids.iter().map(|id| of_thread(*id));
            times.sum::<Option<Duration>>().filter(|_| !ids.is_empty())
        });
        of_threads.unwrap_or_else(|| of_process().saturating_sub(self.process))
    }
}

/// The processor's time that a thread of this process has taken, as Linux tells it.
fn thread_time(id: Pid) -> Option<Duration> {
    let told = fs::read_to_string(format!("/proc/self/task/{}/schedstat", id.as_raw_pid())).ok()?;
    let nanoseconds = told.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Waits for a compiler that takes a millisecond of the processor's time in each step, and answers after so many. What
    /// passes meanwhile is told by `wall`. Returns the answer and how often it was told that it takes long.
    fn compiled_in(steps: u32, allowed: u32, wall: &dyn Fn(u32) -> Duration) -> (Option<&'static str>, u32) {
        let (sender, receiver) = mpsc::channel();
        let (step, told) = (Cell::new(0), Cell::new(0));
        let progress = Progress {
            processor: &|| {
                step.set(step.get() + 1);
                if step.get() == steps {
                    sender.send("compiled").unwrap();
                }
                Duration::from_millis(step.get().into())
            },
            wall: &|| wall(step.get()),
        };
        let tell = || told.set(told.get() + 1);
        let answer = progress.wait(&receiver, Duration::from_millis(allowed.into()), &tell);
        (answer.map(Result::unwrap), told.get())
    }

    #[test]
    fn an_hour_on_a_busy_machine_is_not_counted() {
        let hours = |step| Duration::from_secs(3600) * step;
        assert_eq!(
            compiled_in(5, 10, &hours),
            (Some("compiled"), 1),
            "and it is told once"
        );
    }

    #[test]
    fn the_processors_time_is_limited() {
        assert_eq!(compiled_in(11, 10, &|_| Duration::ZERO), (None, 0));
    }

    #[test]
    fn what_a_person_does_not_notice_is_not_told() {
        let quick = |step| Duration::from_millis(99) * step;
        assert_eq!(compiled_in(5, 10, &quick), (Some("compiled"), 0));
    }

    #[test]
    fn a_compiler_that_panics_is_told_apart_from_a_slow_one() {
        let (sender, receiver) = mpsc::channel::<()>();
        drop(sender);
        let progress = Progress {
            processor: &|| Duration::ZERO,
            wall: &|| Duration::ZERO,
        };
        assert_eq!(progress.wait(&receiver, INTERVAL, &|| {}), Some(Err(Panicked)));
    }

    #[test]
    fn only_the_threads_of_the_compiler_are_counted() {
        let threads = &Threads::new();
        // Both live when they are counted, so that their numbers differ.
        let [one, two] = thread::scope(|scope| {
            let added = || {
                threads.add();
                gettid()
            };
            let both = scope.spawn(move || [added(), scope.spawn(added).join().unwrap()]);
            both.join().unwrap()
        });
        let of_thread = |id| {
            let seconds = if id == one {
                2
            } else if id == two {
                3
            } else {
                3_600
            };
            Some(Duration::from_secs(seconds))
        };
        assert_eq!(
            threads.time_of(&of_thread, &|| Duration::MAX),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn where_threads_cannot_be_told_apart_it_is_what_the_process_took_meanwhile() {
        let threads = Threads {
            ids: Mutex::default(),
            process: Duration::from_secs(60),
        };
        let process = || Duration::from_secs(67);
        let meanwhile = Duration::from_secs(7);
        let of_thread = |_| Some(Duration::from_secs(1));
        assert_eq!(
            threads.time_of(&of_thread, &process),
            meanwhile,
            "none was seen yet"
        );
        threads.add();
        assert_eq!(threads.time_of(&of_thread, &process), Duration::from_secs(1));
        assert_eq!(threads.time_of(&|_| None, &process), meanwhile);
    }
}
