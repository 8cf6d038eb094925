//! `trocar debug` on a real cluster with a real kubelet.
//!
//! Runs if `TROCAR_TEST_KUBECONFIG` names the kubeconfig of a cluster that tests may use; otherwise prints `SKIPPED`. The user's
//! own KUBECONFIG is never used. Every test works in a namespace of its own, which it deletes.
//!
//! | variable | meaning |
//! |---|---|
//! | `TROCAR_TEST_KUBECONFIG` | an administrator of the cluster |
//! | `TROCAR_TEST_REPEAT` | how often what must never fail is tried; 3, and 100 for the whole proof |
//! | `TROCAR_TEST_STREAMS`, `TROCAR_TEST_CUTS` | how many random programs on two streams are run, and sessions cut; 50 and 20, and 1,000 and 200 for the whole proof |
//! | `TROCAR_TEST_ANSWERS` | how many answers of a hostile strategy are carried out; 60 |
//! | `TROCAR_TEST_LEFTOVERS`, `TROCAR_TEST_PODS` | how many leftovers are cleaned up, and pods listed; 40 and 600 |
//! | `TROCAR_TEST_PROGRAM` | another build of the program, which is measured beside the one under test |
//! | `TROCAR_TEST_IMAGE` | an image with busybox that the nodes can pull; `busybox:1.36` |
//! | `TROCAR_TEST_STATIC_PODS` | the folder of a node's static pods, where the cluster has none that could be used |
//! | `TROCAR_TEST_REGISTRY` | a registry that takes images without asking who sends them, and that the nodes pull from |
//! | `TROCAR_TEST_RESTART_APISERVER` | a command that stops the API server and starts it again |

mod admission;
mod apiserver;
mod cluster;
mod connecting;
mod cutter;
mod field;
mod guide;
mod hostile;
mod inherit;
mod input;
mod installed;
mod long_lines;
mod many;
mod output;
mod pod_security;
mod policies;
mod random_debugs;
mod reader;
mod refusals;
mod removal;
mod scripts;
mod sessions;
mod stored;
mod targets;
mod terminal;
mod two_streams;
mod users;
mod webhook;
mod written;

use std::{process::ExitCode, sync::Arc};

use cluster::Cluster;
use libtest_mimic::{Arguments, Trial};
use trocar_test_support::skipped;

/// The number of concurrent tests: they mostly wait for the kubelet.
const THREADS: usize = 5;

/// One test: its name, and what it does.
type Test = (&'static str, fn(&Cluster));

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let Some(cluster) = Cluster::from_environment() else {
        if !arguments.list {
            skipped(
                "no test of trocar debug on a real cluster ran. To run them: TROCAR_TEST_KUBECONFIG=FILE cargo test -p trocar-cli \
                 --test cluster, with the kubeconfig of a cluster that may be used for tests",
            );
        }
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    };
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let cluster = Arc::new(cluster);
    let groups = [
        output::TESTS,
        two_streams::TESTS,
        inherit::TESTS,
        input::TESTS,
        scripts::TESTS,
        refusals::TESTS,
        terminal::TESTS,
        targets::TESTS,
        reader::TESTS,
        pod_security::TESTS,
        policies::TESTS,
        sessions::TESTS,
        removal::TESTS,
        users::TESTS,
        many::TESTS,
        webhook::TESTS,
        admission::TESTS,
        installed::TESTS,
        hostile::TESTS,
        stored::TESTS,
        connecting::TESTS,
        field::TESTS,
        guide::TESTS,
        long_lines::TESTS,
        apiserver::TESTS,
    ];
    let trials = groups.into_iter().flatten().map(|(name, test)| {
        let cluster = cluster.clone();
        Trial::test(*name, move || {
            test(&cluster);
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
