//! Kubeconfig files: read, checked and merged by the rules of client-go. Pure: the caller has read the files.
//!
//! Source: `tools/clientcmd/loader.go` of client-go. A kubeconfig holds secrets, so no error here quotes a value of one.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::{MAIN_SEPARATOR, Path, PathBuf},
};

use kube::config::{
    AuthInfo, AuthProviderConfig, Cluster, Context, ExecConfig, ExecInteractiveMode, NamedExtension,
};
use serde_json::{Map, Value};
use trocar_core::documents;

/// Several kubeconfig files as one.
#[derive(Clone, Default)]
pub struct Kubeconfig {
    pub(super) clusters: BTreeMap<String, Cluster>,
    pub(super) users: BTreeMap<String, AuthInfo>,
    pub(super) contexts: BTreeMap<String, Context>,
    pub(super) current_context: String,
}

/// Names only: what stands beside them may be secret.
impl fmt::Debug for Kubeconfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kubeconfig")
            .field("contexts", &self.contexts.keys())
            .field("current_context", &self.current_context)
            .finish_non_exhaustive()
    }
}

/// Why a kubeconfig cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// A file is not a kubeconfig.
    #[error("{}: {problem}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The mistake, without any value of the file.
        problem: String,
    },
    /// A context that a flag or `current-context` names is missing.
    #[error("there is no context {name:?}")]
    NoContext {
        /// The name.
        name: String,
        /// The contexts that are there.
        known: Vec<String>,
    },
    /// The cluster that a flag names is missing.
    #[error("there is no cluster {0:?}")]
    NoCluster(String),
    /// The user that a flag names is missing.
    #[error("there is no user {0:?}")]
    NoUser(String),
    /// No server is named: not by a cluster of the kubeconfig, nor by a flag.
    #[error("it names no server{}", match .0.as_str() { "" => String::new(), name => format!(" for cluster {name:?}") })]
    NoServer(String),
    /// Values that contradict each other, or one that is missing or malformed.
    #[error("{0}")]
    Invalid(String),
}

impl Kubeconfig {
    /// The names of its contexts.
    pub fn context_names(&self) -> Vec<&str> {
        self.contexts.keys().map(String::as_str).collect()
    }

    /// The names of its clusters.
    pub fn cluster_names(&self) -> Vec<&str> {
        self.clusters.keys().map(String::as_str).collect()
    }

    /// The names of its users.
    pub fn user_names(&self) -> Vec<&str> {
        self.users.keys().map(String::as_str).collect()
    }

    /// Reads a file's text. An empty one is an empty kubeconfig. Paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// Fails when the text is not a kubeconfig.
    pub fn parse(file: &Path, text: &[u8]) -> Result<Self, KubeconfigError> {
        parse(file.parent().unwrap_or(Path::new("")), text).map_err(|problem| KubeconfigError::Malformed {
            file: file.to_owned(),
            problem,
        })
    }

    /// Merges files: of each cluster, user and context the first file's wins whole, and so does the first current context
    /// that is not empty.
    pub fn merge(files: impl IntoIterator<Item = Self>) -> Self {
        let mut merged = Self::default();
        for file in files {
            add_new(&mut merged.clusters, file.clusters);
            add_new(&mut merged.users, file.users);
            add_new(&mut merged.contexts, file.contexts);
            if merged.current_context.is_empty() {
                merged.current_context = file.current_context;
            }
        }
        merged
    }
}

fn add_new<T>(merged: &mut BTreeMap<String, T>, more: BTreeMap<String, T>) {
    for (name, value) in more {
        merged.entry(name).or_insert(value);
    }
}

