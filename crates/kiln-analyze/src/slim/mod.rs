//! Slimming: an image with nothing in it but what its program needs, and the proof that it still works.
//!
//! A [plan](SlimPlan) says what stays, and why. It begins with what the image's config runs and names, and
//! follows programs to their libraries, scripts to what they call, and known families of data that programs
//! open by name. Nothing of the image is run for that. In observed mode, what a workload really read is
//! added, and of a language's modules only what was read; in package mode, everything is rounded up to
//! whole packages.
//!
//! Then the same workload is run in the slimmed image. If it fails there, the removed files are bisected
//! for the smallest set that it needs ([`missing`]).

mod bisect;
mod closure;
mod families;
mod libraries;
#[cfg(target_os = "linux")]
mod observe;
mod packages;
mod report;
#[cfg(target_os = "linux")]
mod trial;

use std::collections::{BTreeMap, BTreeSet};

use kiln_layer::Tree;
use kiln_oci::Image;

use self::closure::Closure;
use self::families::{Done, keep_always, keep_matching, keep_own, keep_wanted};
use self::packages::Owners;
use crate::rewrite::{RewriteError, Rewriter, Rewritten, as_path, patterns_of};

pub use bisect::{Bisection, missing};
#[cfg(target_os = "linux")]
pub use observe::{ObserveError, Observed, observe};
pub use report::{Gone, SlimReport, Stayed};
#[cfg(target_os = "linux")]
pub use trial::{Probe, TrialError, Verdict, Workload, run};

/// How far an image is slimmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlimMode {
    /// What can be told from the files alone.
    #[default]
    Static,
    /// And what a workload read; of trees of modules only the parts that it read.
    Observed,
    /// Rounded up to whole packages.
    Package,
}

/// How an image is slimmed.
#[derive(Clone, Debug, Default)]
pub struct SlimOptions {
    /// How far.
    pub mode: SlimMode,
    /// Patterns of paths that stay in any case; a directory with all in it.
    pub keep: Vec<String>,
    /// Further commands that must work, each with its arguments.
    pub commands: Vec<Vec<String>>,
    /// What a workload read, if one was observed.
    pub observed: BTreeSet<Vec<u8>>,
}

/// What stays of an image.
#[derive(Clone, Debug, Default)]
pub struct SlimPlan {
    /// How far it goes.
    pub mode: SlimMode,
    /// Paths that stay, and why; the directories above them stay, too.
    pub kept: BTreeMap<Vec<u8>, String>,
    /// Libraries that a program names and that the image does not have.
    pub missing_libraries: Vec<String>,
}

