//! What lies in a fresh folder: the demo's MSP in the simulated Autotask.

use super::state::World;
use crate::gateway::event::HttpRequest;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use simulator::seed::{DemoMsp, demo_msp};
use simulator::{DatabaseSpec, SimulatorError};

/// How the demo's MSP logs in.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// The API user.
    pub username: String,
    /// Its secret: of a simulated user, so that it may be shown.
    pub secret: String,
    /// The vendor's integration code.
    pub integration_code: String,
    /// The database's number.
    pub ci: u64,
}

const USERNAME: &str = "api@demo-msp.example";
const SECRET: &str = "demo-secret";
const INTEGRATION_CODE: &str = "DEMOINTEGRATIONCODE00000000";

impl World {
    /// Fills the simulated Autotask with the demo's MSP, unless it is there. Returns its login, and what was made
    /// where it was made just now. `None` with another Autotask.
    ///
    /// # Errors
    /// The simulator refuses.
    pub fn seed_once(&self) -> Result<Option<(Login, Option<DemoMsp>)>, SimulatorError> {
        let Some(simulator) = &self.simulator else { return Ok(None) };
        let login = |ci| Login {
            username: USERNAME.to_owned(),
            secret: SECRET.to_owned(),
            integration_code: INTEGRATION_CODE.to_owned(),
            ci,
        };
        if let Some(database) = simulator.database_of(USERNAME) {
            return Ok(Some((login(database.ci), None)));
        }
        tracing::info!(username = USERNAME, "filling the simulated Autotask with the demo's MSP");
        let database = simulator.add_database(DatabaseSpec::new(USERNAME, SECRET, INTEGRATION_CODE))?;
        let made = demo_msp(simulator, database.ci, simulator.today())?;
        Ok(Some((login(database.ci), Some(made))))
    }

    /// Sets the vendor's profile as its administrator would, so that partners can connect, unless there is one.
    ///
    /// # Errors
    /// What the API answered instead of 200.
    pub async fn introduce_vendor(&self, login: &Login) -> Result<(), String> {
        if self.profile("GET", &[]).await.status() != StatusCode::NOT_FOUND {
            return Ok(());
        }
        let body = json!({
            "integration_vendor": "Sentinel Awareness",
            "integration_code": login.integration_code,
            "support_address": "support@sentinelawareness.example",
        })
        .to_string();
        let answer = self.profile("PUT", body.as_bytes()).await;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(answer.body()).into_owned())
    }

    async fn profile(&self, method: &str, body: &[u8]) -> http::Response<Bytes> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = HttpRequest { method, path: "/v1/vendor/profile", query: "", headers: &headers, body };
        let claims = Map::from_iter([
            ("sub".to_owned(), Value::from("local")),
            ("role".to_owned(), Value::from("vendor_admin")),
        ]);
        self.bundle.api(&request, Some(&claims)).await
    }
}
