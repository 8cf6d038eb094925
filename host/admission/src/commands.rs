//! What each command does.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use trocar::{
    Engine, EngineConfig, Limits, LoadEvent,
    capability::{ClusterReader, WrittenDown},
    cluster::{ClusterConfig, Kubeconfig, LiveReader, Overrides, PluginPolicy, ProxyEnvironment},
    documents, text,
};
use trocar_admission::{
    cases::{self, Compared},
    reader::CachedReader,
    review::{MAX_REVIEW, Request, Webhook, answer},
    rules::Rules as Loaded,
    server::{ServerOptions, TlsFiles, log, record, serve},
};

use crate::args::{Args, Command, Rbac, Review, Rules, Serve, Test};

/// What is not allowed ends with the code of a denial, as `trocar` has it.
const DENIED: u8 = 3;

/// How long the API server may take for one answer.
const API_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Serve(typed) => run_server(typed),
        Command::Review(typed) => review(&typed),
        Command::Test(typed) => test(&typed),
        Command::Rbac(typed) => rbac(&typed),
    }
}

fn engine(rules: &Rules) -> Result<Arc<Engine>> {
    let limits = Limits::default();
    let mut limits = limits;
    limits.time = Duration::from_millis(rules.policy_time);
    let engine = Engine::new(EngineConfig {
        limits,
        cache: rules.cache.clone(),
        pooling: true,
        ..EngineConfig::default()
    })?;
    let engine = engine.with_listener(|event| match event {
        LoadEvent::Compiling { plugin } => log("info", "compiling", &json!({"plugin": plugin})),
        LoadEvent::NotSigned { plugin, missing } => {
            log(
                "warning",
                "not signed",
                &json!({"plugin": plugin, "missing": missing}),
            );
        }
        _ => {}
    });
    Ok(Arc::new(engine))
}

/// Takes as many files as the system gives. Each connection is one, and programs are often begun with few.
fn take_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    let _ = setrlimit(Resource::Nofile, all);
}

fn run_server(typed: Serve) -> Result<ExitCode> {
    take_files();
    let engine = engine(&typed.rules)?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    // More turns than processors, since a policy may wait for the cluster. A plugin that loops takes one until its time ends.
    let judging = typed.judging.unwrap_or(2 * processors);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.clamp(1, 4))
        // Besides reviews, what is read again.
        .max_blocking_threads(judging + 2)
        .enable_all()
        .build()?;
    let reader = reader(&typed)?;
    let tls = typed.tls_cert.zip(typed.tls_key);
    let options = ServerOptions {
        listen: typed.listen,
        health: typed.health_listen,
        tls: tls.map(|(certificate, key)| TlsFiles {
            certificate,
            key,
            client_authorities: typed.client_ca,
        }),
        config: typed.rules.config,
        reload: Duration::from_secs_f64(typed.reload).max(Duration::from_millis(50)),
        linger: Duration::from_secs_f64(typed.linger),
        connections: typed.connections,
        judging,
    };
    runtime.block_on(serve(options, engine, reader))?;
    Ok(ExitCode::SUCCESS)
}

/// What reads the cluster.
fn reader(typed: &Serve) -> Result<Option<Arc<dyn ClusterReader>>> {
    if typed.no_cluster {
        return Ok(None);
    }
    let proxies = ProxyEnvironment::read(|name| std::env::var(name).ok());
    let overrides = Overrides::default();
    let mut config = match &typed.kubeconfig {
        None => ClusterConfig::in_pod(&overrides, &proxies)
            .context("not in a pod with a service account: use --kubeconfig=FILE or --no-cluster")?,
        Some(file) => {
            let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let selection = Kubeconfig::parse(file, &text)?.select(&overrides)?;
            // Nothing could answer a credential plugin's question.
            ClusterConfig::from_selection(selection, &proxies, PluginPolicy::DenyAll)?
        }
    };
    config.request_timeout = Some(API_TIMEOUT);
    let reader = CachedReader::new(Arc::new(LiveReader::new(config)));
    Ok(Some(Arc::new(reader)))
}

