//! Properties that hold for every pod and for every answer of a guest, tested with generated ones: unknown fields at every
//! level, odd but valid values, many containers, strings in all scripts, numbers at the limits of their types.

mod guard_rails;
mod json;
mod options;
mod plans;
mod targets;

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::{prelude::*, test_runner::RngSeed};
use trocar::{
    Actor, Context, DebugOptions, Engine, EngineConfig, PlanError, PlanRequest, Planned, Target,
    capability::Grants,
    plugin::{Plugin, PluginSource, PluginType},
};

/// An engine with the default strategies.
struct Setup {
    engine: Engine,
    plugins: BTreeMap<&'static str, Plugin>,
}

impl Setup {
    fn new(pooling: bool) -> Self {
        let engine = Engine::new(EngineConfig {
            pooling,
            ..EngineConfig::default()
        })
        .unwrap();
        let load = |name: &'static str| {
            let source = PluginSource::Default(name.into());
            let plugin = engine.load(&source, PluginType::Strategy, &Grants::default());
            (name, plugin.unwrap())
        };
        let plugins = ["ephemeral", "copy", "node"].map(load).into();
        Self { engine, plugins }
    }

    fn plan(
        &self,
        strategy: &str,
        target: &Target,
        options: &DebugOptions,
    ) -> Result<Planned, Box<PlanError>> {
        let context = Context {
            namespace: "ops".into(),
            suffix: "x7k2p".into(),
            time: "2026-01-02T03:04:05Z".into(),
        };
        let request = PlanRequest {
            target,
            options,
            strategy: &self.plugins[strategy],
            strategy_name: None,
            settings: "{}",
            context: &context,
            actor: &Actor::default(),
            policies: &[],
            reader: None,
            time_to_live: None,
        };
        self.engine.plan(&request).map_err(Box::new)
    }
}

static ONE: LazyLock<Setup> = LazyLock::new(|| Setup::new(false));
static OTHER: LazyLock<Setup> = LazyLock::new(|| Setup::new(true));

/// The same cases in each run, unless `TROCAR_TEST_SEED` wants others.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(trocar_test_support::seed()),
        ..ProptestConfig::default()
    }
}
