//! What is said of an image, and in which words.

use kiln_analyze::analysis::analyze;
use kiln_analyze::gate::Rule;
use kiln_analyze::render::text::TextOptions;
use kiln_analyze::render::{html, markdown, text};
use kiln_analyze::treemap::Treemap;
use kiln_analyze::waste::Layering;
use kiln_analyze::{Analysis, Base, BaseSource, Cause, Subject};
use kiln_testkit::Layer;

use crate::made::{bytes, subject, with_steps};

/// A base of two layers, an application that does most things wrong.
fn wrong() -> Subject {
    let base = Layer::new()
        .directory("usr")
        .file("usr/share/doc/x/README", bytes(1, 4_000))
        .file("usr/share/doc/x/copyright", bytes(2, 1_000))
        .file("var/lib/apt/lists/y", bytes(3, 8_000));
    let tools = Layer::new().file("usr/bin/tool", bytes(4, 20_000));
    let copies = Layer::new()
        .directory("srv")
        .file("srv/app", bytes(5, 50_000))
        .file("srv/app.copy", bytes(5, 50_000))
        .file("srv/data/huge", bytes(6, 90_000));
    let owns = Layer::new().file_with_mode("srv/app", bytes(5, 50_000), 0o755);
    let removes = Layer::new()
        .whiteout("srv/data")
        .file("srv/a.pyc", bytes(7, 3_000));
    let mut subject = with_steps([
        ("ADD rootfs.tar /", base),
        ("RUN apt-get install tool", tools),
        ("COPY . /srv", copies),
        ("RUN chmod 755 /srv/app", owns),
        ("RUN rm -rf /srv/data", removes),
    ]);
    subject.base = Some(Base {
        name: "debian:13".to_owned(),
        layers: 2,
        known_by: BaseSource::Told,
    });
    subject
}

fn analyzed() -> Analysis {
    analyze(&wrong()).unwrap()
}

#[test]
fn every_byte_has_its_place() {
    let analysis = analyzed();
    assert_eq!(analysis.stored.bytes, 276_000);
    assert_eq!((analysis.waste.bytes, analysis.waste.files), (140_000, 2));
    assert!((analysis.efficiency - 136.0 / 276.0).abs() < 1e-12);
    let of = |cause| analysis.of(cause).bytes;
    assert_eq!(of(Cause::MetadataOnly), 50_000);
    assert_eq!(of(Cause::RemovedDirectory), 90_000);
    assert_eq!(of(Cause::Documentation), 4_000);
    assert_eq!(of(Cause::PackageCache), 8_000);
    assert_eq!(of(Cause::ByteCode), 3_000);
    assert_eq!(of(Cause::Duplicate), 50_000);
    assert_eq!(analysis.optional.bytes, 65_000);
    let wastes: Vec<u64> = analysis
        .layers
        .iter()
        .map(|layer| layer.wastes.bytes)
        .collect();
    assert_eq!(wastes, [0, 0, 0, 50_000, 90_000]);
    assert_eq!(analysis.layers[2].hidden.bytes, 140_000);
    let parts = analysis.parts.unwrap();
    assert_eq!(
        (parts.base.stored.bytes, parts.own.waste.bytes),
        (33_000, 140_000)
    );
}

#[test]
fn findings_name_layer_step_and_fix() {
    let analysis = analyzed();
    let first = &analysis.findings[0];
    assert_eq!(
        (first.cause, first.layer, first.by),
        (Cause::RemovedDirectory, 2, 4)
    );
    assert_eq!(first.step.as_deref(), Some("RUN rm -rf /srv/data"));
    assert_eq!(first.examples[0].path, "srv/data/huge");
    let copied = analysis
        .findings
        .iter()
        .find(|f| f.cause == Cause::MetadataOnly)
        .unwrap();
    assert!(copied.fix.contains("COPY --chmod"), "{}", copied.fix);
    let duplicate = analysis
        .findings
        .iter()
        .find(|f| f.cause == Cause::Duplicate)
        .unwrap();
    // The lower layer's copy is what the other is compared with.
    assert_eq!(duplicate.examples[0].path, "srv/app");
    assert_eq!(
        duplicate.examples[0].same_as.as_deref(),
        Some("srv/app.copy")
    );
    assert_eq!(analysis.largest[0].bytes, 50_000);
}

