//! Values of credential flags never leak: each command gets one, and all of its output and files are searched for it.

use std::{fs, path::Path};

use crate::{configure, online, pod};

const CANARY: &str = "zanzibarzanzibar";

/// The files below a folder that contain the canary.
fn holding(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, found);
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).contains(CANARY) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn no_output_and_no_file_holds_the_value_of_a_credential_flag() {
    let (env, server) = online([pod("web-0")]);
    configure(&env, "audit: [{sink: file, file: audit.jsonl}, {sink: stderr}]\n");
    let usual = "debug web-0 --image=busybox:1.36 -c dbg";
    for arguments in [
        format!("{usual} --token=CANARY"),
        format!("{usual} --token CANARY -v=9 --reason=OPS-1"),
        format!("--token CANARY {usual} --as=jane"),
        format!("{usual} --username=jane --password=CANARY --copy-to=x"),
        format!("{usual} --token=CANARY --dry-run=server -o yaml"),
        format!("{usual} --token=CANARY -o json"),
        // Errors about the command line do not contain it.
        format!("{usual} --token=CANARY --username=jane"),
        format!("{usual} --token=CANARY --tokn"),
        format!("{usual} --tokn=CANARY"),
        format!("{usual} --password=CANARY --request-timeout=soon"),
        format!("{usual} --token=CANARY --insecure-skip-tls-verify=maybe"),
        "--token CANARY".to_owned(),
        "--token=CANARY nothing".to_owned(),
        "--token CANARY plugin list".to_owned(),
        format!("{usual} --token=CANARY -s https://127.0.0.1:1"),
        format!("{usual} --token=CANARY\u{1} -s https://127.0.0.1:1"),
        format!("{usual} -s https://jane:CANARY@127.0.0.1:1"),
        format!("{usual} -s https://example.com --proxy-url=http://jane:CANARY@127.0.0.1:1"),
        format!("{usual} --token=CANARY --kubeconfig=/nowhere"),
        format!("{usual} --token=CANARY --context=nowhere"),
    ] {
        let output = env.run(&arguments.replace("CANARY", CANARY));
        assert!(!output.to_string().contains(CANARY), "{arguments}: {output}");
    }
    assert!(!server.writes().is_empty(), "at least one of them did something");
    let mut found = Vec::new();
    holding(env.folder(), &mut found);
    assert_eq!(found, [""; 0]);
    assert!(env.folder().join(".config/trocar/audit.jsonl").exists());
}
