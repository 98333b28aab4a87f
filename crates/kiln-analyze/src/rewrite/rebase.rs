//! The image's own layers on another base.

use std::collections::BTreeMap;

use kiln_layer::Tree;
use kiln_oci::{ContainerConfig, Image, ImageConfig};

use super::{
    AbiFinding, BASE_DIGEST, BASE_NAME, Piece, RewriteError, Rewriter, Rewritten, abi, history,
};

/// How an image is put on another base.
#[derive(Clone, Debug, Default)]
pub struct RebaseOptions {
    /// Do it although programs of the image may not run on the new base.
    pub force: bool,
    /// What the new base is called, for the annotation that says so.
    pub base_name: Option<String>,
}

/// An image on another base.
#[derive(Clone, Debug)]
pub struct Rebased {
    /// The image.
    pub rewritten: Rewritten,
    /// What speaks against it, or should be known.
    pub findings: Vec<AbiFinding>,
    /// Paths that both the image's own layers and the new base changed: the image's stay.
    pub overrides: Vec<String>,
}

impl Rewriter<'_> {
    /// How many layers of `image` are those of `base`, which must be all of the base's.
    ///
    /// # Errors
    /// If the image does not begin with them.
    pub fn base_layers(&self, image: &Image, base: &Image) -> Result<usize, RewriteError> {
        let own = &image.config.rootfs.diff_ids;
        let below = &base.config.rootfs.diff_ids;
        for (number, expected) in below.iter().enumerate() {
            if own.get(number) != Some(expected) {
                let found = own.get(number).map(ToString::to_string);
                return Err(RewriteError::NotTheBase {
                    number: number + 1,
                    expected: *expected,
                    found: found.unwrap_or_else(|| "missing".to_owned()),
                });
            }
        }
        Ok(below.len())
    }

    /// The layers that `image` has over those of `old` on top of those of `new`, byte for byte. Whatever
    /// the config has as the old base has it comes from the new one; the image's own settings stay.
    ///
    /// # Errors
    /// If the image is not built on `old`, its layers do not fit on `new`, or its programs would not find
    /// their libraries there and `options` do not force it.
    pub fn rebase(
        &self,
        image: &Image,
        old: &Image,
        new: &Image,
        options: &RebaseOptions,
    ) -> Result<Rebased, RewriteError> {
        let layers = self.base_layers(image, old)?;
        if !new.config.platform.satisfies(&image.config.platform) {
            return Err(RewriteError::Platform {
                image: image.config.platform.to_string(),
                base: new.config.platform.to_string(),
            });
        }
        let own = self.indexes(image)?.split_off(layers);
        let mut trees = Trees {
            old_base: Tree::of(&self.indexes(old)?)?,
            new_base: Tree::of(&self.indexes(new)?)?,
            ..Trees::default()
        };
        trees.old.clone_from(&trees.old_base);
        trees.new.clone_from(&trees.new_base);
        for index in &own {
            trees.old.apply(index)?;
            trees.new.apply(index).map_err(RewriteError::DoesNotFit)?;
        }
        let findings = abi::check(&trees, self.store)?;
        let blocking: Vec<_> = findings
            .iter()
            .filter(|finding| finding.is_blocking())
            .collect();
        if !blocking.is_empty() && !options.force {
            return Err(RewriteError::Abi(blocking.into_iter().cloned().collect()));
        }
        let mut pieces = Piece::all(new);
        pieces.extend(Piece::all(image).into_iter().skip(layers));
        let mut annotations = image.manifest.annotations.clone();
        annotations.insert(BASE_DIGEST.to_owned(), new.manifest.digest().to_string());
        match &options.base_name {
            Some(name) => annotations.insert(BASE_NAME.to_owned(), name.clone()),
            None => annotations.remove(BASE_NAME),
        };
        let change = |config: &mut ImageConfig| {
            config.history = joined_history(image, old, new, layers);
            config.config = joined(&image.config.config, &old.config.config, &new.config.config);
            config.platform = new.config.platform.clone();
        };
        let rewritten = self.finish(image, pieces, change, annotations, &trees.new)?;
        Ok(Rebased {
            rewritten,
            findings,
            overrides: trees.overrides(),
        })
    }
}

/// What is seen before and after.
#[derive(Debug, Default)]
pub(super) struct Trees {
    pub(super) old_base: Tree,
    pub(super) new_base: Tree,
    pub(super) old: Tree,
    pub(super) new: Tree,
}

impl Trees {
    /// Files of the image's own layers that the old base had, and the new base has otherwise.
    fn overrides(&self) -> Vec<String> {
        let base_layers = self.old_base.layers().len();
        let mut paths = vec![];
        for (path, node) in self.old.walk(b"") {
            let is_own = node
                .inode()
                .layer()
                .is_some_and(|layer| layer >= base_layers);
            if node.is_directory() || !is_own {
                continue;
            }
            let content = |tree: &Tree| tree.get(&path).map(|node| node.content().copied());
            if let (Some(before), Some(now)) = (content(&self.old_base), content(&self.new_base))
                && before != now
            {
                paths.push(String::from_utf8_lossy(&path).into_owned());
            }
        }
        paths
    }
}

