//! The dashboard: one page that shows fleet and jobs, fed by the job API. Its files are part of the program.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

/// The page may run and load nothing but its own files, so a name that became markup after all could do nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, type and content of each file.
const FILES: [(&str, &str, &str); 12] = [
    ("/", HTML, include_str!("../dashboard/index.html")),
    ("/dashboard/style.css", STYLE, include_str!("../dashboard/style.css")),
    ("/dashboard/app.js", SCRIPT, include_str!("../dashboard/app.js")),
    ("/dashboard/api.js", SCRIPT, include_str!("../dashboard/api.js")),
    ("/dashboard/fleet.js", SCRIPT, include_str!("../dashboard/fleet.js")),
    ("/dashboard/nodes.js", SCRIPT, include_str!("../dashboard/nodes.js")),
    ("/dashboard/jobs.js", SCRIPT, include_str!("../dashboard/jobs.js")),
    ("/dashboard/job.js", SCRIPT, include_str!("../dashboard/job.js")),
    ("/dashboard/charts.js", SCRIPT, include_str!("../dashboard/charts.js")),
    ("/dashboard/timeline.js", SCRIPT, include_str!("../dashboard/timeline.js")),
    ("/dashboard/draw.js", SCRIPT, include_str!("../dashboard/draw.js")),
    ("/dashboard/text.js", SCRIPT, include_str!("../dashboard/text.js")),
];

/// The files, for anyone: what they show is asked of the API, which asks for a token.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        router.route(path, get(move || async move { file(kind, content) }))
    })
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // So that after an upgrade no old script meets a new page.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}
