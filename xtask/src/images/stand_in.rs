//! Stand-ins for the official images, of the same programs as the tests start: paths, commands and variables are those
//! that compose.yaml uses, so that it runs with either.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::root::Root;
use crate::docker::{self, Image};
use crate::packages::Suite;
use crate::process;
use crate::servers::{consul, etcd, java, zookeeper};
use crate::tool::{Source, Tool, as_it_is};
use crate::workspace::Workspace;

/// A stand-in, and what it stands in for.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandIn {
    pub(super) official: Image,
    /// The last number counts what is changed here: an image of this name is not made again.
    pub(super) name: &'static str,
    make: fn(&Workspace, &Root) -> Result<Vec<&'static str>>,
}

pub(super) const ALL: [StandIn; 3] = [
    StandIn { official: docker::ETCD, name: "sd-stand-in/etcd:1", make: etcd_image },
    StandIn { official: docker::CONSUL, name: "sd-stand-in/consul:1", make: consul_image },
    StandIn { official: docker::ZOOKEEPER, name: "sd-stand-in/zookeeper:1", make: zookeeper_image },
];

impl StandIn {
    /// Makes it, unless it was made before.
    pub(super) fn provide(&self, workspace: &Workspace) -> Result<()> {
        if docker::has(self.name) {
            return Ok(());
        }
        eprintln!("making {} …", self.name);
        let folder = self.name.replace(['/', ':'], "-");
        let root = Root::new(&workspace.tools(), &folder)?;
        let changes = (self.make)(workspace, &root)?;
        root.import(self.name, &changes)
    }
}

const PATH: &str = "ENV PATH=/usr/local/bin:/bin";

fn etcd_image(workspace: &Workspace, root: &Root) -> Result<Vec<&'static str>> {
    root.program(&etcd::SERVER.find(workspace)?.path, "/usr/local/bin/etcd")?;
    root.program(&etcd::CLIENT.find(workspace)?.path, "/usr/local/bin/etcdctl")?;
    Ok(vec![PATH, r#"CMD ["/usr/local/bin/etcd"]"#])
}

fn consul_image(workspace: &Workspace, root: &Root) -> Result<Vec<&'static str>> {
    root.program(&consul::SERVER.find(workspace)?.path, "/bin/consul")?;
    Ok(vec![PATH, r#"ENTRYPOINT ["consul"]"#])
}

fn zookeeper_image(workspace: &Workspace, root: &Root) -> Result<Vec<&'static str>> {
    // A runtime that was installed is spread over the system; ours is one tree.
    let java = java::RUNTIME.fetched(workspace)?.path;
    let version = |folder: &Path| zookeeper::version(&java, folder);
    root.copy_tree(&zookeeper::jars(&version).find(workspace)?.path, "/zookeeper/lib")?;
    // `<home>/jvm/bin/java`
    let home = java.ancestors().nth(3).context("Java stands in a folder of its own")?;
    root.copy_tree(home, "/java")?;
    root.libraries_of(&java, home)?;
    // These are loaded by name once it runs, from a folder of its own.
    let libraries = home.join("jvm").join("lib");
    for library in ["server/libjvm.so", "libjava.so", "libnet.so", "libnio.so", "libzip.so", "libmanagement.so"] {
        root.libraries_of(&libraries.join(library), home)?;
    }
    root.program(&BUSYBOX.find(workspace)?.path, "/bin/busybox")?;
    for applet in ["sh", "cat", "echo", "grep", "mkdir", "nc"] {
        root.copy(&root.at("/bin/busybox"), &format!("/bin/{applet}"))?;
    }
    root.script("/docker-entrypoint.sh", include_str!("zookeeper-entrypoint.sh"))?;
    for folder in ["/conf", "/data", "/datalog", "/logs"] {
        root.folder(folder)?;
    }
    Ok(vec![
        PATH,
        "ENV ZOO_TICK_TIME=2000 ZOO_MAX_CLIENT_CNXNS=60 ZOO_ADMINSERVER_ENABLED=true ZOO_4LW_COMMANDS_WHITELIST=srvr",
        r#"ENTRYPOINT ["/docker-entrypoint.sh"]"#,
    ])
}

/// A shell and what a health check calls, in one static program.
const BUSYBOX: Tool<'static> = Tool {
    name: "busybox",
    chosen_by: None,
    on_path: None,
    entry: "bin/busybox",
    version: &|path| {
        let answer = process::capture(Command::new(path).arg("--help"))?;
        let mut words = answer.lines().next().unwrap_or_default().split_whitespace();
        words.nth(1).map(str::to_owned).context("`busybox --help` names no version")
    },
    sources: &[Source::Packages { suite: Suite::Own, names: &["busybox-static"], arrange: as_it_is }],
    what_to_install: "it comes as package `busybox-static` in Debian and Ubuntu",
};
