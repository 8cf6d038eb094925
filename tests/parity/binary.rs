//! A case in the real program, against a recording server.

use serde_json::Value;
use trocar_test_support::{CommandOutput, FakeApiServer, TestEnv};

use crate::{
    TROCAR,
    case::Case,
    compare::{cluster, differ, fold},
};

/// The result of a case.
pub(crate) struct Outcome {
    /// Differences in exit code, objects and writes.
    pub(crate) differences: Vec<String>,
    /// Differences to kubectl's stdout and stderr.
    pub(crate) other_words: Vec<String>,
}

/// Runs a case.
pub(crate) fn run(case: &Case) -> Outcome {
    let server = FakeApiServer::start(case.objects.clone());
    // kubectl was recorded with a server that checked nothing.
    server.accepts_invalid_pods();
    if case.no_ephemeral {
        server.lacks_ephemeral_containers();
    }
    let env = TestEnv::with_server(TROCAR, &server.url());
    for (name, text) in &case.files {
        env.write(name, text);
    }
    let output = env.run_with(["debug"].into_iter().chain(case.args.iter().map(String::as_str)));
    let after = cluster(&server.objects());
    let mut differences = Vec::new();
    if case.fails() != (output.code != 0) {
        differences.push(format!("exit: want {}, got\n{output}", case.expect["exit"]));
    }
    differences.extend(differ(&wanted_after(case), &after, "after"));
    differences.extend(other_writes(case, &server));
    if case.fails() && output.stderr.trim().is_empty() {
        differences.push("stderr: an error without a message".into());
    }
    if let Some(kubectl) = &case.kubectl {
        let kubectls = cluster(kubectl["after"].as_array().into_iter().flatten());
        if (kubectl["exit"] == 0) == (output.code == 0) && kubectls == after {
            differences.push("the case says that we differ from kubectl, and we do not".into());
        }
    }
    let other_words = match case.differs {
        None => other_words(case, &output, &server),
        Some(_) => Vec::new(),
    };
    Outcome {
        differences,
        other_words,
    }
}

pub(crate) fn wanted_after(case: &Case) -> Value {
    cluster(case.expect["after"].as_array().into_iter().flatten())
}

fn other_writes(case: &Case, server: &FakeApiServer) -> Option<String> {
    let wanted: Vec<&str> = case.expect["writes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let got: Vec<String> = server.writes().iter().map(|write| fold(&write.line())).collect();
    (wanted != got).then(|| format!("writes: want {wanted:?}, got {got:?}"))
}

/// Our own lines, which kubectl does not print: that a script sees no output, and side effects of copies.
const OUR_WORDS: [&str; 4] = [
    "The command's output and exit code are not shown: add --attach for them.",
    "Warning: the copy lacks labels or annotations that it reads, and finds them empty: ",
    "Warning: the copy has the labels that ",
    "Warning: original and copy both write to the same volumes; claims: ",
];

fn other_words(case: &Case, output: &CommandOutput, server: &FakeApiServer) -> Vec<String> {
    let address = server.url().replace("http://", "");
    [("stdout", &output.stdout), ("stderr", &output.stderr)]
        .into_iter()
        .filter_map(|(name, text)| {
            let got = fold(&text.replace(&address, "SERVER").replace("$HOME", "CWD"));
            let is_kubectls = |line: &&str| !OUR_WORDS.iter().any(|ours| line.starts_with(ours));
            let got: String = got.split_inclusive('\n').filter(is_kubectls).collect();
            let wanted = case.expect[name].as_str().unwrap_or_default();
            (wanted.trim() != got.trim()).then(|| format!("{name}: want {wanted:?}, got {got:?}"))
        })
        .collect()
}
