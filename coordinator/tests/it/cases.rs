//! Jobs and listings to plan: by hand and at random.

use coordinator::ledger::Ledger;
use coordinator::plan_check::{check, check_collisions, check_composition, check_sizes, check_work};
use coordinator::planner::{Copying, Means, Planner};
use coordinator::work::{Object, part_work};
use proto::batch::{AttemptId, Upload};
use proto::compose::Composition;
use proto::crc::{Crc, StoredKind};
use proto::failure::Failure;
use proto::job::{Goal, JobId, JobSpec, UnsafeNames};
use proto::limits::{
    COPY_BYTES_MAX, FETCH_BYTES, MIB, PART_BYTES_AIM_MAX, PART_BYTES_MIN, body_budget_bytes, part_bytes_cap,
};
use proto::listing::{Etag, SourceObject};
use proto::location::{Location, Source};
use proto::part::{Effort, PartDone};
use proto::plan::{PartNumber, PartWork, Piece, Plan, Way};

/// Steele, Lea and Flood's generator: small, and the same everywhere.
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// A listing, and how it is to be planned.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) spec: JobSpec,
    pub(crate) means: Means,
    pub(crate) objects: Vec<SourceObject>,
}

/// A job over one bucket, in parts of a fixed size if one is given.
pub(crate) fn spec(part_bytes: Option<u64>) -> JobSpec {
    JobSpec {
        part_bytes,
        ..JobSpec::new(
            vec![Source::Prefix { bucket: "photos".into(), prefix: String::new() }],
            Location { bucket: "zips".into(), key: "all.zip".into() },
        )
    }
}

pub(crate) fn object(key: &str, size: u64) -> SourceObject {
    let etag = Etag::parse(&format!("{:032x}", u64::from(Crc::of(key.as_bytes()).value) << 20 | size >> 44));
    let stored = if size % 2 == 1 { StoredKind::Crc32 } else { StoredKind::Crc64Nvme };
    SourceObject { source: 0, bucket: 0, stored, key: key.into(), size, etag, modified: 1_700_000_001 }
}

/// Objects of these sizes, in key order, each with a name of five bytes: a local header of 44 bytes, 64
/// from 4 GiB on.
pub(crate) fn objects(sizes: &[u64]) -> Vec<SourceObject> {
    sizes.iter().enumerate().map(|(index, size)| object(&format!("{index:05}"), *size)).collect()
}

/// The cap of nodes with this much memory.
pub(crate) fn cap(memory_bytes: u64) -> u64 {
    part_bytes_cap(body_budget_bytes(memory_bytes, 32))
}

/// Means of which copying is none: all goes through nodes, in parts up to `cap` bytes.
pub(crate) fn streaming(cap: u64) -> Means {
    Means { copying: Copying::Never, ..Means::new(cap) }
}

/// The object that a segment becomes.
pub(crate) fn segment(number: u32) -> Object {
    let location = Location { bucket: "zips".into(), key: format!("segments/{number}") };
    Object { location, etag: format!("segment-{number}") }
}

/// Segments as S3 has them, of which no more than two are open at a time: with fewer it might not go on.
#[derive(Default)]
pub(crate) struct Segments {
    segments: coordinator::segment::Segments,
    open: usize,
}

impl Segments {
    /// Puts those together that can be, and opens the next; gives the parts that join those that were made.
    pub(crate) fn tend(&mut self, ledger: &mut Ledger) -> Vec<usize> {
        let filled: Vec<(u32, usize)> = std::iter::from_fn(|| ledger.next_filled()).collect();
        for (segment, _) in &filled {
            self.segments.complete(*segment).expect("its leaves were uploaded to it");
            assert!(self.segments.completed(*segment, Some("etag".into())));
            ledger.made(*segment);
            self.open -= 1;
        }
        while self.open < 2
            && let Some(number) = self.segments.next(ledger.segments())
        {
            let upload = Upload { destination: segment(number).location, upload_id: number.to_string() };
            ledger.make_ready(self.segments.created(number, upload));
            self.open += 1;
        }
        filled.into_iter().map(|(_, joined)| joined).collect()
    }

    /// The most urgent of the parts that can be made.
    pub(crate) fn next_ready(&mut self, plan: &Plan, ledger: &mut Ledger) -> Option<usize> {
        self.segments.next_ready(plan, ledger).map(|(index, _)| index)
    }
}

