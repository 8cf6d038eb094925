//! Tests: client-go's rules for kubeconfigs, one test a rule, each as kubectl 1.37 was seen to follow it.

use std::{collections::HashMap, path::Path};

use secrecy::ExposeSecret as _;

use super::{Kubeconfig, KubeconfigError, Overrides, Selection};

const WORKS: &str = "
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: 'https://k:6443'}}, {name: other, cluster: {server: 'https://other'}}]
users: [{name: u, user: {token: SECRET}}, {name: v, user: {token: OTHER}}]
contexts: [{name: c, context: {cluster: k, user: u, namespace: shop}}, {name: d, context: {cluster: other, user: v}}]
";

fn parse(text: &str) -> Result<Kubeconfig, KubeconfigError> {
    Kubeconfig::parse(Path::new("/home/jane/.kube/config"), text.as_bytes())
}

/// What several files come to, as flags change it.
fn select(files: &[&str], overrides: Overrides) -> Result<Selection, KubeconfigError> {
    let files: Result<Vec<_>, _> = files.iter().map(|text| parse(text)).collect();
    Kubeconfig::merge(files?).select(&overrides)
}

fn selected(files: &[&str]) -> Selection {
    select(files, Overrides::default()).unwrap()
}

fn refusal(files: &[&str], overrides: Overrides) -> String {
    select(files, overrides).unwrap_err().to_string()
}

fn token(selection: &Selection) -> Option<&str> {
    selection.user.token.as_ref().map(|token| token.expose_secret())
}

/// A kubeconfig of one cluster and one user with these fields.
fn of(cluster: &str, user: &str) -> String {
    format!(
        "clusters: [{{name: k, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n\
         contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\ncurrent-context: c\n"
    )
}

#[test]
fn the_current_context_names_cluster_user_and_namespace() {
    let found = selected(&[WORKS]);
    assert_eq!(found.address().unwrap(), "https://k:6443");
    assert_eq!(token(&found), Some("SECRET"));
    assert_eq!(found.namespace.as_deref(), Some("shop"));
    assert_eq!(
        found.context.as_deref().zip(found.cluster_name.as_deref()),
        Some(("c", "k"))
    );
}

#[test]
fn an_empty_current_context_is_none_and_the_next_files_wins() {
    let unset =
        "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nusers: null\n";
    assert_eq!(selected(&[unset, WORKS]).address().unwrap(), "https://k:6443");
}

#[test]
fn the_first_current_context_wins() {
    let first = "current-context: d\n";
    assert_eq!(selected(&[first, WORKS]).address().unwrap(), "https://other");
    assert_eq!(selected(&[WORKS, first]).address().unwrap(), "https://k:6443");
}

#[test]
fn of_an_entry_the_first_file_wins_whole() {
    let first = "users: [{name: u, user: {username: jane}}]\nclusters: [{name: k, cluster: {server: 'https://first'}}]\n";
    let found = selected(&[first, WORKS]);
    assert_eq!(found.address().unwrap(), "https://first");
    assert_eq!(found.user.username.as_deref(), Some("jane"));
    assert_eq!(token(&found), None);
}

#[test]
fn a_context_of_one_file_may_use_cluster_and_user_of_another() {
    let context = "contexts: [{name: e, context: {cluster: other, user: u}}]\ncurrent-context: e\n";
    let found = selected(&[context, WORKS]);
    assert_eq!(found.address().unwrap(), "https://other");
    assert_eq!(token(&found), Some("SECRET"));
}

#[test]
fn an_empty_file_is_an_empty_kubeconfig() {
    for empty in ["", "---\n", "apiVersion: v1\nkind: Config\n"] {
        assert_eq!(
            select(&[empty], Overrides::default()).unwrap_err(),
            KubeconfigError::NoServer(String::new())
        );
        assert_eq!(selected(&[empty, WORKS]).address().unwrap(), "https://k:6443");
    }
}

#[test]
fn relative_paths_are_relative_to_their_file() {
    let cluster = "server: 'https://k', certificate-authority: ca.crt";
    let user = "client-certificate: pki/me.crt, client-key: /abs/me.key, tokenFile: ../token";
    let found = selected(&[&of(cluster, user)]);
    assert_eq!(
        found.cluster.certificate_authority.as_deref(),
        Some("/home/jane/.kube/ca.crt")
    );
    assert_eq!(
        found.user.client_certificate.as_deref(),
        Some("/home/jane/.kube/pki/me.crt")
    );
    assert_eq!(found.user.client_key.as_deref(), Some("/abs/me.key"));
    assert_eq!(
        found.user.token_file.as_deref(),
        Some("/home/jane/.kube/../token")
    );
}

