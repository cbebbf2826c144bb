//! The nodes, and telling one to leave.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use proto::view::NodeView;

use super::Api;
use super::problem::Problem;

/// The nodes there are, by their names.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    operation_id = "list_nodes",
    tag = "nodes",
    responses(
        (status = 200, description = "The nodes.", body = Vec<NodeView>),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<NodeView>>, Problem> {
    Ok(Json(api.coordinator.nodes().await?))
}

/// For operators: has a node finish or hand back what it has, and leave.
#[utoipa::path(
    post,
    path = "/v1/nodes/{name}/drain",
    operation_id = "drain_node",
    tag = "nodes",
    params(("name" = String, Path, description = "The node."),),
    responses(
        (status = 202, description = "It is told.", body = NodeView),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn drain(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<NodeView>), Problem> {
    let view = api.coordinator.dismiss(&name).await?;
    let view = view.ok_or_else(|| Problem::not_found(format!("there is no node `{name}`")))?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}
