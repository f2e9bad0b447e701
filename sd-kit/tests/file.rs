//! `file://`: what a file says is what subscribers see, however it is written, and whatever is wrong with it.

#![allow(clippy::unwrap_used, reason = "tests may; clippy does not see that this is one")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_kit::sd_core::{Address, Backend, ErrorKind, Instance, Registration, ServiceName};
use sd_testkit::samples::random_word;
use sd_testkit::tasks::TaskCount;
use sd_testkit::waiting::{stays, until, until_catalog, until_ids};

/// Longer than many looks at the file.
const MANY_LOOKS: Duration = Duration::from_millis(400);

/// A folder of its own, which goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sd-kit-file-{}", random_word()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// As editors and careful programs do it.
    fn write_beside_and_rename(&self, name: &str, text: &str) {
        self.write("beside", text);
        fs::rename(self.path("beside"), self.path(name)).unwrap();
    }

    fn connect(&self, name: &str) -> Arc<dyn Backend> {
        sd_kit::connect(&format!("file://{}?poll=20ms", self.path(name).display())).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn book() -> ServiceName {
    "book".parse().unwrap()
}

#[tokio::test]
async fn a_file_written_in_place_is_seen_and_what_did_not_change_keeps_its_arc() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1, h:2]\n");
    let mut subscription = folder.connect("s.yaml").subscribe(&book());
    let before = until_ids("what it says", &mut subscription, &["h:1", "h:2"]).await;
    folder.write("s.yaml", "book: [h:2, {address: 'h:3', weight: 7}]\n");
    let after = until_ids("what it says now", &mut subscription, &["h:2", "h:3"]).await;
    assert!(Arc::ptr_eq(before.get("h:2").unwrap(), after.get("h:2").unwrap()));
    assert_eq!(after.get("h:3").unwrap().weight(), 7);
}

#[tokio::test]
async fn a_file_renamed_into_place_is_seen_also_with_an_old_time_and_the_same_size() {
    let folder = Folder::new();
    folder.write("s.json", "{\"book\": [\"h:1\"]}");
    let mut subscription = folder.connect("s.json").subscribe(&book());
    until_ids("what it says", &mut subscription, &["h:1"]).await;
    let modified = fs::metadata(folder.path("s.json")).unwrap().modified().unwrap();
    folder.write("beside", "{\"book\": [\"h:2\"]}");
    fs::File::options().write(true).open(folder.path("beside")).unwrap().set_modified(modified).unwrap();
    fs::rename(folder.path("beside"), folder.path("s.json")).unwrap();
    until_ids("what it says now", &mut subscription, &["h:2"]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_links_of_a_kubernetes_config_map_are_followed_when_they_are_swapped() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    for (version, text) in [("..1", "book: [h:1]\n"), ("..2", "book: [h:2]\n")] {
        fs::create_dir(folder.path(version)).unwrap();
        folder.write(&format!("{version}/s.yaml"), text);
    }
    symlink("..1", folder.path("..data")).unwrap();
    symlink("..data/s.yaml", folder.path("s.yaml")).unwrap();
    let mut subscription = folder.connect("s.yaml").subscribe(&book());
    until_ids("the first version", &mut subscription, &["h:1"]).await;

    symlink("..2", folder.path("..data_tmp")).unwrap();
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
    fs::remove_dir_all(folder.path("..1")).unwrap();
    until_ids("the second version", &mut subscription, &["h:2"]).await;
}

#[tokio::test]
async fn a_broken_file_keeps_the_old_set_and_says_why_and_a_mended_one_is_believed_at_once() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1, h:2, h:3, h:4]\n");
    let registry = folder.connect("s.yaml");
    let mut subscription = registry.subscribe(&book());
    until_ids("what it says", &mut subscription, &["h:1", "h:2", "h:3", "h:4"]).await;

    folder.write("s.yaml", "book:\n- address: h:1\n  wieght: 2\n");
    let stale = until("the trouble", &mut subscription, |snapshot| snapshot.freshness().is_stale()).await;
    assert_eq!(stale.len(), 4);
    let error = stale.freshness().error().unwrap().clone();
    assert!(error.to_string().contains("line 3: unknown field \"wieght\""), "{error}");
    assert!(error.to_string().contains("s.yaml"), "{error}");
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Protocol, "file"));

    // Who comes now sees what was last known, and the trouble.
    let mut late = registry.subscribe(&"book".parse().unwrap());
    assert_eq!(late.known().await.len(), 4);
    let mut other = registry.subscribe(&"other".parse().unwrap());
    until("the trouble of another service", &mut other, |snapshot| snapshot.freshness().is_stale()).await;
    let version = subscription.snapshot().version();
    stays("nothing more is told of the same trouble", MANY_LOOKS, &mut subscription, |s| s.version() == version).await;

    // Another trouble is told.
    folder.write_beside_and_rename("s.yaml", "book: [h]\n");
    until("the next trouble", &mut subscription, |s| {
        s.freshness().error().is_some_and(|e| e.to_string().contains("no port"))
    })
    .await;

    // Far fewer than before, and none is held back.
    folder.write_beside_and_rename("s.yaml", "book: [h:1]\n");
    until_ids("the mended file", &mut subscription, &["h:1"]).await;
    until_ids("the mended file, for another service", &mut other, &[]).await;
}

