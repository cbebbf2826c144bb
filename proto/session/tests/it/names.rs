//! What a node may be called.

use proto::limits::NODE_NAME_BYTES_MAX;
use proto::session::Hello;
use proto_session::{DialError, dial};

use crate::certificates::Authority;
use crate::world::{Coordinator, hello, within};

#[tokio::test]
async fn a_node_is_called_as_its_certificate_or_below_it() {
    let authority = Authority::new();
    let mut coordinator = Coordinator::start(Some(authority.tls(&["localhost"])));
    let tls = authority.tls(&["blue", "Other.Example"]);
    let dialer = coordinator.dialer(Some(tls));
    for name in ["blue", "blue.i-0abc", "other.example", "other.example.1.2"] {
        assert!(coordinator.try_dial(&dialer, name).await.is_ok(), "{name}");
    }
    for name in ["red", "blues", "blue-1", "example", "sky.blue", "localhost"] {
        let error = coordinator.try_dial(&dialer, name).await.unwrap_err();
        let sentence = error.to_string();
        assert!(matches!(error, DialError::Refused(_)), "{name}: {sentence}");
        assert!(sentence.contains(&format!("calls itself {name}")), "{sentence}");
        assert!(sentence.contains("its certificate is for blue, other.example"), "{sentence}");
    }
    let nameless = coordinator.dialer(Some(authority.tls(&[])));
    let error = coordinator.try_dial(&nameless, "blue").await.unwrap_err();
    assert!(error.to_string().contains("has no DNS name"), "{error}");
    coordinator.is_empty().await;
}

#[tokio::test]
async fn greetings_that_make_no_sense_are_refused() {
    let mut coordinator = Coordinator::start(None);
    let dialer = coordinator.dialer(None);
    let long = "n".repeat(NODE_NAME_BYTES_MAX + 1);
    let names = ["", ".red", "-red", "Red", "red node", "r\u{e9}d", "red\u{1b}[2J", "red/", &long];
    let odd = names.map(hello).into_iter().chain([
        Hello { body_budget_bytes: 0, ..hello("red") },
        Hello { body_budget_bytes: u64::MAX, ..hello("red") },
        Hello { version: "v".repeat(65), ..hello("red") },
        Hello { version: "\u{7}".to_owned(), ..hello("red") },
    ]);
    for odd in odd {
        let error = within(dial(&dialer, odd.clone())).await.unwrap_err();
        assert!(matches!(error, DialError::Refused(_)), "{odd:?}: {error}");
    }
    let longest = "n".repeat(NODE_NAME_BYTES_MAX);
    for name in ["r", "0.red-1", &longest] {
        assert!(coordinator.try_dial(&dialer, name).await.is_ok(), "{name}");
    }
    coordinator.is_empty().await;
}
