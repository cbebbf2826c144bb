//! `zipfleet simulate --swarm`: storms over a fleet in virtual time.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use proto::failure::Failure;
use simulations::swarm::{self, Broken, Met};

use crate::failures::{internal, usage};
use crate::output::{Voice, count, table};

/// How often it is looked whether all is over.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often it is said how far it has come.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Weathers the storms of so many seeds, from this one on, and tells what was met; or of the first that breaks something.
///
/// # Errors
/// What should have held and did not, with the command that shows it again.
pub(super) fn run(first: u64, storms: u64, voice: Voice) -> Result<ExitCode, Failure> {
    let Some(last) = first.checked_add(storms - 1) else {
        return Err(usage(format!(
            "--seed {first} with --swarm {storms} goes beyond the last seed there is, {}",
            u64::MAX
        )));
    };
    let began = Instant::now();
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (met, broken) = (Mutex::new(Met::default()), Mutex::new(None::<Broken>));
    let weather = || {
        let mut mine = Met::default();
        while !is_over.load(Relaxed) {
            let at = next.fetch_add(1, Relaxed);
            if at >= storms {
                break;
            }
            match swarm::run(first + at, None) {
                Ok(run) => mine.add(&run.met),
                Err(found) => {
                    is_over.store(true, Relaxed);
                    let mut broken = broken.lock().expect("no storm panics");
                    if broken.as_ref().is_none_or(|other| found.seed < other.seed) {
                        *broken = Some(found);
                    }
                }
            }
        }
        met.lock().expect("no storm panics").add(&mine);
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(weather)).collect();
        let mut said = began;
        while !working.iter().all(thread::ScopedJoinHandle::is_finished) {
            if said.elapsed() >= LINE_EVERY {
                said = Instant::now();
                voice.say(&format!("{} of {}", next.load(Relaxed).min(storms), count(storms, "storm")));
            }
            thread::sleep(LOOK_EVERY);
        }
    });
    if let Some(broken) = broken.into_inner().expect("no storm panics") {
        let again = format!("zipfleet simulate --swarm 1 --seed {}", broken.seed);
        return Err(internal(format!("{broken}; see it again with `{again}`, and report this defect")));
    }
    let met = met.into_inner().expect("no storm panics");
    let took_s = began.elapsed().as_secs_f64();
    let rows = met.all().map(|(what, count)| [what.to_owned(), count.to_string()]);
    let text = format!(
        "{} weathered, seeds {first} to {last}, in {took_s:.1} s: everything held\n{}",
        count(storms, "storm"),
        table(["what was met", "how often"], rows),
    );
    voice.result(&text, &serde_json::json!({ "storms": storms, "first": first, "last": last, "met": met }));
    Ok(ExitCode::SUCCESS)
}
