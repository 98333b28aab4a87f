//! Namespaces, ids, overlayfs, filters: what RUN and `kiln run` stand on.

use std::fs;

use kiln_sandbox::{
    Abilities, IdMap, Mapping, UserNamespaceError, enter_user_namespace, probe,
    user_namespace_needed,
};

use super::{Grade, Verdict};

/// Enters a user namespace as a build would, then tries everything in it. This process does nothing else
/// afterwards, so it may.
pub(super) fn verdicts() -> Vec<Verdict> {
    let mut verdicts = vec![];
    if user_namespace_needed() {
        match enter_user_namespace(IdMap::Automatic) {
            Ok(namespace) => {
                let means = "RUN and `kiln run` work without root";
                verdicts.push(Verdict::new(
                    "user namespaces",
                    Grade::Good,
                    "allowed",
                    means,
                ));
                verdicts.push(ids(&namespace.mapping));
            }
            Err(error) => {
                verdicts.push(refused(&error));
                return verdicts;
            }
        }
    } else {
        verdicts.push(Verdict::new(
            "user namespaces",
            Grade::Good,
            "not needed",
            "this is root",
        ));
    }
    match probe() {
        Ok(abilities) => verdicts.extend(tried(&abilities)),
        Err(error) => {
            verdicts.push(Verdict::new(
                "sandbox",
                Grade::Bad,
                error.to_string(),
                "RUN and `kiln run` do not work",
            ));
        }
    }
    verdicts
}

fn ids(mapping: &Mapping) -> Verdict {
    match mapping {
        Mapping::Subordinate { users, .. } => {
            let count: u64 = users.iter().map(|range| u64::from(range.count)).sum();
            let found = format!("{count} user ids");
            if count < 65_536 {
                let means = "images with higher ids cannot be unpacked";
                return Verdict::new("subordinate ids", Grade::Limited, found, means)
                    .advice("give 65536 ids: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`");
            }
            Verdict::new(
                "subordinate ids",
                Grade::Good,
                found,
                "files of any owner can be unpacked",
            )
        }
        Mapping::Single { why } => {
            let means = "images with files of several owners cannot be unpacked, and apt, dnf and others fail in RUN";
            Verdict::new(
                "subordinate ids",
                Grade::Limited,
                format!("one: {why}"),
                means,
            )
            .advice(
                "install newuidmap (package uidmap or shadow-utils), and give the user a range: \
                 `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`",
            )
        }
    }
}

/// Why the kernel refuses, by the settings that distributions use for it.
fn refused(error: &UserNamespaceError) -> Verdict {
    let setting = |name: &str| {
        fs::read_to_string(format!("/proc/sys/{name}"))
            .ok()
            .map(|text| text.trim().to_owned())
    };
    let means = "RUN and `kiln run` need root; COPY-only builds work";
    let verdict = Verdict::new("user namespaces", Grade::Bad, error.to_string(), means);
    if setting("kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return verdict.advice("sysctl kernel.unprivileged_userns_clone=1");
    }
    if setting("kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        return verdict.advice("sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for kiln");
    }
    if setting("user/max_user_namespaces").as_deref() == Some("0") {
        return verdict.advice("sysctl user.max_user_namespaces=15000");
    }
    verdict.advice(
        "inside a container, allow user namespaces in its security profile, or run kiln as root",
    )
}

fn tried(abilities: &Abilities) -> Vec<Verdict> {
    let namespaces = match &abilities.namespaces {
        Ok(()) => Verdict::new(
            "namespaces",
            Grade::Good,
            "all",
            "RUN and `kiln run` are isolated",
        ),
        Err(why) => Verdict::new(
            "namespaces",
            Grade::Bad,
            why.clone(),
            "RUN and `kiln run` do not work",
        ),
    };
    let network = match &abilities.network_namespace {
        Ok(()) => Verdict::new(
            "network namespaces",
            Grade::Good,
            "allowed",
            "--network none works",
        ),
        Err(why) => Verdict::new(
            "network namespaces",
            Grade::Limited,
            why.clone(),
            "--network none does not work",
        ),
    };
    let overlay = match &abilities.overlay {
        Ok(()) => Verdict::new(
            "overlayfs",
            Grade::Good,
            "layers can be stacked",
            "images need not be copied to run",
        ),
        Err(why) => Verdict::new(
            "overlayfs",
            Grade::Bad,
            why.clone(),
            "RUN and `kiln run` do not work",
        )
        .advice("load the module (`modprobe overlay`), or use a newer kernel"),
    };
    let seccomp = match abilities.seccomp {
        true => Verdict::new(
            "seccomp",
            Grade::Good,
            "available",
            "system calls of containers are filtered",
        ),
        false => Verdict::new(
            "seccomp",
            Grade::Limited,
            "missing",
            "containers may make any system call",
        )
        .advice("use a kernel with CONFIG_SECCOMP_FILTER"),
    };
    let devices = match abilities.device_nodes {
        true => Verdict::new(
            "device nodes",
            Grade::Good,
            "can be made",
            "images with devices unpack as they are",
        ),
        false => Verdict::new(
            "device nodes",
            Grade::Note,
            "only root may make them",
            "devices in images are empty files while they run; the layers keep them",
        ),
    };
    let limits = match abilities.raise_limits {
        true => Verdict::new(
            "limits",
            Grade::Good,
            "may be raised",
            "--ulimit works upwards",
        ),
        false => Verdict::new(
            "limits",
            Grade::Note,
            "may not be raised",
            "--ulimit only lowers",
        ),
    };
    vec![namespaces, network, overlay, seccomp, devices, limits]
}
