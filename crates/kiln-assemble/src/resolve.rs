//! Which packages go together: dependencies in Debian's terms, put to a SAT solver.
//!
//! Source: Debian Policy chapter 7. Every relation becomes sets of packages, so that the solver knows
//! nothing of versions, provisions or alternatives:
//!
//! - `Depends` and `Pre-Depends` require one package out of an ordered list of sets: for each
//!   alternative first the packages of that name, then those that provide it, as apt prefers them;
//! - `Conflicts` and `Breaks` restrict a name to the packages that are not meant, and every name that
//!   provides what is meant. A package never conflicts with itself (7.4);
//! - of each name, the highest version is tried first; with a lock file, the locked one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use kiln_packages::deb::{Alternatives, ArchQualifier, InvalidPackage, Package, Relation, Version};
use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem, Requirement,
    SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId,
    VersionSetUnionId,
};

use crate::repository::Available;
use crate::spec::Architecture;

/// Why no set of packages fits.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Wishes and relations contradict each other.
    #[error("no set of packages for {architecture} satisfies what is asked for")]
    Unsatisfiable {
        /// The architecture.
        architecture: Architecture,
        /// Why, in terms of packages, over several lines.
        #[source]
        why: Explanation,
    },
    /// A package that may be needed has relations that make no sense.
    #[error("a package of the repository makes no sense")]
    Package(#[from] InvalidPackage),
}

/// Why packages do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation(String);

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Explanation {}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) architecture: Architecture,
    pub(crate) packages: &'a [Relation],
    pub(crate) assume: &'a [String],
    /// Versions to keep where that is possible, by name.
    pub(crate) prefer: &'a BTreeMap<String, String>,
}

/// The packages that satisfy `request`, sorted by name.
pub(crate) fn resolve<'a>(
    available: &'a [Available],
    request: Request<'_>,
) -> Result<Vec<&'a Available>, ResolveError> {
    let universe = Universe::new(available, request)?;
    let wishes: Vec<_> = request
        .packages
        .iter()
        .map(|wish| universe.requirement(std::slice::from_ref(wish)).into())
        .collect();
    let mut solver = Solver::new(universe);
    match solver.solve(Problem::new().requirements(wishes)) {
        Ok(solution) => {
            let universe = solver.provider();
            let mut chosen: Vec<&Available> = solution
                .into_iter()
                .map(|id| &available[universe.pool.resolve_solvable(id).record])
                .collect();
            chosen.sort_by(|a, b| a.package.name.cmp(&b.package.name));
            Ok(chosen)
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            let text = conflict.display_user_friendly(&solver).to_string();
            Err(ResolveError::Unsatisfiable {
                architecture: request.architecture,
                why: Explanation(text.trim_end().to_owned()),
            })
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            unreachable!("because nothing here cancels the solver")
        }
    }
}

/// Some packages of one name, and how to call them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Set {
    /// Places in the list of available packages, ascending.
    members: Vec<usize>,
    label: String,
}

impl VersionSet for Set {
    type V = usize;
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

/// A package that provides a name, and in which version.
struct Provider {
    package: usize,
    version: Option<Version>,
}

struct Universe<'a> {
    available: &'a [Available],
    by_name: HashMap<&'a str, Vec<usize>>,
    providers: HashMap<String, Vec<Provider>>,
    solvables: HashMap<usize, SolvableId>,
    assume: &'a [String],
    prefer: &'a BTreeMap<String, String>,
    pool: Pool<Set, String>,
}

impl<'a> Universe<'a> {
    fn new(available: &'a [Available], request: Request<'a>) -> Result<Self, ResolveError> {
        let mut universe = Self {
            available,
            by_name: HashMap::new(),
            providers: HashMap::new(),
            solvables: HashMap::new(),
            assume: request.assume,
            prefer: request.prefer,
            pool: Pool::new(),
        };
        for (at, Available { package, .. }) in available.iter().enumerate() {
            let fits = ["all", request.architecture.debian()];
            if !fits.contains(&package.architecture.as_str()) {
                continue;
            }
            let same_name = universe.by_name.entry(&package.name).or_default();
            // Suites overlap; the first to have a version has it.
            let is_known = |known: &usize| available[*known].package.version == package.version;
            if same_name.iter().any(is_known) {
                continue;
            }
            same_name.push(at);
            let name = universe.pool.intern_package_name(package.name.as_str());
            universe
                .solvables
                .insert(at, universe.pool.intern_solvable(name, at));
            for alternatives in package.relations("Provides")?.0 {
                for provided in alternatives.0 {
                    let version = provided.version.map(|(_, version)| version);
                    let providers = universe.providers.entry(provided.name).or_default();
                    providers.push(Provider {
                        package: at,
                        version,
                    });
                }
            }
        }
        Ok(universe)
    }

