//! Plans a debug of the pod in a file, offline, and prints what would be created.
//!
//!     cargo run --example plan -- docs/examples/pod.yaml
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, error::Error, fs};

use trocar::{
    Actor, Config, Context, DebugOptions, DebugRequest, Engine, EngineConfig, Planner, Target, documents,
};

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).ok_or("which file? plan FILE")?;
    let pod = documents::read(&fs::read(file)?)?.remove(0);
    let target = Target::new(pod, "default")?;
    let request = DebugRequest::new(DebugOptions {
        image: Some("busybox:1.36".into()),
        ..DebugOptions::default()
    });
    // Time and suffix are inputs, so that the same input gives the same plan.
    let context = Context {
        namespace: "default".into(),
        suffix: "abc12".into(),
        time: "2026-01-01T00:00:00Z".into(),
    };
    let mut planner = Planner::new(Engine::new(EngineConfig::default())?, &Config::default());
    let plan = planner.plan(&request, &target, &context, &Actor::default())?;
    print!("{}", documents::to_yaml(&[plan.document()]));
    Ok(())
}