impl Case {
    pub(crate) fn new(part_bytes: Option<u64>, objects: Vec<SourceObject>) -> Self {
        Self { spec: spec(part_bytes), means: streaming(cap(512 * MIB)), objects }
    }

    /// Anything a listing may hold, but few enough objects to plan very many of them.
    pub(crate) fn random(rng: &mut SplitMix64) -> Self {
        let cap = cap(rng.of(&[64, 100, 256, 256, 1_024]) * MIB);
        let small = rng.of(&[0, 0, 5 * MIB, 5 * MIB + 1, 7 * MIB, 8 * MIB, 16 * MIB, 64 * MIB]);
        // What a node cannot hold is made of segments.
        let large = rng.of(&[cap + 1, 2 * cap, 10 * cap + 7, PART_BYTES_AIM_MAX]);
        let fixed = if rng.below(2) == 0 { small } else { large };
        let part_bytes = (fixed > 0).then_some(fixed);
        let mut spec = spec(part_bytes);
        spec.unsafe_names = rng.of(&[UnsafeNames::Map, UnsafeNames::Skip]);
        spec.sources = ["left", "right"]
            .map(|side| Source::Prefix { bucket: format!("bucket-{side}"), prefix: format!("{side}/") })
            .to_vec();
        if rng.below(2) == 0 {
            spec.strip_prefix = Some(String::new());
        }
        let aim = part_bytes.unwrap_or(16 * MIB).min(cap);
        let profile = rng.below(8);
        let count = if profile < 3 { 1 + rng.below(200) } else { 1 + rng.below(12) };
        let objects = (0..count).map(|index| random_object(rng, index, count, aim, profile)).collect();
        spec.goal = rng.of(&[Goal::Speed, Goal::Balanced, Goal::Price]);
        let means = Means {
            bytes_per_second: rng.of(&[1e5, 1e7, 1.25e9, 5e10]),
            copying: rng.of(&[Copying::Never, Copying::WhereItPays, Copying::WhereverItCan]),
            tells_crc: rng.below(4) > 0,
            ..Means::new(cap)
        };
        Self { spec, means, objects }
    }

    /// The largest part the plan may have: see `limits::part_bytes_cap`.
    pub(crate) fn part_bytes_max(&self) -> u64 {
        let cap = self.means.part_bytes_cap;
        self.spec.part_bytes.unwrap_or(cap).min(cap) + PART_BYTES_MIN + MIB
    }

    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let mut planner = Planner::new(&self.spec, self.means)?;
        self.objects.iter().try_for_each(|object| planner.add(object.clone()))?;
        planner.finish()?;
        Ok(planner.plan().clone())
    }

    /// Plans, and makes the work of every part in the order in which the ledger grants them, some while
    /// the listing goes on; panics when the checker finds anything.
    pub(crate) fn plan_and_work(&self, rng: &mut SplitMix64) -> Result<Plan, Failure> {
        let mut planner = Planner::new(&self.spec, self.means)?;
        let mut ledger = Ledger::default();
        let mut segments = Segments::default();
        let mut works = Vec::new();
        for object in &self.objects {
            planner.add(object.clone())?;
            ledger.grow(planner.plan());
            segments.tend(&mut ledger);
            let grants = rng.below(4);
            works.extend((0..grants).map_while(|_| self.grant(planner.plan(), &mut ledger, &mut segments)));
        }
        planner.finish()?;
        ledger.grow(planner.plan());
        segments.tend(&mut ledger);
        works.extend(std::iter::from_fn(|| self.grant(planner.plan(), &mut ledger, &mut segments)));
        assert!(
            ledger.is_complete(),
            "{} of {} parts could be made",
            works.len(),
            planner.plan().parts.len()
        );
        assert_eq!(ledger.bytes_done(), planner.plan().bytes());
        self.judge(planner.plan(), &works);
        Ok(planner.plan().clone())
    }

    /// Makes the work of the most urgent part and reports it done, with CRCs of no meaning.
    fn grant(&self, plan: &Plan, ledger: &mut Ledger, segments: &mut Segments) -> Option<(usize, PartWork)> {
        let index = segments.next_ready(plan, ledger)?;
        let attempt = ledger.grant(index)?;
        let work = part_work(plan, ledger, index, segment);
        let leaves = ledger.joined(plan.leaves(index));
        let is_joined = matches!(plan.parts[index].way, Way::Joined(_));
        let crc = |bytes| if is_joined { leaves } else { Crc::known(index as u32, bytes) };
        let done = PartDone {
            id: AttemptId { job: JobId(1), part: PartNumber::from_index(index), attempt },
            etag: "etag".into(),
            crc: crc(work.bytes),
            bodies: work.bodies.iter().map(|body| crc(body.object_bytes)).collect(),
            effort: Effort::default(),
        };
        ledger.record(plan, &done).expect("the report is true to the plan");
        segments.tend(ledger);
        Some((index, work))
    }

    fn judge(&self, plan: &Plan, works: &[(usize, PartWork)]) {
        self.judge_plan(plan);
        for (index, work) in works {
            assert_eq!(check_work(plan, *index, work), [], "part {index}");
            if plan.parts[*index].way == Way::Composed {
                let composition = Composition::of(work).expect("it has headers");
                assert_eq!(check_composition(work, &composition), [], "part {index}");
            }
            let is_joined = matches!(plan.parts[*index].way, Way::Joined(_));
            for body in work.bodies.iter().filter(|_| !is_joined) {
                let source = self.spec.sources.iter().find(|source| source.bucket() == body.bucket);
                let at = Location { bucket: body.bucket.clone(), key: body.key.clone() };
                assert!(source.is_some_and(|source| source.covers(&at)), "{at} is in no source");
            }
            let fetches_fit = |piece: &Piece| match piece {
                Piece::Fetch { range, .. } => range.end - range.start <= FETCH_BYTES,
                Piece::Copy { range, .. } => range.end - range.start <= COPY_BYTES_MAX,
                Piece::Literal { .. } => true,
            };
            assert!(work.pieces.iter().all(fetches_fit), "part {index} has a fetch that is too large");
        }
    }

    pub(crate) fn judge_plan(&self, plan: &Plan) {
        assert_eq!(check(plan), []);
        assert_eq!(check_collisions(plan), []);
        assert_eq!(check_sizes(plan, self.part_bytes_max()), []);
    }
}

