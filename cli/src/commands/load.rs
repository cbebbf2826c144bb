//! `zipfleet load`: a load on a running cluster, and how it bears it.

mod compare;
mod drive;
mod files;
mod job;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use proto::failure::{Failure, FailureKind};
use proto::limits::LOAD_ARRIVALS_MAX;
use proto_s3::S3;

use self::drive::{Driven, drive};
use super::connect;
use crate::args::{ArrivalsArg, ClusterArgs, LoadArgs};
use crate::cluster::Cluster;
use crate::exit_code::LOAD_NOT_BORNE;
use crate::failures::{internal, usage};
use crate::load::arrivals::{Arrival, Shape, read_trace, schedule};
use crate::load::mix::Mix;
use crate::load::run::{Asked, AskedPopulation, Round, Run, Searched};
use crate::load::search::Search;
use crate::output::Voice;
use crate::signals::Signals;

pub(super) async fn run(args: LoadArgs, voice: Voice) -> Result<ExitCode, Failure> {
    if let [first, second] = args.compare.as_slice() {
        return compare::run(first, second, voice);
    }
    let mix = read_mix(&args)?;
    let plan = Plan::of(&args, &mix)?;
    for file in [&args.html, &args.results].into_iter().flatten() {
        files::refuse_unwritable(file)?;
    }
    let mut signals = Signals::listen().map_err(internal)?;
    let load = Arc::new(Load::of(&args, mix, voice).await?);
    let (asked, stopped_by) = load.alone(plan.asked.clone(), &mut signals).await?;
    let loaded = match stopped_by {
        Some(code) => return Ok(stopped(voice, code, "before the load began")),
        None => load.carry_out(Plan { asked, ..plan }, args.find_limit, &mut signals).await?,
    };
    tell(&loaded, &args, voice)
}

/// A load that was carried out, and the signal that stopped it before its end.
struct Loaded {
    run: Run,
    stopped_by: Option<u8>,
}

/// When what is to be asked for.
struct Plan {
    asked: Asked,
    /// The arrivals, where they are not left to chance.
    trace: Vec<Arrival>,
}

impl Plan {
    fn of(args: &LoadArgs, mix: &Mix) -> Result<Self, Failure> {
        let (arrivals, rate, seconds, trace) = match &args.arrivals {
            ArrivalsArg::Shape(shape) => {
                let (rate, seconds) = args.by_chance().map_err(usage)?;
                (*shape, rate, seconds, Vec::new())
            }
            ArrivalsArg::Trace(file) => {
                let until_s = args.of_trace().map_err(usage)?;
                let wrong = |why| usage(format!("{}: {why}", file.display()));
                let mut trace = read_trace(&files::read(file)?, args.seed, mix).map_err(wrong)?;
                trace.retain(|arrival| arrival.at_s < until_s);
                let last_s = trace.last().map_or(0.0, |arrival| arrival.at_s);
                if trace.is_empty() || trace.len() as u64 > LOAD_ARRIVALS_MAX {
                    return Err(wrong(format!("1 to {LOAD_ARRIVALS_MAX} arrivals are needed in that time")));
                }
                (Shape::Trace, trace.len() as f64 / last_s.max(1.0), last_s, trace)
            }
        };
        let populations = mix.populations.iter().enumerate().map(|(index, one)| AskedPopulation {
            name: one.name.clone(),
            weight: one.weight,
            tenant: mix.tenant_of(index).to_owned(),
            alone_s: 0.0,
        });
        let p99_limit_s = args.p99.map(|limit| limit.as_secs_f64());
        let populations = populations.collect();
        let asked = Asked { arrivals, rate, seconds, seed: args.seed, p99_limit_s, populations };
        Ok(Self { asked, trace })
    }
}

fn read_mix(args: &LoadArgs) -> Result<Mix, Failure> {
    let file = args.mix.as_ref().expect("it is required unless two loads are compared");
    Mix::read(&files::read(file)?).map_err(|why| usage(format!("{}: {why}", file.display())))
}

/// What all jobs of a load have in common.
struct Load {
    voice: Voice,
    mix: Mix,
    /// The cluster as each tenant is known there.
    tenants: Vec<Cluster>,
    /// The cluster as whoever makes the load is known there.
    cluster: Cluster,
    /// To remove archives with, unless they are kept.
    s3: Option<S3>,
    bucket: String,
    /// Below it are this load's archives, and no others.
    prefix: String,
    id: String,
}

impl Load {
    async fn of(args: &LoadArgs, mix: Mix, voice: Voice) -> Result<Self, Failure> {
        let (bucket, prefix) = args.destination().map_err(usage)?;
        let beside = args.mix.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let tenants = mix.tenants.iter().map(|(_, token_file)| {
            let own: Option<PathBuf> = token_file.as_ref().map(|file| beside.join(file));
            let token_file = own.or_else(|| args.cluster.token_file.clone());
            Cluster::of(&ClusterArgs { token_file, ..args.cluster.clone() })
        });
        let tenants = tenants.collect::<Result<_, _>>()?;
        let s3 = if args.keep { None } else { Some(connect(&args.connect.clone().into()).await?) };
        let id = format!("{:08x}", rand::random::<u32>());
        let prefix = format!("{prefix}{id}/");
        Ok(Self { voice, mix, tenants, cluster: Cluster::of(&args.cluster)?, s3, bucket, prefix, id })
    }

