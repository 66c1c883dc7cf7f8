//! Tickets, their notes, and the devices that they are about.

use super::{ChildDef, EntityDef, PLAIN};

/// `status` of a ticket that is done.
pub(crate) const COMPLETE: i64 = 5;

pub(super) const ENTITIES: &[EntityDef] = &[
    EntityDef {
        name: "Ticket",
        plural: "Tickets",
        first_id: 8_000,
        required: &["companyID", "priority", "status", "title", "dueDateTime"],
        lengths: &[("title", 255), ("description", 8_000), ("resolution", 32_000), ("externalID", 50)],
        picklists: &[
            ("status", "ticketStatus"),
            ("priority", "priority"),
            ("queueID", "queue"),
            ("source", "ticketSource"),
            ("ticketType", "ticketType"),
            ("ticketCategory", "ticketCategory"),
        ],
        references: &[
            ("companyID", "Companies"),
            ("contactID", "Contacts"),
            ("configurationItemID", "ConfigurationItems"),
            ("contractID", "Contracts"),
            ("assignedResourceID", "Resources"),
            ("creatorResourceID", "Resources"),
        ],
        not_queryable: &["creatorType", "lastActivityPersonType"],
        read_only: &[
            "ticketNumber",
            "createDate",
            "creatorResourceID",
            "creatorType",
            "completedDate",
            "completedByResourceID",
            "lastActivityDate",
            "lastActivityPersonType",
            "lastActivityResourceID",
            "lastTrackedModificationDateTime",
        ],
        udfs: &["Vendor Reference"],
        defaults: &[("ticketType", "1"), ("ticketCategory", "3"), ("creatorType", "1")],
        stamped: &["createDate"],
        touched: &["lastActivityDate", "lastTrackedModificationDateTime"],
        ..PLAIN
    },
    EntityDef {
        name: "TicketNote",
        plural: "TicketNotes",
        child: Some(ChildDef { parent: "Tickets", segment: "Notes", field: "ticketID" }),
        first_id: 29_685_200,
        required: &["ticketID", "description", "noteType", "publish"],
        lengths: &[("title", 250), ("description", 32_000)],
        picklists: &[("noteType", "noteType"), ("publish", "publish")],
        references: &[("ticketID", "Tickets"), ("creatorResourceID", "Resources")],
        read_only: &["createDateTime", "creatorResourceID", "lastActivityDate"],
        fixed: &["ticketID"],
        stamped: &["createDateTime"],
        touched: &["lastActivityDate"],
        ..PLAIN
    },
    EntityDef {
        name: "ConfigurationItem",
        plural: "ConfigurationItems",
        first_id: 29_683_900,
        required: &["companyID", "productID", "isActive"],
        lengths: &[("referenceTitle", 100), ("referenceNumber", 100), ("serialNumber", 100), ("location", 100)],
        picklists: &[
            ("configurationItemType", "configurationItemType"),
            ("configurationItemCategoryID", "configurationItemCategory"),
        ],
        references: &[
            ("companyID", "Companies"),
            ("contactID", "Contacts"),
            ("contractID", "Contracts"),
            ("contractServiceID", "ContractServices"),
            ("productID", "Products"),
        ],
        read_only: &[
            "createDate",
            "createdByPersonID",
            "lastActivityPersonID",
            "lastActivityPersonType",
            "lastModifiedTime",
        ],
        udfs: &["Asset Tag"],
        defaults: &[("isActive", "true"), ("configurationItemCategoryID", "1")],
        stamped: &["createDate"],
        touched: &["lastModifiedTime"],
        ..PLAIN
    },
];
