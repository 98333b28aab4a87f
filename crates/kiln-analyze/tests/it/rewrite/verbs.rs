//! Every verb over every trap: the flattened tree before and after.

use kiln_analyze::rewrite::{RebaseOptions, Rewritten, TrimOptions};
use kiln_layer::{Compression, Tree, first_difference};
use kiln_oci::Image;
use kiln_testkit::{ImageBuilder, Layer};

use super::Workbench;
use super::traps::{Trap, all};

/// What no verb may change.
#[track_caller]
fn assert_kept(trap: &str, old: &Image, new: &Rewritten) {
    let (before, after) = (&old.config, &new.image.config);
    assert_eq!(before.config, after.config, "{trap}: the config");
    assert_eq!(before.created, after.created, "{trap}: the time");
    assert_eq!(before.platform, after.platform, "{trap}: the platform");
    let steps = |image: &Image| -> Vec<Option<String>> {
        image
            .config
            .history
            .iter()
            .map(|step| step.created_by.clone())
            .collect()
    };
    let (old_steps, new_steps) = (steps(old), steps(&new.image));
    assert!(
        old_steps.iter().all(|step| new_steps.contains(step)),
        "{trap}: the history"
    );
    let with_layer = after
        .history
        .iter()
        .filter(|step| !step.empty_layer)
        .count();
    assert_eq!(
        with_layer,
        after.rootfs.diff_ids.len(),
        "{trap}: steps with a layer"
    );
    assert_eq!(
        new.image.manifest.layers.len(),
        after.rootfs.diff_ids.len(),
        "{trap}"
    );
    assert_eq!(new.after.layers, after.rootfs.diff_ids.len(), "{trap}");
}

#[track_caller]
fn assert_same(trap: &str, left: &Tree, right: &Tree) {
    let difference = first_difference(left, right);
    assert!(difference.is_none(), "{trap}: {}", difference.unwrap());
}

/// Does `act` to every trap, twice and in two stores: the same must come out.
fn each(
    act: impl Fn(&Workbench, &Image) -> Rewritten,
    check: impl Fn(&Workbench, &str, &Image, &Rewritten),
) {
    for Trap { name, image } in all() {
        let (bench, other) = (Workbench::new(), Workbench::new());
        let image = bench.keep(&image);
        let made = act(&bench, &image);
        assert_kept(name, &image, &made);
        check(&bench, name, &image, &made);
        let again = act(&other, &other.keep(&image));
        assert_eq!(
            again.descriptor, made.descriptor,
            "{name}: it comes out the same"
        );
    }
}

#[test]
fn squash() {
    for (first, after) in [(0, 2), (1, 3), (0, 1), (1, usize::MAX)] {
        each(
            |bench, image| {
                let range = first..after.min(image.layers.len());
                bench.rewriter().squash(image, range).unwrap()
            },
            |bench, name, image, made| {
                assert_same(name, &bench.tree(image), &bench.tree(&made.image));
                // What lies outside of the range is shared.
                let (old, new) = (&image.manifest.layers, &made.image.manifest.layers);
                assert_eq!(old[..first], new[..first], "{name}");
                let end = after.min(old.len());
                assert_eq!(old[end..], new[first + 1..], "{name}");
            },
        );
    }
}

#[test]
fn flatten() {
    each(
        |bench, image| bench.rewriter().flatten(image).unwrap(),
        |bench, name, image, made| {
            assert_same(name, &bench.tree(image), &bench.tree(&made.image));
            assert_eq!(made.image.layers.len(), 1, "{name}");
            let index = bench
                .store
                .layer_index(&made.image.config.rootfs.diff_ids[0])
                .unwrap();
            let mut entries = index.entries.iter();
            assert!(
                entries.all(|entry| !entry.entry.kind.is_removal()),
                "{name}"
            );
            assert!(index.is_self_contained(), "{name}");
        },
    );
}

#[test]
fn recompress() {
    for compression in [
        Compression::zstd(3),
        Compression::Gzip { level: 9 },
        Compression::None,
    ] {
        each(
            |bench, image| bench.rewriter().recompress(image, &compression).unwrap(),
            |bench, name, image, made| {
                assert_same(name, &bench.tree(image), &bench.tree(&made.image));
                assert_eq!(image.config.bytes(), made.image.config.bytes(), "{name}");
                for layer in &made.image.manifest.layers {
                    assert_eq!(layer.media_type, compression.media_type(), "{name}");
                }
            },
        );
    }
}

