//! Who calls: from the claims that API Gateway's JWT authorizer has verified.

use super::error::ApiError;
use super::headers::RequestId;
use crate::app::{App, EdgeConfig};
use axum::extract::FromRequestParts;
use domain::{Actor, Code, Error, PartnerId, Problem, Role, Scope};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName};
use lambda_http::request::RequestContext;
use std::collections::HashMap;

/// Names the partner of a call by a vendor role or the vendor's back end.
pub const PARTNER_HEADER: HeaderName = HeaderName::from_static("x-partner-id");

/// Roles that may look: everybody who has one. The same for every function, so that it stands here.
pub const READERS: &[Role] = &[
    Role::PartnerAdmin,
    Role::PartnerBilling,
    Role::PartnerViewer,
    Role::VendorSupport,
    Role::VendorAdmin,
    Role::Service,
];

/// The caller of a request. A handler that takes one is closed to anybody without proper claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    actor: Actor,
    partner: Option<PartnerId>,
    main_account: bool,
}

impl Caller {
    /// Who, for the audit trail.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.actor.role
    }

    /// Whether the token is of the partner's main account.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.main_account
    }

    /// Goes on only with one of these roles.
    ///
    /// # Errors
    /// `forbidden_role`, naming who may.
    pub fn require(&self, roles: &[Role]) -> Result<(), ApiError> {
        if roles.contains(&self.role()) {
            return Ok(());
        }
        let may: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let detail = format!("This takes the role {}; yours is {}.", may.join(" or "), self.role().as_str());
        Err(Error::problem(Code::ForbiddenRole, detail).into())
    }

    /// Goes on only for a partner's main account; vendor roles pass.
    ///
    /// # Errors
    /// `not_main_account`.
    pub fn require_main(&self) -> Result<(), ApiError> {
        if self.role().is_partner() && !self.main_account {
            return Err(Problem::new(Code::NotMainAccount, "").into());
        }
        Ok(())
    }

    /// The partner that the call is about: a partner role's own, or the one a vendor role names.
    ///
    /// # Errors
    /// `invalid_input` where a vendor role names none.
    pub fn partner(&self) -> Result<&PartnerId, ApiError> {
        self.partner
            .as_ref()
            .ok_or_else(|| Problem::field("X-Partner-Id", "must name the partner for your role").into())
    }

    /// The partner, where there is one.
    #[must_use]
    pub fn partner_if_named(&self) -> Option<&PartnerId> {
        self.partner.as_ref()
    }

    /// The scope of [`Caller::partner`], whatever the role.
    ///
    /// # Errors
    /// As [`Caller::partner`].
    pub fn scope(&self) -> Result<Scope, ApiError> {
        Ok(Scope::Partner(self.partner()?.clone()))
    }

    /// The scope over all partners, for vendor roles and the vendor's back end.
    ///
    /// # Errors
    /// `forbidden_role` for partner roles.
    #[allow(clippy::disallowed_methods, reason = "the only way for a route to reach beyond one partner")]
    pub fn system_scope(&self) -> Result<Scope, ApiError> {
        self.require(&[Role::VendorSupport, Role::VendorAdmin, Role::Service])?;
        Ok(Scope::system("a vendor role"))
    }

    pub(super) fn of(edge: &EdgeConfig, headers: &HeaderMap, extensions: &Extensions) -> Result<Self, ApiError> {
        let claims = claims(extensions).ok_or_else(|| no_claim("any claim"))?;
        let role = claims.get(&edge.claims.role).and_then(|text| caller_role(text));
        let role = role.ok_or_else(|| no_claim(&edge.claims.role))?;
        let who = claims.get("sub").filter(|sub| !sub.is_empty()).ok_or_else(|| no_claim("sub"))?;
        let request_id = extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let partner = if role.is_partner() {
            let own = claims.get(&edge.claims.partner_id).and_then(|text| PartnerId::new(text.as_str()).ok());
            Some(own_partner(own.ok_or_else(|| no_claim(&edge.claims.partner_id))?, headers)?)
        } else {
            named_partner(headers)?
        };
        let main_account = claims.get(&edge.claims.main_account).is_some_and(|text| text == "true");
        Ok(Self { actor: Actor { who: who.clone(), role, request_id, reason: None }, partner, main_account })
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Self::of(&app.edge, &parts.headers, &parts.extensions)
    }
}

fn claims(extensions: &Extensions) -> Option<&HashMap<String, String>> {
    match extensions.get::<RequestContext>()? {
        RequestContext::ApiGatewayV2(context) => Some(&context.authorizer.as_ref()?.jwt.as_ref()?.claims),
        _ => None,
    }
}

/// `system` is ours alone: no token can carry it.
fn caller_role(text: &str) -> Option<Role> {
    const CALLERS: &[Role] = &[
        Role::PartnerAdmin,
        Role::PartnerBilling,
        Role::PartnerViewer,
        Role::VendorSupport,
        Role::VendorAdmin,
        Role::Service,
    ];
    CALLERS.iter().copied().find(|role| role.as_str() == text)
}

/// A partner role may repeat its own partner; another one is as if it did not exist.
fn own_partner(own: PartnerId, headers: &HeaderMap) -> Result<PartnerId, ApiError> {
    let foreign = headers.get_all(PARTNER_HEADER).iter().any(|value| value.as_bytes() != own.as_str().as_bytes());
    if foreign { Err(Error::not_found("partner").into()) } else { Ok(own) }
}

fn named_partner(headers: &HeaderMap) -> Result<Option<PartnerId>, ApiError> {
    let mut named = headers.get_all(PARTNER_HEADER).iter();
    let Some(value) = named.next() else { return Ok(None) };
    if named.next().is_some() {
        return Err(Problem::field("X-Partner-Id", "must stand once").into());
    }
    let partner = PartnerId::new(value.to_str().unwrap_or_default());
    partner.map(Some).map_err(|rule| Problem::field("X-Partner-Id", rule.to_string()).into())
}

fn no_claim(name: &str) -> ApiError {
    Error::problem(Code::ForbiddenRole, format!("The token lacks `{name}`, or its value is not one we know.")).into()
}
