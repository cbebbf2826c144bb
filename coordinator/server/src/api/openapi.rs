//! What the API is, in its own words: OpenAPI 3.1.

use axum::Json;
use proto::api::{JobAnswer, JobEvent, JobReport, JobsPage, ManifestLine, Problem, Submission, Submitted};
use proto::timeline::Timeline;
use proto::view::{JobView, NodeView};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{Modify, OpenApi};

use super::{events, health, jobs, nodes, report, submit};

/// The description.
pub(crate) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(description())
}

/// What is checked in as `docs/openapi.json`.
#[must_use]
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "zipfleet",
        description = "Has a fleet turn objects in S3 into one ZIP archive in S3. docs/api.md is the walkthrough."
    ),
    paths(
        submit::submit,
        jobs::list,
        jobs::one,
        jobs::cancel,
        events::events,
        report::report,
        report::timeline,
        nodes::list,
        nodes::drain,
        health::health,
        health::readiness,
    ),
    components(schemas(
        JobAnswer,
        JobEvent,
        JobReport,
        JobsPage,
        JobView,
        ManifestLine,
        NodeView,
        Problem,
        Submission,
        Submitted,
        Timeline
    )),
    modifiers(&Bearer, &Names)
)]
struct Description;

/// How a token is sent, where tokens are asked for.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let scheme = scheme.description(Some("Needed when the coordinator runs with --tokens."));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// Names what the variants of enums hold: generators of clients stumble over what has no name.
struct Names;

impl Modify for Names {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        let mut named = Vec::new();
        for (name, schema) in &mut components.schemas {
            let RefOr::T(Schema::OneOf(one_of)) = schema else { continue };
            for variant in &mut one_of.items {
                let RefOr::T(Schema::Object(variant)) = variant else { continue };
                for (property, content) in &mut variant.properties {
                    let is_nameless =
                        matches!(content, RefOr::T(Schema::Object(object)) if !object.properties.is_empty());
                    if is_nameless {
                        let name = format!("{name}_{property}");
                        let reference = RefOr::Ref(Ref::from_schema_name(&name));
                        named.push((name, std::mem::replace(content, reference)));
                    }
                }
            }
        }
        components.schemas.extend(named);
    }
}
