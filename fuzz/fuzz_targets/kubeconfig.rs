//! A kubeconfig.
#![no_main]

use kube::config::Kubeconfig;

libfuzzer_sys::fuzz_target!(|data: &str| {
    drop(Kubeconfig::from_yaml(data));
});
