//! Asks the policies of a configuration whether a user may debug a pod. Offline.
//!
//!     cargo run --example judge -- docs/examples/pod.yaml CONFIG jane
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, error::Error, fs, process::ExitCode};

use trocar::{
    Actor, Context, DebugOptions, DebugRequest, Engine, EngineConfig, Planner, PlannerError, Profile, Target,
    config::Layer, documents, read_config,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let [pod, config, user] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("judge POD CONFIG USER".into());
    };
    let target = Target::new(documents::read(&fs::read(pod)?)?.remove(0), "default")?;
    let config = read_config(&[(Layer::System, config.into())])?;
    let request = DebugRequest::new(DebugOptions {
        image: Some("busybox:1.36".into()),
        profile: Profile::Sysadmin,
        ..DebugOptions::default()
    });
    let context = Context {
        namespace: "default".into(),
        suffix: "abc12".into(),
        time: "2026-01-01T00:00:00Z".into(),
    };
    let actor = Actor {
        user: user.clone(),
        ..Actor::default()
    };
    let mut planner = Planner::new(Engine::new(EngineConfig::default())?, &config);
    let error = match planner.plan(&request, &target, &context, &actor) {
        Ok(plan) => {
            println!("{user} may do this: plan {}", plan.hash());
            return Ok(ExitCode::SUCCESS);
        }
        Err(PlannerError::Plan(error)) => error,
        Err(other) => return Err(other.into()),
    };
    println!("{user} may not do this: {error}");
    for review in error.reviewed().into_iter().flat_map(|plan| plan.denials()) {
        for found in &review.diagnostics {
            println!("  {}: {}", review.policy, found.message);
        }
    }
    Ok(ExitCode::FAILURE)
}
