//! What jobs a load is made of: populations of archives, how often each is asked for, and by which tenant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proto::api::Submission;
use proto::job::{Goal, JobSpec, Priority};
use proto::limits::LOAD_POPULATIONS_MAX;
use proto::location::{Location, Source, SourceText};
use serde::Deserialize;

use crate::units::parse_bytes;

/// The tenant of populations that name none.
const NOBODY: &str = "everybody";

/// A mix as it is written down.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tenant: BTreeMap<String, Tenant>,
    #[serde(default)]
    population: Vec<Written>,
}

/// Who asks for archives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tenant {
    token_file: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default = "one")]
    weight: u32,
    sources: Vec<SourceText>,
    tenant: Option<String>,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    goal: Goal,
    part_size: Option<String>,
}

fn one() -> u32 {
    1
}

/// Archives of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// How it is called.
    pub(crate) name: String,
    /// How often it is asked for, relative to others.
    pub(crate) weight: u32,
    /// Whose they are: an index into the mix's tenants.
    pub(crate) tenant: usize,
    sources: Vec<Source>,
    priority: Priority,
    goal: Goal,
    part_bytes: Option<u64>,
}

impl Population {
    /// Such an archive, at `destination`.
    pub(crate) fn submission(&self, destination: Location) -> Submission {
        let spec = JobSpec {
            priority: self.priority,
            goal: self.goal,
            part_bytes: self.part_bytes,
            ..JobSpec::new(self.sources.clone(), destination)
        };
        Submission::of(&spec)
    }
}

/// What a load is made of.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    /// Its populations, at least one.
    pub(crate) populations: Vec<Population>,
    /// Its tenants by name, with the file of their token if they have one of their own.
    pub(crate) tenants: Vec<(String, Option<PathBuf>)>,
}

impl Mix {
    /// Reads a mix in TOML.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let File { mut tenant, population: written } = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("line {line}: {}", error.message())
        })?;
        if written.is_empty() || written.len() > LOAD_POPULATIONS_MAX {
            return Err(format!("1 to {LOAD_POPULATIONS_MAX} tables [[population]] are needed in it"));
        }
        let named: BTreeSet<&str> =
            written.iter().map(|one| one.tenant.as_deref().unwrap_or(NOBODY)).collect();
        if let Some(unused) = tenant.keys().find(|name| !named.contains(name.as_str())) {
            return Err(format!("no population is of tenant `{unused}`"));
        }
        let names: Vec<String> = named.into_iter().map(ToOwned::to_owned).collect();
        let mut populations: Vec<Population> = Vec::with_capacity(written.len());
        for one in written {
            if populations.iter().any(|before| before.name == one.name) {
                return Err(format!("there are two populations `{}`", one.name));
            }
            let name = one.name.clone();
            populations.push(population(one, &names).map_err(|why| format!("population `{name}`: {why}"))?);
        }
        let tenants = names.into_iter().map(|name| {
            let token_file = tenant.remove(&name).map(|tenant| tenant.token_file);
            (name, token_file)
        });
        Ok(Self { tenants: tenants.collect(), populations })
    }

    /// The population that `roll`, from 0 to below 1, stands for: each as often as its weight says.
    pub(crate) fn pick(&self, roll: f64) -> usize {
        let total: f64 = self.populations.iter().map(|one| f64::from(one.weight)).sum();
        let mut left = roll * total;
        let picked = self.populations.iter().position(|one| {
            left -= f64::from(one.weight);
            left < 0.0
        });
        // What is lost in rounding belongs to the last.
        picked.unwrap_or(self.populations.len() - 1)
    }

    /// Which population is called so.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.populations.iter().position(|one| one.name == name)
    }

    /// The name of a population's tenant.
    pub(crate) fn tenant_of(&self, population: usize) -> &str {
        &self.tenants[self.populations[population].tenant].0
    }
}

fn population(written: Written, tenants: &[String]) -> Result<Population, String> {
    let Written { name, weight, sources, tenant, priority, goal, part_size } = written;
    if sources.is_empty() {
        return Err("it has no sources".to_owned());
    }
    if weight == 0 {
        return Err("its weight must be 1 or more".to_owned());
    }
    let sources = sources.into_iter().map(|source| Source::try_from(source).map_err(|why| why.to_string()));
    let tenant = tenant.as_deref().unwrap_or(NOBODY);
    Ok(Population {
        name,
        weight,
        tenant: tenants.iter().position(|one| one == tenant).expect("all that are named were gathered"),
        sources: sources.collect::<Result<_, _>>()?,
        priority,
        goal,
        part_bytes: part_size.as_deref().map(parse_bytes).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIX: &str = r#"
        [tenant.web]
        token_file = "web.token"

        [[population]]
        name = "small"
        weight = 9
        tenant = "web"
        sources = ["s3://load/small/"]
        priority = "high"

        [[population]]
        name = "large"
        sources = ["s3://load/large/", { manifest = "s3://load/list.jsonl" }]
        goal = "price"
        part_size = "64MiB"
    "#;

    #[test]
    fn a_mix_says_what_is_asked_for_by_whom() {
        let mix = Mix::read(MIX).expect("a mix");
        assert_eq!(
            mix.tenants,
            [("everybody".to_owned(), None), ("web".to_owned(), Some(PathBuf::from("web.token")))]
        );
        assert_eq!((mix.tenant_of(0), mix.tenant_of(1)), ("web", "everybody"));
        let picked: Vec<usize> = [0.0, 0.89, 0.91, 0.999_999].map(|roll| mix.pick(roll)).into();
        assert_eq!(picked, [0, 0, 1, 1]);
        let to = Location { bucket: "out".to_owned(), key: "1.zip".to_owned() };
        let large = mix.populations[1].submission(to.clone());
        assert_eq!((large.sources.len(), large.part_bytes, large.goal), (2, Some(64 << 20), Goal::Price));
        assert_eq!(mix.populations[0].submission(to).priority, Priority::High);
    }

    #[test]
    fn what_is_wrong_with_a_mix_is_said() {
        for (text, words) in [
            ("", "[[population]]"),
            ("x = 1", "line 1"),
            (&MIX.replace("web.token\"", "web.token\"\nsecret = \"1\""), "secret"),
            (&MIX.replace("tenant = \"web\"", ""), "no population is of tenant `web`"),
            (&MIX.replace("\"large\"", "\"small\""), "two populations `small`"),
            (&MIX.replace("weight = 9", "weight = 0"), "population `small`: its weight"),
            (&MIX.replace("s3://load/small/", "/load/small/"), "population `small`"),
            (&MIX.replace("64MiB", "64 apples"), "64 apples"),
        ] {
            let why = Mix::read(text).expect_err(text);
            assert!(why.contains(words), "no `{words}` in {why}");
        }
    }
}
