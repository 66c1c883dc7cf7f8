//! What lies in a fresh folder: the demo's MSP in the simulated Autotask.

use super::state::World;
use serde::Serialize;
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
        let database = simulator.add_database(DatabaseSpec::new(USERNAME, SECRET, INTEGRATION_CODE))?;
        let made = demo_msp(simulator, database.ci, simulator.today())?;
        Ok(Some((login(database.ci), Some(made))))
    }
}
