//! `InvalidBaseImagePlatform`: an image that was pulled for another machine.

use crate::facts::{Facts, ImageFacts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::plan::Origin;
use kiln_dockerfile::platform::PlatformParts;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "InvalidBaseImagePlatform",
    name: "invalid-base-image-platform",
    severity: Severity::Warning,
    summary: "Base image platform does not match expected target platform",
    why: "The base image is of another platform than the one that is built for, so its programs may not run.",
    bad: "FROM example.com/arm-only:1\n",
    good: "FROM debian:12\n",
    example_facts,
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let target = &subject.facts.plan.target_platform;
    for stage in &subject.stages {
        let planned = &stage.planned;
        let Origin::Image(name) = &planned.base else {
            continue;
        };
        let known = subject
            .facts
            .images
            .get(name)
            .and_then(|image| image.platform.as_ref());
        let asked = planned.platform.as_deref();
        let wanted = match asked {
            Some(text) => PlatformParts::parse(text, target),
            None => Some(target.clone()),
        };
        if let (Some(wanted), Some(found)) = (wanted, known)
            && !wanted.same_machine(found)
        {
            let message = format!("base image {name} is for {found}, not for {wanted}");
            report.add(subject.file.stages[planned.index].from.image.span, message);
        }
    }
}

fn example_facts() -> Facts {
    let image = ImageFacts {
        platform: Some(PlatformParts::linux("arm64", "")),
        ..ImageFacts::default()
    };
    let mut facts = Facts::default();
    facts.plan.target_platform = PlatformParts::linux("amd64", "");
    facts
        .images
        .insert("example.com/arm-only:1".to_string(), image);
    facts
}
