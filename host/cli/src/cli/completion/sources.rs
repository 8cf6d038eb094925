//! Candidates from the cluster, the kubeconfig, the journal and the configuration. Whatever fails gives none.

use std::{collections::BTreeSet, path::Path, time::Duration};

use clap::Parser;
use trocar::{
    cluster::{Cluster, list_names, lookup},
    plugin::{self, PluginType},
    reference::{Kind, Reference},
    sessions::{Entry, Journal},
};

use super::{
    candidates::{Candidate, Source},
    line::{Line, Place},
};
use crate::cli::{
    args::ConnectionFlags,
    block_on, configuration,
    connect::{self, Connection},
    journal,
};

/// How many images and sessions of the journal are offered.
const MAX_OF_JOURNAL: usize = 30;

/// The kinds of workloads, as they are typed most.
const KINDS: [(&str, &str); 8] = [
    ("node/", "a node"),
    ("deploy/", "the best pod of a Deployment"),
    ("sts/", "the best pod of a StatefulSet"),
    ("ds/", "the best pod of a DaemonSet"),
    ("rs/", "the best pod of a ReplicaSet"),
    ("job/", "the best pod of a Job"),
    ("cronjob/", "the best pod of a CronJob"),
    ("svc/", "the best pod of a Service"),
];

/// The flags of a connection alone.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Connecting {
    #[command(flatten)]
    flags: ConnectionFlags,
}

/// Finds candidates within a time.
pub(super) fn find(source: Source, line: &Line<'_>, time: Duration) -> Vec<Candidate> {
    let begun = match &line.place {
        Place::Value { begun, .. } | Place::Word(begun) => begun.as_str(),
        _ => "",
    };
    match source {
        Source::Images => images(),
        Source::Plugins => plugins(line, None),
        Source::Strategies => plugins(line, Some(PluginType::Strategy)),
        Source::Policies => plugins(line, Some(PluginType::Policy)),
        Source::Contexts | Source::Clusters | Source::Users => {
            of_kubeconfig(source, line).unwrap_or_default()
        }
        _ => of_cluster(source, line, begun, time),
    }
}

fn flags(line: &Line<'_>) -> Option<ConnectionFlags> {
    let known = |id: &str| Connecting::has(id);
    let words = line
        .flags
        .iter()
        .filter(|(flag, _)| known(flag.get_id().as_str()));
    let words = words.filter_map(|(flag, value)| {
        let long = flag.get_long()?;
        Some(match value.is_empty() {
            true => format!("--{long}"),
            false => format!("--{long}={value}"),
        })
    });
    Connecting::try_parse_from(words).ok().map(|parsed| parsed.flags)
}

impl Connecting {
    fn has(id: &str) -> bool {
        let command = <Self as clap::CommandFactory>::command();
        command.get_arguments().any(|flag| flag.get_id() == id)
    }
}

fn of_kubeconfig(source: Source, line: &Line<'_>) -> Option<Vec<Candidate>> {
    let kubeconfig = connect::kubeconfig(flags(line)?.kubeconfig.as_deref()).ok()?;
    let names = match source {
        Source::Contexts => kubeconfig.context_names(),
        Source::Clusters => kubeconfig.cluster_names(),
        _ => kubeconfig.user_names(),
    };
    Some(names.into_iter().map(|name| Candidate::new(name, "")).collect())
}

fn images() -> Vec<Candidate> {
    let journal = journal();
    let images = journal.images(MAX_OF_JOURNAL).into_iter().enumerate();
    let images = images.map(|(rank, image)| Candidate {
        rank,
        ..Candidate::new(image, "of a debug before")
    });
    images.collect()
}

/// The journal, where it can be read.
fn journal() -> Journal {
    let file = journal::file();
    file.and_then(|file| file.read().ok()).unwrap_or_default()
}

/// The plugins of a type: default ones, and those of the configuration, which are not read.
fn plugins(line: &Line<'_>, wanted: Option<PluginType>) -> Vec<Candidate> {
    let defaults = plugin::defaults();
    let defaults = defaults.iter().map(|found| found.manifest());
    let defaults = defaults.filter(|manifest| wanted.is_none_or(|wanted| wanted == manifest.plugin_type));
    let mut found: Vec<Candidate> = defaults
        .map(|manifest| Candidate::new(&manifest.name, &manifest.summary))
        .collect();
    if let Ok(config) = configuration::load(line.value("config").map(Path::new)) {
        let configured = config.plugins.iter();
        found.extend(configured.map(|plugin| Candidate::new(&plugin.value.name, "of the configuration")));
    }
    found
}