fn random_object(rng: &mut SplitMix64, index: u64, count: u64, aim: u64, profile: u64) -> SourceObject {
    let source = u16::from(index >= count / 2);
    let side = if source == 0 { "left" } else { "right" };
    let filler = "x".repeat(rng.of(&[0, 0, 1, 2, 9, 100, 900]) as usize);
    let (name, is_directory) = match rng.below(30) {
        0 => (format!("{index}/"), true),
        1 => (format!("//{index}/../\u{1}PK\u{6}\u{7}\\"), false),
        2 => (format!("{index}/"), false),
        3..12 => (format!("f{}/{index}é{filler}", index / 3), false),
        _ => (format!("{index:04}{filler}"), false),
    };
    let size = if is_directory { 0 } else { random_size(rng, aim, profile) };
    let mut object = object(&format!("{side}/{name}"), size);
    object.source = source;
    object.bucket = source;
    if rng.below(4) == 0 {
        object.modified =
            rng.of(&[i64::MIN, -1, 0, 1, 315_532_799, 0x7FFF_FFFF, 0x8000_0000, 4_354_819_199, i64::MAX]);
    }
    object
}

fn random_size(rng: &mut SplitMix64, aim: u64, profile: u64) -> u64 {
    let near =
        |rng: &mut SplitMix64, size: u64| size + rng.of(&[0, 1, 2, 60, 61]) - rng.of(&[0, 1, 1, 53, 60]);
    match (profile, rng.below(40)) {
        (0, _) => rng.below(2),
        (1, _) => rng.below(200_000),
        (2, die) => {
            if die == 0 {
                near(rng, aim)
            } else {
                rng.below(100_000)
            }
        }
        (3, _) => {
            let size = rng.of(&[5 * MIB, aim, 2 * aim]);
            near(rng, size)
        }
        (4, _) => rng.below(4 * aim),
        (5, 0) => near(rng, 4_096 * MIB),
        (6, 0) => rng.below(1 << 39),
        (_, die) => {
            let size =
                rng.of(&[100, 5 * MIB, 10 * MIB, FETCH_BYTES, aim / 2, aim, aim + 5 * MIB, 2 * aim, 3 * aim]);
            if die < 10 { rng.below(3) } else { near(rng, size) }
        }
    }
}
