//! What a rewrite says and refuses, and what it writes in detail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kiln_analyze::rewrite::{RebaseOptions, RewriteError, Rewriter, TrimOptions};
use kiln_layer::Compression;
use kiln_oci::Image;
use kiln_testkit::{ImageBuilder, Layer};

use super::Workbench;

fn image(layers: &[&str]) -> Image {
    let mut builder = ImageBuilder::new().compression(Compression::zstd(1));
    for name in layers {
        builder = builder.layer(&Layer::new().file(name, name).tar());
    }
    builder.build()
}

fn steps(image: &Image) -> Vec<(Option<&str>, bool)> {
    let steps = image.config.history.iter();
    steps
        .map(|step| (step.created_by.as_deref(), step.empty_layer))
        .collect()
}

#[test]
fn the_history_says_what_was_squashed() {
    let bench = Workbench::new();
    let image = bench.keep(&image(&["a", "b", "c"]));
    let squashed = bench.rewriter().squash(&image, 1..3).unwrap();
    assert_eq!(
        steps(&squashed.image),
        [
            (Some("layer 0"), false),
            (Some("layer 1"), true),
            (Some("layer 2"), true),
            (Some("kiln squash"), false),
        ]
    );
    let flat = bench.rewriter().flatten(&squashed.image).unwrap();
    assert_eq!(
        steps(&flat.image).last(),
        Some(&(Some("kiln flatten"), false))
    );
    assert_eq!((flat.before.layers, flat.after.layers), (2, 1));
    assert!(flat.after.uncompressed < flat.before.uncompressed);
}

#[test]
fn what_is_no_range_or_no_base_is_refused() {
    let bench = Workbench::new();
    let one = bench.keep(&image(&["a", "b"]));
    let rewriter = bench.rewriter();
    for range in [0..3, 2..2, 5..6] {
        let error = rewriter.squash(&one, range).unwrap_err();
        assert!(
            matches!(error, RewriteError::Range { layers: 2, .. }),
            "{error}"
        );
    }
    let none = bench.keep(&ImageBuilder::new().build());
    assert!(matches!(
        rewriter.flatten(&none),
        Err(RewriteError::Range { .. })
    ));
    let options = RebaseOptions::default();
    for (base, number) in [
        (&["b"][..], 1),
        (&["a", "c"][..], 2),
        (&["a", "b", "c"][..], 3),
    ] {
        let base = bench.keep(&image(base));
        let error = rewriter.rebase(&one, &base, &base, &options).unwrap_err();
        assert!(
            matches!(error, RewriteError::NotTheBase { number: found, .. } if found == number),
            "{error}"
        );
    }
}

#[test]
fn a_base_for_another_platform_is_refused() {
    let bench = Workbench::new();
    let app = bench.keep(&image(&["a", "b"]));
    let old = bench.keep(&image(&["a"]));
    let tar = Layer::new().file("a", "a").tar();
    let foreign = ImageBuilder::new()
        .platform("linux/s390x".parse().unwrap())
        .layer(&tar);
    let foreign = bench.keep(&foreign.build());
    let options = RebaseOptions {
        force: true,
        ..RebaseOptions::default()
    };
    let error = bench
        .rewriter()
        .rebase(&app, &old, &foreign, &options)
        .unwrap_err();
    assert!(matches!(error, RewriteError::Platform { .. }), "{error}");
}

#[test]
fn a_link_into_the_old_base_that_the_new_one_lacks_is_an_error() {
    let bench = Workbench::new();
    let build = |layers: &[Vec<u8>]| {
        let builder = ImageBuilder::new();
        let builder = layers
            .iter()
            .fold(builder, |builder, layer| builder.layer(layer));
        bench.keep(&builder.build())
    };
    let lower = Layer::new().file("a", "a").tar();
    let app = build(&[lower.clone(), Layer::new().hardlink("b", "a").tar()]);
    let (old, new) = (build(&[lower]), build(&[Layer::new().file("x", "x").tar()]));
    let error = bench
        .rewriter()
        .rebase(&app, &old, &new, &RebaseOptions::default())
        .unwrap_err();
    assert!(matches!(error, RewriteError::DoesNotFit(_)), "{error}");
}

#[test]
fn the_new_base_is_named_and_conflicts_are_told() {
    let bench = Workbench::new();
    let build = |layers: &[Vec<u8>]| {
        let builder = ImageBuilder::new();
        let builder = layers
            .iter()
            .fold(builder, |builder, layer| builder.layer(layer));
        bench.keep(&builder.build())
    };
    let base = |text: &str| {
        Layer::new()
            .file("etc/app.conf", text)
            .file("same", "s")
            .tar()
    };
    let own = Layer::new()
        .file("etc/app.conf", "mine")
        .file("same", "t")
        .tar();
    let app = build(&[base("one"), own]);
    let (old, new) = (build(&[base("one")]), build(&[base("two")]));
    let options = RebaseOptions {
        base_name: Some("base:2".to_owned()),
        ..RebaseOptions::default()
    };
    let rebased = bench.rewriter().rebase(&app, &old, &new, &options).unwrap();
    assert_eq!(rebased.overrides, ["etc/app.conf"]);
    let annotations = &rebased.rewritten.image.manifest.annotations;
    assert_eq!(annotations["org.opencontainers.image.base.name"], "base:2");
    let digest = new.manifest.digest().to_string();
    assert_eq!(annotations["org.opencontainers.image.base.digest"], digest);
}

