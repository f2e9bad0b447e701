//! The README's table of defaults says what the code says.

use sd_core::defaults as d;

#[test]
fn every_default_in_the_readme_is_the_codes() {
    let readme = include_str!("../../README.md");
    let rows: Vec<(&str, String)> = vec![
        ("TTL", format!("{:?}", d::TTL)),
        ("BEATS_PER_TTL", d::BEATS_PER_TTL.to_string()),
        ("CONNECT_TIMEOUT", format!("{:?}", d::CONNECT_TIMEOUT)),
        ("REQUEST_TIMEOUT", format!("{:?}", d::REQUEST_TIMEOUT)),
        ("BACKOFF_BASE", format!("{:?}", d::BACKOFF_BASE)),
        ("BACKOFF_MAX", format!("{:?}", d::BACKOFF_MAX)),
        ("FIRST_RETRY_SPREAD", format!("{:?}", d::FIRST_RETRY_SPREAD)),
        ("HEALTHY_AFTER", format!("{:?}", d::HEALTHY_AFTER)),
        ("LINGER", format!("{:?}", d::LINGER)),
        ("AUDIT_INTERVAL", format!("{:?}", d::AUDIT_INTERVAL)),
        ("HOLD_SHARE", d::HOLD_SHARE.to_string()),
        ("HOLD_GRACE", format!("{:?}", d::HOLD_GRACE)),
        ("HOLD_AGE_LIMIT", format!("{:?}", d::HOLD_AGE_LIMIT)),
        ("INSTANCE_CONNECT_TIMEOUT", format!("{:?}", d::INSTANCE_CONNECT_TIMEOUT)),
        ("INSTANCE_SETTLED", format!("{:?}", d::INSTANCE_SETTLED)),
        ("RETRY_ATTEMPTS", d::RETRY_ATTEMPTS.to_string()),
        ("RETRY_TIMEOUT", format!("{:?}", d::RETRY_TIMEOUT)),
        ("RETRY_BACKOFF_BASE", format!("{:?}", d::RETRY_BACKOFF_BASE)),
        ("RETRY_BACKOFF_MAX", format!("{:?}", d::RETRY_BACKOFF_MAX)),
        ("RETRY_BUDGET_SHARE", d::RETRY_BUDGET_SHARE.to_string()),
        ("RETRY_BUDGET_PER_SECOND", d::RETRY_BUDGET_PER_SECOND.to_string()),
        ("RETRY_BUDGET_WINDOW", format!("{:?}", d::RETRY_BUDGET_WINDOW)),
        ("DRAIN", format!("{:?}", d::DRAIN)),
        ("FINISH", format!("{:?}", d::FINISH)),
        ("DEREGISTER_TIMEOUT", format!("{:?}", d::DEREGISTER_TIMEOUT)),
        ("WEIGHT", d::WEIGHT.to_string()),
        ("MAX_WEIGHT", d::MAX_WEIGHT.to_string()),
        ("MAX_ID_BYTES", d::MAX_ID_BYTES.to_string()),
        ("MAX_SERVICE_BYTES", d::MAX_SERVICE_BYTES.to_string()),
        ("MAX_VALUE_BYTES", d::MAX_VALUE_BYTES.to_string()),
        ("FILE_POLL", format!("{:?}", d::FILE_POLL)),
        ("MAX_FILE_BYTES", d::MAX_FILE_BYTES.to_string()),
        ("MAX_FILE_INSTANCES", d::MAX_FILE_INSTANCES.to_string()),
    ];
    for (name, value) in &rows {
        let row = format!("| `{name}` | {value} |");
        assert!(readme.contains(&row), "the README lacks {row:?}");
    }
    let shown = readme.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 4);
    let constant = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    for name in shown.filter_map(|line| line.split('`').nth(1)).filter(constant) {
        assert!(rows.iter().any(|(known, _)| *known == name), "the README shows {name:?}, which is not checked here");
    }
}
