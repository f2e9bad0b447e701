//! `completions` and `man`.

use sd_testkit::samples::random_word;

use crate::running::run;

#[tokio::test]
async fn every_shell_is_told_of_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run("", &["completions", shell]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for word in ["register", "resolve", "balancer", "kill-after"] {
            assert!(ended.out.contains(word), "{shell}: {word}");
        }
    }
}

#[tokio::test]
async fn every_command_has_a_manual_page() {
    let folder = std::env::temp_dir().join(format!("sdkit-{}", random_word()));
    let path = folder.to_str().unwrap();
    let ended = run("", &["man", path]).await;
    assert!(ended.code == Some(1) && ended.err.contains(path), "a folder that is not there: {ended:?}");
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(run("", &["man", path]).await.code, Some(0));
    let page = std::fs::read_to_string(folder.join("sdkit-register.1")).unwrap();
    let first = std::fs::read_to_string(folder.join("sdkit.1")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(page.contains("kill\\-after") && page.contains("124"), "{page}");
    assert!(first.contains("Exit codes"), "{first}");
}