#[test]
fn a_plugins_command_is_a_path_only_where_it_has_a_separator() {
    for (command, wanted) in [
        ("aws", "aws"),
        ("./login", "/home/jane/.kube/./login"),
        ("/bin/login", "/bin/login"),
    ] {
        let exec = format!("exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: {command}}}");
        let found = selected(&[&of("server: 'https://k'", &exec)]);
        assert_eq!(found.user.exec.unwrap().command.as_deref(), Some(wanted));
    }
}

#[test]
fn the_context_that_is_typed_must_be_there() {
    let typed = |name: &str| Overrides {
        context: Some(name.into()),
        ..Overrides::default()
    };
    assert_eq!(
        select(&[WORKS], typed("d")).unwrap().address().unwrap(),
        "https://other"
    );
    assert_eq!(
        select(&[WORKS], typed("")).unwrap().address().unwrap(),
        "https://k:6443"
    );
    assert_eq!(
        select(&[WORKS], typed("prod")).unwrap_err(),
        KubeconfigError::NoContext {
            name: "prod".into(),
            known: vec!["c".into(), "d".into()]
        }
    );
}

#[test]
fn a_current_context_that_is_missing_is_told() {
    assert_eq!(
        refusal(&["current-context: gone\n"], Overrides::default()),
        "there is no context \"gone\""
    );
}

#[test]
fn the_cluster_and_user_that_are_typed_must_be_there() {
    let cluster = |name: &str| Overrides {
        cluster: Some(name.into()),
        ..Overrides::default()
    };
    let user = |name: &str| Overrides {
        user: Some(name.into()),
        ..Overrides::default()
    };
    assert_eq!(
        select(&[WORKS], cluster("other")).unwrap().address().unwrap(),
        "https://other"
    );
    assert_eq!(token(&select(&[WORKS], user("v")).unwrap()), Some("OTHER"));
    assert_eq!(refusal(&[WORKS], cluster("x")), "there is no cluster \"x\"");
    assert_eq!(refusal(&[WORKS], user("x")), "there is no user \"x\"");
}

#[test]
fn a_contexts_user_may_be_missing_and_its_cluster_not() {
    let context = "clusters: [{name: k, cluster: {server: 'https://k'}}]\ncurrent-context: c\ncontexts: [{name: c, context: ";
    assert_eq!(
        token(&selected(&[&format!("{context}{{cluster: k, user: gone}}}}]\n")])),
        None
    );
    let gone = format!("{context}{{cluster: gone}}}}]\n");
    assert_eq!(
        refusal(&[&gone], Overrides::default()),
        "it names no server for cluster \"gone\""
    );
}

#[test]
fn a_server_that_is_typed_needs_no_kubeconfig() {
    let typed = Overrides {
        server: Some("https://typed:1".into()),
        ..Overrides::default()
    };
    assert_eq!(
        select(&[], typed.clone()).unwrap().address().unwrap(),
        "https://typed:1"
    );
    let found = select(&[WORKS], typed).unwrap();
    assert_eq!(found.address().unwrap(), "https://typed:1");
    assert_eq!(token(&found), Some("SECRET"));
}

#[test]
fn kubernetes_master_is_used_where_nothing_else_names_a_server() {
    let default = Overrides {
        default_server: Some("https://master".into()),
        ..Overrides::default()
    };
    assert_eq!(
        select(&[], default.clone()).unwrap().address().unwrap(),
        "https://master"
    );
    assert_eq!(
        select(&[WORKS], default).unwrap().address().unwrap(),
        "https://k:6443"
    );
}

#[test]
fn an_address_without_a_scheme_is_secure_where_certificates_are_named() {
    let address = |cluster: &str| selected(&[&of(cluster, "")]).address().unwrap().to_string();
    assert_eq!(address("server: 'k:1'"), "http://k:1/");
    assert_eq!(
        address("server: 'k:1', insecure-skip-tls-verify: true"),
        "https://k:1/"
    );
    assert_eq!(address("server: 'k:1', certificate-authority: x"), "https://k:1/");
}

