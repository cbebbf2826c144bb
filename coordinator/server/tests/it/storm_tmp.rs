//! Temporary.
use crate::node::{connect, hello};
use crate::world::{Serving, World, options};
use proto::link::{Frame, Link};
use proto::report::Report;
use proto::session::{FromNode, ToNode};
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm() {
    let world = World::new().await;
    let mut options = options();
    options.nodes_max = 2_000;
    let serving = Serving::start_with(&world, options).await;
    let at = serving.ready.nodes;
    let began = std::time::Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for n in 0..100 {
        all.spawn(async move {
            loop {
                match connect(at, hello(&format!("n{n}"), None)).await {
                    Ok(c) => return c,
                    Err(e) => {
                        println!("{e}");
                    }
                }
            }
        });
    }
    let all = all.join_all().await;
    println!("connected in {:?}", began.elapsed());
    serving.nodes(100).await;
    println!("known in {:?}", began.elapsed());
    let began = std::time::Instant::now();
    let mut each = tokio::task::JoinSet::new();
    for (_, mut c) in all {
        each.spawn(async move {
            let mut link: Link<Report> = Link::default();
            for _ in 0..1000 {
                link.push(Report::default(), 200);
                let f: Frame<Report> = link.frame(0).unwrap();
                c.outgoing.send(FromNode::Frame(f)).await.unwrap();
                loop {
                    let Some(ToNode::Frame(f)) = c.incoming.next().await else { panic!() };
                    link.accept(f, 0);
                    if link.unacknowledged() == 0 {
                        break;
                    }
                }
            }
            c
        });
    }
    let all = each.join_all().await;
    let took = began.elapsed();
    println!("100,000 reports acknowledged in {took:?}");
    drop(all);
    serving.stop().await.unwrap();
}
