//! The guest of the conformance suite in Rust, with the SDK. It is described in tests/conformance/README.md.
#![forbid(unsafe_code)]

use serde::Deserialize;
use serde_json::{Value, json};
use trocar_sdk::{
    Diagnostic, Failure, FailureKind, Object, Plan, Request, Settings,
    guest::{LogLevel, log},
    policy::{Decision, Review},
};

/// The settings: what the guest should do.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Order {
    r#do: String,
    kind: String,
    text: String,
}

fn every_severity() -> Vec<Diagnostic> {
    vec![
        Diagnostic::error("first-code", "an error \u{1d11e}")
            .at(["metadata", "name"])
            .help("change it"),
        Diagnostic::warning("second-code", "a warning").help("perhaps"),
        Diagnostic::info("third-code", "an information").at(["spec"]),
    ]
}

/// What both interfaces do.
fn common(order: &Order) -> Result<(), Failure> {
    match order.r#do.as_str() {
        "fail" => return Err(failure(&order.kind)),
        "log" => {
            for (level, line) in [
                (LogLevel::Trace, "a trace \u{1d11e}"),
                (LogLevel::Debug, "for debugging"),
                (LogLevel::Info, "an information"),
                (LogLevel::Warn, "a warning"),
                (LogLevel::Error, "an error"),
            ] {
                log(level, line);
            }
        }
        "trap" => panic!("the reason of the trap"),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "grow" => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(vec![1; 1 << 20]);
                std::hint::black_box(&taken);
            }
        }
        _ => {}
    }
    Ok(())
}

fn failure(kind: &str) -> Failure {
    let kind = match kind {
        "invalid-settings" => FailureKind::InvalidSettings,
        "invalid-request" => FailureKind::InvalidRequest,
        "unsupported-target" => FailureKind::UnsupportedTarget,
        "unavailable" => FailureKind::Unavailable,
        _ => FailureKind::Internal,
    };
    let failure = Failure::new(kind, "told", "why not \u{1d11e}");
    every_severity().into_iter().fold(failure, Failure::with)
}

static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// Plans by the settings.
pub fn make_plan(request: Request) -> Result<Plan, Failure> {
    let order: Order = request.settings.read()?;
    common(&order)?;
    let variable = |name: &str, value: String| json!({"name": name, "value": value});
    let Settings(settings) = &request.settings;
    let env: Vec<Value> = match order.r#do.as_str() {
        "echo" => vec![
            variable("TARGET", json!(request.target).to_string()),
            variable("OPTIONS", json!(request.options).to_string()),
            variable("SETTINGS", settings.clone()),
            variable("CONTEXT", json!(request.context).to_string()),
        ],
        "count" => {
            let before = CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            vec![variable("CALLS", (before + 1).to_string())]
        }
        "big" => vec![variable("BIG", "x".repeat(5 << 20))],
        _ => Vec::new(),
    };
    let container: Object = json!({"name": "echo", "image": "busybox", "env": env})
        .as_object()
        .cloned()
        .unwrap_or_default();
    let plan = Plan::ephemeral_container(container);
    Ok(match order.r#do.as_str() {
        "tell" => every_severity().into_iter().fold(plan, Plan::with),
        _ => plan,
    })
}

/// Decides by the settings.
pub fn review(review: &Review<Order>) -> Result<Decision, Failure> {
    let order = &review.settings;
    common(order)?;
    let mut decision = Decision::allow();
    match order.r#do.as_str() {
        "deny" => {
            for found in every_severity() {
                decision.deny(found);
            }
        }
        "read" if review.actor.reason.as_deref() != Some(order.text.as_str()) => {
            decision.deny(Diagnostic::error("not-read", "the reason is another"));
        }
        "amend" => {
            for container in review.containers() {
                container.change(
                    &mut decision,
                    Diagnostic::info("mirrored", "from the mirror"),
                    |container| {
                        container.insert("image".into(), json!("mirror.example.com/busybox"));
                        container.remove("tty");
                    },
                );
            }
        }
        _ => {}
    }
    Ok(decision)
}

/// Checks settings by their own instructions.
pub fn check(order: &Order) -> Vec<Diagnostic> {
    match order.r#do.as_str() {
        "wrong" => every_severity(),
        _ => Vec::new(),
    }
}

trocar_sdk::strategy!(make_plan, settings: check);
trocar_sdk::policy!(review, settings: check);
