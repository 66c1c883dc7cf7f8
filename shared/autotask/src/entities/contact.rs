use super::Company;
use crate::entity::{child, create, entity, patch};
use crate::{DateValue, Id};

entity! {
    /// A person at a company.
    Contact at "Contacts",
        read &["id", "companyID", "firstName", "lastName", "emailAddress", "isActive", "primaryContact"],
        query true, create false, patch false,
        never filtered &["isOptedOutFromBulkEmail", "solicitationOptOut", "surveyOptOut"];
    /// The company; fixed once created.
    company_id "companyID" Id<Company>,
    /// First name.
    first_name "firstName" String,
    /// Last name.
    last_name "lastName" String,
    /// Job title.
    title "title" String,
    /// E-mail address.
    email_address "emailAddress" String,
    /// Second e-mail address.
    email_address2 "emailAddress2" String,
    /// Third e-mail address.
    email_address3 "emailAddress3" String,
    /// 1 or 0: a number here, and only here. A boolean in a filter or body is refused.
    is_active "isActive" i64,
    /// Whether it is the company's primary contact.
    primary_contact "primaryContact" bool,
    /// Phone.
    phone "phone" String,
    /// Mobile phone.
    mobile_phone "mobilePhone" String,
    /// The company's location.
    company_location_id "companyLocationID" i64,
    /// An outside system's id, at most 50 characters.
    external_id "externalID" String,
    /// When it was created.
    create_date "createDate" DateValue,
    /// Last change: for polling.
    last_modified_date "lastModifiedDate" DateValue,
    /// Last activity.
    last_activity_date "lastActivityDate" DateValue,
    + user_defined_fields "userDefinedFields"
}

impl Contact {
    /// What a copy of a customer needs of its people, besides [`Self::READ_FIELDS`]. A user-defined field is read
    /// by including its own name as well.
    pub const CUSTOMER_FIELDS: &'static [&'static str] = &[
        "id",
        "companyID",
        "firstName",
        "lastName",
        "title",
        "emailAddress",
        "emailAddress2",
        "emailAddress3",
        "phone",
        "mobilePhone",
        "isActive",
        "primaryContact",
        "lastModifiedDate",
        "lastActivityDate",
    ];
}

child!(Contact under Company at "Contacts", create true, patch true, delete true);

create! {
    /// A new contact, created under its company.
    NewContact creates Contact;
    required {
        /// The company, also in the body.
        company_id "companyID" Id<Company>,
        /// First name.
        first_name "firstName" String,
        /// Last name.
        last_name "lastName" String,
        /// 1 or 0.
        is_active "isActive" i64,
    }
    optional {
        /// E-mail address, at most 254 characters.
        email_address "emailAddress" String,
        /// Job title, at most 50 characters.
        title "title" String,
        /// Phone, at most 25 characters.
        phone "phone" String,
        /// Mobile phone.
        mobile_phone "mobilePhone" String,
        /// Whether it is the company's primary contact.
        primary_contact "primaryContact" bool,
        /// An outside system's id, at most 50 characters.
        external_id "externalID" String,
    }
    + user_defined_fields "userDefinedFields"
}

patch! {
    /// Changes to a contact.
    ContactPatch changes Contact;
    /// First name.
    first_name "firstName" String,
    /// Last name.
    last_name "lastName" String,
    /// E-mail address.
    email_address "emailAddress" String,
    /// 1 or 0.
    is_active "isActive" i64,
    /// Whether it is the company's primary contact.
    primary_contact "primaryContact" bool,
    /// Phone.
    phone "phone" String,
    /// Job title.
    title "title" String,
    /// An outside system's id.
    external_id "externalID" String,
    + user_defined_fields "userDefinedFields"
}
