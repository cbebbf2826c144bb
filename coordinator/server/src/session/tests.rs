//! A session whose actor ends as it should not.

use coordinator::machine::Settings;
use proto::session::Hello;
use proto_s3::{Options, S3};
use proto_session::{Caps, Dialer, Listener, dial};

use super::*;

/// A coordinator whose S3 is nowhere: no job is submitted to it.
async fn coordinator() -> Coordinator {
    let options = Options { endpoint_url: Some("http://127.0.0.1:1".into()), ..Options::default() };
    let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
    Coordinator::start(s3, Settings::default(), None).await.expect("it starts")
}

struct Nobody;

impl Actor for Nobody {
    type Msg = sessions::Message;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<sessions::Message>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

#[tokio::test]
async fn when_a_session_fails_its_node_is_lost_and_disconnected() {
    let coordinator = coordinator().await;
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(address, None, false, Caps::default()).unwrap();
    let dialer = Dialer::new(listener.local_addr().unwrap().to_string(), None);
    let (arrive, mut arrivals) = mpsc::channel(1);
    tokio::spawn(async move { listener.serve(arrive, std::future::pending()).await });
    let (version, cores) = ("test".into(), 1);
    let hello = Hello {
        name: "node".into(),
        resume: None,
        version,
        cores,
        body_budget_bytes: 64 << 20,
        network_bytes_per_second: 0,
    };
    let dialled = tokio::spawn(async move { dial(&dialer, hello).await });

    let arrival = arrivals.recv().await.unwrap();
    let (sessions, _) = Actor::spawn(None, Nobody, ()).await.unwrap();
    let id = SessionId(7);
    let start = Start { id, arrival, coordinator: coordinator.clone(), sessions: sessions.clone() };
    let (session, _) = Actor::spawn_linked(None, SessionActor, start, sessions.get_cell()).await.unwrap();
    let (welcome, mut connection) = dialled.await.unwrap().unwrap();
    assert_eq!(welcome.session, id);
    assert_eq!(coordinator.nodes().await.unwrap().len(), 1);

    session.kill();
    while connection.incoming.next().await.is_some() {}
    while !coordinator.nodes().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    coordinator.stop().await;
}
