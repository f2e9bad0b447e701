//! Bad input is an error at once, and nothing was written.

use sd_core::{ErrorKind, Registration, ServiceName};

use crate::environment::{ConnectOptions, Environment};
use crate::samples::{instance, random_service};
use crate::waiting::{soon, until_ids};

/// Both forms of registering refuse it, by name, and the registry stays as it was.
async fn is_refused(env: &dyn Environment, registration: Registration, named: &str) {
    let registry = env.connect(&ConnectOptions::default());
    let before = soon("services", registry.services()).await.unwrap();
    let error = soon("register", registry.register(registration.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains(named), "{error} does not name {named}");
    assert!(!error.is_retryable(), "{error}");
    let error = registry.register_in_background(registration).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert_eq!(soon("services", registry.services()).await.unwrap(), before, "something was written");
}

async fn nobody_serves(env: &dyn Environment, service: &ServiceName) {
    let mut subscription = env.connect(&ConnectOptions::default()).subscribe(service);
    until_ids("nothing was written", &mut subscription, &[]).await;
}

/// Empty, with slashes, blanks, dots alone, too long.
pub async fn a_bad_service_name_is_an_error_and_nothing_is_written(env: &dyn Environment) {
    let long = "x".repeat(129);
    for bad in ["", "a/b", "a b", "..", ".", "ä", "a\n", "%41", &long] {
        is_refused(env, Registration::new(bad, instance("a", 1000)), &format!("{bad:?}")).await;
    }
}

/// Empty, with slashes or control characters, too long.
pub async fn a_bad_id_is_an_error_and_nothing_is_written(env: &dyn Environment) {
    let service = random_service();
    let long = "x".repeat(257);
    for bad in ["", "a/b", "/", "a\nb", "\0", &long] {
        is_refused(env, Registration::new(service.as_str(), instance(bad, 1000)), &format!("{bad:?}")).await;
    }
    nobody_serves(env, &service).await;
}

/// The port that was asked for, not the one that was bound.
pub async fn port_zero_is_an_error_and_nothing_is_written(env: &dyn Environment) {
    let service = random_service();
    is_refused(env, Registration::new(service.as_str(), instance("a", 0)), "port 0").await;
    is_refused(env, Registration::new(service.as_str(), instance("a", 1).with_port("metrics", 0)), "port 0").await;
    nobody_serves(env, &service).await;
}

/// Above what every registry can carry.
pub async fn a_bad_weight_is_an_error_and_nothing_is_written(env: &dyn Environment) {
    let service = random_service();
    is_refused(env, Registration::new(service.as_str(), instance("a", 1000).with_weight(65_536)), "65536").await;
    nobody_serves(env, &service).await;
}
