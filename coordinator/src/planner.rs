//! The planner: listed objects in, the layout of an archive out.
//!
//! An entry's place depends only on those before it, so planning goes on while the listing does. What
//! cannot be known before the listing ends (names that collide) ends the job then; until then parts
//! only lie in an upload nobody sees.

mod collide;
mod cut;
mod economy;
mod naming;
mod sizes;

use proto::archive::zip::{EndRecords, central_header_len, local_header_len};
use proto::failure::{Failure, FailureKind};
use proto::job::{JobSpec, UnsafeNames};
use proto::limits::{BUCKETS_MAX, ENTRIES_MAX, EXAMPLES_MAX, SKIPPED_MAX, SOURCES_MAX};
use proto::listing::{Page, SourceObject};
use proto::location::{Location, Source, printable};
use proto::plan::{Entry, Plan};

use crate::beside;
use collide::NameIndex;
use cut::Cutter;
use economy::Economy;
pub use economy::{Copying, Means};
pub use naming::{Named, Naming};
use sizes::PartSizes;

/// Lays out one archive.
#[derive(Debug)]
pub struct Planner {
    naming: Naming,
    unsafe_names: UnsafeNames,
    cutter: Cutter,
    plan: Plan,
    destination: Location,
    names: NameIndex,
    /// Objects listed from each source, whatever became of them.
    listed: Vec<u64>,
    bad_names: Examples,
    skipped: Examples,
    left_out: u64,
    warnings: Examples,
}

impl Planner {
    /// A planner for `spec`, with these means.
    ///
    /// # Errors
    /// When the request makes no sense: no or too many sources, a glob that cannot be read, a
    /// destination inside a source, a part size out of range.
    pub fn new(spec: &JobSpec, means: Means) -> Result<Self, Failure> {
        if spec.sources.is_empty() || spec.sources.len() > SOURCES_MAX {
            let found = spec.sources.len();
            return Err(bad_request(format!("a job takes 1 to {SOURCES_MAX} sources, not {found}")));
        }
        let naming = Naming::new(spec)?;
        let composes = means.composes && beside::has_room(&spec.destination.key);
        let economy = Economy::new(spec.goal, spec.part_bytes, Means { composes, ..means });
        naming.refuse_own_archive(spec)?;
        Ok(Self {
            naming,
            unsafe_names: spec.unsafe_names,
            cutter: Cutter::new(
                PartSizes::new(spec.part_bytes, economy.part_bytes(), means.part_bytes_cap)?,
                economy,
            ),
            plan: Plan { buckets: buckets_of(spec), ..Plan::default() },
            destination: spec.destination.clone(),
            names: NameIndex::default(),
            listed: vec![0; spec.sources.len()],
            bad_names: Examples::default(),
            skipped: Examples::up_to(SKIPPED_MAX),
            left_out: 0,
            warnings: Examples::default(),
        })
    }

    /// Takes in the next page of the listing.
    ///
    /// # Errors
    /// See [`Planner::add`]; and when the objects of manifests are in too many buckets.
    pub fn add_page(&mut self, page: Page) -> Result<(), Failure> {
        let known: Vec<u16> =
            page.buckets.iter().map(|bucket| self.bucket(bucket)).collect::<Result<_, _>>()?;
        let bytes = page.objects.iter().fold(0, |sum: u64, object| sum.saturating_add(object.size));
        self.cutter.expect(bytes);
        page.objects.into_iter().try_for_each(|object| {
            let bucket = known[usize::from(object.bucket)];
            self.add(SourceObject { bucket, ..object })
        })
    }

    /// The place of a bucket among the plan's.
    fn bucket(&mut self, name: &str) -> Result<u16, Failure> {
        let buckets = &mut self.plan.buckets;
        let place = buckets.iter().position(|bucket| bucket == name).unwrap_or_else(|| {
            buckets.push(name.to_owned());
            buckets.len() - 1
        });
        let place = u16::try_from(place).ok().filter(|_| place < BUCKETS_MAX);
        place.ok_or_else(|| bad_request(format!("a job takes objects from up to {BUCKETS_MAX} buckets")))
    }

    /// Takes in the next object of the listing, whose bucket is one of the plan's.
    ///
    /// An unsafe name is not an error here: it is kept for [`Planner::finish`], so that the person is
    /// shown all of them at once; but nothing is laid out any more, see [`Planner::is_doomed`].
    ///
    /// # Errors
    /// When the archive does not fit S3's limits.
    pub fn add(&mut self, object: SourceObject) -> Result<(), Failure> {
        self.listed[usize::from(object.source)] += 1;
        if self.is_made_on_the_way(&object) {
            self.left_out += 1;
            return Ok(());
        }
        let name = match self.naming.name(&object) {
            Named::Entry(name) => name,
            Named::LeftOut => {
                self.left_out += 1;
                return Ok(());
            }
            Named::Unsafe(reason) => {
                let text = format!("`{}` {reason}", printable(&object.key));
                let list = match self.unsafe_names {
                    UnsafeNames::Skip => &mut self.skipped,
                    UnsafeNames::Fail | UnsafeNames::Map => &mut self.bad_names,
                };
                list.push(|| text);
                return Ok(());
            }
        };
        if *object.key == *self.destination.key && *self.plan.bucket(&object) == *self.destination.bucket {
            return Err(Failure::new(
                FailureKind::Destination,
                format!("the destination {} is itself among the sources: choose another", self.destination),
            ));
        }
        if self.is_doomed() {
            return Ok(());
        }
        if self.plan.entries.len() >= ENTRIES_MAX as usize {
            return Err(Failure::new(FailureKind::TooLarge, format!("more than {ENTRIES_MAX} objects")));
        }
        let mut entry = Entry { object, name, offset: 0 };
        let header = local_header_len(entry.name().len(), entry.object.size, entry.object.modified);
        let SourceObject { size, stored, .. } = entry.object;
        entry.offset = self.cutter.add(header, size, stored, &mut self.plan.parts)?;
        self.names.add(entry.name());
        self.plan.entries.push(entry);
        Ok(())
    }