#[tokio::test]
async fn a_file_that_was_never_there_is_pending_with_the_error_and_live_once_it_is() {
    let folder = Folder::new();
    let registry = folder.connect("s.yml");
    let mut subscription = registry.subscribe(&book());
    let pending = until("the trouble", &mut subscription, |s| s.freshness().error().is_some()).await;
    assert!(pending.freshness().is_pending());
    let error = pending.freshness().error().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(std::error::Error::source(error).is_some(), "{error}");
    assert_eq!(registry.services().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(registry.probe().await.unwrap_err().kind(), ErrorKind::Unavailable);

    folder.write("s.yml", "book: [h:1]\n");
    until_ids("what it says", &mut subscription, &["h:1"]).await;

    fs::remove_file(folder.path("s.yml")).unwrap();
    let stale = until("it is gone", &mut subscription, |snapshot| snapshot.freshness().is_stale()).await;
    assert_eq!(stale.len(), 1);
    folder.write("s.yml", "{}\n");
    until_ids("it is back, with nobody", &mut subscription, &[]).await;
}

#[tokio::test]
async fn a_file_cut_to_nothing_does_not_empty_a_set() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1]\n");
    let mut subscription = folder.connect("s.yaml").subscribe(&book());
    until_ids("what it says", &mut subscription, &["h:1"]).await;
    folder.write("s.yaml", "");
    let stale = until("the trouble", &mut subscription, |snapshot| snapshot.freshness().is_stale()).await;
    assert_eq!(stale.len(), 1);
    assert!(stale.freshness().error().unwrap().to_string().contains("write {}"), "{stale:?}");
}

#[tokio::test]
async fn a_set_is_swapped_as_a_whole_however_often_the_file_is_written() {
    let folder = Folder::new();
    let text = |round: u32| {
        let instances = (0..200).map(|n| format!("- {{address: 'h{n}:1', metadata: {{round: '{round}'}}}}\n"));
        format!("book:\n{}", instances.collect::<String>())
    };
    folder.write("s.yaml", &text(0));
    let mut subscription = folder.connect("s.yaml").subscribe(&book());
    until("the first", &mut subscription, |snapshot| snapshot.len() == 200).await;
    let mut reader = subscription.clone();
    let reading = tokio::spawn(async move {
        loop {
            let snapshot = reader.changed().await.unwrap();
            let rounds: std::collections::BTreeSet<_> =
                snapshot.iter().map(|i| i.metadata()["round"].clone()).collect();
            assert_eq!((snapshot.len(), rounds.len()), (200, 1), "{rounds:?}");
            if rounds.contains("60") {
                return;
            }
        }
    });
    for round in 1..=60 {
        if round % 2 == 0 {
            folder.write("s.yaml", &text(round));
        } else {
            folder.write_beside_and_rename("s.yaml", &text(round));
        }
        tokio::time::sleep(Duration::from_millis(u64::from(round % 7) * 5)).await;
    }
    sd_testkit::waiting::soon("the last round is seen", reading).await.unwrap();
}

#[tokio::test]
async fn the_catalog_lists_the_services_of_the_file_and_follows_them() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1]\nshop: [h:2]\nnobody: []\n");
    let registry = folder.connect("s.yaml");
    let names = |wanted: &[&str]| wanted.iter().map(|name| name.parse::<ServiceName>().unwrap()).collect();
    assert_eq!(registry.services().await.unwrap(), names(&["book", "shop"]));
    let mut catalog = registry.subscribe_services();
    until_catalog("the list", &mut catalog, |c| *c.names() == names(&["book", "shop"])).await;

    folder.write("s.yaml", "book: nonsense\n");
    let stale = until_catalog("the trouble", &mut catalog, |c| c.freshness().is_stale()).await;
    assert_eq!(stale.names().len(), 2);
    assert_eq!(registry.services().await.unwrap_err().kind(), ErrorKind::Protocol);

    folder.write("s.yaml", "nobody: [h:1]\n");
    let wanted = |c: &sd_kit::sd_core::CatalogSnapshot| c.freshness().is_live() && *c.names() == names(&["nobody"]);
    until_catalog("the list of the mended file", &mut catalog, wanted).await;
}

