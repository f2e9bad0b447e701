//! Tests of the tokens' file.

use super::*;

const TOKEN: &str = "0123456789abcdef-secret";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sd-registry-tokens-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, text: &str) -> PathBuf {
        let file = self.0.join("tokens.json");
        std::fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

fn one(rights: &str) -> String {
    format!(r#"{{"tokens":[{{"name":"ci","token":"{TOKEN}",{rights}}}]}}"#)
}

#[test]
fn rights_are_names_prefixes_or_all() {
    let folder = Folder::new("rights");
    let tokens = Tokens::read(&folder.write(&one(r#""read":["*"],"write":["book*","exact"]"#))).unwrap();
    let rights = tokens.rights(&digest(TOKEN)).unwrap();
    assert!(rights.may_read_all() && rights.may_read(&service("anything")));
    assert!(rights.may_write(&service("book")) && rights.may_write(&service("bookstore")));
    assert!(rights.may_write(&service("exact")) && !rights.may_write(&service("exactly")));
    assert!(!rights.may_write(&service("boo")));
    assert!(tokens.rights(&digest("another")).is_none());
}

#[test]
fn a_digest_stands_for_its_token() {
    let folder = Folder::new("digest");
    let hex: String = digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(r#"{{"tokens":[{{"name":"ci","sha256":"{hex}","read":["*"]}}]}}"#);
    let tokens = Tokens::read(&folder.write(&text)).unwrap();
    assert!(tokens.rights(&digest(TOKEN)).unwrap().may_read_all());
}

#[test]
fn a_file_that_is_wrong_says_so_and_shows_no_token() {
    let folder = Folder::new("wrong");
    for (text, why) in [
        ("{", "EOF"),
        (r#"{"tokens":[{"name":"ci","token":"short","read":["*"]}]}"#, "16 printable"),
        (&*one(r#""rights":["*"]"#), "unknown field `rights`"),
        (&*one(r#""read":["a/b"]"#), "a prefix and *"),
        (r#"{"tokens":[{"name":"ci"}]}"#, "either token or sha256"),
        (r#"{"tokens":[{"name":"ci","sha256":"12"}]}"#, "64 hex"),
        (&*format!(r#"{{"tokens":"{TOKEN}"}}"#), "wrong type"),
        (&*format!(r#"{{"tokens":[{{"name":"a","token":"{TOKEN}"}},{{"name":"b","token":"{TOKEN}"}}]}}"#), "twice"),
    ] {
        let error = Tokens::read(&folder.write(text)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(why), "{shown}");
        assert!(!shown.contains(TOKEN), "{shown}");
    }
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
    let folder = Folder::new("again");
    let file = folder.write(&one(r#""read":["a"]"#));
    let tokens = Tokens::read(&file).unwrap();
    let may_read = |name: &str| tokens.rights(&digest(TOKEN)).is_some_and(|rights| rights.may_read(&service(name)));
    assert!(may_read("a") && !may_read("other"));
    folder.write(&one(r#""read":["a","other"]"#));
    tokens.refresh();
    assert!(may_read("other"));
    folder.write("broken");
    tokens.refresh();
    assert!(may_read("other"), "the broken file is ignored");
    std::fs::remove_file(&file).unwrap();
    tokens.refresh();
    assert!(may_read("other"), "and so is one that is not there");
    folder.write(r#"{"tokens":[]}"#);
    tokens.refresh();
    assert!(tokens.rights(&digest(TOKEN)).is_none(), "revoked");
    assert!(!format!("{tokens:?}").contains(TOKEN));
}
