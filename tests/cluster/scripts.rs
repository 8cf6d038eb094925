//! The program in scripts: in substitutions, loops and pipes, without a terminal, without standard streams, under `timeout`.

use std::process::Command;

use crate::{Test, cluster::Cluster};

pub(crate) const TESTS: &[Test] = &[("scripts::every_way_in_which_scripts_call_it", every_way)];

/// A bash script and its expected standard output. `d` is `trocar debug` in the test's namespace, `$T` the program.
const WAYS: [(&str, &str); 14] = [
    (
        r#"o=$(d web --attach -q -- hostname 2>/dev/null); echo "$? [$o]""#,
        "0 [web]\n",
    ),
    (
        r#"o=$(d web --attach -- sh -c 'echo out; exit 3' 2>/dev/null); echo "$? ${o##*.}""#,
        "3 \nout\n",
    ),
    (
        r#"printf 'one\ntwo\n' | while read -r line; do d web --attach -q -- echo "$line"; done"#,
        "one\ntwo\n",
    ),
    (
        r#"printf 'one\ntwo\n' | while read -r line; do d web -i -q -- echo "$line"; done"#,
        "one\n",
    ),
    ("d web -it -q -- sh -c 'exit 4' <&-; echo $?", "4\n"),
    ("d web --attach -- sh -c 'exit 4' <&- >&-; echo $?", "4\n"),
    (
        "setsid -w $T debug web $N -it -q -- sh -c 'exit 4' </dev/null; echo $?",
        "4\n",
    ),
    (
        "nohup $T debug web $N --attach -q -- sh -c 'echo in; exit 5' 2>/dev/null; echo $?",
        "in\n5\n",
    ),
    (
        "d web --attach -q -- sh -c 'seq 100000; exit 6' >numbers; echo $?; wc -l <numbers",
        "6\n100000\n",
    ),
    (
        r#"d web --attach -q -- seq 200000 | head -1; echo "${PIPESTATUS[*]}""#,
        "1\n141 0\n",
    ),
    (
        r#"d web --attach -q -- sh -c 'while :; do echo y; sleep 0.2; done' | head -1; echo "${PIPESTATUS[*]}""#,
        "y\n141 0\n",
    ),
    (
        "(set -e; d web --attach -q -- false; echo not reached); echo $?; if d web --attach -q -- false; then echo yes; else echo no; fi",
        "1\nno\n",
    ),
    (
        "env -i KUBECONFIG=$KUBECONFIG $T debug web $N --attach -q -- echo nohome; echo $?",
        "nohome\n0\n",
    ),
    (
        "timeout 5 $T debug web $N --attach -q -- sh -c 'echo start; sleep 300'; echo $?; \
         d web --target=app --attach -q -- sh -c 'sleep 300 & echo done'; echo $?",
        "start\n124\ndone\n0\n",
    ),
];

fn every_way(cluster: &Cluster) {
    let namespace = cluster.namespace();
    namespace.pod("web");
    for (script, wanted) in WAYS {
        let alone = namespace.env.command::<&str>([]);
        let (program, image) = (alone.get_program().display(), &cluster.image);
        let flags = format!("-n {} --image={image}", namespace.name);
        let script = format!("T={program}; N='{flags}'; d() {{ \"$T\" debug $N \"$@\"; }}\n{script}");
        let mut bash = Command::new("/bin/bash");
        bash.args(["-c", &script]).current_dir(namespace.env.folder());
        bash.env_clear();
        for (name, value) in alone.get_envs() {
            bash.env(name, value.unwrap_or_default());
        }
        let output = bash.output().expect("there is a bash");
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(stdout, wanted, "{script}\n{stderr}");
    }
}
