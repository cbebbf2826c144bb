//! What is written down about the API is what it is.

use std::path::{Path, PathBuf};

use proto::api::ProblemCode;
use reqwest::StatusCode;

use crate::world::{Serving, World};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

#[test]
fn the_description_is_checked_in() {
    let is = coordinator_server::description().to_pretty_json().unwrap() + "\n";
    let path = docs("openapi.json");
    if std::env::var_os("ZIPFLEET_RENEW").is_some() {
        std::fs::write(&path, &is).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == is,
        "docs/openapi.json is not what the API is: run this test with ZIPFLEET_RENEW=1, and commit the file"
    );
}

#[tokio::test]
async fn the_description_is_served() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let (status, description) = serving.get("/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(description, serde_json::to_value(coordinator_server::description()).unwrap());
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    serving.stop().await.unwrap();
}

#[test]
fn all_codes_are_explained() {
    let text = std::fs::read_to_string(docs("api.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    let explained = ProblemCode::ALL.iter().filter(|code| {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        let row = format!("| `{}` | {} | ", code.name(), code.status());
        assert!(text.contains(&row), "docs/api.md has no row `{row}`");
        true
    });
    let explained = explained.count();
    assert!(rows > explained, "the table of requests is there too");
    let after = text.split("| code | status |").nth(1).unwrap();
    assert_eq!(after.lines().filter(|line| line.starts_with("| `")).count(), explained, "no other codes");
}
