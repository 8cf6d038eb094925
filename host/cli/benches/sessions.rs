//! How long a person waits on a real cluster, `trocar debug` in turn with `kubectl debug`: until the command has added a
//! container, until the first byte of the program is on the screen, how old that byte is, and until much output has come.
//!
//! `TROCAR_TEST_KUBECONFIG=FILE KUBEBUILDER_ASSETS=FOLDER cargo bench -p trocar-cli --bench sessions`, with the kubeconfig of a
//! cluster that may be used for it and the folder of kubectl. The figures are in docs/performance.md.
#![expect(clippy::print_stdout, reason = "a benchmark shows what it measured")]

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use trocar_test_support::{
    PATIENCE, Terminal,
    measure::{cluster_and_kubectl, measure, median, paired, ratios},
};

/// How often each of the two is run.
const ROUNDS: usize = 20;

/// Tells again and again when it began, in seconds since the machine did, for two seconds.
const PROGRAM: &str =
    "read began rest </proc/uptime; for i in $(seq 100); do echo \"began:$began:\"; usleep 20000; done";

/// Programs that write much, at once.
const BULK: [(&str, &str); 3] = [
    (
        "120 MB of one line",
        "yes abcdefghijklmnopqrstuvwxyz | head -c 120000000",
    ),
    ("30 MB of any bytes", "cat /dev/urandom | head -c 30000000"),
    (
        "64 MB without a newline",
        "head -c 64000000 /dev/zero | tr '\\0' x",
    ),
];

/// How old the first byte may be.
const MAX_AGE: u128 = 200;

struct Setting {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    image: String,
    number: usize,
}

fn main() {
    let Some((kubeconfig, kubectl)) = cluster_and_kubectl() else {
        return;
    };
    let setting = Setting {
        kubeconfig,
        kubectl,
        image: env::var("TROCAR_TEST_IMAGE").unwrap_or_else(|_| "busybox:1.36".into()),
        number: 0,
    };
    setting.new_pod("bench-add");
    let setting = std::cell::RefCell::new(setting);
    let trocar = PathBuf::from(env!("CARGO_BIN_EXE_trocar"));
    let kubectl = setting.borrow().kubectl.clone();

    let add = |program: &Path| measure(&mut setting.borrow_mut().debug(program, "bench-add", &[], &["true"]));
    let runs = paired(ROUNDS, || add(&trocar), || add(&kubectl));
    println!("{:44} {}", "trocar debug, a container is added", runs[0]);
    println!("{:44} {}", "kubectl debug, the same server", runs[1]);
    println!("{:44} {}", "", ratios(&runs));
    setting.borrow().delete_pod("bench-add");

    setting.borrow().new_pod("bench-see");
    let mut seen = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (program, seen) in [&trocar, &kubectl].into_iter().zip(&mut seen) {
            seen.push(setting.borrow_mut().first_byte(program, "bench-see"));
        }
    }
    setting.borrow().delete_pod("bench-see");
    for (name, seen) in ["trocar", "kubectl"].into_iter().zip(&seen) {
        let typed = median(seen.iter().map(|(typed, _)| *typed));
        let mut ages: Vec<u128> = seen.iter().map(|(_, age)| age.as_millis()).collect();
        ages.sort_unstable();
        let young = ages.iter().filter(|age| **age <= MAX_AGE).count();
        println!(
            "{name} debug -it: {} ms from typed to the first byte; age of that byte in ms: {ages:?}, {young} of {ROUNDS} up to {MAX_AGE}",
            typed.as_millis()
        );
    }
    let typed = |side: usize| median(seen[side].iter().map(|(typed, _)| *typed)).as_secs_f64();
    println!("{:.2} × typed to first byte, at the median", typed(0) / typed(1));

    for (name, program) in BULK {
        setting.borrow().new_pod("bench-bulk");
        let ran = ["sh", "-c", program];
        let command = &mut setting
            .borrow_mut()
            .debug(&trocar, "bench-bulk", &["--attach", "-q"], &ran);
        let shown = measure(command);
        let log = setting.borrow_mut().log(&trocar, "bench-bulk", &ran);
        println!(
            "{name}: {:.2} s, {} MiB; kubectl logs -f of the same {:.2} s; {:.2} ×",
            shown.wall.as_secs_f64(),
            shown.peak >> 20,
            log.as_secs_f64(),
            shown.wall.as_secs_f64() / log.as_secs_f64()
        );
        setting.borrow().delete_pod("bench-bulk");
        setting.borrow().wait_until_gone("bench-bulk");
    }
}

impl Setting {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    fn new_pod(&self, name: &str) {
        let image = format!("--image={}", self.image);
        measure(
            self.command(&self.kubectl)
                .args(["run", name, &image, "--", "sleep", "3600"]),
        );
        measure(
            self.command(&self.kubectl)
                .args(["wait", "--for=condition=Ready", "pod", name]),
        );
    }

    fn delete_pod(&self, name: &str) {
        measure(
            self.command(&self.kubectl)
                .args(["delete", "pod", name, "--now", "--wait=false"]),
        );
    }

    fn debug(&mut self, program: &Path, pod: &str, flags: &[&str], ran: &[&str]) -> Command {
        self.number += 1;
        let mut command = self.command(program);
        command.args(["debug", pod, "--profile=general"]);
        command.arg(format!("--image={}", self.image));
        command.arg(format!("--container=bench-{}", self.number));
        command.args(flags).arg("--").args(ran);
        command
    }

    fn wait_until_gone(&self, name: &str) {
        measure(
            self.command(&self.kubectl)
                .args(["wait", "--for=delete", "pod", name]),
        );
    }

    /// From the start of the command that adds a container until kubectl has shown all of its log.
    fn log(&mut self, trocar: &Path, pod: &str, ran: &[&str]) -> Duration {
        let started = Instant::now();
        measure(&mut self.debug(trocar, pod, &[], ran));
        let container = format!("bench-{}", self.number);
        let mut logs = self.command(&self.kubectl);
        logs.args(["logs", "-f", pod, "-c", &container])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // It fails until the container runs.
        while !logs.status().is_ok_and(|status| status.success()) {
            assert!(
                started.elapsed() < PATIENCE,
                "the log of {container} cannot be read"
            );
        }
        started.elapsed()
    }

    /// From the start of the command, and from that of the program, to the first byte of the program on the screen.
    fn first_byte(&mut self, program: &Path, pod: &str) -> (Duration, Duration) {
        let command = self.debug(program, pod, &["-it"], &["sh", "-c", PROGRAM]);
        let started = Instant::now();
        let mut terminal = Terminal::start(command, 80, 24);
        terminal.read_until("began:");
        let (typed, now) = (started.elapsed(), clock_gettime(ClockId::Boottime));
        let began = terminal.read_until(":");
        let began: f64 = began
            .trim_end_matches(':')
            .parse()
            .expect("seconds since the machine began");
        terminal.wait();
        let now = Duration::new(
            now.tv_sec.unsigned_abs(),
            u32::try_from(now.tv_nsec).unwrap_or_default(),
        );
        (typed, now.saturating_sub(Duration::from_secs_f64(began)))
    }
}
