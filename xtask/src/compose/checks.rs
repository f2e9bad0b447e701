//! What compose.yaml promises: the book on every registry, and a cluster.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Project;
use crate::images::Images;
use crate::native::Native;
use crate::process;
use crate::steps::Steps;
use crate::workspace::Workspace;

const REGISTRIES: [(&str, &str); 3] =
    [("etcd", "etcd://etcd:2379"), ("consul", "consul://consul:8500"), ("zookeeper", "zookeeper://zookeeper:2181")];
const SERVERS: [&str; 2] = ["book-server-1", "book-server-2"];
const CLIENT: &str = "book-client";
const MEMBERS: [&str; 3] = ["etcd-1", "etcd-2", "etcd-3"];
const CALLS: usize = 8;

/// One step per registry, and one for the cluster.
pub(crate) fn add_steps(workspace: &Workspace, native: &Native, steps: &mut Steps) {
    let mut images = None;
    steps.run("images for compose", || {
        images = Some(Images::of_registries(workspace)?.with_book(workspace, native)?);
        Ok(())
    });
    let Some(images) = images else { return };
    let mut project = None;
    steps.run("compose: three registries", || {
        let brought_up = project.insert(Project::new(workspace, "book", &images)?);
        brought_up.up(&REGISTRIES.map(|(name, _)| name))
    });
    if let Some(project) = &mut project {
        for (name, url) in REGISTRIES {
            steps.run(format!("compose: the book on {name}"), || book(project, url));
        }
    }
    drop(project);
    steps.run("compose: an etcd cluster", || cluster(workspace, &images));
}

/// Two servers and a client, as `--profile book` starts them; their eight calls go to the servers in turn.
fn book(project: &mut Project, url: &str) -> Result<()> {
    project.set("SD_REGISTRY", url);
    let result = eight_calls(project);
    let mut remove = project.command(&["rm", "--stop", "--force"]);
    let removed = process::capture(remove.args(SERVERS).arg(CLIENT));
    result?;
    removed?;
    Ok(())
}

fn eight_calls(project: &Project) -> Result<()> {
    project.up(&SERVERS)?;
    process::capture(&mut project.command(&["up", "--detach", CLIENT]))?;
    let client = project.container(CLIENT)?;
    let ended = process::capture(Command::new("docker").args(["wait", &client]))?;
    let log = project.logs(CLIENT)?;
    if ended.trim() != "0" {
        bail!("{CLIENT} ended with {}:\n{log}", ended.trim());
    }
    let called = called_in(&log);
    let addresses = SERVERS.map(|server| {
        registered_in(&project.logs(server)?).with_context(|| format!("{server} says of no registration"))
    });
    let [first, second] = addresses;
    in_turn(&called, [&first?, &second?]).with_context(|| format!("{CLIENT} printed:\n{log}"))
}

/// The addresses that the client says it calls, in their order.
fn called_in(log: &str) -> Vec<&str> {
    log.lines().filter_map(|line| line.strip_prefix("请求服务: ")).map(str::trim).collect()
}

/// `registered as service/address`
fn registered_in(log: &str) -> Option<String> {
    let line = log.lines().find_map(|line| line.strip_prefix("registered as "))?;
    line.rsplit_once('/').map(|(_, address)| address.trim().to_owned())
}

fn in_turn(called: &[&str], servers: [&str; 2]) -> Result<()> {
    if called.len() != CALLS {
        bail!("{} calls were made, not {CALLS}", called.len());
    }
    if let Some(stranger) = called.iter().find(|address| !servers.contains(address)) {
        bail!("{stranger} was called, but the servers are {servers:?}");
    }
    if let Some(twice) = called.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("{} was called twice in a row: {called:?}", twice[0]);
    }
    Ok(())
}

/// Each member finds all three healthy.
fn cluster(workspace: &Workspace, images: &Images) -> Result<()> {
    let project = Project::new(workspace, "cluster", images)?;
    project.up(&MEMBERS)?;
    for member in MEMBERS {
        let container = project.container(member)?;
        let ask = ["exec", &container, "/usr/local/bin/etcdctl", "endpoint", "health", "--cluster", "--write-out=json"];
        let answer = process::capture(Command::new("docker").args(ask))?;
        let healthy = answer.matches(r#""health":true"#).count();
        if healthy != MEMBERS.len() {
            bail!("{member} finds {healthy} of {} members healthy: {answer}", MEMBERS.len());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_eight_calls_in_turn_will_do() {
        let [a, b] = ["10.0.0.2:1", "10.0.0.3:1"];
        assert!(in_turn(&[a, b, a, b, a, b, a, b], [a, b]).is_ok());
        assert!(in_turn(&[b, a, b, a, b, a, b, a], [a, b]).is_ok());
        let refused = |called: &[&str]| in_turn(called, [a, b]).unwrap_err().to_string();
        assert!(refused(&[a, b, a, b]).contains("4 calls"));
        assert!(refused(&[a, a, b, b, a, b, a, b]).contains("twice in a row"));
        assert!(refused(&[a, b, a, b, a, b, a, "10.0.0.4:1"]).contains("10.0.0.4:1 was called"));
    }

    #[test]
    fn addresses_are_read_from_what_the_programs_print() {
        let log = "请求服务: 10.0.0.2:50052\n获取书籍详情\n请求服务: 10.0.0.3:50052\n";
        assert_eq!(called_in(log), ["10.0.0.2:50052", "10.0.0.3:50052"]);
        let log = "listening on 0.0.0.0:50052\nregistered as book/10.0.0.2:50052\n";
        assert_eq!(registered_in(log).as_deref(), Some("10.0.0.2:50052"));
        assert_eq!(registered_in("listening"), None);
    }
}