#[test]
fn an_address_that_is_none_is_not_shown() {
    for server in ["https://jane:SECRET@host name", "ftp://jane:SECRET@x", "https://"] {
        let shown = refusal(&[&of(&format!("server: '{server}'"), "")], Overrides::default());
        assert_eq!(shown, "the server's address is not a URL or host:port");
    }
}

#[test]
fn insecure_that_is_typed_clears_the_authority_and_the_other_way_round() {
    let secure = of(
        "server: 'https://k', certificate-authority-data: QQ==, tls-server-name: name",
        "",
    );
    let insecure = of("server: 'https://k', insecure-skip-tls-verify: true", "");
    let skip = Overrides {
        insecure_skip_tls_verify: Some(true),
        ..Overrides::default()
    };
    let found = select(&[&secure], skip).unwrap().cluster;
    assert_eq!(
        (found.insecure_skip_tls_verify, found.certificate_authority_data),
        (Some(true), None)
    );
    let authority = Overrides {
        certificate_authority: Some("ca.crt".into()),
        ..Overrides::default()
    };
    for kubeconfig in [&secure, &insecure] {
        let found = select(&[kubeconfig], authority.clone()).unwrap().cluster;
        assert_eq!(found.certificate_authority.as_deref(), Some("ca.crt"));
        assert_eq!(
            (found.insecure_skip_tls_verify, found.certificate_authority_data),
            (None, None)
        );
    }
}

#[test]
fn a_server_that_is_typed_clears_the_kubeconfigs_server_name() {
    let named = of("server: 'https://k', tls-server-name: name", "");
    let typed = Overrides {
        server: Some("https://typed".into()),
        ..Overrides::default()
    };
    assert_eq!(select(&[&named], typed).unwrap().cluster.tls_server_name, None);
    let name = Overrides {
        tls_server_name: Some("m".into()),
        ..Overrides::default()
    };
    assert_eq!(
        select(&[&named], name)
            .unwrap()
            .cluster
            .tls_server_name
            .as_deref(),
        Some("m")
    );
}

#[test]
fn a_certificate_that_is_typed_replaces_data_of_the_kubeconfig() {
    let data = of(
        "server: 'https://k'",
        "client-certificate-data: QQ==, client-key-data: QQ==",
    );
    let typed = Overrides {
        client_certificate: Some("me.crt".into()),
        client_key: Some("me.key".into()),
        ..Overrides::default()
    };
    let user = select(&[&data], typed).unwrap().user;
    assert_eq!(
        user.client_certificate.as_deref().zip(user.client_key.as_deref()),
        Some(("me.crt", "me.key"))
    );
    assert!(user.client_certificate_data.is_none() && user.client_key_data.is_none());
}

#[test]
fn a_token_that_is_typed_holds_against_the_kubeconfigs_token_and_file() {
    let file = of("server: 'https://k'", "token: SECRET, tokenFile: t");
    let typed = Overrides {
        token: Some("typed".to_owned().into()),
        ..Overrides::default()
    };
    let found = select(&[&file], typed).unwrap();
    assert_eq!(token(&found), Some("typed"));
    assert_eq!(found.user.token_file, None);
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let server = "server: 'https://k'";
    for (cluster, user, wanted) in [
        (
            "certificate-authority: a, certificate-authority-data: QQ==",
            "",
            "are both set",
        ),
        (
            "certificate-authority: a, insecure-skip-tls-verify: true",
            "",
            "together with a certificate authority",
        ),
        (
            "certificate-authority-data: QQ==, insecure-skip-tls-verify: true",
            "",
            "together with a certificate authority",
        ),
        ("", "token: a, username: b", "a token and a username are both set"),
        (
            "",
            "client-certificate: a, client-certificate-data: QQ==",
            "are both set",
        ),
        (
            "",
            "client-certificate: a, client-key: b, client-key-data: QQ==",
            "are both set",
        ),
        ("", "client-certificate: a", "without its key"),
        ("", "as-groups: [a]", "without a user to act as"),
        ("", "as-uid: a", "without a user to act as"),
        ("", "as-user-extra: {a: [b]}", "without a user to act as"),
        (
            "",
            "exec: {apiVersion: client.authentication.k8s.io/v1}",
            "has no command",
        ),
        ("", "exec: {command: a}", "has no apiVersion"),
        (
            "",
            "exec: {command: a, apiVersion: client.authentication.k8s.io/v1}",
            "has no interactiveMode",
        ),
        (
            "",
            "exec: {command: a, apiVersion: client.authentication.k8s.io/v1alpha1}",
            "is not known",
        ),
        (
            "",
            "exec: {command: a, interactiveMode: Sometimes}",
            "interactiveMode is not",
        ),
        (
            "",
            "exec: {command: a}, auth-provider: {name: gcp}",
            "exec and auth-provider are both set",
        ),
    ] {
        let kubeconfig = of(&format!("{server}, {cluster}").replace(", ,", ","), user);
        let found = refusal(&[&kubeconfig], Overrides::default());
        assert!(found.contains(wanted), "{cluster} {user}: {found}");
    }
}