    /// Has one archive of each population made by itself: what it takes is what all others are measured by, and what
    /// does not work at all is found before there is a load.
    async fn alone(
        self: &Arc<Self>,
        mut asked: Asked,
        signals: &mut Signals,
    ) -> Result<(Asked, Option<u8>), Failure> {
        for (index, one) in asked.populations.iter_mut().enumerate() {
            self.voice.say(&format!("one archive of population `{}` alone", one.name));
            let name = format!("alone-{index}");
            let arrivals = std::iter::once(Arrival { at_s: 0.0, population: index });
            let Driven { seen, stopped_by } = drive(self, arrivals, &name, 0.0, None, signals).await;
            if stopped_by.is_some() {
                return Ok((asked, stopped_by));
            }
            let took_s = seen.records.first().and_then(|record| record.to_completed_s());
            one.alone_s = took_s.ok_or_else(|| {
                let failure = seen.troubles.first().unwrap_or_else(|| internal("an archive was not made"));
                Failure::new(failure.kind, format!("population `{}`: {failure}", one.name))
            })?;
        }
        Ok((asked, None))
    }

    /// The load, or as many as it takes to find the highest that is borne.
    async fn carry_out(
        self: &Arc<Self>,
        plan: Plan,
        find_limit: bool,
        signals: &mut Signals,
    ) -> Result<Loaded, Failure> {
        if !find_limit {
            let Driven { seen, stopped_by } = self.round(&plan, "load", None, signals).await;
            return Ok(Loaded { run: Run::of(seen, plan.asked, &self.mix), stopped_by });
        }
        let limit_s = plan.asked.p99_limit_s.expect("--find-limit requires --p99");
        let mut search = Search::from(plan.asked.rate);
        let (mut rounds, mut best) = (Vec::new(), None::<Run>);
        let stopped_by = loop {
            let Some(rate) = search.next() else { break None };
            let plan = Plan { asked: Asked { rate, ..plan.asked.clone() }, trace: Vec::new() };
            let name = format!("round-{}", rounds.len() + 1);
            let Driven { seen, stopped_by } = self.round(&plan, &name, Some(limit_s), signals).await;
            let run = Run::of(seen, plan.asked, &self.mix);
            if stopped_by.is_some() {
                // Its figures say nothing of the rate.
                best.get_or_insert(run);
                break stopped_by;
            }
            let is_borne = run.is_borne().unwrap_or_default();
            let share_within = run.share_within.unwrap_or_default();
            search.note(rate, is_borne);
            rounds.push(Round { rate, share_within, p99_s: run.p99_s(), is_borne });
            self.voice.say(&show::round(rounds.last().expect("one was just added")));
            let is_best = search.highest() == Some(rate) || search.highest().is_none();
            if is_best {
                best = Some(run);
            }
        };
        let mut run = best.ok_or_else(|| internal("no round was made"))?;
        run.search = Some(Searched { rounds, highest: search.highest() });
        run.was_stopped |= stopped_by.is_some();
        Ok(Loaded { run, stopped_by })
    }

    async fn round(
        self: &Arc<Self>,
        plan: &Plan,
        name: &str,
        late_after_s: Option<f64>,
        signals: &mut Signals,
    ) -> Driven {
        let Asked { arrivals, rate, seconds, seed, .. } = plan.asked;
        if arrivals == Shape::Trace {
            return drive(self, plan.trace.iter().copied(), name, seconds, late_after_s, signals).await;
        }
        let arrivals = schedule(arrivals, rate, seconds, seed, &self.mix);
        drive(self, arrivals, name, seconds, late_after_s, signals).await
    }
}

/// Writes and tells what a load came to; gives the exit code.
fn tell(loaded: &Loaded, args: &LoadArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let Loaded { run, stopped_by } = loaded;
    let mut text = show::text(run);
    if let Some(file) = &args.html {
        files::write(file, crate::load::report::page(run, &show::date(run.began_unix_s)).as_bytes())?;
        text.push_str(&format!("\nreport with plots: {}", file.display()));
    }
    if let Some(file) = &args.results {
        files::write(file, &serde_json::to_vec(run).map_err(internal)?)?;
        text.push_str(&format!("\nall figures: {}", file.display()));
    }
    voice.result(&text, run);
    if let Some(code) = stopped_by {
        return Ok(stopped(voice, *code, "before the end of the load; what ran until then is told"));
    }
    let is_borne = match &run.search {
        Some(search) => search.highest.is_some(),
        None => run.is_borne() != Some(false),
    };
    if !is_borne {
        voice.say("the load is not borne within the limit");
    }
    Ok(if is_borne { ExitCode::SUCCESS } else { ExitCode::from(LOAD_NOT_BORNE) })
}

fn stopped(voice: Voice, code: u8, when: &str) -> ExitCode {
    voice.failure_with(&Failure::new(FailureKind::Cancelled, format!("stopped {when}")), code)
}