impl Rewriter<'_> {
    /// Finds out what the image needs.
    ///
    /// # Errors
    /// If a layer or a file of it cannot be read, or a pattern is none.
    pub fn slim_plan(
        &self,
        image: &Image,
        options: &SlimOptions,
    ) -> Result<SlimPlan, RewriteError> {
        let tree = self.tree(image)?;
        let store = self.store();
        let failed = |source| RewriteError::Content {
            path: String::new(),
            source,
        };
        let config = &image.config.config;
        let env: BTreeMap<String, String> = config
            .env_pairs()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut closure = Closure::new(&tree, store, &env).map_err(failed)?;
        keep_always(&mut closure, &env)?;
        keep_configured(&mut closure, image, options, &env).map_err(failed)?;
        let keep = options.keep.iter().flat_map(|pattern| {
            let pattern = pattern.trim_end_matches('/');
            [pattern.to_owned(), format!("{pattern}/**")]
        });
        let keep: Vec<String> = keep.collect();
        let keep = patterns_of(keep.iter().map(String::as_str))?;
        keep_matching(&mut closure, &keep, &globset::GlobSet::empty(), "asked for");
        let has_modules = options.mode != SlimMode::Observed;
        for path in &options.observed {
            closure.keep(path, "read by the workload");
        }
        if !has_modules {
            keep_observed_modules(&mut closure, &options.observed)?;
        }
        let mut done = Done::default();
        loop {
            closure.close().map_err(failed)?;
            if !keep_wanted(&mut closure, &mut done, has_modules)? {
                break;
            }
        }
        if options.mode == SlimMode::Package {
            round_up(&mut closure)?;
        }
        Ok(SlimPlan {
            mode: options.mode,
            kept: closure.kept,
            missing_libraries: closure.missing.into_iter().collect(),
        })
    }

    /// The image with what `plan` keeps, in one layer. Config and history stay.
    ///
    /// # Errors
    /// If the image has no layers, or they cannot be read or written.
    pub fn slim(&self, image: &Image, plan: &SlimPlan) -> Result<Rewritten, RewriteError> {
        let slim = plan.applied(&self.tree(image)?);
        self.only(image, &slim, "kiln slim")
    }

    /// What `plan` keeps and takes, in numbers.
    ///
    /// # Errors
    /// If a layer cannot be read.
    pub fn slim_report(&self, image: &Image, plan: &SlimPlan) -> Result<SlimReport, RewriteError> {
        let tree = self.tree(image)?;
        let owners = Owners::of(&tree, self.store()).map_err(|source| RewriteError::Content {
            path: "var/lib/dpkg/info".to_owned(),
            source,
        })?;
        Ok(report::report(&tree, plan, &owners))
    }

    /// The paths that `plan` takes away, without directories, in groups that belong together: a package, or
    /// a directory.
    ///
    /// # Errors
    /// If a layer cannot be read.
    pub fn slim_groups(
        &self,
        image: &Image,
        plan: &SlimPlan,
    ) -> Result<BTreeMap<String, Vec<Vec<u8>>>, RewriteError> {
        let tree = self.tree(image)?;
        let owners = Owners::of(&tree, self.store()).map_err(|source| RewriteError::Content {
            path: "var/lib/dpkg/info".to_owned(),
            source,
        })?;
        let mut groups: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for (path, node) in tree.walk(b"") {
            if !node.is_directory() && !plan.kept.contains_key(&path) {
                groups
                    .entry(report::group_of(&owners, &path))
                    .or_default()
                    .push(path);
            }
        }
        Ok(groups)
    }
}

impl SlimPlan {
    /// The tree with what stays.
    #[must_use]
    pub fn applied(&self, tree: &Tree) -> Tree {
        let mut directories: BTreeSet<&[u8]> = BTreeSet::new();
        for path in self.kept.keys() {
            let mut path = &path[..];
            while let Some((parent, _)) = kiln_layer::entry::split_path(path) {
                if !directories.insert(parent) {
                    break;
                }
                path = parent;
            }
        }
        tree.without(|path, _| !self.kept.contains_key(path) && !directories.contains(path))
    }
}

/// What the config runs and names.
fn keep_configured(
    closure: &mut Closure<'_>,
    image: &Image,
    options: &SlimOptions,
    env: &BTreeMap<String, String>,
) -> std::io::Result<()> {
    let config = &image.config.config;
    let list = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let run = [list(&config.entrypoint), list(&config.cmd)].concat();
    let mut commands = vec![("what the image runs", run)];
    // A command may be a program of its own where an entry point hands on to it.
    commands.push(("what the image runs", list(&config.cmd)));
    if let Some(check) = &config.healthcheck {
        let command = match check.test.split_first() {
            Some((kind, words)) if kind == "CMD" => words.to_vec(),
            Some((kind, words)) if kind == "CMD-SHELL" => {
                let shell = config
                    .shell
                    .clone()
                    .unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
                [shell, words.to_vec()].concat()
            }
            _ => vec![],
        };
        commands.push(("what the health check runs", command));
    }
    for command in &options.commands {
        commands.push(("what the test runs", command.clone()));
    }
    let workdir = config
        .working_dir
        .trim_start_matches('/')
        .as_bytes()
        .to_vec();
    for (why, words) in &commands {
        let Some((program, arguments)) = words.split_first() else {
            continue;
        };
        let program = match program.contains('/') && !program.starts_with('/') {
            true => kiln_layer::entry::join_path(&workdir, program.as_bytes()),
            false => program.as_bytes().to_vec(),
        };
        if let Some(real) = closure.keep_program(&program, why) {
            for place in [&program[..], &real] {
                let name = place
                    .rsplit(|byte| *byte == b'/')
                    .next()
                    .unwrap_or_default();
                keep_own(closure, name)?;
            }
        }
        for argument in arguments {
            closure.keep_words(argument.as_bytes(), why, true);
            let beside = kiln_layer::entry::join_path(&workdir, argument.as_bytes());
            closure.keep_named(&beside, why);
        }
        // `exec nginx -g …` in a shell's argument runs programs, too.
        let named: Vec<Vec<u8>> = closure.programs.keys().cloned().collect();
        for name in named {
            keep_own(closure, &name)?;
        }
    }
    if !workdir.is_empty() {
        closure.keep_named(&workdir, "where the program starts");
    }
    for (name, value) in env {
        // What programs are looked for in says nothing of which.
        if matches!(name.as_str(), "PATH" | "LD_LIBRARY_PATH" | "HOME") {
            continue;
        }
        let why = format!("named in the variable {name}");
        for path in value
            .split([':', ' ', '='])
            .filter(|path| path.starts_with('/'))
        {
            closure.keep_named(path.as_bytes(), &why);
        }
    }
    for volume in config.volumes.keys() {
        closure.keep_named(volume.as_bytes(), "a volume");
    }
    Ok(())
}

