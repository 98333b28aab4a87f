//! `InvalidBaseImagePlatform`: an image that was pulled for another machine.

use super::{Report, Rule, Subject};
use crate::plan::Origin;
use crate::platform::PlatformParts;

/// See the module.
pub(super) struct InvalidBaseImagePlatform;

impl Rule for InvalidBaseImagePlatform {
    fn name(&self) -> &'static str {
        "InvalidBaseImagePlatform"
    }

    fn description(&self) -> &'static str {
        "Base image platform does not match expected target platform"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
}
