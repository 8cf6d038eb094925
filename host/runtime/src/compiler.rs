//! Compiling components, with a limit on CPU time rather than wall time, which depends on how busy the machine is.

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

/// The wall time after which a user is told what takes so long.
const NOTICE_AFTER: Duration = Duration::from_millis(500);

/// How often CPU time is read.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Compiles on threads of its own. A compilation that exceeds the limit is abandoned, not stopped: wasmtime has no means for that.
///
/// `notify` is called once if it takes longer than [`NOTICE_AFTER`].
///
/// # Errors
/// Fails when the component is not valid, and when the limit is reached.
pub(crate) fn compile(
    engine: &Engine,
    component: &[u8],
    limits: &Limits,
    notify: &dyn Fn(),
) -> Result<CompiledHere, WasmError> {
    let threads = Arc::new(Threads::new());
    let (sender, receiver) = mpsc::channel();
    let (engine, bytes) = (engine.clone(), component.to_vec());
    // A pool of its own, since wasmtime compiles on the current one: so exactly these threads' time can be counted.
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
    // Wasmtime bounds no compilation, and does not count a slow or panicking one as a vulnerability: hostile input may cause
    // both.
    match progress.wait(&receiver, limits.compile_time, notify) {
        Some(Ok(compiled)) => compiled.map_err(|error| WasmError::Invalid(message(&format!("{error:#}")))),
        Some(Err(Panicked)) => Err(WasmError::Invalid("the compiler panicked on it".into())),
        None => Err(WasmError::Limit {
            limit: Limit::CompileTime,
            allowed: limits.get(Limit::CompileTime),
            asked: None,
        }),
    }
}

/// The compiler's thread ended without a result.
#[derive(Debug, PartialEq, Eq)]
struct Panicked;

/// The clocks of a compilation.
struct Progress<'a> {
    /// CPU time so far.
    processor: &'a dyn Fn() -> Duration,
    /// Wall time so far.
    wall: &'a dyn Fn() -> Duration,
}

impl Progress<'_> {
    /// Waits for the result; none once the allowed CPU time was used.
    fn wait<T>(
        &self,
        answer: &Receiver<T>,
        allowed: Duration,
        notify: &dyn Fn(),
    ) -> Option<Result<T, Panicked>> {
        let mut is_notified = false;
        loop {
            let left = allowed.saturating_sub((self.processor)());
            if left.is_zero() {
                return None;
            }
            if !is_notified && (self.wall)() >= NOTICE_AFTER {
                is_notified = true;
                notify();
            }
            match answer.recv_timeout(left.min(POLL_INTERVAL)) {
                Ok(answer) => return Some(Ok(answer)),
                Err(RecvTimeoutError::Disconnected) => return Some(Err(Panicked)),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// The threads of one compilation, for their CPU time.
struct Threads {
    ids: Mutex<Vec<Pid>>,
    /// The CPU time of the process when the compilation began.
    process: Duration,
}

impl Threads {
    fn new() -> Self {
        Self {
            ids: Mutex::default(),
            process: process_time(),
        }
    }

    /// Adds the current thread.
    fn add(&self) {
        if let Ok(mut ids) = self.ids.lock() {
            ids.push(gettid());
        }
    }

    /// The CPU time of these threads; that of the process since the beginning where the system does not report it per thread.
    fn time(&self) -> Duration {
        self.time_of(&thread_time, &process_time)
    }

    /// The same, with injected clocks for tests.
    fn time_of(
        &self,
        of_thread: &dyn Fn(Pid) -> Option<Duration>,
        of_process: &dyn Fn() -> Duration,
    ) -> Duration {
        let of_threads = self.ids.lock().ok().and_then(|ids| {
            let times = ids.iter().map(|id| of_thread(*id));
            // None if any thread cannot be read: a sum without it would be too small, and the limit without effect.
            times.sum::<Option<Duration>>().filter(|_| !ids.is_empty())
        });
        of_threads.unwrap_or_else(|| of_process().saturating_sub(self.process))
    }
}

/// The CPU time of a thread of this process, by Linux's `schedstat`.
fn thread_time(id: Pid) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/self/task/{}/schedstat", id.as_raw_pid())).ok()?;
    let nanoseconds = stat.split_ascii_whitespace().next()?.parse().ok()?;
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

    /// Simulates a compilation of `steps` steps with 1 ms of CPU time each, and `wall` time. Returns the result and the number of
    /// notifications.
    fn compiled_in(steps: u32, allowed: u32, wall: &dyn Fn(u32) -> Duration) -> (Option<&'static str>, u32) {
        let (sender, receiver) = mpsc::channel();
        let (step, notified) = (Cell::new(0), Cell::new(0));
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
        let notify = || notified.set(notified.get() + 1);
        let answer = progress.wait(&receiver, Duration::from_millis(allowed.into()), &notify);
        (answer.map(Result::unwrap), notified.get())
    }

    #[test]
    fn wall_time_is_not_limited() {
        let hours = |step| Duration::from_secs(3600) * step;
        assert_eq!(
            compiled_in(5, 10, &hours),
            (Some("compiled"), 1),
            "with one notification"
        );
    }

    #[test]
    fn cpu_time_is_limited() {
        assert_eq!(compiled_in(11, 10, &|_| Duration::ZERO), (None, 0));
    }

    #[test]
    fn a_quick_compilation_notifies_no_user() {
        let quick = |step| Duration::from_millis(99) * step;
        assert_eq!(compiled_in(5, 10, &quick), (Some("compiled"), 0));
    }

    #[test]
    fn a_panic_is_not_taken_for_a_timeout() {
        let (sender, receiver) = mpsc::channel::<()>();
        drop(sender);
        let progress = Progress {
            processor: &|| Duration::ZERO,
            wall: &|| Duration::ZERO,
        };
        assert_eq!(
            progress.wait(&receiver, POLL_INTERVAL, &|| {}),
            Some(Err(Panicked))
        );
    }

    #[test]
    fn only_the_compilers_threads_are_counted() {
        let threads = &Threads::new();
        // Both threads are alive at once, so that their ids differ.
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
    fn without_times_per_thread_that_of_the_process_is_used() {
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
            "no thread was added yet"
        );
        threads.add();
        assert_eq!(threads.time_of(&of_thread, &process), Duration::from_secs(1));
        assert_eq!(threads.time_of(&|_| None, &process), meanwhile);
    }
}