#[test]
fn token_and_username_of_flag_and_kubeconfig_contradict_each_other() {
    let typed = Overrides {
        username: Some("jane".into()),
        ..Overrides::default()
    };
    assert_eq!(
        refusal(&[WORKS], typed),
        "a token and a username are both set; only one of them can be used"
    );
}

#[test]
fn groups_that_are_typed_need_a_user_to_act_as_from_anywhere() {
    let groups = Overrides {
        impersonate_groups: vec!["ops".into()],
        ..Overrides::default()
    };
    assert!(select(&[WORKS], groups.clone()).is_err());
    let user = select(&[&of("server: 'https://k'", "as: jane")], groups)
        .unwrap()
        .user;
    assert_eq!(user.impersonate_groups, Some(vec!["ops".to_owned()]));
}

#[test]
fn all_that_can_be_acted_as_is_taken_from_the_kubeconfig() {
    let user = "as: jane, as-uid: '7', as-groups: [a, b], as-user-extra: {scopes: [first, other]}";
    let user = selected(&[&of("server: 'https://k'", user)]).user;
    assert_eq!(
        user.impersonate.as_deref().zip(user.impersonate_uid.as_deref()),
        Some(("jane", "7"))
    );
    assert_eq!(
        user.impersonate_groups,
        Some(vec!["a".to_owned(), "b".to_owned()])
    );
    let extra = HashMap::from([("scopes".to_owned(), vec!["first".to_owned(), "other".to_owned()])]);
    assert_eq!(user.impersonate_user_extra, Some(extra));
}

#[test]
fn a_file_that_is_not_a_kubeconfig_is_told_by_its_place_and_never_quoted() {
    for (text, wanted) in [
        (
            "users:\n- name: x\n  user: {token: [SECRET\n",
            "it is not valid YAML at line 3, column 17",
        ),
        ("[SECRET]", "it is not an object"),
        ("kind: SECRET", "kind is not Config"),
        ("apiVersion: SECRET", "apiVersion is not v1"),
        ("users: SECRET", "users is not a list"),
        ("users: [SECRET]", "users[0] is not an object"),
        (
            "users: [{name: u, user: {token: [SECRET]}}]",
            "user \"u\": token is not a text",
        ),
        (
            "users: [{name: u, user: {as-groups: SECRET}}]",
            "user \"u\": as-groups is not a list of texts",
        ),
        (
            "clusters: [{name: k, cluster: {insecure-skip-tls-verify: SECRET}}]",
            "cluster \"k\": insecure-skip-tls-verify is not true or false",
        ),
        (
            "users: [{name: u, user: {token: SECRET}}, {name: u}]",
            "users has the name \"u\" twice",
        ),
    ] {
        let found = parse(text).unwrap_err().to_string();
        assert_eq!(found, format!("/home/jane/.kube/config: {wanted}"), "{text}");
    }
}

#[test]
fn no_secret_is_in_a_debug_print() {
    let typed = Overrides {
        token: Some("SECRET".to_owned().into()),
        password: Some("SECRET".to_owned().into()),
        ..Overrides::default()
    };
    assert!(!format!("{typed:?}").contains("SECRET"));
    let provider = of(
        "server: 'https://k'",
        "auth-provider: {name: oidc, config: {id-token: SECRET}}",
    );
    assert!(!format!("{:?} {:?}", parse(&provider).unwrap(), selected(&[&provider])).contains("SECRET"));
}
