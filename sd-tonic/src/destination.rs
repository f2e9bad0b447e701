//! Where and how an instance wants to be called: its address and its metadata.

use std::sync::Arc;

use http::uri::{Authority, Scheme};
use sd_core::{Error, Instance};

use crate::connector::Security;

/// The metadata that names the `:authority` of an instance's calls, and the name on its certificate.
const AUTHORITY: &str = "authority";
/// The metadata that asks for TLS: `true` or `false`.
const TLS: &str = "tls";

/// Where and how an instance is called.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) security: Option<Arc<dyn Security>>,
}

impl Destination {
    /// What the instance asks for, within what the channel allows.
    ///
    /// # Errors
    /// `Config`: an address that gRPC can't call, metadata of another form, TLS that is asked for and not set up, or
    /// refused where the channel demands it.
    pub(crate) fn of(
        instance: &Instance,
        channels_authority: Option<&Authority>,
        offered: Option<&(Arc<dyn Security>, bool)>,
    ) -> Result<Self, Error> {
        let refused = |what: String| Error::config(format!("instance {:?}: {what}", instance.id()));
        let address = instance.address();
        let url_scheme = address.as_url().map(|url| url.split("://").next().unwrap_or_default());
        let url_rest = address.as_url().and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
        if let Some((_, path)) = url_rest.and_then(|rest| rest.split_once('/'))
            && !path.is_empty()
        {
            return Err(refused(format!("its URL has the path /{path}; gRPC has none: write host:port")));
        }
        let metadata = instance.metadata();
        let said = match (metadata.get(TLS).map(String::as_str), url_scheme) {
            (Some("true"), _) | (None, Some("https")) => Some(true),
            (Some("false"), _) | (None, Some("http")) => Some(false),
            (None, None) => None,
            (None, Some(other)) => {
                return Err(refused(format!("{other}:// can't be called; allowed are http and https")));
            }
            (Some(other), _) => return Err(refused(format!("metadata tls={other:?}: allowed are true and false"))),
        };
        let security = match (offered, said) {
            (Some((_, true)), Some(false)) => {
                return Err(refused("it asks to be called without TLS, and this channel demands TLS".to_owned()));
            }
            (Some((security, true)), _) | (Some((security, false)), Some(true)) => Some(Arc::clone(security)),
            (None, Some(true)) => {
                return Err(refused("it asks for TLS, and this channel has none set up: Connector::tls".to_owned()));
            }
            (_, _) => None,
        };
        let text = metadata.get(AUTHORITY).cloned();
        let authority = match (text, channels_authority) {
            (Some(text), _) => Authority::try_from(text.as_str())
                .ok()
                .filter(|authority| !authority.as_str().contains('@'))
                .ok_or_else(|| refused(format!("metadata authority={text:?}: allowed is host or host:port")))?,
            (None, Some(authority)) => authority.clone(),
            (None, None) => Authority::try_from(address.authority())
                .map_err(|error| refused("its address is no authority".to_owned()).with_source(error))?,
        };
        let port = address.port().ok_or_else(|| refused("its address has no port".to_owned()))?;
        let scheme = if security.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        Ok(Self { host: address.host(), port, scheme, authority, security })
    }
}

#[cfg(test)]
#[path = "destination_tests.rs"]
mod tests;