#[test]
fn trimming_says_what_went_and_leaves_the_base_alone() {
    let bench = Workbench::new();
    let base = Layer::new()
        .file("usr/share/doc/a/copyright", "licence")
        .file("usr/share/doc/a/README", "read")
        .tar();
    let own = Layer::new()
        .file("usr/share/doc/b/copyright", "licence")
        .file("usr/share/man/man1/b.1", "manual")
        .file("var/cache/apt/x.bin", "12345")
        .file("usr/lib/p/__pycache__/m.cpython-313.pyc", "code")
        .file("usr/lib/p/only.pyc", "code")
        .file("usr/lib/p/m.py", "source")
        .tar();
    let image = ImageBuilder::new()
        .layer(&base)
        .layer(&own)
        .layer(&Layer::new().file("z", "z").tar());
    let image = bench.keep(&image.build());
    let trimmed = bench
        .rewriter()
        .trim(&image, &TrimOptions::default())
        .unwrap();
    assert_eq!(trimmed.layers, [1, 2]);
    let sums: Vec<_> = trimmed
        .by_rule
        .iter()
        .map(|(rule, by)| (&rule[..], by.entries, by.bytes))
        .collect();
    assert_eq!(sums, [("caches", 1, 5), ("docs", 2, 10)]);
    let tree = bench.tree(&trimmed.rewritten.image);
    for (path, stays) in [
        ("usr/share/doc/a/copyright", true),
        ("usr/share/doc/a/README", false),
        ("usr/share/man/man1", true),
        ("usr/share/man/man1/b.1", false),
        ("var/cache/apt", true),
    ] {
        assert_eq!(tree.get(path.as_bytes()).is_some(), stays, "{path}");
    }
    let options = TrimOptions {
        rules: vec!["docs".to_owned(), "bytecode".to_owned()],
        keep_layers: 1,
        ..TrimOptions::default()
    };
    let own = bench.rewriter().trim(&image, &options).unwrap();
    assert_eq!(own.layers, [2]);
    assert_eq!(
        own.rewritten.image.manifest.layers[0],
        image.manifest.layers[0]
    );
    let tree = bench.tree(&own.rewritten.image);
    assert!(tree.get(b"usr/share/doc/a/README").is_some());
    assert!(
        tree.get(b"usr/lib/p/__pycache__/m.cpython-313.pyc")
            .is_none()
    );
    assert!(tree.get(b"usr/lib/p/only.pyc").is_some());
    // Nothing more to take: the image stays, digest and all.
    let again = bench
        .rewriter()
        .trim(&own.rewritten.image, &options)
        .unwrap();
    assert_eq!(
        again.rewritten.descriptor.digest,
        own.rewritten.descriptor.digest
    );
    assert!(again.layers.is_empty());
}

#[test]
fn who_asks_for_an_end_gets_it() {
    let bench = Workbench::new();
    let image = bench.keep(&image(&["a", "b"]));
    let cancelled = Arc::new(AtomicBool::new(false));
    let rewriter = Rewriter::new(&bench.store, &bench.lease, Arc::clone(&cancelled));
    cancelled.store(true, Ordering::Relaxed);
    assert!(matches!(
        rewriter.flatten(&image),
        Err(RewriteError::Cancelled)
    ));
    assert!(matches!(
        rewriter.recompress(&image, &Compression::default()),
        Err(RewriteError::Cancelled)
    ));
    assert!(bench.store.references().unwrap().is_empty());
}

#[test]
fn a_damaged_layer_is_an_error() {
    let bench = Workbench::new();
    let kept = bench.keep(&image(&["a", "b"]));
    let blob = bench.store.blob_path(&kept.manifest.layers[1].digest);
    let size = std::fs::metadata(&blob).unwrap().len();
    std::fs::write(&blob, vec![7; size as usize]).unwrap();
    let error = bench.rewriter().flatten(&kept).unwrap_err();
    assert!(matches!(error, RewriteError::Index(_)), "{error}");
}

#[test]
fn compressions_are_measured() {
    let bench = Workbench::new();
    let layer = Layer::new()
        .file("text", "the same again ".repeat(10_000))
        .tar();
    let image = bench.keep(&ImageBuilder::new().layer(&layer).build());
    let measure = |compression| {
        bench
            .rewriter()
            .explain(&image, compression, 2)
            .unwrap()
            .bytes
    };
    let (gzip, zstd) = (
        measure(Compression::Gzip { level: 6 }),
        measure(Compression::default()),
    );
    assert!(zstd < gzip && gzip < 10_000, "{zstd} {gzip}");
    let made = bench
        .rewriter()
        .recompress(&image, &Compression::default())
        .unwrap();
    assert_eq!(made.after.stored, zstd);
}
