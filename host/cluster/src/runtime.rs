//! Container runtimes that lose output themselves: what no debug tool can show.

use serde_json::Value;
use trocar_core::text::message as harmless;

/// The versions of containerd that close a container's output when its program has ended, before they have read it: up to the
/// second ones, which read it first.
///
/// Source: containerd/containerd#5974, which brought it into 1.5.8 and 1.6.0, and #8643, #8658 and #8659, which mended it in 1.7.3
/// and 1.6.22. The line of 1.5 has ended before that.
const LOSING: [([u64; 3], [u64; 3]); 2] = [([1, 5, 8], [1, 6, 22]), ([1, 7, 0], [1, 7, 3])];

/// The container runtime of a node, where its version is known to lose what a program writes right before it ends. Pure.
pub fn losing_runtime(node: &Value) -> Option<String> {
    let runtime = node["status"]["nodeInfo"]["containerRuntimeVersion"].as_str()?;
    let (name, version) = runtime.split_once("://")?;
    let is_losing = name == "containerd"
        && numbers(version).is_some_and(|version| {
            LOSING
                .iter()
                .any(|(from, mended)| (*from..*mended).contains(&version))
        });
    is_losing.then(|| harmless(&format!("{name} {version}")))
}

/// The three numbers of a version; what a distribution adds (`1.6.20~ds1`) does not count.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.trim_start_matches('v').splitn(3, '.').map(|part| {
        part.split(|digit: char| !digit.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    });
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_that_lose_output_are_known_by_their_numbers() {
        let of = |runtime: &str| {
            losing_runtime(&json!({"status": {"nodeInfo": {"containerRuntimeVersion": runtime}}}))
        };
        for losing in [
            "1.5.8",
            "1.5.18",
            "1.6.0",
            "1.6.20~ds1",
            "1.6.21",
            "1.7.0",
            "1.7.2",
            "1.7.2-rc.1",
        ] {
            let said = of(&format!("containerd://{losing}"));
            assert_eq!(said, Some(format!("containerd {losing}")));
        }
        for whole in [
            "1.4.13",
            "1.5.7",
            "1.6.22",
            "1.6.39",
            "1.7.3",
            "1.7.27",
            "2.0.0",
            "2.4.2",
            "v1.7.3+k3s1",
        ] {
            assert_eq!(of(&format!("containerd://{whole}")), None);
        }
        for other in [
            "cri-o://1.6.20",
            "docker://20.10.7",
            "containerd://",
            "containerd",
            "1.6.20",
            "containerd://1.6",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(losing_runtime(&Value::Null), None);
        assert_eq!(
            of("containerd://1.6.20\u{1b}[2K").map(|said| said.contains('\u{1b}')),
            Some(false)
        );
    }
}