    fn package(&self, at: usize) -> &'a Package {
        &self.available[at].package
    }

    /// The packages that a relation means, by their names: first those that have the name, then those
    /// that provide it, required ones before optional ones.
    fn meant(&self, relation: &Relation) -> Vec<(&'a str, Vec<usize>)> {
        let fits_architecture = |at: usize| match &relation.qualifier {
            Some(ArchQualifier::Named(name)) => self.package(at).architecture == *name,
            _ => true,
        };
        let mut own: Vec<(&'a str, Vec<usize>)> = vec![];
        if let Some((name, all)) = self.by_name.get_key_value(relation.name.as_str()) {
            let admitted = |at: &&usize| {
                relation.admits(&self.package(**at).version) && fits_architecture(**at)
            };
            own.push((name, all.iter().filter(admitted).copied().collect()));
        }
        let mut others: BTreeMap<(usize, &'a str), Vec<usize>> = BTreeMap::new();
        for provider in self.providers.get(&relation.name).into_iter().flatten() {
            let package = self.package(provider.package);
            let admits = relation.admits_provided(provider.version.as_ref());
            if admits && fits_architecture(provider.package) && package.name != relation.name {
                let key = (rank(&package.priority), package.name.as_str());
                others.entry(key).or_default().push(provider.package);
            }
        }
        own.retain(|(_, members)| !members.is_empty());
        own.extend(
            others
                .into_iter()
                .map(|((_, name), members)| (name, members)),
        );
        own
    }

    fn set(&self, name: &str, members: Vec<usize>, label: String) -> VersionSetId {
        let name = self.pool.intern_package_name(name);
        self.pool.intern_version_set(name, Set { members, label })
    }

    /// One of these alternatives, in this order.
    fn requirement(&self, alternatives: &[Relation]) -> Requirement {
        let mut sets = vec![];
        for relation in alternatives {
            for (name, members) in self.meant(relation) {
                let label = match name == relation.name {
                    true => versions(relation),
                    false => format!("(provides {relation})"),
                };
                sets.push(self.set(name, members, label));
            }
        }
        match &sets[..] {
            [] => {
                // Nothing there: the solver says so with the first name's own words.
                let first = &alternatives[0];
                self.set(&first.name, vec![], versions(first)).into()
            }
            [only] => (*only).into(),
            [first, rest @ ..] => {
                let rest = rest.iter().copied();
                self.pool.intern_version_set_union(*first, rest).into()
            }
        }
    }

    /// What else may not be there with a package that has `relation` among its conflicts.
    fn restrict(
        &self,
        package: &Package,
        field: &str,
        relation: &Relation,
        out: &mut Vec<VersionSetId>,
    ) {
        for (name, meant) in self.meant(relation) {
            // Of its own name there is only itself, which it does not conflict with.
            if name == package.name {
                continue;
            }
            let all = &self.by_name[name];
            let others = all
                .iter()
                .filter(|at| !meant.contains(at))
                .copied()
                .collect();
            let label = format!("({} {field} {relation})", package.name);
            out.push(self.set(name, others, label));
        }
    }

    fn dependencies(&self, at: usize) -> Result<KnownDependencies, InvalidPackage> {
        let package = self.package(at);
        let mut known = KnownDependencies::default();
        for field in ["Pre-Depends", "Depends"] {
            for Alternatives(alternatives) in package.relations(field)?.0 {
                let is_assumed = |relation: &Relation| self.assume.contains(&relation.name);
                // A package may depend on what it provides itself.
                let is_own = |relation: &Relation| {
                    let mut meant = self.meant(relation).into_iter();
                    meant.any(|(_, members)| members.contains(&at))
                };
                if !alternatives
                    .iter()
                    .any(|relation| is_assumed(relation) || is_own(relation))
                {
                    known
                        .requirements
                        .push(self.requirement(&alternatives).into());
                }
            }
        }
        for (field, verb) in [("Conflicts", "conflicts with"), ("Breaks", "breaks")] {
            for Alternatives(alternatives) in package.relations(field)?.0 {
                for relation in &alternatives {
                    self.restrict(package, verb, relation, &mut known.constrains);
                }
            }
        }
        Ok(known)
    }
}

/// A relation's versions alone: names are added by the solver.
fn versions(relation: &Relation) -> String {
    let version = relation.version.as_ref();
    version.map_or_else(String::new, |(operator, version)| {
        format!("({operator} {version})")
    })
}

/// Order of priorities (Policy 2.5): what every system has first.
fn rank(priority: &str) -> usize {
    let order = ["required", "important", "standard", "optional"];
    order
        .iter()
        .position(|known| *known == priority)
        .unwrap_or(order.len())
}

impl Interner for Universe<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl fmt::Display + '_ {
        let package = self.package(self.pool.resolve_solvable(solvable).record);
        format!("{} {}", package.name, package.version)
    }

    fn display_merged_solvables(&self, solvables: &[SolvableId]) -> impl fmt::Display + '_ {
        let mut text = String::new();
        for (at, id) in solvables.iter().enumerate() {
            let package = self.package(self.pool.resolve_solvable(*id).record);
            if at == 0 {
                text.push_str(&package.name);
            }
            text.push_str(if at == 0 { " " } else { " | " });
            text.push_str(package.version.as_str());
        }
        text
    }

    fn display_name(&self, name: NameId) -> impl fmt::Display + '_ {
        self.pool.resolve_package_name(name)
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl fmt::Display + '_ {
        self.pool.resolve_version_set(version_set)
    }

    fn display_string(&self, string_id: StringId) -> impl fmt::Display + '_ {
        self.pool.resolve_string(string_id)
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(version_set)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.resolve_solvable(solvable).name
    }

    fn version_sets_in_union(
        &self,
        version_set_union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(version_set_union)
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Universe<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let members = &self.pool.resolve_version_set(version_set).members;
        let is_member = |id: &SolvableId| {
            let at = self.pool.resolve_solvable(*id).record;
            members.contains(&at) != inverse
        };
        candidates.iter().copied().filter(is_member).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let name = self.pool.resolve_package_name(name).as_str();
        let all = self.by_name.get(name)?;
        let preferred = self.prefer.get(name);
        let mut favored = None;
        let mut candidates = vec![];
        for at in all {
            let id = self.solvables[at];
            if preferred.is_some_and(|version| version == self.package(*at).version.as_str()) {
                favored = Some(id);
            }
            candidates.push(id);
        }
        Some(Candidates {
            candidates,
            favored,
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _solver: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by(|a, b| {
            let package = |id: &SolvableId| self.package(self.pool.resolve_solvable(*id).record);
            package(b).version.cmp(&package(a).version)
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        match self.dependencies(self.pool.resolve_solvable(solvable).record) {
            Ok(known) => Dependencies::Known(known),
            Err(error) => Dependencies::Unknown(self.pool.intern_string(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use kiln_packages::deb::Stanzas;

    use super::*;

    fn available(text: &str) -> Vec<Available> {
        let stanzas = Stanzas::new(text.as_bytes());
        let packages = stanzas.map(|stanza| Package::new(stanza.unwrap()).unwrap());
        let with_url = packages.map(|package| Available {
            url: String::new(),
            package,
        });
        with_url.collect()
    }

    /// Packages from lines `name version; Field: value; …`.
    fn packages(lines: &[&str]) -> Vec<Available> {
        let stanza = |line: &&str| {
            let mut parts = line.split("; ");
            let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
            let mut text = format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n");
            parts.for_each(|part| text.push_str(&format!("{part}\n")));
            text + "\n"
        };
        available(&lines.iter().map(stanza).collect::<String>())
    }

    fn choose(lines: &[&str], wishes: &[&str], assume: &[&str]) -> Result<String, String> {
        prefer(lines, wishes, assume, &[])
    }

    fn prefer(
        lines: &[&str],
        wishes: &[&str],
        assume: &[&str],
        prefer: &[(&str, &str)],
    ) -> Result<String, String> {
        let available = packages(lines);
        let wishes: Vec<Relation> = wishes.iter().map(|wish| wish.parse().unwrap()).collect();
        let assume: Vec<String> = assume.iter().map(ToString::to_string).collect();
        let pairs = prefer
            .iter()
            .map(|(name, version)| (name.to_string(), version.to_string()));
        let request = Request {
            architecture: "amd64".parse().unwrap(),
            packages: &wishes,
            assume: &assume,
            prefer: &pairs.collect(),
        };
        match resolve(&available, request) {
            Ok(chosen) => {
                let shown = chosen
                    .iter()
                    .map(|one| format!("{}={}", one.package.name, one.package.version));
                Ok(shown.collect::<Vec<_>>().join(" "))
            }
            Err(ResolveError::Unsatisfiable { why, .. }) => Err(why.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_highest_version_that_fits_is_taken() {
        let all = [
            "app 1; Depends: lib (<< 3)",
            "lib 1",
            "lib 2",
            "lib 3",
            "unused 1",
        ];
        assert_eq!(choose(&all, &["app"], &[]).unwrap(), "app=1 lib=2");
        let older = ["app 2; Depends: lib (>= 9)", "app 1; Depends: lib", "lib 3"];
        assert_eq!(
            choose(&older, &["app"], &[]).unwrap(),
            "app=1 lib=3",
            "it goes back"
        );
        assert_eq!(
            prefer(&all, &["app"], &[], &[("lib", "1")]).unwrap(),
            "app=1 lib=1"
        );
    }

    #[test]
    fn alternatives_are_taken_in_order() {
        let all = [
            "app 1; Depends: absent | first | second",
            "first 1",
            "second 1",
        ];
        assert_eq!(choose(&all, &["app"], &[]).unwrap(), "app=1 first=1");
        assert_eq!(
            choose(&all, &["app", "second"], &[]).unwrap(),
            "app=1 second=1"
        );
        let one_breaks = [
            "app 1; Depends: first | second",
            "first 1; Conflicts: app",
            "second 1",
        ];
        assert_eq!(
            choose(&one_breaks, &["app"], &[]).unwrap(),
            "app=1 second=1"
        );
    }

    #[test]
    fn provisions_satisfy_what_policy_says() {
        let all = [
            "app 1; Depends: mail-agent",
            "versioned 1; Depends: mail-agent (>= 2)",
            "exim 1; Provides: mail-agent",
            "postfix 1; Provides: mail-agent (= 3); Priority: important",
        ];
        assert_eq!(
            choose(&all, &["app"], &[]).unwrap(),
            "app=1 postfix=1",
            "by priority"
        );
        assert_eq!(
            choose(&all, &["versioned"], &[]).unwrap(),
            "postfix=1 versioned=1"
        );
        let own = ["app 1; Depends: itself; Provides: itself"];
        assert_eq!(choose(&own, &["app"], &[]).unwrap(), "app=1");
    }

    #[test]
    fn conflicts_hold_but_not_with_oneself() {
        let agents = [
            "exim 1; Provides: agent; Conflicts: agent",
            "postfix 1; Provides: agent; Conflicts: agent",
        ];
        assert_eq!(choose(&agents, &["exim"], &[]).unwrap(), "exim=1");
        let why = choose(&agents, &["exim", "postfix"], &[]).unwrap_err();
        assert!(why.contains("exim") && why.contains("postfix"), "{why}");
        let breaks = ["app 2; Breaks: lib (<< 2)", "lib 1", "lib 2"];
        assert_eq!(
            prefer(&breaks, &["app", "lib"], &[], &[("lib", "1")]).unwrap(),
            "app=2 lib=2"
        );
    }

    #[test]
    fn what_cannot_be_is_explained_in_terms_of_packages() {
        let all = [
            "app 1; Depends: lib (>= 3)",
            "lib 2",
            "tool 1; Depends: nothing",
        ];
        let why = choose(&all, &["app"], &[]).unwrap_err();
        assert!(
            why.contains("app") && why.contains("lib") && why.contains("(>= 3)"),
            "{why}"
        );
        let why = choose(&all, &["tool"], &[]).unwrap_err();
        assert!(why.contains("nothing"), "{why}");
        let why = choose(&all, &["absent (= 1)"], &[]).unwrap_err();
        assert!(why.contains("absent"), "{why}");
    }

    #[test]
    fn assumed_names_are_not_followed() {
        let all = [
            "app 1; Pre-Depends: awk; Depends: debconf | cdebconf, lib",
            "lib 1",
        ];
        assert_eq!(
            choose(&all, &["app"], &["awk", "cdebconf"]).unwrap(),
            "app=1 lib=1"
        );
        assert!(choose(&all, &["app"], &["awk"]).is_err());
    }

    #[test]
    fn other_architectures_do_not_count() {
        let text = "Package: app\nVersion: 1\nArchitecture: arm64\n\n\
                    Package: app\nVersion: 0\nArchitecture: all\nDepends: lib:amd64, tool:any\n\n\
                    Package: lib\nVersion: 1\nArchitecture: amd64\n\n\
                    Package: tool\nVersion: 1\nArchitecture: amd64\n";
        let available = available(text);
        let request = Request {
            architecture: "amd64".parse().unwrap(),
            packages: &[Relation::any("app")],
            assume: &[],
            prefer: &BTreeMap::new(),
        };
        let chosen = resolve(&available, request).unwrap();
        let names: Vec<_> = chosen.iter().map(|one| one.package.name.as_str()).collect();
        assert_eq!(names, ["app", "lib", "tool"]);
        assert_eq!(chosen[0].package.version.as_str(), "0");
    }

    #[test]
    fn a_hundred_rings_of_dependencies_end() {
        let lines: Vec<String> = (0..100)
            .map(|at| {
                format!(
                    "p{at:03} 1; Depends: p{:03} | p{:03}",
                    (at + 1) % 100,
                    (at + 7) % 100
                )
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let chosen = choose(&lines, &["p000"], &[]).unwrap();
        assert!(chosen.starts_with("p000=1"));
    }
}