/// Of trees of modules, those entries of which something was read.
fn keep_observed_modules(
    closure: &mut Closure<'_>,
    observed: &BTreeSet<Vec<u8>>,
) -> Result<(), RewriteError> {
    let roots = patterns_of(families::MODULES.iter().copied())?;
    let mut parts = BTreeSet::new();
    for path in observed {
        if let Some(source) = source_of(path) {
            closure.keep(&source, "the source of byte-code that was read");
        }
        let mut part = &path[..];
        while let Some((parent, _)) = kiln_layer::entry::split_path(part) {
            if roots.is_match(as_path(parent)) && !roots.is_match(as_path(part)) {
                parts.insert(part.to_vec());
                break;
            }
            part = parent;
        }
    }
    for part in parts {
        closure.keep_all(&part, "a module of which a part was read", &|_| false);
    }
    Ok(())
}

/// The source of byte-code. Python reads `a/__pycache__/b.cpython-313.pyc` only while `a/b.py` is there, but of
/// that it only asks the time, which is no access.
fn source_of(path: &[u8]) -> Option<Vec<u8>> {
    use kiln_layer::entry::{join_path, split_path};
    let (cache, name) = split_path(path)?;
    let (parent, b"__pycache__") = split_path(cache)? else {
        return None;
    };
    let stem = name.split(|byte| *byte == b'.').next()?;
    Some(join_path(parent, &[stem, b".py"].concat()))
}

/// Every package of which a file stays stays whole.
fn round_up(closure: &mut Closure<'_>) -> Result<(), RewriteError> {
    let owners =
        Owners::of(closure.tree, closure.content).map_err(|source| RewriteError::Content {
            path: "var/lib/dpkg/info".to_owned(),
            source,
        })?;
    // Files that every image keeps say nothing of their packages.
    let counts = |why: &str| {
        why.starts_with("needed by") || why.starts_with("what the") || why.starts_with("read by")
    };
    let kept = closure.kept.iter().filter(|(_, why)| counts(why));
    let packages: BTreeSet<String> = kept
        .filter_map(|(path, _)| owners.owner(path))
        .map(str::to_owned)
        .collect();
    let files: Vec<_> = owners
        .all()
        .filter(|(_, package)| packages.contains(*package))
        .map(|(path, package)| (path.to_vec(), format!("of the package {package}")))
        .collect();
    for (path, why) in files {
        closure.keep(&path, &why);
    }
    // Lists of files are what ties them to their packages.
    for package in packages {
        for (name, _) in closure.tree.children(b"var/lib/dpkg/info") {
            let stem = name
                .split(|byte| matches!(byte, b'.' | b':'))
                .next()
                .unwrap_or_default();
            let is_list = name.ends_with(b".list") || name.ends_with(b".md5sums");
            // Names may hold dots: `libpython3.13`.
            if is_list && (stem == package.as_bytes() || name.starts_with(package.as_bytes())) {
                let path = kiln_layer::entry::join_path(b"var/lib/dpkg/info", name);
                closure.keep(&path, "what is installed, for scanners");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::source_of;

    #[test]
    fn byte_code_leads_to_its_source() {
        let source = source_of(b"usr/lib/python3.13/__pycache__/codecs.cpython-313.pyc");
        assert_eq!(
            source.as_deref(),
            Some(&b"usr/lib/python3.13/codecs.py"[..])
        );
        assert_eq!(source_of(b"usr/lib/python3.13/codecs.py"), None);
        assert_eq!(source_of(b"codecs.pyc"), None);
    }
}
