//! Proxies between the program and the server: HTTP and SOCKS5, with a name that only the proxy can resolve.

use std::{
    io::{self, Read, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use trocar_test_support::{FakeApiServer, TestEnv};

use crate::{TROCAR, check, offline, pod, touched};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -n default -q";

/// A proxy for CONNECT and SOCKS5 that resolves every name to this machine.
struct Proxy {
    port: u16,
    /// One line per connection: the target, and the credentials.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let shared = asked.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || serve(client, &shared));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.dedup();
        asked
    }
}

fn serve(mut client: TcpStream, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut first = [0];
    client.read_exact(&mut first)?;
    let (target, reply): (String, &[u8]) = match first {
        [5] => (socks5(&mut client)?, b"\x05\x00\x00\x01\0\0\0\0\0\0"),
        _ => (connect(&mut client)?, b"HTTP/1.1 200 OK\r\n\r\n"),
    };
    asked.lock().unwrap().push(target.clone());
    let address = target.split(' ').next().unwrap_or_default();
    let port = address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok())
        .unwrap_or_default();
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(reply)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Write).ok();
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

/// The rest of a CONNECT: its target, and the credentials.
fn connect(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let credentials = head
        .lines()
        .find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    Ok(format!("{target} {}", credentials.unwrap_or_default())
        .trim()
        .to_owned())
}

/// The rest of a SOCKS5 handshake: its target by name, and the user.
fn socks5(client: &mut TcpStream) -> io::Result<String> {
    let methods = read_counted(client)?;
    let mut user = Vec::new();
    if methods.contains(&2) {
        client.write_all(b"\x05\x02")?;
        read(client, 1)?;
        user = [read_counted(client)?, read_counted(client)?].join(&b':');
        client.write_all(b"\x01\x00")?;
    } else {
        client.write_all(b"\x05\x00")?;
    }
    read(client, 4)?;
    let name = read_counted(client)?;
    let port = read(client, 2)?;
    let port = u16::from_be_bytes([port[0], port[1]]);
    let (name, user) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&user));
    Ok(format!("{name}:{port} {user}").trim().to_owned())
}

fn read(client: &mut TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes).map(|()| bytes)
}

/// Reads length-prefixed bytes.
fn read_counted(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let count = read(client, 1)?[0];
    read(client, usize::from(count))
}

/// A server with a name that only the proxy can resolve.
fn hidden() -> (FakeApiServer, String) {
    let server = FakeApiServer::start([pod("web-0")]);
    let address = format!("apiserver.hidden:{}", server.port());
    (server, address)
}

#[test]
fn a_proxy_that_is_typed_resolves_the_name_and_gets_its_password() {
    for (scheme, user, wanted) in [
        ("http", "", ""),
        ("http", "jane:p%40ss@", " Basic amFuZTpwQHNz"),
        ("socks5", "", ""),
        ("socks5", "jane:p%40ss@", " jane:p@ss"),
    ] {
        let (server, address) = hidden();
        let proxy = Proxy::start();
        let output = offline().run(&format!(
            "{DEBUG} -s http://{address} --proxy-url={scheme}://{user}127.0.0.1:{}",
            proxy.port
        ));
        check(&output, "");
        assert_eq!(touched(&server).len(), 1);
        assert_eq!(proxy.asked(), [format!("{address}{wanted}")]);
    }
}

#[test]
fn a_kubeconfigs_proxy_is_used_whatever_the_environment_says() {
    let (server, address) = hidden();
    let proxy = Proxy::start();
    let mut env = TestEnv::with_server(TROCAR, &format!("http://{address}"));
    let mut config = trocar_test_support::kubeconfig(&format!("http://{address}"));
    config["clusters"][0]["cluster"]["proxy-url"] = format!("socks5://127.0.0.1:{}", proxy.port).into();
    env.write("kubeconfig", &config.to_string());
    env.set("NO_PROXY", "*");
    env.set("HTTP_PROXY", "http://127.0.0.1:1");
    check(&env.run(DEBUG), "");
    assert_eq!(touched(&server).len(), 1);
    assert_eq!(proxy.asked(), [address]);
}

#[test]
fn the_environments_proxy_is_not_for_loopback_nor_for_what_it_exempts() {
    let (server, address) = hidden();
    let proxy = Proxy::start();
    let mut env = offline();
    env.set("HTTP_PROXY", &format!("http://127.0.0.1:{}", proxy.port));
    check(
        &env.run(&format!("{DEBUG} -s http://127.0.0.1:{}", server.port())),
        "",
    );
    check(
        &env.run(&format!("{DEBUG} -s http://localhost:{}", server.port())),
        "",
    );
    assert_eq!(proxy.asked(), [""; 0]);
    check(&env.run(&format!("{DEBUG} -s http://{address}")), "");
    assert_eq!(proxy.asked(), std::slice::from_ref(&address));
    env.set("NO_PROXY", ".hidden");
    let output = env.run(&format!("{DEBUG} -s http://{address}"));
    assert!(
        output
            .stderr
            .starts_with("Unable to connect to the server: dns error"),
        "{output}"
    );
}
