//! The book on our own registry centre, a process of its own.

use std::path::PathBuf;

use sd_registry::Registry as Centre;
use sd_testkit::registry::{CentreOptions, CentreServer};

use crate::scenarios::{self, Registry};

sd_testkit::centre_process!(async |options: CentreOptions| {
    let builder = Centre::builder().listen(options.listen);
    builder.data(options.data.unwrap_or_else(|| PathBuf::from("."))).spawn().await.unwrap()
});

impl Registry for CentreServer {
    async fn started(_: &str) -> Option<Self> {
        Some(Self::start(CentreOptions::new().with_data()).await)
    }

    fn url(&self) -> String {
        format!("sd://{}?ttl=2s", self.address())
    }

    fn die(&self) {
        self.kill();
    }

    async fn come_back(&self) {
        self.restart().await;
    }
}

scenarios::on!(CentreServer);
