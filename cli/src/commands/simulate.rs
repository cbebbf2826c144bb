//! `zipfleet simulate`: an archive in virtual time, told without S3 and without a fleet.

mod swarm;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use proto::failure::Failure;
use proto::job::Goal;
use simulations::fleet::Scenario;
use simulations::model::{self, Model};
use simulations::outcome::Run;
use simulations::population::Population;
use simulations::study::{Axis, Point, PointResult, Study, Sweep, study, sweep};
use simulations::{report, rivals};

use crate::args::{SimulateArgs, SimulateCommand};
use crate::failures::{internal, usage};
use crate::output::{Voice, count, requests, size, table};

pub(super) fn run(args: &SimulateArgs, voice: Voice) -> Result<ExitCode, Failure> {
    match &args.what {
        Some(SimulateCommand::Rivals { model }) => compare(&read_model(model.as_deref())?, voice),
        Some(SimulateCommand::Model) => {
            voice.result(model::DEFAULT.trim_end(), &serde_json::json!({ "model": model::DEFAULT }));
            Ok(ExitCode::SUCCESS)
        }
        None => match args.swarm {
            Some(storms) => swarm::run(args.seed, storms, voice),
            None => simulate(args, voice),
        },
    }
}

fn simulate(args: &SimulateArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let model = read_model(args.model.as_deref())?;
    let scenario = scenario(args, &model)?;
    let title = title(&scenario);
    let mut axes = args.sweep.clone();
    if axes.is_empty() && args.html.is_some() {
        axes.push(Axis::Nodes);
    }
    let study = study(&scenario, &model, args.seed, args.runs)?;
    let sweeps: Vec<Sweep> =
        axes.into_iter().map(|axis| sweep(axis, &scenario, &model, args.seed, args.runs)).collect();
    if let Some(file) = &args.html {
        write(file, "--html", &report::html(&title, &study, &sweeps), voice)?;
    }
    if let Some(file) = &args.csv {
        write(file, "--csv", &report::csv(&sweeps), voice)?;
    }
    let mut text = describe(&title, &study);
    for sweep in &sweeps {
        text.push_str(&format!("\n\n{}", swept(sweep)));
    }
    voice.result(&text, &serde_json::json!({ "study": study, "sweeps": sweeps }));
    Ok(ExitCode::SUCCESS)
}

fn read_model(file: Option<&Path>) -> Result<Model, Failure> {
    let Some(file) = file else { return Ok(Model::default()) };
    let wrong = |why: String| usage(format!("--model {}: {why}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Model::parse(&text).map_err(|error| wrong(error.to_string()))
}

fn scenario(args: &SimulateArgs, model: &Model) -> Result<Scenario, Failure> {
    let world = &args.world;
    let instance = model.instance(&world.instance).ok_or_else(|| {
        let known: Vec<&str> =
            model.machines.instance.iter().map(|instance| instance.name.as_str()).collect();
        usage(format!("--instance {} is none of the model's: {}", world.instance, known.join(", ")))
    })?;
    if world.size == 0 {
        return Err(usage("--size must be above 0"));
    }
    if world.lost > world.nodes {
        return Err(usage(format!("--lost {} is more than there are: --nodes {}", world.lost, world.nodes)));
    }
    let population = Population { objects: world.objects, bytes: world.size, spread: world.spread };
    let usual = Scenario::new(population, world.nodes, instance.clone());
    Ok(Scenario {
        concurrency: world.concurrency.unwrap_or(usual.concurrency),
        memory_bytes: world.memory.unwrap_or(usual.memory_bytes),
        goal: world.goal,
        part_bytes: world.part_size,
        stragglers: world.stragglers,
        lost: world.lost,
        ..usual
    })
}

fn title(scenario: &Scenario) -> String {
    let Scenario { population, nodes, instance, .. } = scenario;
    let goal = match scenario.goal {
        Goal::Speed => "speed",
        Goal::Balanced => "balance",
        Goal::Price => "price",
    };
    let mut text = format!(
        "{} of {} on {} {} ({} Gbit/s each), for {goal}",
        count(population.objects, "object"),
        size(population.bytes),
        nodes,
        instance.name,
        instance.gbit_per_s,
    );
    if scenario.stragglers > 0.0 {
        text.push_str(&format!(", {:.0} % of them at a tenth of the speed", scenario.stragglers * 100.0));
    }
    if scenario.lost > 0 {
        text.push_str(&format!(", {} of them lost on the way", scenario.lost));
    }
    text
}

fn write(file: &Path, flag: &str, text: &str, voice: Voice) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| usage(format!("{flag} {}: {error}", file.display())))?;
    voice.say(&format!("wrote {}", file.display()));
    Ok(())
}

