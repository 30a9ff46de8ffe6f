//! A real NATS server with JetStream, of one test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use driftless::storage::{Certificate, NatsPlace};
use driftless::tls::{Authority, local_hosts};
use nkeys::KeyPair;
use tempfile::TempDir;

use super::nats_operator::Operator;
use super::server::{PATIENCE, provide_cryptography};

/// A running server, or one that can be started again on the same port. It ends with this value.
pub(crate) struct Nats {
    /// Where it is, and how to know it.
    pub(crate) feed: NatsPlace,
    /// The port that it listens on.
    pub(crate) port: u16,
    folder: TempDir,
    /// Who may connect, and how.
    options: Vec<String>,
    /// What nobody may see.
    pub(crate) secrets: Vec<String>,
    process: Option<Child>,
}

impl Nats {
    /// One that is not running yet.
    pub(crate) fn absent() -> Nats {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = free.local_addr().expect("an address").port();
        Nats {
            feed: NatsPlace::at(&format!("nats://127.0.0.1:{port}")),
            port,
            folder: tempfile::tempdir().expect("a folder"),
            options: Vec::new(),
            secrets: Vec::new(),
            process: None,
        }
    }

    /// Lets in only who shows this user and password, and puts them into the address.
    pub(crate) fn guard(&mut self, user: &str, password: &str) {
        self.ask_for(&["--user", user, "--pass", password]);
        self.show(user, Some(password));
    }

    /// Lets in only who shows this token, and puts it into the address.
    pub(crate) fn guard_by(&mut self, token: &str) {
        self.ask_for(&["--auth", token]);
        self.show(token, None);
    }

    /// Puts another login into the address.
    pub(crate) fn show(&mut self, user: &str, password: Option<&str>) {
        let mut url = url::Url::parse(&self.feed.url).expect("a URL");
        url.set_username(user).expect("a host");
        url.set_password(password).expect("a host");
        self.secrets
            .push(url.password().unwrap_or(url.username()).to_owned());
        self.secrets.push(password.unwrap_or(user).to_owned());
        self.feed.url = url.into();
    }

    /// Lets in only who has a key that is new now, and puts its seed into the file that it keeps for that.
    pub(crate) fn know_key(&mut self) {
        let user = KeyPair::new_user();
        let users = format!(
            "authorization {{ users = [ {{ nkey: {} }} ] }}",
            user.public_key()
        );
        self.configure(&users);
        let seed = user.seed().expect("a key pair");
        self.show_file(&seed);
        self.secrets.push(seed);
    }

    /// Lets in only whom an operator's account vouches for, and puts what it says of a user into the file.
    pub(crate) fn obey_operator(&mut self) {
        let operator = Operator::new();
        self.configure(&operator.configuration());
        let (creds, seed) = operator.user();
        self.show_file(&creds);
        self.secrets.push(seed);
    }

    /// Lets nodes show what is in a file.
    pub(crate) fn show_file(&mut self, text: &str) {
        let path = self.folder.path().join("node.creds");
        std::fs::write(&path, text).expect("a file");
        self.feed.credentials = Some(path);
    }

    fn configure(&mut self, text: &str) {
        let path = self.folder.path().join("server.conf");
        std::fs::write(&path, text).expect("a file");
        let path = path.display().to_string();
        if !self.options.contains(&path) {
            self.ask_for(&["--config", &path]);
        }
    }

    /// Lets nobody speak to it in clear; an authority of its own signs its certificate.
    pub(crate) fn encrypt(&mut self) {
        provide_cryptography();
        let folder = self.folder.path().join("tls");
        let authority = Authority::at(&folder);
        let made = authority.server_config(&local_hosts(&[]));
        made.expect("a certificate");
        let file = |name: &str| folder.join(name).display().to_string();
        let (leaf, key) = (file("leaf.pem"), file("leaf.key"));
        self.ask_for(&["--tls", "--tlscert", &leaf, "--tlskey", &key]);
        self.feed.url = self.feed.url.replacen("nats:", "tls:", 1);
        self.feed.ca = Some(authority.certificate());
    }

    /// Lets in only who shows a certificate of an authority that is new now, and gives one to the nodes.
    pub(crate) fn ask_for_certificate(&mut self) {
        let (authority, certificate) = self.certify("nodes");
        let authority = authority.display().to_string();
        self.ask_for(&["--tlsverify", "--tlscacert", &authority]);
        self.feed.certificate = Some(certificate);
    }

    /// An authority and a certificate that it gives to a node.
    pub(crate) fn certify(&self, name: &str) -> (PathBuf, Certificate) {
        let file = |end: &str, text: String| {
            let path = self.folder.path().join(format!("{name}.{end}"));
            std::fs::write(&path, text).expect("a file");
            path
        };
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("a certificate");
        let issuer = rcgen::Issuer::new(params, key);
        let mut params = rcgen::CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = rcgen::KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &issuer).expect("a certificate");
        let certificate = Certificate {
            chain: file("pem", leaf.pem()),
            key: file("key", key.serialize_pem()),
        };
        (file("ca.pem", authority.pem()), certificate)
    }

    fn ask_for(&mut self, options: &[&str]) {
        let options = options.iter().copied().map(str::to_owned);
        self.options.extend(options);
    }

    /// A running one.
    pub(crate) async fn start() -> Nats {
        let mut nats = Nats::absent();
        nats.run().await;
        nats
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) async fn run(&mut self) {
        let child = Command::new(program())
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string()])
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(self.folder.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server can be started");
        self.process = Some(child);
        let there = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there)
            .await
            .expect("nats-server listens");
    }

    /// Ends it at once; what it kept in memory is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it ends");
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join("nats-server"))
        .find(|program| program.exists())
        .expect("nats-server is installed")
}
