use super::{Company, ConfigurationItem, Contact, Contract};
use crate::entity::{child, create, entity, patch};
use crate::{DateValue, Id};

entity! {
    /// A service ticket. Autotask deletes none over the API.
    Ticket at "Tickets",
        read &[
            "id", "ticketNumber", "title", "companyID", "contactID", "configurationItemID", "contractID", "status",
            "priority", "queueID", "ticketType", "ticketCategory", "issueType", "subIssueType", "source", "externalID",
            "assignedResourceID", "createDate", "dueDateTime", "completedDate", "lastActivityDate",
            "lastTrackedModificationDateTime",
        ],
        query true, create true, patch true,
        never filtered &["creatorType", "lastActivityPersonType"];
    /// Its number, such as `T20261120.0001`.
    ticket_number "ticketNumber" String,
    /// Title.
    title "title" String,
    /// What it is about, up to 8,000 characters of what people wrote: not among [`Self::READ_FIELDS`].
    description "description" String,
    /// Whose it is.
    company_id "companyID" Id<Company>,
    /// The company's person.
    contact_id "contactID" Id<Contact>,
    /// The device.
    configuration_item_id "configurationItemID" Id<ConfigurationItem>,
    /// The contract that it is billed on.
    contract_id "contractID" Id<Contract>,
    /// Status, a picklist; 5 is complete in every database.
    status "status" i64,
    /// Priority, a picklist.
    priority "priority" i64,
    /// Queue, a picklist.
    queue_id "queueID" i64,
    /// Incident, problem, request, a picklist.
    ticket_type "ticketType" i64,
    /// Category, a picklist.
    ticket_category "ticketCategory" i64,
    /// Issue type, a picklist.
    issue_type "issueType" i64,
    /// Sub-issue type, a picklist.
    sub_issue_type "subIssueType" i64,
    /// Where it came from, a picklist.
    source "source" i64,
    /// The number that another system has for it.
    external_id "externalID" String,
    /// Who works on it, a resource.
    assigned_resource_id "assignedResourceID" i64,
    /// Who made it, a resource.
    creator_resource_id "creatorResourceID" i64,
    /// When it was made.
    create_date "createDate" DateValue,
    /// By when it is to be done.
    due_date_time "dueDateTime" DateValue,
    /// When it was completed.
    completed_date "completedDate" DateValue,
    /// Last activity: for polling.
    last_activity_date "lastActivityDate" DateValue,
    /// Last change of a tracked field: for polling.
    last_tracked_modification_date_time "lastTrackedModificationDateTime" DateValue,
}

create! {
    /// A new ticket. Most databases also demand a queue and a due date.
    NewTicket creates Ticket;
    required {
        /// Whose it is.
        company_id "companyID" Id<Company>,
        /// Title, at most 255 characters.
        title "title" String,
        /// Status, a picklist.
        status "status" i64,
        /// Priority, a picklist.
        priority "priority" i64,
    }
    optional {
        /// What it is about, at most 8,000 characters.
        description "description" String,
        /// Queue, a picklist.
        queue_id "queueID" i64,
        /// By when it is to be done.
        due_date_time "dueDateTime" DateValue,
        /// Where it came from, a picklist.
        source "source" i64,
        /// Incident, problem, request, a picklist.
        ticket_type "ticketType" i64,
        /// Category, a picklist.
        ticket_category "ticketCategory" i64,
        /// Issue type, a picklist.
        issue_type "issueType" i64,
        /// Sub-issue type, a picklist.
        sub_issue_type "subIssueType" i64,
        /// The company's person.
        contact_id "contactID" Id<Contact>,
        /// The contract that it is billed on.
        contract_id "contractID" Id<Contract>,
        /// The number that another system has for it, at most 50 characters: what a lost create is looked for by.
        external_id "externalID" String,
    }
}

patch! {
    /// Changes to a ticket.
    TicketPatch changes Ticket;
    /// Title.
    title "title" String,
    /// What it is about.
    description "description" String,
    /// Status.
    status "status" i64,
    /// Priority.
    priority "priority" i64,
    /// Queue.
    queue_id "queueID" i64,
    /// By when it is to be done.
    due_date_time "dueDateTime" DateValue,
    /// Where it came from.
    source "source" i64,
    /// Incident, problem, request.
    ticket_type "ticketType" i64,
    /// How it was solved, at most 32,000 characters.
    resolution "resolution" String,
    /// The number that another system has for it.
    external_id "externalID" String,
}

entity! {
    /// A note on a ticket.
    TicketNote at "TicketNotes",
        read &[
            "id", "ticketID", "title", "noteType", "publish", "creatorResourceID", "createDateTime", "lastActivityDate",
        ],
        query true, create false, patch false;
    /// The ticket.
    ticket_id "ticketID" Id<Ticket>,
    /// Title.
    title "title" String,
    /// What people wrote: not among [`Self::READ_FIELDS`].
    description "description" String,
    /// Kind, a picklist.
    note_type "noteType" i64,
    /// Who sees it, a picklist.
    publish "publish" i64,
    /// Who made it, a resource.
    creator_resource_id "creatorResourceID" i64,
    /// When it was made.
    create_date_time "createDateTime" DateValue,
    /// Last change.
    last_activity_date "lastActivityDate" DateValue,
}

child!(TicketNote under Ticket at "Notes", create true, patch true, delete false);

create! {
    /// A new note on a ticket.
    NewTicketNote creates TicketNote;
    required {
        /// The ticket, also in the body.
        ticket_id "ticketID" Id<Ticket>,
        /// Text, at most 32,000 characters.
        description "description" String,
        /// Kind, a picklist.
        note_type "noteType" i64,
        /// Who sees it, a picklist.
        publish "publish" i64,
    }
    optional {
        /// Title, at most 250 characters. Some ticket categories demand one.
        title "title" String,
    }
}