fn parse(folder: &Path, text: &[u8]) -> Result<Kubeconfig, String> {
    let read = documents::read(text).map_err(|error| match (error.line, error.column) {
        (Some(line), Some(column)) => format!("it is not valid YAML at line {line}, column {column}"),
        _ => "it is not valid YAML".to_owned(),
    })?;
    let Some(document) = read.into_iter().next() else {
        return Ok(Kubeconfig::default());
    };
    let root = Node::of("", &document)?;
    for (field, wanted) in [("apiVersion", "v1"), ("kind", "Config")] {
        if !matches!(root.text(field)?, Some(found) if found != wanted) {
            continue;
        }
        return Err(format!("{field} is not {wanted}"));
    }
    Ok(Kubeconfig {
        clusters: root.named("clusters", "cluster", |node| cluster(node, folder))?,
        users: root.named("users", "user", |node| user(node, folder))?,
        contexts: root.named("contexts", "context", context)?,
        current_context: root.text("current-context")?.unwrap_or_default(),
    })
}

fn cluster(node: &Node<'_>, folder: &Path) -> Result<Cluster, String> {
    Ok(Cluster {
        server: node.text("server")?,
        insecure_skip_tls_verify: node.switch("insecure-skip-tls-verify")?,
        certificate_authority: node.path("certificate-authority", folder)?,
        certificate_authority_data: node.text("certificate-authority-data")?,
        proxy_url: node.text("proxy-url")?,
        tls_server_name: node.text("tls-server-name")?,
        extensions: Some(extensions(node)?),
        ..Cluster::default()
    })
}

/// Extensions, of which one is for credential plugins.
fn extensions(node: &Node<'_>) -> Result<Vec<NamedExtension>, String> {
    let items = node.list("extensions")?.into_iter().map(|item| {
        Ok(NamedExtension {
            name: item.text("name")?.unwrap_or_default(),
            extension: item.fields.get("extension").cloned().unwrap_or_default(),
        })
    });
    items.collect()
}

fn context(node: &Node<'_>) -> Result<Context, String> {
    Ok(Context {
        cluster: node.text("cluster")?.unwrap_or_default(),
        user: node.text("user")?,
        namespace: node.text("namespace")?,
        ..Context::default()
    })
}

fn user(node: &Node<'_>, folder: &Path) -> Result<AuthInfo, String> {
    Ok(AuthInfo {
        username: node.text("username")?,
        password: node.text("password")?.map(Into::into),
        token: node.text("token")?.map(Into::into),
        token_file: node.path("tokenFile", folder)?,
        client_certificate: node.path("client-certificate", folder)?,
        client_certificate_data: node.text("client-certificate-data")?,
        client_key: node.path("client-key", folder)?,
        client_key_data: node.text("client-key-data")?.map(Into::into),
        impersonate: node.text("as")?,
        impersonate_uid: node.text("as-uid")?,
        impersonate_groups: node.texts("as-groups")?,
        impersonate_user_extra: node
            .child("as-user-extra")?
            .map(|node| node.text_lists())
            .transpose()?,
        auth_provider: node
            .child("auth-provider")?
            .map(|node| auth_provider(&node))
            .transpose()?,
        exec: node.child("exec")?.map(|node| exec(&node, folder)).transpose()?,
        ..AuthInfo::default()
    })
}

fn auth_provider(node: &Node<'_>) -> Result<AuthProviderConfig, String> {
    let config = node.child("config")?;
    let config = config.map(|node| {
        let entries = node
            .fields
            .keys()
            .map(|name| Ok((name.clone(), node.text(name)?.unwrap_or_default())));
        entries.collect::<Result<HashMap<_, _>, String>>()
    });
    Ok(AuthProviderConfig {
        name: node.text("name")?.unwrap_or_default(),
        config: config.transpose()?.unwrap_or_default(),
        ..AuthProviderConfig::default()
    })
}

