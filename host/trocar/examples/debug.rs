//! Debugs a pod as the command line does: with policies, consent, stamps and an audit.
//!
//!     cargo run --example debug -- web-0 busybox:1.36 CONFIG ls /
#![expect(clippy::print_stderr, reason = "an example prints")]

use std::{env, error::Error, io::stdin, process::ExitCode};

use trocar::{
    AuditLog, Context, DebugOptions, DebugRequest, Debugger, Engine, EngineConfig, SessionOptions,
    cluster::{Cluster, ClusterConfig, InputQueue, WriteOutput},
    config::Layer,
    plan::Right,
    read_config,
    reference::Reference,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let [pod, image, config, command @ ..] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("debug POD IMAGE CONFIG COMMAND…".into());
    };
    let config = read_config(&[(Layer::System, config.into())])?;
    let cluster = Cluster::new(ClusterConfig::from_kube(kube::Config::infer().await?))?;
    let engine = Engine::new(EngineConfig::default())?;
    let mut debugger = Debugger::new(cluster, engine, context())
        .with_config(&config)
        .with_audit(AuditLog::open(&config, print, print)?);
    let target = debugger.find(&Reference::parse(pod)?).await?;
    let draft = debugger.plan(&request(image, command), &target).await?;
    let approved = draft.approve(agree)?;
    let applied = debugger.apply(approved).await?;
    let mut input = InputQueue::closed();
    let ended = applied
        .attach(&mut WriteOutput, &mut input, SessionOptions::default())
        .await?;
    Ok(ended.map_or(ExitCode::SUCCESS, |ended| ended.exit_code().into()))
}

fn print(line: &str) {
    eprintln!("{line}");
}

fn request(image: &str, command: &[String]) -> DebugRequest {
    DebugRequest::new(DebugOptions {
        image: Some(image.to_owned()),
        args: command.to_vec(),
        ..DebugOptions::default()
    })
}

fn agree(rights: &[Right]) -> bool {
    rights
        .iter()
        .for_each(|right| eprintln!("The plan grants {right}."));
    eprint!("Continue? [y/N] ");
    let mut answer = String::new();
    stdin().read_line(&mut answer).is_ok() && answer.trim() == "y"
}

/// The time and the random suffix of the session. The library reads neither a clock nor random numbers for a plan.
fn context() -> Context {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("the system has random bytes");
    Context {
        namespace: "default".into(),
        suffix: trocar::names::suffix(u64::from_ne_bytes(random)),
        time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}