#[tokio::test]
async fn registering_and_administration_are_unsupported_at_once_whatever_the_file_is_like() {
    let folder = Folder::new();
    let registry = folder.connect("absent.yaml");
    let registration = || Registration::new("book", Instance::new("h:1".parse::<Address>().unwrap()));
    for error in [
        registry.register(registration()).await.unwrap_err(),
        registry.register_in_background(registration()).unwrap_err(),
        registry.drain(&book(), "h:1").await.unwrap_err(),
        registry.deregister(&book(), "h:1").await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.backend()), (ErrorKind::Unsupported, "file"), "{error}");
    }
    // Bad input is told as such, also where nothing can be registered.
    let nowhere = Registration::new("a/b", Instance::new("h:1".parse::<Address>().unwrap()));
    assert_eq!(registry.register(nowhere).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_probe_reads_the_file() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1]\n");
    let registry = folder.connect("s.yaml");
    let report = registry.probe().await.unwrap();
    assert!(report.endpoint.ends_with("s.yaml"), "{report:?}");
    assert!(report.latency > Duration::ZERO);
    folder.write("s.yaml", "book: [h:1\n");
    assert_eq!(registry.probe().await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn what_is_no_file_or_too_large_or_no_text_is_named() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder.yaml")).unwrap();
    fs::File::create(folder.path("large.yaml")).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
    fs::write(folder.path("bytes.yaml"), b"book: [h:1]\nshop: [\xff]\n").unwrap();
    for (name, why) in [
        ("folder.yaml", "not a file"),
        ("large.yaml", "more than 16777216 bytes"),
        ("bytes.yaml", "line 2: it is not UTF-8"),
    ] {
        let error = folder.connect(name).probe().await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_pipe_is_refused_and_not_waited_for() {
    let folder = Folder::new();
    nix::unistd::mkfifo(&folder.path("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut subscription = folder.connect("pipe.yaml").subscribe(&book());
    let pending = until("the trouble", &mut subscription, |s| s.freshness().error().is_some()).await;
    assert!(pending.freshness().error().unwrap().to_string().contains("not a file"), "{pending:?}");
}

#[tokio::test]
async fn ten_thousand_instances_are_read_and_one_change_is_one_change() {
    let folder = Folder::new();
    let text = |weight: u32| {
        let first = format!("- {{address: 'h0:1', weight: {weight}}}\n");
        format!("book:\n{first}{}", (1..10_000).map(|n| format!("- h{n}:1\n")).collect::<String>())
    };
    folder.write("s.yaml", &text(1));
    let mut subscription = folder.connect("s.yaml").subscribe(&book());
    let before = until("all of them", &mut subscription, |snapshot| snapshot.len() == 10_000).await;
    folder.write("s.yaml", &text(2));
    let changed = |s: &sd_kit::sd_core::Snapshot| s.get("h0:1").is_some_and(|instance| instance.weight() == 2);
    let after = until("the change", &mut subscription, changed).await;
    let delta = sd_kit::sd_core::Delta::between(&before, &after);
    assert_eq!((delta.added.len(), delta.changed.len(), delta.removed.len()), (0, 1, 0));
}

#[tokio::test]
async fn nothing_is_left_when_all_is_dropped() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1]\n");
    let tasks = TaskCount::now();
    let registry = folder.connect("s.yaml");
    let mut subscription = registry.subscribe(&book());
    drop(registry);
    until_ids("a subscription keeps its registry", &mut subscription, &["h:1"]).await;
    folder.write("s.yaml", "book: [h:2]\n");
    until_ids("and goes on", &mut subscription, &["h:2"]).await;
    drop(subscription);
    tasks.restored("after the last subscription was dropped").await;
}

#[tokio::test]
async fn a_set_that_has_been_stale_for_too_long_is_dropped_if_that_is_asked_for() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1]\n");
    let url = format!("file://{}?poll=20ms&invalidate_after=100ms", folder.path("s.yaml").display());
    let mut subscription = sd_kit::connect(&url).unwrap().subscribe(&book());
    until_ids("what it says", &mut subscription, &["h:1"]).await;
    fs::remove_file(folder.path("s.yaml")).unwrap();
    until("it is dropped", &mut subscription, |s| s.freshness().is_stale() && s.is_empty()).await;
}

#[test]
fn the_end_of_the_runtime_is_no_trouble_with_the_file() {
    let folder = Folder::new();
    folder.write("s.yaml", "book: [h:1]\n");
    for _ in 0..100 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let subscription = runtime.block_on(async {
            let mut subscription = folder.connect("s.yaml").subscribe(&book());
            until_ids("what it says", &mut subscription, &["h:1"]).await;
            subscription
        });
        drop(runtime);
        assert!(subscription.snapshot().freshness().is_live(), "{:?}", subscription.snapshot());
    }
}