#[test]
fn a_file_with_several_names_goes_only_with_all_of_them() {
    let layer = Layer::new()
        .file("usr/share/doc/a", bytes(1, 1_000))
        .hardlink("srv/a", "usr/share/doc/a")
        .file("usr/share/doc/b", bytes(2, 2_000))
        .hardlink("usr/share/doc/c", "usr/share/doc/b");
    let analysis = analyze(&subject([layer])).unwrap();
    assert_eq!(analysis.of(Cause::Documentation).bytes, 2_000);
    assert_eq!(
        analysis.of(Cause::Duplicate).bytes,
        0,
        "links are no duplicates"
    );
}

#[test]
fn an_image_of_nothing_wastes_nothing() {
    for subject in [
        subject([]),
        subject([Layer::new()]),
        subject([Layer::new().file("a", "")]),
    ] {
        let analysis = analyze(&subject).unwrap();
        assert!((analysis.efficiency - 1.0).abs() < f64::EPSILON);
        assert!(analysis.findings.is_empty());
        let rule: Rule = "waste=0%,0".parse().unwrap();
        assert!(rule.evaluate(&analysis).passed);
        assert!(text::render(&analysis, TextOptions::default()).contains("100.0 %"));
    }
}

#[test]
fn a_rule_needs_both_to_be_exceeded() {
    let analysis = analyzed();
    for (rule, passes) in [
        ("waste=10%,100kB", false),
        ("waste=10%,1MB", true),
        ("waste=60%,1kB", true),
        ("waste=139kB", false),
        ("own-waste=57%,0", false),
        ("own-waste=58%,0", true),
        ("package-cache=8000", true),
        ("package-cache=7999", false),
        ("optional=20%,0", false),
        ("size=1GB", true),
        ("size=1kB", false),
    ] {
        let parsed: Rule = rule.parse().unwrap();
        assert_eq!(parsed.evaluate(&analysis).passed, passes, "{rule}");
    }
}

#[test]
fn the_text_says_what_where_and_how() {
    let text = text::render(&analyzed(), TextOptions::default());
    for words in [
        "size        276 kB in 9 files, 5 layers",
        "efficiency  49.3 %",
        "waste       140 kB (50.7 %)",
        "base        debian:13: 2 layers, 33.0 kB",
        "removed with its directory",
        "in layer 2: COPY . /srv\n    by layer 4: RUN rm -rf /srv/data",
        "/srv/data/huge  90.0 kB",
        "/srv/app  50.0 kB, as /srv/app.copy",
        "0 base",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn names_from_an_image_are_no_markup_anywhere() {
    let evil = "</script><script>alert(1)</script>|`*\u{1b}[31m";
    let layer = || Layer::new().file(evil, bytes(1, 1_000));
    let subject = with_steps([(evil, layer()), (evil, layer())]);
    let analysis = analyze(&subject).unwrap();
    let layering = Layering::of(&subject.indexes()).unwrap();
    let page = html::render(&analysis, &Treemap::of(&subject, &layering));
    assert_eq!(page.matches("</script>").count(), 2, "the page's own two");
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains('\u{1b}'));
    let markdown = markdown::render(&analysis);
    assert!(
        !markdown.contains("<script>") && !markdown.contains('\u{1b}'),
        "{markdown}"
    );
    let text = text::render(&analysis, TextOptions::default());
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let subject = wrong();
    let layering = Layering::of(&subject.indexes()).unwrap();
    let page = html::render(&analyzed(), &Treemap::of(&subject, &layering));
    for reference in ["src=", "href=", "url(", "@import", "fetch(", "https://"] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("浪费") && page.contains("default-src 'none'"));
}

#[test]
fn areas_add_up() {
    let subject = wrong();
    let layering = Layering::of(&subject.indexes()).unwrap();
    let map = Treemap::of(&subject, &layering);
    assert_eq!((map.visible.bytes, map.hidden.bytes), (136_000, 140_000));
    assert_eq!(map.hidden.inside[0].name, "srv");
    let inside: u64 = map.visible.inside.iter().map(|area| area.bytes).sum();
    assert_eq!(inside, map.visible.bytes);
}

#[test]
fn the_json_form_is_stable() {
    let json = serde_json::to_value(analyzed()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["waste"]["bytes"], 140_000);
    assert_eq!(json["causes"][0]["cause"], "removed-directory");
    assert_eq!(json["causes"][0]["files"], 1);
    assert_eq!(json["findings"][0]["by"], 4);
    assert_eq!(json["base"]["known_by"], "told");
    assert_eq!(json["layers"][4]["wastes"]["bytes"], 90_000);
}
