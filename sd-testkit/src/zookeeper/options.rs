//! How a ZooKeeper is to be started, beside the defaults.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// How a ZooKeeper is to be started, beside the defaults.
#[derive(Debug, Clone)]
pub struct ZooKeeperOptions {
    pub(super) tick: Duration,
    pub(super) lines: Vec<String>,
    pub(super) properties: Vec<String>,
    tls: Option<Tls>,
    sasl: Vec<(String, String)>,
    pub(super) words: bool,
}

#[derive(Debug, Clone)]
struct Tls {
    certificate: String,
    key: String,
    authority: String,
    mutual: bool,
}

impl Default for ZooKeeperOptions {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(500),
            lines: Vec::new(),
            properties: Vec::new(),
            tls: None,
            sasl: Vec::new(),
            words: true,
        }
    }
}

impl ZooKeeperOptions {
    /// The defaults: ticks of 500 ms, so that sessions of 1 to 10 s are granted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a tick is: sessions are granted 2 to 20 of them.
    #[must_use]
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// Adds a line of `zoo.cfg`.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Adds a property of the Java machine: `jute.maxbuffer=2000000`.
    #[must_use]
    pub fn property(mut self, property: impl Into<String>) -> Self {
        self.properties.push(format!("-D{}", property.into()));
        self
    }

    /// Answers as few of the four-letter words as can be, as hardened servers do.
    #[must_use]
    pub fn without_words(mut self) -> Self {
        self.words = false;
        self
    }

    /// Lets users log in with SASL's DIGEST-MD5.
    #[must_use]
    pub fn sasl_user(mut self, name: &str, password: &str) -> Self {
        self.sasl.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Serves clients over TLS on a further port, with this certificate and key (PEM files); with `mutual`, clients need
    /// a certificate that `authority` has signed.
    ///
    /// # Panics
    /// When a file can't be read.
    #[must_use]
    pub fn tls(mut self, certificate: &Path, key: &Path, authority: &Path, mutual: bool) -> Self {
        let read = |file: &Path| fs::read_to_string(file).expect("a PEM file");
        self.tls = Some(Tls { certificate: read(certificate), key: read(key), authority: read(authority), mutual });
        self
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Writes what the server reads beside `zoo.cfg`; the lines and properties that point there.
    pub(super) fn written_to(&self, folder: &Path, tls_port: u16) -> (Vec<String>, Vec<String>) {
        let (mut lines, mut properties) = (self.lines.clone(), self.properties.clone());
        if let Some(tls) = &self.tls {
            let (own, trusted) = (folder.join("own.pem"), folder.join("trusted.pem"));
            fs::write(&own, format!("{}{}", tls.key, tls.certificate)).expect("a file can be written");
            fs::write(&trusted, &tls.authority).expect("a file can be written");
            lines.push(format!("secureClientPort={tls_port}"));
            lines.push("secureClientPortAddress=127.0.0.1".to_owned());
            lines.push("serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory".to_owned());
            lines.push(format!("ssl.keyStore.location={}", own.display()));
            lines.push(format!("ssl.trustStore.location={}", trusted.display()));
            lines.push(format!("ssl.clientAuth={}", if tls.mutual { "need" } else { "none" }));
            lines.push("ssl.hostnameVerification=false".to_owned());
        }
        if !self.sasl.is_empty() {
            let users =
                self.sasl.iter().map(|(name, password)| format!("\n  user_{name}=\"{password}\"")).collect::<String>();
            let module = "org.apache.zookeeper.server.auth.DigestLoginModule";
            let jaas = folder.join("jaas.conf");
            fs::write(&jaas, format!("Server {{\n  {module} required{users};\n}};\n")).expect("a file can be written");
            lines.push("authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider".to_owned());
            properties.push(format!("-Djava.security.auth.login.config={}", jaas.display()));
        }
        (lines, properties)
    }
}
