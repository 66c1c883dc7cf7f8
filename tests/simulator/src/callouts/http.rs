//! Callouts over the network.

use std::net::IpAddr;

use async_trait::async_trait;
use url::{Host, Url};

use super::deliver::{Delivery, Outbound};

/// Where callouts may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this machine only; others count as not there.
    Loopback,
    /// To wherever a webhook says.
    Anywhere,
}

/// Posts callouts over HTTP: no redirects, no proxy, no retries, a fresh connection each.
#[derive(Clone, Debug)]
pub struct HttpOutbound {
    client: reqwest::Client,
    reach: Reach,
}

impl HttpOutbound {
    /// A way out that reaches so far.
    ///
    /// # Errors
    /// If the machine has no root certificates.
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        // Fails only when the process has a provider already, which then is the one used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .build()?;
        Ok(Self { client, reach })
    }

    fn may_go_to(&self, url: &Url) -> bool {
        self.reach == Reach::Anywhere
            || match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
                Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
                None => false,
            }
    }
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn post(&self, callout: &Delivery) -> Result<u16, String> {
        let url: Url = callout.url.parse().map_err(|error| format!("The URL cannot be used: {error}."))?;
        if !self.may_go_to(&url) {
            return Err("This simulator calls out to its own machine only.".to_owned());
        }
        let mut request = self.client.post(url).body(callout.body.clone());
        for (name, value) in &callout.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|error| {
            let error = error.without_url();
            let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
            let causes: String = causes.map(|cause| format!(": {cause}")).collect();
            format!("Unable to connect to the remote server: {error}{causes}")
        })?;
        Ok(answer.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_way_out_to_this_machine_leads_nowhere_else() {
        let near = HttpOutbound::new(Reach::Loopback).unwrap();
        let far = HttpOutbound { reach: Reach::Anywhere, ..near.clone() };
        for (url, is_here) in [
            ("http://127.0.0.1:9400/hooks", true),
            ("http://127.8.8.8/", true),
            ("http://localhost:9400/", true),
            ("http://[::1]:9400/", true),
            ("http://localhost.example/", false),
            ("https://hooks.example/", false),
            ("http://10.0.0.1/", false),
            ("http://0.0.0.0/", false),
        ] {
            assert_eq!(near.may_go_to(&url.parse().unwrap()), is_here, "{url}");
            assert!(far.may_go_to(&url.parse().unwrap()), "{url}");
        }
    }
}
