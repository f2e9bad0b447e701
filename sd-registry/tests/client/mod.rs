//! What the tests of the client share: this binary as a centre in a process of its own, and connections to it.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::sync::Arc;

use sd_core::{Backend, Connection, MemoryRegistry};
use sd_registry::{Centre, Registry, RegistryConfig, TlsFiles};
use sd_testkit::registry::{CentreOptions, CentreServer, RegistryEnvironment};
use sd_testkit::{ConnectOptions, leaving_nothing, run};

/// A centre, as the options say.
pub(crate) async fn start(options: CentreOptions) -> Centre {
    let mut builder = Registry::builder().listen(options.listen);
    if let Some(folder) = options.data {
        builder = builder.data(folder);
    }
    if let Some(url) = options.store {
        let in_memory = || Arc::new(Connection::builder(Arc::new(MemoryRegistry::new())).build().unwrap());
        let backend = if url == "memory://" { in_memory() as _ } else { connect(&url, &ConnectOptions::default()) };
        builder = builder.store(backend);
    }
    if let Some(file) = options.tokens {
        builder = builder.tokens(file);
    }
    if let Some(tls) = options.tls {
        let mut files = TlsFiles::new(tls.certificate, tls.key);
        if let Some(ca) = tls.client_ca {
            files = files.client_ca(ca);
        }
        builder = builder.tls(files);
    }
    builder.spawn().await.unwrap()
}

pub(crate) fn connect(url: &str, options: &ConnectOptions) -> Arc<dyn Backend> {
    let mut config = RegistryConfig::from_url(url.parse().unwrap()).unwrap();
    if let Some(linger) = options.linger {
        config = config.linger(linger);
    }
    if let Some(policy) = &options.staleness {
        config = config.staleness(policy.clone());
    }
    Arc::new(config.connect().unwrap())
}

/// A centre that forgets everything when it ends.
pub(crate) async fn in_memory(_test: &str) -> Option<RegistryEnvironment> {
    Some(RegistryEnvironment::start(CentreOptions::new(), connect).await)
}

/// A centre that keeps what is registered on disk.
pub(crate) async fn with_data(_test: &str) -> Option<RegistryEnvironment> {
    Some(RegistryEnvironment::start(CentreOptions::new().with_data(), connect).await)
}

/// A front of a registry in its own memory: what stands behind it ends with it.
pub(crate) async fn front_of_memory(_test: &str) -> Option<RegistryEnvironment> {
    Some(RegistryEnvironment::start(CentreOptions::new().store("memory://"), connect).await)
}

/// A front of another centre, which lives on when the front ends.
pub(crate) async fn front_of_a_centre(_test: &str) -> Option<RegistryEnvironment> {
    let behind = Arc::new(CentreServer::start(CentreOptions::new()).await);
    let options = CentreOptions::new().store(format!("sd://{}?ttl=2s", behind.address()));
    let wipe = move || {
        let behind = Arc::clone(&behind);
        async move { behind.restart_empty().await }
    };
    Some(RegistryEnvironment::start(options, connect).await.wiped_by(wipe))
}

/// Runs a test with a centre of its own, and sees that nothing is left over.
pub(crate) fn with_centre(options: CentreOptions, body: impl AsyncFnOnce(&RegistryEnvironment)) {
    run(async {
        let env = RegistryEnvironment::start(options, connect).await;
        leaving_nothing(&env, body(&env)).await;
    });
}
