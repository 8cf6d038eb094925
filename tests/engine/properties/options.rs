//! Generated options.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Map, Value, json};
use trocar::{DebugOptions, EnvVar, Keep, Profile};

use super::{
    json::{text, with},
    targets::container_security,
};

fn keep() -> impl Strategy<Value = Keep> {
    any::<[Option<bool>; 6]>().prop_map(
        |[labels, annotations, liveness, readiness, startup, init_containers]| Keep {
            labels,
            annotations,
            liveness,
            readiness,
            startup,
            init_containers,
        },
    )
}

pub(super) fn options() -> impl Strategy<Value = DebugOptions> {
    let run = (
        vec(text(), 0..3),
        any::<bool>(),
        vec(
            ("[A-Z]{1,5}", text()).prop_map(|(name, value)| EnvVar { name, value }),
            0..3,
        ),
        any::<bool>(),
        any::<bool>(),
        option::of(select(vec!["Always", "IfNotPresent", "Never"])),
    );
    let copy = (any::<bool>(), any::<bool>(), option::of(any::<bool>()), keep());
    (run, copy, select(Profile::ALL.to_vec())).prop_map(
        |(
            (args, arguments_only, env, stdin, tty, pull),
            (replace, same_node, share_processes, keep),
            profile,
        )| {
            DebugOptions {
                image: Some("busybox:1.36".into()),
                args,
                arguments_only,
                env,
                stdin,
                tty,
                image_pull_policy: pull.map(str::to_owned),
                profile,
                replace,
                same_node,
                share_processes,
                keep,
                ..DebugOptions::default()
            }
        },
    )
}

/// A partial container, with lists that are merged item by item. Fields that the API does not know would be refused.
pub(super) fn custom() -> impl Strategy<Value = Map<String, Value>> {
    let item = ("[A-Z]{1,2}", option::of(text()))
        .prop_map(|(name, value)| json!({"name": name, "value": value.unwrap_or_default()}));
    let security = container_security(Just(Map::new()));
    (vec(item, 0..3), option::of(security)).prop_map(|(env, security)| {
        let custom = with(
            Map::new(),
            [("env", Some(json!(env))), ("securityContext", security)],
        );
        custom.as_object().unwrap().clone()
    })
}

/// How a copy is debugged: with a new container, by changing one, or with other images only.
#[derive(Clone, Debug)]
pub(super) enum Debugged {
    New(Option<&'static str>),
    Changed(Index),
    Images(Index),
    AllImages,
}

pub(super) fn debugged() -> impl Strategy<Value = Debugged> {
    prop_oneof![
        select(vec![None, Some("mine")]).prop_map(Debugged::New),
        any::<Index>().prop_map(Debugged::Changed),
        any::<Index>().prop_map(Debugged::Images),
        Just(Debugged::AllImages),
    ]
}
