//! How a centre is to be started: as arguments of a command line, and as words for the test binary itself.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// How a centre is to be started, beside the defaults.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CentreOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Keeps what is registered in this folder.
    pub data: Option<PathBuf>,
    /// Is a front of the registry with this URL.
    pub store: Option<String>,
    /// Lets only those in who show a token of this file.
    pub tokens: Option<PathBuf>,
    /// Speaks TLS.
    pub tls: Option<CentreTls>,
    /// Further arguments of `sdkit serve`; a test binary that serves knows none.
    pub further: Vec<String>,
    /// Whether [`data`](Self::data) is to be set to a folder of the test's own.
    pub(super) keeps_data: bool,
}

/// Files for a centre that speaks TLS, in PEM.
#[derive(Debug, Clone)]
pub struct CentreTls {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The key of that.
    pub key: PathBuf,
    /// Clients need a certificate that this authority has signed.
    pub client_ca: Option<PathBuf>,
}

impl Default for CentreOptions {
    fn default() -> Self {
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        Self { listen, data: None, store: None, tokens: None, tls: None, further: Vec::new(), keeps_data: false }
    }
}

impl CentreOptions {
    /// In memory, open to everybody on this machine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps what is registered on disk, in a folder that ends with the test.
    #[must_use]
    pub fn with_data(mut self) -> Self {
        self.keeps_data = true;
        self
    }

    /// Is a front of the registry with this URL.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(url.into());
        self
    }

    /// Lets only those in who show a token of this file.
    #[must_use]
    pub fn tokens(mut self, file: &Path) -> Self {
        self.tokens = Some(file.to_owned());
        self
    }

    /// Speaks TLS with this certificate and key (PEM files); with `client_ca`, clients need a certificate that it has
    /// signed.
    #[must_use]
    pub fn tls(mut self, certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Self {
        let client_ca = client_ca.map(Path::to_owned);
        self.tls = Some(CentreTls { certificate: certificate.to_owned(), key: key.to_owned(), client_ca });
        self
    }

    /// Gives `sdkit serve` these arguments, too; a test binary that serves knows none.
    #[must_use]
    pub fn further(mut self, arguments: &[&str]) -> Self {
        self.further.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// As the arguments of `sdkit serve`.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut say = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            arguments.extend([name.into(), value.as_ref().to_owned()]);
        };
        say("--listen", &self.listen.to_string());
        if let Some(data) = &self.data {
            say("--data", data);
        }
        if let Some(store) = &self.store {
            say("--store", store);
        }
        if let Some(tokens) = &self.tokens {
            say("--tokens", tokens);
        }
        if let Some(tls) = &self.tls {
            say("--cert", &tls.certificate);
            say("--key", &tls.key);
            if let Some(ca) = &tls.client_ca {
                say("--client-ca", ca);
            }
        }
        arguments.extend(self.further.iter().map(Into::into));
        arguments
    }

    /// What [`arguments`](Self::arguments) has written, with each argument in a line of its own.
    pub(super) fn read(lines: &str) -> Self {
        let mut options = Self::new();
        let mut tls = CentreTls { certificate: PathBuf::new(), key: PathBuf::new(), client_ca: None };
        let words: Vec<_> = lines.lines().collect();
        for pair in words.chunks_exact(2) {
            let (name, value) = (pair[0], pair[1]);
            match name {
                "--listen" => options.listen = value.parse().expect("an address"),
                "--data" => options.data = Some(value.into()),
                "--store" => options.store = Some(value.into()),
                "--tokens" => options.tokens = Some(value.into()),
                "--cert" => tls.certificate = value.into(),
                "--key" => tls.key = value.into(),
                "--client-ca" => tls.client_ca = Some(value.into()),
                other => panic!("what is {other:?}?"),
            }
        }
        if !tls.certificate.as_os_str().is_empty() {
            options.tls = Some(tls);
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_for_a_command_line_is_read_again() {
        let mut options = CentreOptions::new().store("memory://").tokens(Path::new("/t"));
        options = options.tls(Path::new("/c"), Path::new("/k"), Some(Path::new("/a")));
        options.data = Some("/d e".into());
        options.listen = "[::1]:7070".parse().unwrap();
        let lines: Vec<_> = options.arguments().into_iter().map(|word| word.into_string().unwrap()).collect();
        let read = CentreOptions::read(&lines.join("\n"));
        assert_eq!(read.arguments(), options.arguments());
        assert_eq!(lines.len(), 14);
    }
}
