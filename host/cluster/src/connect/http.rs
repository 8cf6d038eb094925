//! The HTTP client: TLS as client-go does it, and proxies.

use std::{error::Error, sync::Arc};

use http::Uri;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self,
        connect::{
            Connection, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::TokioExecutor,
};
use kube::{
    Config,
    client::{Body, ConfigExt as _},
    config::AuthInfo,
};
use rustls::ClientConfig;
use tower::{BoxError, Service, ServiceBuilder};

use super::{
    credentials::{Identity, basic},
    proxy::{user_of, without_user},
    verifier::Authorities,
};

/// Makes a client. What it sends has no `Authorization` yet, unless the server's address holds a user.
///
/// It sends without delay: kube's own waits for the other side to confirm the end of the handshake before it sends the
/// request, which a server does 40 ms later. Every attach is a new connection.
pub(crate) fn client(config: &Config, identity: Identity) -> Result<kube::Client, String> {
    let tls = tls(config, identity)?;
    let mut connector = HttpConnector::new();
    // It also makes the TCP connections below TLS, whose addresses begin with `https`.
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let Some(proxy) = &config.proxy_url else {
        return over(config, tls, connector);
    };
    let (user, address) = (user_of(proxy), without_user(proxy));
    match proxy.scheme_str() {
        Some("http") => over(config, tls, tunnel(address, user, connector)),
        Some("https") => {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .enable_http1()
                .wrap_connector(connector);
            over(config, tls, tunnel(address, user, connector))
        }
        // The proxy resolves names, as with Go.
        Some("socks5" | "socks5h") => {
            let connector = SocksV5::new(address, connector);
            let connector = match user {
                Some((name, password)) => connector.with_auth(name, password),
                None => connector,
            };
            over(config, tls, connector)
        }
        _ => Err("the address of the proxy does not begin with http://, https:// or socks5://".into()),
    }
}

fn tunnel<C>(proxy: Uri, user: Option<(String, String)>, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy, connector);
    match user {
        Some((name, password)) => tunnel.with_auth(basic(&name, &password)),
        None => tunnel,
    }
}

/// A client over connections that something makes.
fn over<C>(config: &Config, tls: ClientConfig, connector: C) -> Result<kube::Client, String>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let connector = https(config, tls, connector)?;
    let headers = config.extra_headers_layer().map_err(|error| error.to_string())?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .map_err(BoxError::from)
        .layer(headers)
        .service(legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector));
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}

fn https<C>(config: &Config, tls: ClientConfig, connector: C) -> Result<HttpsConnector<C>, String> {
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into();
        let name = name.map_err(|_| "tls-server-name is neither a name nor an address".to_owned())?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    // HTTP/1.1 alone: the upgrade to a WebSocket needs it.
    Ok(builder.enable_http1().wrap_connector(connector))
}

/// kube's TLS, but for the client's certificate and, where the kubeconfig names authorities, the server's.
fn tls(config: &Config, identity: Identity) -> Result<ClientConfig, String> {
    let mut without_user = config.clone();
    // kube would parse the client's certificate by itself, and refuse those of version 1.
    without_user.auth_info = AuthInfo::default();
    let mut tls = without_user.rustls_client_config().map_err(|error| {
        error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string)
    })?;
    let is_checked = !config.accept_invalid_certs && config.root_cert_file.is_none();
    if let Some(certificates) = config.root_cert.as_ref().filter(|_| is_checked) {
        let authorities = Authorities::new(certificates)?;
        tls.dangerous().set_certificate_verifier(Arc::new(authorities));
    }
    tls.client_auth_cert_resolver = Arc::new(identity);
    Ok(tls)
}
