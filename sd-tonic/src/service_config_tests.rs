//! Tests of service configs.

use std::time::Duration;

use super::*;
use crate::method_config::RetryRule;
use tonic::Code;

fn read(json: &str) -> ServiceConfig {
    ServiceConfig::from_json(json).unwrap()
}

fn refused(json: &str) -> String {
    ServiceConfig::from_json(json).unwrap_err().to_string()
}

fn policy(json: &str) -> String {
    format!("{:?}", read(json).balancer)
}

#[test]
fn the_articles_old_form_and_the_present_one_name_a_policy() {
    assert!(policy(r#"{"LoadBalancingPolicy": "round_robin"}"#).contains("RoundRobin"));
    assert!(policy(r#"{"loadBalancingPolicy": "random"}"#).contains("Random"));
    assert!(policy(r#"{"loadBalancingConfig": [{"random": {}}, {"round_robin": {}}]}"#).contains("Random"));
    assert!(policy(r#"{"loadBalancingConfig": [{"of_the_future": {"x": 1}}, {"round_robin": {}}]}"#).contains("Robin"));
    assert_eq!(policy("{}"), "None");
    let policies = Policies::default().with("mine", sd_lb::Random::new);
    ServiceConfig::from_json_with(r#"{"loadBalancingPolicy": "mine"}"#, &policies).unwrap();
}

#[test]
fn a_policy_that_nobody_knows_is_named_beside_the_known() {
    for json in [r#"{"LoadBalancingPolicy": "round_robbin"}"#, r#"{"loadBalancingConfig": [{"round_robbin": {}}]}"#] {
        let error = refused(json);
        assert!(error.contains("round_robbin") && error.contains("random, round_robin"), "{error}");
    }
    assert!(refused(r#"{"loadBalancingConfig": [{"round_robin": {"x": 1}}]}"#).contains("no field x"));
    assert!(refused(r#"{"loadBalancingConfig": [{"round_robin": {}, "random": {}}]}"#).contains("one policy"));
    assert!(refused(r#"{"loadBalancingConfig": [], "loadBalancingPolicy": "random"}"#).contains("both"));
}

#[test]
fn methods_are_found_by_name_service_and_default() {
    let config = read(
        r#"{"methodConfig": [
            {"name": [{}], "timeout": "1s"},
            {"name": [{"service": "a.B"}, {"service": "a.C", "method": ""}], "timeout": "2s", "waitForReady": true},
            {"name": [{"service": "a.B", "method": "D"}], "timeout": "0.003s"}
        ]}"#,
    );
    let timeout = |path: &str| config.of(path).and_then(|config| config.timeout).map(|timeout| timeout.as_millis());
    assert_eq!(timeout("/a.B/D"), Some(3));
    assert_eq!(timeout("/a.B/E"), Some(2000));
    assert_eq!(timeout("/a.C/D"), Some(2000));
    assert_eq!(timeout("/a.X/D"), Some(1000));
    assert_eq!(timeout("nonsense"), Some(1000));
    assert_eq!(config.of("/a.B/E").unwrap().wait_for_ready, Some(true));
    assert_eq!(ServiceConfig::new().of("/a.B/D"), None);
}

#[test]
fn a_retry_policy_is_read_whole_and_is_the_one_that_is_written_in_rust() {
    let config = read(
        r#"{"methodConfig": [{"name": [{"service": "a.B"}], "retryPolicy": {
            "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 1.5,
            "retryableStatusCodes": ["UNAVAILABLE", 8], "perAttemptRecvTimeout": "2s"
        }}], "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}"#,
    );
    let rule = RetryRule::attempts(4)
        .codes([Code::Unavailable, Code::ResourceExhausted])
        .pauses(Duration::from_millis(100), Duration::from_secs(1), 1.5)
        .per_attempt(Duration::from_secs(2));
    assert_eq!(config.of("/a.B/C").unwrap(), &MethodConfig::new().retry(rule));
    assert!(config.throttle.is_some());
}

#[test]
fn an_unknown_field_is_an_error_wherever_it_stands() {
    for (json, field) in [
        (r#"{"methodConfigs": []}"#, "methodConfigs"),
        (r#"{"healthCheckConfig": {}}"#, "healthCheckConfig"),
        (r#"{"methodConfig": [{"name": [], "timeOut": "1s"}]}"#, "timeOut"),
        (r#"{"methodConfig": [{"name": [{"servise": "a"}]}]}"#, "servise"),
        (r#"{"methodConfig": [{"name": [], "hedgingPolicy": {}}]}"#, "hedgingPolicy"),
        (r#"{"methodConfig": [{"name": [], "retryPolicy": {"maxAttempt": 3}}]}"#, "maxAttempt"),
        (r#"{"retryThrottling": {"maxTokens": 1, "tokenRatio": 1, "x": 1}}"#, "x"),
    ] {
        let error = refused(json);
        assert!(error.contains(&format!("unknown field `{field}`")) && error.contains("line 1"), "{error}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let retry = |attempts: &str, pause: &str, codes: &str| {
        format!(
            r#"{{"methodConfig": [{{"name": [{{"service": "a.B"}}], "retryPolicy": {{"maxAttempts": {attempts},
            "initialBackoff": "{pause}", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": {codes}}}}}]}}"#
        )
    };
    read(&retry("3", "1s", "[14]"));
    for (json, what) in [
        (retry("1", "1s", "[14]"), "/a.B/: 1 attempts"),
        (retry("3", "0s", "[14]"), "pause of 0"),
        (retry("3", "1", "[14]"), "1.5s"),
        (retry("3", "-1s", "[14]"), "1.5s"),
        (retry("3", "1.0000000001s", "[14]"), "1.5s"),
        (retry("3", "1s", "[]"), "one or more"),
        (retry("3", "1s", "[0]"), "1 to 16"),
        (retry("3", "1s", r#"["unavailable"]"#), "UNAVAILABLE"),
        (r#"{"methodConfig": [{"name": [{"method": "C"}]}]}"#.to_owned(), "without its service"),
        (r#"{"methodConfig": [{"name": [{}]}, {"name": [{}]}]}"#.to_owned(), "twice"),
        (r#"{"methodConfig": [{"name": [{}], "timeout": "0s"}]}"#.to_owned(), "all methods: a timeout of 0"),
        (r#"{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}"#.to_owned(), "maxTokens"),
        ("{".to_owned(), "EOF"),
    ] {
        let error = refused(&json);
        assert!(error.contains(what) && error.contains("service config"), "{what}: {error}");
    }
}