    /// Whether it was made on the way to this archive, now or by a job which broke off and has left it.
    fn is_made_on_the_way(&self, object: &SourceObject) -> bool {
        beside::is_of(&object.key, &self.destination.key)
            && *self.plan.bucket(object) == *self.destination.bucket
    }

    /// Ends the listing: judges the names together and lays out the directory.
    ///
    /// # Errors
    /// When there is nothing to archive, when names are unsafe or collide, or when the archive does not
    /// fit S3's limits.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.names.collisions(&self.plan.entries, &mut self.bad_names, &mut self.warnings);
        if !self.bad_names.is_empty() {
            let advice = "rename them, leave them out with --exclude, or for unsafe ones use --unsafe-names map or skip";
            let text = format!(
                "{} cannot go into one archive ({advice}): {}",
                self.bad_names.count_of("name"),
                self.bad_names
            );
            return Err(Failure::new(FailureKind::BadNames, text));
        }
        if self.plan.entries.is_empty() {
            return Err(Failure::new(
                FailureKind::NothingToArchive,
                self.naming.nothing_found(&self.skipped),
            ));
        }
        for source in self.naming.sources_without(&self.listed) {
            self.warnings.push(|| format!("there is no object in {source}"));
        }
        self.names = NameIndex::default();
        self.plan.entries.shrink_to_fit();
        self.lay_out_directory()
    }

    fn lay_out_directory(&mut self) -> Result<(), Failure> {
        let directory_offset = self.cutter.position();
        let lengths = self.plan.entries.iter().map(|entry| {
            central_header_len(entry.name().len(), entry.object.size, entry.offset, entry.object.modified)
        });
        let directory_bytes: u64 = lengths.clone().sum();
        let end = EndRecords {
            entries: self.plan.entries.len() as u64,
            directory_offset,
            directory_bytes,
            last: self.plan.entries.last().map(|last| last.header(0)),
        };
        self.cutter.finish(lengths, end.bytes(), &mut self.plan.parts)?;
        self.plan.directory = Some(directory_offset..directory_offset + directory_bytes);
        Ok(())
    }

    /// The plan as far as it goes.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan alone, when nothing more is to be planned.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// Whether the job can only end in an error about names, so that nothing more need be transferred.
    #[must_use]
    pub fn is_doomed(&self) -> bool {
        !self.bad_names.is_empty()
    }

    /// Objects left out because their names are unsafe.
    #[must_use]
    pub fn skipped(&self) -> &Examples {
        &self.skipped
    }

    /// How many objects the filters left out.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What the person should know although the archive is right: names that some file systems cannot
    /// hold side by side, sources without objects.
    #[must_use]
    pub fn warnings(&self) -> &Examples {
        &self.warnings
    }
}

/// All buckets that a job is known to read from, each once.
fn buckets_of(spec: &JobSpec) -> Vec<String> {
    let mut buckets: Vec<String> = Vec::new();
    for source in spec.sources.iter().filter(|source| !matches!(source, Source::Manifest { .. })) {
        if !buckets.iter().any(|bucket| bucket == source.bucket()) {
            buckets.push(source.bucket().to_owned());
        }
    }
    buckets
}

/// The first few of many findings, and how many there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examples {
    most: usize,
    /// The first of them.
    pub first: Vec<String>,
    /// All of them.
    pub count: u64,
}

impl Default for Examples {
    fn default() -> Self {
        Self::up_to(EXAMPLES_MAX)
    }
}

impl Examples {
    /// Keeps so many.
    fn up_to(most: usize) -> Self {
        Self { most, first: Vec::new(), count: 0 }
    }

    /// Counts a finding; its text is only made if it is kept.
    pub fn push(&mut self, text: impl FnOnce() -> String) {
        if self.first.len() < self.most {
            self.first.push(text());
        }
        self.count += 1;
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// "1 name", "2 names".
    fn count_of(&self, noun: &str) -> String {
        format!("{} {noun}{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

impl std::fmt::Display for Examples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = &self.first[..self.first.len().min(EXAMPLES_MAX)];
        f.write_str(&told.join("; "))?;
        match self.count.saturating_sub(told.len() as u64) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

fn bad_request(message: String) -> Failure {
    Failure::new(FailureKind::BadRequest, message)
}