/// What came of a study, in words and a table.
fn describe(title: &str, study: &Study) -> String {
    let run = &study.median;
    let Run { phases, floor, decisions, .. } = run;
    let work_s = floor.work_s();
    let rows = [
        ("until all was listed", phases.listing_s, floor.listing_s),
        ("until all data was there", phases.transfer_s, work_s - floor.listing_s + floor.last_part_s),
        ("until the directory was there", phases.directory_s, floor.directory_s),
        ("until S3 had put it together", phases.complete_s, floor.complete_s),
        ("in all", run.total_s, floor.total_s()),
    ];
    let rows = rows
        .map(|(what, took_s, least_s)| [what.to_owned(), format!("{took_s:.3}"), format!("{least_s:.3}")]);
    format!(
        "{title}: {:.2} s at the median of {}, {:.2} s at p99; {:.2} s is the least there could be\n\
         {}\nrequests, where their time went: {}\nparts: {}; {} stolen, {} hedged of which {} won, {} lost\n\
         requests: {}\nUS$: {:.4} in all, {:.4} of it for machines while the job ran",
        study.p50_s,
        count(study.times_s.len() as u64, "run"),
        study.p99_s,
        floor.total_s(),
        table(["the run at the median", "seconds", "least"], rows.into_iter()),
        times(run),
        run.parts,
        decisions.stolen,
        decisions.hedged,
        decisions.hedges_won,
        decisions.lost,
        requests(&run.requests),
        run.usd(),
        run.machines_usd,
    )
}

/// What share of their time requests spent at what.
fn times(run: &Run) -> String {
    let times = run.times;
    let all = [
        ("waiting for a pace", times.turn_us),
        ("waiting after refusals", times.backoff_us),
        ("waiting for each other", times.permit_us),
        ("connecting", times.connect_us),
        ("first bytes", times.first_byte_us),
        ("receiving", times.receiving_us),
        ("sending", times.sending_us),
        ("S3's answers", times.answer_us),
        ("copying", times.copying_us),
    ];
    let sum: u64 = all.iter().map(|(_, us)| us).sum();
    let told = all.iter().filter(|(_, us)| *us > 0);
    let shares: Vec<String> =
        told.map(|(what, us)| format!("{what} {:.1} %", 100.0 * *us as f64 / sum.max(1) as f64)).collect();
    shares.join(", ")
}

/// A sweep in a table.
fn swept(sweep: &Sweep) -> String {
    let rows = sweep.points.iter().map(|Point { label, result }| match result {
        PointResult::Made(made) => [
            label.clone(),
            format!("{:.2}", made.p50_s),
            format!("{:.2}", made.p99_s),
            format!("{:.2}", made.floor_s),
            format!("{:.2}", made.p50_s / made.floor_s.max(1e-9)),
            format!("{:.4}", made.requests_usd + made.machines_usd),
            made.parts.to_string(),
            made.hedged.to_string(),
            made.refused.to_string(),
        ],
        PointResult::Failed(why) => {
            let mut row = [const { String::new() }; 9];
            (row[0], row[1]) = (label.clone(), why.clone());
            row
        }
    });
    table(
        [
            sweep.axis.name(),
            "p50, s",
            "p99, s",
            "least, s",
            "over least",
            "US$",
            "parts",
            "hedged",
            "refused",
        ],
        rows,
    )
}

/// Plans of rivals, counted and predicted, and played.
fn compare(model: &Model, voice: Voice) -> Result<ExitCode, Failure> {
    let (tables, differences) = (rivals::tables(), rivals::differences());
    differences.iter().for_each(|difference| voice.say(difference));
    let played = rivals::play_all(model).map_err(internal)?;
    let text = format!("{tables}\n\n{}", rivals::played_table(&played));
    voice.result(
        &text,
        &serde_json::json!({ "tables": tables, "differences": differences, "played": played }),
    );
    Ok(ExitCode::SUCCESS)
}
