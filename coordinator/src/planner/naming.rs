//! From a key to an entry's name: filters, what is taken off the front, what is unsafe.

use globset::{Glob, GlobSet, GlobSetBuilder};
use proto::archive::name;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobSpec, UnsafeNames};
use proto::listing::SourceObject;
use proto::location::{Source, printable};
use proto::plan::EntryName;

use super::{Examples, bad_request};

/// The naming rules of one job.
#[derive(Debug)]
pub struct Naming {
    sources: Vec<Source>,
    /// What is taken off the front of the keys of each source.
    strips: Vec<String>,
    include: Option<GlobSet>,
    exclude: GlobSet,
    map_unsafe: bool,
}

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// It goes into the archive under this name.
    Entry(EntryName),
    /// The filters leave it out, or it is the marker of the source's own folder.
    LeftOut,
    /// It has no name that could be extracted safely; the text says why.
    Unsafe(String),
}

impl Naming {
    /// The rules `spec` asks for.
    ///
    /// # Errors
    /// When a glob cannot be read.
    pub fn new(spec: &JobSpec) -> Result<Self, Failure> {
        let strips = spec.sources.iter().map(|source| match (&spec.strip_prefix, source) {
            (Some(strip), _) => strip.clone(),
            (None, Source::Prefix { prefix, .. }) => folder(prefix).to_owned(),
            (None, Source::Object(location)) => folder(&location.key).to_owned(),
            // The objects of a manifest have no folder in common that anybody named.
            (None, Source::Manifest { .. }) => String::new(),
        });
        Ok(Self {
            strips: strips.collect(),
            sources: spec.sources.clone(),
            include: if spec.include.is_empty() { None } else { Some(globs(&spec.include)?) },
            exclude: globs(&spec.exclude)?,
            map_unsafe: spec.unsafe_names == UnsafeNames::Map,
        })
    }

    /// The name of `object`, if it is to have one.
    #[must_use]
    pub fn name(&self, object: &SourceObject) -> Named {
        let key = &*object.key;
        let strip = &self.strips[usize::from(object.source)];
        // A key without the prefix has no name, but can still be left out.
        let relative = key.strip_prefix(strip.as_str());
        let is_own_folder = relative == Some("") && object.size == 0;
        if is_own_folder || !self.keeps(relative.unwrap_or(key)) {
            return Named::LeftOut;
        }
        if key.trim().is_empty() {
            return Named::Unsafe(
                "cannot be read: the AWS SDK asks for no key of white space alone".to_owned(),
            );
        }
        let Some(relative) = relative else {
            return Named::Unsafe(format!("does not begin with the prefix to strip, `{}`", printable(strip)));
        };
        match name::check(relative, object.size) {
            Ok(()) => Named::Entry(match u16::try_from(key.len() - relative.len()) {
                Ok(from) => EntryName::KeyFrom(from),
                Err(_) => EntryName::Mapped(relative.into()),
            }),
            Err(_) if self.map_unsafe => match name::map(relative, object.size) {
                Some(mapped) => Named::Entry(EntryName::Mapped(mapped.into())),
                None => Named::Unsafe("leaves no safe name".to_owned()),
            },
            Err(reason) => Named::Unsafe(reason.to_string()),
        }
    }

    fn keeps(&self, relative: &str) -> bool {
        self.include.as_ref().is_none_or(|include| include.is_match(relative))
            && !self.exclude.is_match(relative)
    }

    /// Refuses a destination that the next run would list: never archive the archive.
    pub(super) fn refuse_own_archive(&self, spec: &JobSpec) -> Result<(), Failure> {
        let destination = &spec.destination;
        let inside = self.sources.iter().zip(&self.strips).find(|(source, strip)| {
            let name = destination.key.strip_prefix(strip.as_str()).unwrap_or(&destination.key);
            source.covers(destination) && self.keeps(name)
        });
        match inside {
            None => Ok(()),
            Some((source, _)) => Err(Failure::new(
                FailureKind::Destination,
                format!(
                    "the destination {destination} lies inside the source {source}, so the archive would be archived by the next run: \
                     choose another destination or leave it out with --exclude"
                ),
            )),
        }
    }

    /// The sources from which nothing was listed.
    pub(super) fn sources_without(&self, listed: &[u64]) -> impl Iterator<Item = &Source> {
        self.sources.iter().zip(listed).filter(|(_, count)| **count == 0).map(|(source, _)| source)
    }

    pub(super) fn nothing_found(&self, skipped: &Examples) -> String {
        let sources: Vec<String> = self.sources.iter().take(3).map(ToString::to_string).collect();
        let filters =
            if self.include.is_some() || !self.exclude.is_empty() { " that the filters keep" } else { "" };
        let skipped = if skipped.is_empty() {
            String::new()
        } else {
            format!(" ({} skipped: {skipped})", skipped.count_of("name"))
        };
        format!("nothing to archive: no object in {}{filters}{skipped}", sources.join(", "))
    }
}

/// Everything up to the last slash, as `aws s3 cp` names files: `2026/img` has the folder `2026/`.
fn folder(prefix: &str) -> &str {
    &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)]
}

/// Globs as the AWS CLI reads them: `*` matches slashes too.
fn globs(patterns: &[String]) -> Result<GlobSet, Failure> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(
            Glob::new(pattern)
                .map_err(|error| bad_request(format!("the pattern `{pattern}` cannot be read: {error}")))?,
        );
    }
    set.build().map_err(|error| bad_request(format!("the patterns cannot be read together: {error}")))
}
