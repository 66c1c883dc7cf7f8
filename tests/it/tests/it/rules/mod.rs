//! The rules of package billing as they show through the routes: daily counts, settings, schedules.

mod daily_counts;
mod schedules;
mod settings;

use domain::Role;
use testkit::{Api, World};

fn admin(world: &World) -> Api<'_> {
    world.api(Role::PartnerAdmin)
}