fn exec(node: &Node<'_>, folder: &Path) -> Result<ExecConfig, String> {
    let command = node.text("command")?.map(|command| {
        // A bare name is looked for in PATH.
        if command.contains(MAIN_SEPARATOR) {
            absolute(folder, command)
        } else {
            command
        }
    });
    let env = node.list("env")?.into_iter().map(|item| {
        let name = item
            .text("name")?
            .ok_or_else(|| format!("{}: a variable has no name", item.place))?;
        let value = item.text("value")?.unwrap_or_default();
        Ok(HashMap::from([
            ("name".to_owned(), name),
            ("value".to_owned(), value),
        ]))
    });
    Ok(ExecConfig {
        api_version: node.text("apiVersion")?,
        command,
        args: node.texts("args")?,
        env: Some(env.collect::<Result<_, String>>()?),
        install_hint: node.text("installHint")?,
        interactive_mode: match node.text("interactiveMode")?.as_deref() {
            None => None,
            Some("Never") => Some(ExecInteractiveMode::Never),
            Some("IfAvailable") => Some(ExecInteractiveMode::IfAvailable),
            Some("Always") => Some(ExecInteractiveMode::Always),
            Some(_) => {
                return Err(format!(
                    "{}: interactiveMode is not Never, IfAvailable or Always",
                    node.place
                ));
            }
        },
        provide_cluster_info: node.switch("provideClusterInfo")?.unwrap_or_default(),
        ..ExecConfig::default()
    })
}

fn absolute(folder: &Path, path: String) -> String {
    match folder.join(&path).into_os_string().into_string() {
        Ok(joined) => joined,
        Err(_) => path,
    }
}

/// An object of the file, and how to name it in an error.
struct Node<'a> {
    place: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Node<'a> {
    fn of(place: &str, value: &'a Value) -> Result<Self, String> {
        let place = if place.is_empty() {
            "it".to_owned()
        } else {
            place.to_owned()
        };
        match value.as_object() {
            Some(fields) => Ok(Self { place, fields }),
            None => Err(format!("{place} is not an object")),
        }
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, what: &str) -> String {
        match self.place.as_str() {
            "it" => format!("{name} is not {what}"),
            place => format!("{place}: {name} is not {what}"),
        }
    }

    /// A text; an empty one counts as absent, as everywhere in client-go.
    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.field(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    fn path(&self, name: &str, folder: &Path) -> Result<Option<String>, String> {
        Ok(self.text(name)?.map(|path| absolute(folder, path)))
    }

    fn switch(&self, name: &str) -> Result<Option<bool>, String> {
        match self.field(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    fn child(&self, name: &str) -> Result<Option<Self>, String> {
        let place = format!("{}: {name}", self.place);
        self.field(name).map(|value| Node::of(&place, value)).transpose()
    }

    fn list(&self, name: &str) -> Result<Vec<Self>, String> {
        let items = match self.field(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong(name, "a list")),
        };
        let places = (0..).map(|index| format!("{name}[{index}]"));
        items
            .iter()
            .zip(places)
            .map(|(item, place)| Node::of(&place, item))
            .collect()
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        self.field(name)
            .map(|value| texts(value).ok_or_else(|| self.wrong(name, "a list of texts")))
            .transpose()
    }

    fn text_lists(&self) -> Result<HashMap<String, Vec<String>>, String> {
        let lists = self.fields.iter().map(|(name, value)| match texts(value) {
            Some(list) => Ok((name.clone(), list)),
            None => Err(self.wrong(name, "a list of texts")),
        });
        lists.collect()
    }

    /// A list of entries with a name each, of which none may stand twice.
    fn named<T>(
        &self,
        list: &str,
        field: &str,
        read: impl Fn(&Node<'_>) -> Result<T, String>,
    ) -> Result<BTreeMap<String, T>, String> {
        let empty = Map::new();
        let mut entries = BTreeMap::new();
        for item in self.list(list)? {
            let name = item.text("name")?.unwrap_or_default();
            let place = format!("{field} {name:?}");
            let node = match item.field(field) {
                Some(value) => Node::of(&place, value)?,
                None => Node {
                    place,
                    fields: &empty,
                },
            };
            if entries.contains_key(&name) {
                return Err(format!("{list} has the name {name:?} twice"));
            }
            entries.insert(name, read(&node)?);
        }
        Ok(entries)
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}