fn of_cluster(source: Source, line: &Line<'_>, begun: &str, time: Duration) -> Vec<Candidate> {
    let mut found = match source {
        Source::Targets if !begun.contains('/') => {
            let kinds = KINDS.map(|(kind, help)| Candidate {
                rank: 1,
                ..Candidate::new(kind, help)
            });
            kinds.to_vec()
        }
        _ => Vec::new(),
    };
    let Some(flags) = flags(line) else { return found };
    let asked = block_on(async {
        let connection = connect::connect(&flags, 0)?;
        // A credential plugin must not ask: a Tab has no place for a question.
        connection.cluster.take_stdin();
        let namespace = line
            .value("namespace")
            .unwrap_or(&connection.namespace)
            .to_owned();
        let asked = ask(source, line, begun, &connection, &namespace);
        Ok(tokio::time::timeout(time, asked).await.unwrap_or_default())
    });
    found.extend(asked.unwrap_or_default());
    found
}

async fn ask(
    source: Source,
    line: &Line<'_>,
    begun: &str,
    connection: &Connection,
    namespace: &str,
) -> Vec<Candidate> {
    let cluster = &connection.cluster;
    match source {
        Source::Targets => targets(cluster, begun, namespace).await,
        Source::Containers => containers(cluster, line, namespace, "").await,
        Source::ContainersWithImage => containers(cluster, line, namespace, "=").await,
        Source::Namespaces => names(cluster, Kind::Namespace, "", begun, "").await,
        Source::Sessions => sessions(connection, line, begun, namespace).await,
        _ => Vec::new(),
    }
}

async fn names(cluster: &Cluster, kind: Kind, namespace: &str, begun: &str, prefix: &str) -> Vec<Candidate> {
    let listed = list_names(cluster, kind, namespace, begun)
        .await
        .unwrap_or_default();
    let named = listed
        .into_iter()
        .map(|(name, state)| Candidate::new(&format!("{prefix}{name}"), &state));
    named.collect()
}

async fn targets(cluster: &Cluster, begun: &str, namespace: &str) -> Vec<Candidate> {
    let Some((kind, name)) = begun.split_once('/') else {
        return names(cluster, Kind::Pod, namespace, begun, "").await;
    };
    // Any name will do to read the kind.
    match Reference::parse(&format!("{kind}/x")) {
        Ok(reference) => names(cluster, reference.kind, namespace, name, &format!("{kind}/")).await,
        Err(_) => Vec::new(),
    }
}

/// The containers of the target that is typed: the pod's own, or those of a workload's best pod.
async fn containers(cluster: &Cluster, line: &Line<'_>, namespace: &str, end: &str) -> Vec<Candidate> {
    let typed = line.words.first().and_then(|typed| Reference::parse(typed).ok());
    let Some(reference) = typed.filter(|reference| reference.kind != Kind::Node) else {
        return Vec::new();
    };
    let Ok(found) = lookup(cluster, &reference, namespace, false).await else {
        return Vec::new();
    };
    let pod = found.first().map(|found| found.target.object());
    let of_list = |list: &str| pod.and_then(|pod| pod.get("spec")?.get(list)?.as_array());
    let containers = ["containers", "initContainers"]
        .into_iter()
        .filter_map(of_list)
        .flatten();
    let named = containers.filter_map(|container| {
        let text = |field: &str| container[field].as_str();
        Some(Candidate::new(
            &format!("{}{end}", text("name")?),
            text("image").unwrap_or_default(),
        ))
    });
    named.collect()
}

/// One's own sessions on this cluster by the journal, the newest first, as far as their pods are there.
async fn sessions(connection: &Connection, line: &Line<'_>, begun: &str, namespace: &str) -> Vec<Candidate> {
    let journal = journal();
    let is_everywhere = line
        .flags
        .iter()
        .any(|(flag, _)| flag.get_id() == "all_namespaces");
    // What cannot be removed is not offered to be cleaned up.
    let only_pods = line.path.first() == Some(&"clean");
    let fits = |entry: &&Entry| {
        (is_everywhere || entry.namespace == namespace) && (!only_pods || entry.kind.is_pod())
    };
    let known = journal
        .newest(connection.cluster.server())
        .into_iter()
        .filter(fits);
    let known: Vec<_> = known.take(MAX_OF_JOURNAL).collect();
    if known.is_empty() {
        return Vec::new();
    }
    let pod = begun
        .trim_start_matches("pod/")
        .split(':')
        .next()
        .unwrap_or_default();
    let listed = list_names(&connection.cluster, Kind::Pod, namespace, pod).await;
    let there: Option<BTreeSet<String>> = listed
        .ok()
        .filter(|_| !is_everywhere)
        .map(|listed| listed.into_iter().map(|(name, _)| name).collect());
    let there = |pod: &str| there.as_ref().is_none_or(|there| there.contains(pod));
    let named = known
        .into_iter()
        .enumerate()
        .filter(|(_, entry)| there(&entry.pod));
    let named = named.map(|(rank, entry)| {
        let name = match (&entry.container, entry.kind.is_pod()) {
            (Some(container), false) => format!("pod/{}:{container}", entry.pod),
            _ => format!("pod/{}", entry.pod),
        };
        Candidate {
            rank,
            ..Candidate::new(&name, &entry.time)
        }
    });
    named.collect()
}