fn review(typed: &Review) -> Result<ExitCode> {
    let mut objects = Vec::new();
    for file in &typed.object {
        let read = documents::read(&read(file)?);
        let read = read.with_context(|| file.display().to_string())?;
        objects.extend(documents::flatten(read));
    }
    let reader: Arc<dyn ClusterReader> = Arc::new(WrittenDown(objects));
    let reader = Some(&reader).filter(|_| !typed.object.is_empty());
    let rules = Loaded::load(&engine(&typed.rules)?, &typed.rules.config, reader, |_| {})?;
    let request = Request::read(&read(&typed.review)?)?;
    let webhook = match typed.mutate {
        true => Webhook::Mutate,
        false => Webhook::Validate,
    };
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let verdict = rules.judge(&request, webhook, reader, &time, None);
    print(&documents::to_json(&answer(&request.uid, &verdict)))?;
    Ok(match verdict.is_allowed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DENIED),
    })
}

/// Reads a file, or standard input, as far as anything of it could be used.
fn read(file: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    // One byte more, to tell a review of exactly that size from a larger one.
    let most = MAX_REVIEW as u64 + 1;
    let read = if file == Path::new("-") {
        io::stdin().take(most).read_to_end(&mut text)
    } else {
        fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut text))
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    if text.len() > MAX_REVIEW {
        bail!("{} is larger than {MAX_REVIEW} bytes", file.display());
    }
    Ok(text)
}

fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader, such as `head`, has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Compares the verdicts on cases at the door with those on a person's own machine.
fn test(typed: &Test) -> Result<ExitCode> {
    let engine = Arc::new(Engine::new(EngineConfig {
        pooling: true,
        ..EngineConfig::default()
    })?);
    let cannot_read = || format!("cannot read {}", typed.folder.display());
    let entries = fs::read_dir(&typed.folder).with_context(cannot_read)?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.with_context(cannot_read)?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    let (mut same, mut named, mut unreachable, mut other) = (0, 0, 0, 0);
    for file in files {
        let document: Value =
            serde_json::from_slice(&read(&file)?).with_context(|| file.display().to_string())?;
        let (count, told) = match cases::compare(&engine, &document)? {
            Compared::Same => (&mut same, None),
            Compared::Unreachable => (&mut unreachable, None),
            Compared::Named(reason) => (&mut named, Some(reason.to_owned())),
            Compared::Other(difference) => (&mut other, Some(format!("DIFFERS: {difference}"))),
        };
        *count += 1;
        if let Some(told) = told {
            let of = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
            print(&format!(
                "{}\n",
                text::plain(&format!("{}: {}: {told}", of("file"), of("name")))
            ))?;
        }
    }
    print(&format!(
        "{same} the same, {named} others for a reason, {unreachable} that get to no cluster, {other} that differ\n"
    ))?;
    Ok(match other {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Prints what the server itself reads, and what its plugins were granted to read.
fn rbac(typed: &Rbac) -> Result<ExitCode> {
    let rules = Loaded::load(&engine(&typed.rules)?, &typed.rules.config, None, record)?;
    // Nodes in any case: a pod that is bound to a node is judged by the node's labels.
    let mut role = vec![json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]})];
    for rule in &rules.policies {
        let manifest = rule.plugin.description().manifest();
        for scope in manifest
            .capabilities
            .iter()
            .flat_map(|capability| &capability.scope)
        {
            let group = scope.api_version.rsplit_once('/').map_or("", |(group, _)| group);
            let resource = plural(&scope.kind);
            let wanted = json!({"apiGroups": [group], "resources": [resource], "verbs": ["get", "list"]});
            if !role.contains(&wanted) {
                role.push(wanted);
            }
        }
    }
    let role: Value = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": typed.name}, "rules": role,
    });
    print(&documents::to_yaml(&[role]))?;
    Ok(ExitCode::SUCCESS)
}

/// The name of the resource of a kind, by the rule that all kinds of Kubernetes itself follow.
fn plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    if let Some(stem) = kind
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'o']))
    {
        return format!("{stem}ies");
    }
    // Endpoints is its own plural.
    if kind.ends_with("endpoints") {
        return kind;
    }
    let ending = if kind.ends_with(['s', 'x']) || kind.ends_with("ch") {
        "es"
    } else {
        "s"
    };
    format!("{kind}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_by_the_name_of_its_resource() {
        for (kind, resource) in [
            ("Namespace", "namespaces"),
            ("NetworkPolicy", "networkpolicies"),
            ("Ingress", "ingresses"),
            ("Endpoints", "endpoints"),
            ("Gateway", "gateways"),
            ("StorageClass", "storageclasses"),
        ] {
            assert_eq!(plural(kind), resource);
        }
    }
}