#[test]
fn trim() {
    let options = TrimOptions {
        rules: vec![],
        drop: vec!["data/**".to_owned()],
        keep: vec!["data/sub/**".to_owned(), "data/07/stays".to_owned()],
        keep_layers: 0,
    };
    each(
        |bench, image| bench.rewriter().trim(image, &options).unwrap().rewritten,
        |bench, name, image, made| {
            let kept = |path: &[u8]| path.starts_with(b"data/sub/") || path == b"data/07/stays";
            let expected = bench.tree(image).without(|path, node| {
                // A directory that holds something that stays, stays.
                let holds = |part: &[u8]| path.len() < part.len() && part.starts_with(path);
                let is_way = holds(b"data/sub/x") || holds(b"data/07/stays");
                path.starts_with(b"data/") && !kept(path) && !(node.is_directory() && is_way)
            });
            assert_same(name, &expected, &bench.tree(&made.image));
            // Layers without such files are shared.
            for (old, new) in image
                .config
                .rootfs
                .diff_ids
                .iter()
                .zip(&made.image.manifest.layers)
            {
                let index = bench.store.layer_index(old).unwrap();
                let mut entries = index.entries.iter();
                let touched = entries.any(|entry| entry.entry.path.starts_with(b"data"));
                if !touched && !name.contains("link") {
                    assert_ne!(new.media_type, Compression::None.media_type(), "{name}");
                }
            }
        },
    );
}

#[test]
fn rebase() {
    for Trap { name, image } in all() {
        let bench = Workbench::new();
        let image = bench.keep(&image);
        let lower = &bench
            .store
            .layer_index(&image.config.rootfs.diff_ids[0])
            .unwrap();
        let tar = || {
            let mut bytes = vec![];
            let file = bench.store.layer_tar(&lower.diff_id).unwrap();
            std::io::Read::read_to_end(&mut &*file, &mut bytes).unwrap();
            bytes
        };
        let base = |more: Option<&[u8]>| {
            let builder = ImageBuilder::new().layer(&tar());
            let builder = more
                .iter()
                .fold(builder, |builder, layer| builder.layer(layer));
            bench.keep(&builder.build())
        };
        let security_fix = Layer::new().file("base-fix", "fixed").tar();
        let (old, new) = (base(None), base(Some(&security_fix)));
        let options = RebaseOptions::default();
        let rebased = bench
            .rewriter()
            .rebase(&image, &old, &new, &options)
            .unwrap();
        let made = &rebased.rewritten;
        let ids = &made.image.config.rootfs.diff_ids;
        assert_eq!(ids[..2], new.config.rootfs.diff_ids[..], "{name}");
        assert_eq!(ids[2..], image.config.rootfs.diff_ids[1..], "{name}");
        let seen = bench
            .tree(&made.image)
            .without(|path, _| path == b"base-fix");
        assert_same(name, &bench.tree(&image), &seen);
        let with_layer = made
            .image
            .config
            .history
            .iter()
            .filter(|step| !step.empty_layer);
        assert_eq!(with_layer.count(), ids.len(), "{name}");
        assert_eq!(made.image.config.config, image.config.config, "{name}");
    }
}

#[test]
fn what_was_exported_is_an_image_again() {
    for Trap { name, image } in all() {
        let bench = Workbench::new();
        let image = bench.keep(&image);
        let mut tar = vec![];
        kiln_store::export::whole_tar(&bench.store, &image, &mut tar).unwrap();
        let options = kiln_store::archive::ImportOptions {
            platform: image.config.platform.clone(),
            created: None,
            comment: "test".to_owned(),
        };
        let content = std::io::Cursor::new(tar);
        let imported = kiln_store::archive::import(&bench.store, &bench.lease, content, &options);
        let made = bench
            .rewriter()
            .with_config_of(&imported.unwrap(), &image)
            .unwrap();
        assert_kept(name, &image, &made);
        assert_same(name, &bench.tree(&image), &bench.tree(&made.image));
    }
}