fn joined_history(
    image: &Image,
    old: &Image,
    new: &Image,
    layers: usize,
) -> Vec<kiln_oci::History> {
    let own = history::aligned(&image.config);
    let begin = history::split(&own, &history::aligned(&old.config), layers);
    let mut steps = history::aligned(&new.config);
    steps.extend(own.into_iter().skip(begin));
    steps
}

/// Three ways: what the image has as its old base had it follows the new base.
fn joined(
    image: &ContainerConfig,
    old: &ContainerConfig,
    new: &ContainerConfig,
) -> ContainerConfig {
    /// One of three values.
    fn pick<T: Clone + PartialEq>(own: &T, old: &T, new: &T) -> T {
        match own == old {
            true => new.clone(),
            false => own.clone(),
        }
    }
    macro_rules! pick {
        ($field:ident) => {
            pick(&image.$field, &old.$field, &new.$field)
        };
    }
    // Docker's rule: a new entry point drops the base's command. So the two go together.
    let (entrypoint, cmd) = pick(
        &(image.entrypoint.clone(), image.cmd.clone()),
        &(old.entrypoint.clone(), old.cmd.clone()),
        &(new.entrypoint.clone(), new.cmd.clone()),
    );
    ContainerConfig {
        user: pick!(user),
        exposed_ports: joined_maps(&image.exposed_ports, &old.exposed_ports, &new.exposed_ports),
        env: joined_env(image, old, new),
        entrypoint,
        cmd,
        healthcheck: pick!(healthcheck),
        args_escaped: pick!(args_escaped),
        volumes: joined_maps(&image.volumes, &old.volumes, &new.volumes),
        working_dir: pick!(working_dir),
        on_build: pick!(on_build),
        labels: joined_maps(&image.labels, &old.labels, &new.labels),
        stop_signal: pick!(stop_signal),
        shell: pick!(shell),
        extra: joined_maps(&image.extra, &old.extra, &new.extra),
    }
}

/// Key by key: what the image added or changed stays, the rest is the new base's.
fn joined_maps<V: Clone + PartialEq>(
    image: &BTreeMap<String, V>,
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
) -> BTreeMap<String, V> {
    let mut joined = new.clone();
    for (key, value) in image {
        if old.get(key) != Some(value) {
            joined.insert(key.clone(), value.clone());
        }
    }
    for key in old.keys().filter(|key| !image.contains_key(*key)) {
        joined.remove(key);
    }
    joined
}

/// The same for variables, which have an order: the new base's first.
fn joined_env(
    image: &ContainerConfig,
    old: &ContainerConfig,
    new: &ContainerConfig,
) -> Vec<String> {
    let mut joined = ContainerConfig {
        env: new.env.clone(),
        ..ContainerConfig::default()
    };
    let before: BTreeMap<_, _> = old.env_pairs().collect();
    for (name, value) in image.env_pairs() {
        if before.get(name) != Some(&value) {
            joined.set_env(name, value);
        }
    }
    let kept: BTreeMap<_, _> = image.env_pairs().collect();
    for name in before.keys().filter(|name| !kept.contains_key(*name)) {
        joined
            .env
            .retain(|entry| entry.split('=').next() != Some(*name));
    }
    joined.env
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(env: &[&str], labels: &[(&str, &str)], user: &str) -> ContainerConfig {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        ContainerConfig {
            env: env.iter().map(|&entry| entry.to_owned()).collect(),
            labels: labels.iter().map(pair).collect(),
            user: user.to_owned(),
            ..ContainerConfig::default()
        }
    }

    #[test]
    fn own_settings_stay_and_the_rest_follows_the_base() {
        let old = config(
            &["PATH=/bin", "GONE=1", "V=1"],
            &[("base", "1"), ("x", "1")],
            "",
        );
        let image = config(
            &["PATH=/bin", "V=9", "OWN=1"],
            &[("base", "1"), ("own", "1")],
            "",
        );
        let new = config(
            &["PATH=/usr/bin", "V=2", "NEW=1", "GONE=1"],
            &[("base", "2"), ("x", "1")],
            "web",
        );
        let joined = joined(&image, &old, &new);
        assert_eq!(joined.env, ["PATH=/usr/bin", "V=9", "NEW=1", "OWN=1"]);
        let labels: Vec<_> = joined
            .labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(labels, ["base=2", "own=1"]);
        assert_eq!(joined.user, "web");
    }

    #[test]
    fn a_new_entry_point_of_the_base_comes_with_its_command() {
        let words = |text: &str| Some(text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let with = |entrypoint, cmd| ContainerConfig {
            entrypoint,
            cmd,
            ..ContainerConfig::default()
        };
        let old = with(None, words("sh"));
        let new = with(words("/init"), words("bash"));
        let follows = joined(&with(None, words("sh")), &old, &new);
        assert_eq!(
            (follows.entrypoint, follows.cmd),
            (words("/init"), words("bash"))
        );
        let own = joined(&with(None, words("serve")), &old, &new);
        assert_eq!((own.entrypoint, own.cmd), (None, words("serve")));
    }
}
