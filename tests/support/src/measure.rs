//! Measures the cost of processes, alone or in pairs: on a busy machine only alternating runs are comparable.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use wait4::Wait4 as _;

/// The kubeconfig of the cluster for a benchmark, and kubectl. Prints `SKIPPED` and returns none if the environment does not have
/// them.
#[expect(
    clippy::print_stdout,
    reason = "a benchmark that did not run must not look like one that did"
)]
pub fn cluster_and_kubectl() -> Option<(PathBuf, PathBuf)> {
    let named = (
        env::var_os("TROCAR_TEST_KUBECONFIG"),
        env::var_os("KUBEBUILDER_ASSETS"),
    );
    let (Some(kubeconfig), Some(assets)) = named else {
        println!(
            "SKIPPED: TROCAR_TEST_KUBECONFIG names no cluster, or KUBEBUILDER_ASSETS no folder with kubectl"
        );
        return None;
    };
    Some((kubeconfig.into(), Path::new(&assets).join("kubectl")))
}

/// The cost of one run of a process.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Wall time, from before the start to after the end.
    pub wall: Duration,
    /// CPU time, in user and kernel mode.
    pub cpu: Duration,
    /// The largest resident set, in bytes.
    pub peak: u64,
}

/// Runs a command without its output, and measures it.
///
/// # Panics
/// If it cannot be run or fails.
pub fn measure(command: &mut Command) -> Measured {
    let started = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let used = child.wait4().expect("a child can be waited for once");
    let wall = started.elapsed();
    if !used.status.success() {
        let again = command.stderr(Stdio::piped()).output();
        panic!("{command:?} fails: {}, and again: {again:?}", used.status);
    }
    Measured {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak: used.rusage.maxrss,
    }
}

/// Measured runs, for their medians.
#[derive(Debug, Default)]
pub struct Runs(Vec<Measured>);

impl Runs {
    /// Adds a run.
    pub fn push(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    /// The medians of all values.
    pub fn median(&self) -> Measured {
        Measured {
            wall: median(self.0.iter().map(|run| run.wall)),
            cpu: median(self.0.iter().map(|run| run.cpu)),
            peak: median(self.0.iter().map(|run| run.peak)),
        }
    }
}

impl std::fmt::Display for Runs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Measured { wall, cpu, peak } = self.median();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            out,
            "{:8.2} ms wall {:8.2} ms cpu {:6.1} MiB peak",
            milliseconds(wall),
            milliseconds(cpu),
            peak as f64 / f64::from(1 << 20)
        )
    }
}

/// The median.
///
/// # Panics
/// If there are no values.
pub fn median<T: Ord>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    let middle = values.len() / 2;
    values.into_iter().nth(middle).expect("something was measured")
}

/// Runs two commands alternately, after a warm-up run of each.
pub fn paired(
    rounds: usize,
    mut ours: impl FnMut() -> Measured,
    mut theirs: impl FnMut() -> Measured,
) -> [Runs; 2] {
    ours();
    theirs();
    let mut runs = [Runs::default(), Runs::default()];
    for _ in 0..rounds {
        runs[0].push(ours());
        runs[1].push(theirs());
    }
    runs
}

/// The ratios of the first runs to the second: wall time, CPU time and peak memory.
pub fn ratios(runs: &[Runs; 2]) -> String {
    let (ours, theirs) = (runs[0].median(), runs[1].median());
    format!(
        "{:.2} × wall, {:.2} × cpu, {:.2} × peak",
        ours.wall.as_secs_f64() / theirs.wall.as_secs_f64(),
        ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64(),
        ours.peak as f64 / theirs.peak as f64
    )
}
