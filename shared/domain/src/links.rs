//! Deep links into Autotask's web interface: `ExecuteCommand`, for what it has a command for. There is none for
//! invoices, products and contract lines; of those the company or the contract is linked.

/// Something that Autotask can open by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InAutotask {
    /// `Companies.id`.
    Company(i64),
    /// `Contacts.id`.
    Contact(i64),
    /// `Contracts.id`.
    Contract(i64),
    /// `Tickets.id`.
    Ticket(i64),
    /// `Opportunities.id`.
    Opportunity(i64),
    /// `Quotes.id`.
    Quote(i64),
    /// `Projects.id`.
    Project(i64),
}

impl InAutotask {
    /// Its kind, as in our API.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            InAutotask::Company(_) => "company",
            InAutotask::Contact(_) => "contact",
            InAutotask::Contract(_) => "contract",
            InAutotask::Ticket(_) => "ticket",
            InAutotask::Opportunity(_) => "opportunity",
            InAutotask::Quote(_) => "quote",
            InAutotask::Project(_) => "project",
        }
    }

    /// Its id there.
    #[must_use]
    pub fn id(self) -> i64 {
        match self {
            InAutotask::Company(id)
            | InAutotask::Contact(id)
            | InAutotask::Contract(id)
            | InAutotask::Ticket(id)
            | InAutotask::Opportunity(id)
            | InAutotask::Quote(id)
            | InAutotask::Project(id) => id,
        }
    }

    /// The address that opens it, for somebody who is logged in there. `web_url` is the base that the zone names.
    #[must_use]
    pub fn url(self, web_url: &str) -> String {
        let (command, parameter) = match self {
            InAutotask::Company(_) => ("OpenAccount", "AccountID"),
            InAutotask::Contact(_) => ("OpenContact", "ContactID"),
            InAutotask::Contract(_) => ("OpenContract", "ContractID"),
            InAutotask::Ticket(_) => ("OpenTicketDetail", "TicketID"),
            InAutotask::Opportunity(_) => ("OpenOpportunity", "OpportunityID"),
            InAutotask::Quote(_) => ("OpenQuote", "ID"),
            InAutotask::Project(_) => ("OpenProject", "ProjectID"),
        };
        let (base, id) = (web_url.trim_end_matches('/'), self.id());
        format!("{base}/Autotask/AutotaskExtend/ExecuteCommand.aspx?Code={command}&{parameter}={id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_command_and_the_zones_base_its_slash_or_not() {
        let base = "Autotask/AutotaskExtend/ExecuteCommand.aspx?Code=";
        for (what, tail) in [
            (InAutotask::Company(7), "OpenAccount&AccountID=7"),
            (InAutotask::Contact(7), "OpenContact&ContactID=7"),
            (InAutotask::Contract(7), "OpenContract&ContractID=7"),
            (InAutotask::Ticket(7), "OpenTicketDetail&TicketID=7"),
            (InAutotask::Opportunity(7), "OpenOpportunity&OpportunityID=7"),
            (InAutotask::Quote(7), "OpenQuote&ID=7"),
            (InAutotask::Project(7), "OpenProject&ProjectID=7"),
        ] {
            for web_url in ["https://ww5.autotask.net/", "https://ww5.autotask.net"] {
                assert_eq!(what.url(web_url), format!("https://ww5.autotask.net/{base}{tail}"));
            }
        }
    }
}
