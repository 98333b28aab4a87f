//! Data that programs open by name, and that no header mentions: who uses what, as a table.

use std::collections::BTreeMap;
use std::io;

use globset::GlobSet;
use kiln_layer::entry::split_path;

use super::closure::{Closure, Trait};
use crate::content::read;
use crate::rewrite::{RewriteError, patterns_of};

/// Settings larger than this are not searched for paths.
const MAX_SETTINGS: u64 = 1 << 20;

/// Files that belong to something.
struct Family {
    why: &'static str,
    keeps: &'static [&'static str],
    leaves: &'static [&'static str],
}

/// What every image keeps.
const ALWAYS: &[Family] = &[
    Family {
        why: "users, hosts and system settings",
        keeps: &[
            "etc/{passwd,group,shadow,gshadow,nsswitch.conf,hosts,host.conf,hostname,resolv.conf,gai.conf}",
            "etc/{services,protocols,networks,rpc,os-release,environment,login.defs,localtime,timezone}",
            "etc/{debian_version,alpine-release,redhat-release,system-release,lsb-release,issue,shells}",
            "etc/{ld.so.cache,ld.so.conf,ld.so.preload,ld-musl-*.path}",
            "etc/ld.so.conf.d/**",
            "usr/lib/os-release",
        ],
        leaves: &[],
    },
    Family {
        why: "certificates",
        keeps: &[
            "etc/ssl/**",
            "etc/pki/**",
            "etc/ca-certificates{,.conf}",
            "etc/ca-certificates/**",
            "usr/{,local/}share/ca-certificates/**",
            "usr/lib/ssl/**",
            "etc/crypto-policies/**",
        ],
        // Scripts for running an authority of one's own. They want Perl.
        leaves: &["usr/lib/ssl/misc"],
    },
    Family {
        why: "time zones",
        keeps: &["usr/share/zoneinfo/**"],
        leaves: &[],
    },
    Family {
        why: "the basic locale",
        keeps: &["usr/lib/locale/C.*/**"],
        leaves: &[],
    },
    Family {
        why: "licences",
        keeps: &[
            "usr/share/common-licenses/**",
            "usr/share/licenses/**",
            "usr/{,local/}share/doc/**/{copyright,LICENSE*,LICENCE*,COPYING*,NOTICE*}",
        ],
        leaves: &[],
    },
    Family {
        why: "what is installed, for scanners",
        keeps: &[
            "var/lib/dpkg/{status,arch,diversions,statoverride}",
            "var/lib/dpkg/status.d/**",
            "lib/apk/db/installed",
            "usr/lib/apk/db/installed",
            "etc/apk/{world,arch}",
            "var/lib/rpm/**",
            "usr/lib/sysimage/rpm/**",
        ],
        leaves: &[],
    },
];

/// What a program wants that shows certain calls.
const BY_TRAIT: &[(Trait, Family)] = &[
    (
        Trait::Glibc,
        Family {
            why: "name services of the C library",
            keeps: &["{,usr/}lib{,64}{,/*-linux-gnu*}/libnss_{files,dns,compat}*.so*"],
            leaves: &[],
        },
    ),
    (
        Trait::Iconv,
        Family {
            why: "character sets: a program calls iconv_open",
            keeps: &["{,usr/}lib{,64}{,/*-linux-gnu*}/gconv/**"],
            leaves: &[],
        },
    ),
    (
        Trait::Pam,
        Family {
            why: "authentication: a program calls pam_start",
            keeps: &[
                "etc/pam.{d/**,conf}",
                "etc/security/**",
                "{,usr/}lib{,64}{,/*-linux-gnu*}/security/**",
            ],
            leaves: &[],
        },
    ),
    (
        Trait::OpenSsl,
        Family {
            why: "providers and engines of OpenSSL",
            keeps: &["usr/lib{,64}{,/*-linux-gnu*}/{ossl-modules,engines-*}/**"],
            leaves: &[],
        },
    ),
    (
        Trait::Terminal,
        Family {
            why: "descriptions of terminals",
            keeps: &["{,usr/}lib/terminfo/**", "etc/terminfo/**"],
            leaves: &[],
        },
    ),
];

/// What interpreters read, by the beginning of their names. `{}` stands for the program's own name.
const BY_PROGRAM: &[(&str, Family)] = &[
    (
        "python",
        Family {
            why: "modules of Python",
            keeps: &[
                "usr/{,local/}lib/{}/**",
                "usr/lib/python3/**",
                "usr/share/python3/**",
                "etc/{}/**",
            ],
            leaves: &[
                "usr/{,local/}lib/python*/{test,tests,idlelib,turtledemo,ensurepip,lib2to3}",
                "usr/{,local/}lib/python*/config-*/*.a",
            ],
        },
    ),
    (
        "perl",
        Family {
            why: "modules of Perl",
            keeps: &[
                "etc/perl/**",
                "usr/share/perl{,5}/**",
                "usr/lib{,/*-linux-*}/{perl,perl5,perl-base}/**",
                "usr/local/{lib,share}{,/*-linux-*}/{perl,perl5}/**",
            ],
            leaves: &[],
        },
    ),
    (
        "node",
        Family {
            why: "modules of Node.js",
            keeps: &[
                "usr/{lib,share}/nodejs/**",
                "usr/lib/*-linux-*/nodejs/**",
                "usr/{,local/}lib/node_modules/**",
            ],
            leaves: &[
                "usr/share/nodejs/{npm,corepack,node-gyp}",
                "usr/{,local/}lib/node_modules/{npm,corepack}",
            ],
        },
    ),
    (
        "ruby",
        Family {
            why: "modules of Ruby",
            keeps: &[
                "usr/{,local/}lib/ruby/**",
                "usr/lib/*-linux-*/ruby/**",
                "var/lib/gems/**",
                "usr/share/rubygems-integration/**",
                "usr/local/bundle/**",
            ],
            leaves: &[],
        },
    ),
    (
        "php",
        Family {
            why: "modules of PHP",
            keeps: &[
                "etc/php*/**",
                "usr/{,local/}lib/php/**",
                "usr/share/php*/**",
            ],
            leaves: &[],
        },
    ),
    (
        "nginx",
        Family {
            why: "pages and modules of the web server",
            keeps: &["var/www/**", "usr/share/nginx/**", "usr/lib/nginx/**"],
            leaves: &[],
        },
    ),
    (
        "apache2",
        Family {
            why: "pages and modules of the web server",
            keeps: &["var/www/**", "usr/lib/apache2/**"],
            leaves: &[],
        },
    ),
];

/// Those of them that run other programs' texts.
const INTERPRETERS: &[&str] = &["python", "perl", "node", "ruby", "php"];

/// Directories of a program's own, `{}` being its name.
const OWN: &[&str] = &[
    "etc/{}",
    "etc/{}.conf",
    "etc/default/{}",
    "usr/share/{}",
    "usr/lib/{}",
    "usr/libexec/{}",
    "usr/local/etc/{}",
    "usr/local/share/{}",
    "usr/local/lib/{}",
    "var/lib/{}",
    "var/log/{}",
    "var/cache/{}",
    "var/spool/{}",
    "run/{}",
    "var/run/{}",
];

/// Roots of trees of modules: in observed mode, of each of their first entries all stays or nothing.
pub(super) const MODULES: &[&str] = &[
    "usr/lib/python3*",
    "usr/lib/python3/dist-packages",
    "usr/local/lib/python3*",
    "usr/local/lib/python3*/{dist,site}-packages",
    "usr/share/nodejs",
    "usr/lib/node_modules",
    "usr/local/lib/node_modules",
];

impl Family {
    fn keep(&self, closure: &mut Closure<'_>, name: &str) -> Result<(), RewriteError> {
        let filled: Vec<String> = self.keeps.iter().map(|p| p.replace("{}", name)).collect();
        let keeps = patterns_of(filled.iter().map(String::as_str))?;
        let leaves = patterns_of(self.leaves.iter().copied())?;
        keep_matching(closure, &keeps, &leaves, self.why);
        Ok(())
    }
}

/// Keeps all files whose paths match, and what their links lead to.
pub(super) fn keep_matching(
    closure: &mut Closure<'_>,
    keeps: &GlobSet,
    leaves: &GlobSet,
    why: &str,
) {
    let mut found = vec![];
    let mut walk = closure.tree.walk(b"");
    while let Some((path, node)) = walk.advance() {
        let shown = &*crate::rewrite::as_path(path);
        if leaves.is_match(shown) {
            if node.is_directory() {
                walk.skip_children();
            }
        } else if keeps.is_match(shown) {
            found.push(path.to_vec());
        }
    }
    for path in found {
        closure.keep(&path, why);
    }
}

/// Keeps what every image keeps. It is looked into by [`Closure::close`].
pub(super) fn keep_always(
    closure: &mut Closure<'_>,
    env: &BTreeMap<String, String>,
) -> Result<(), RewriteError> {
    for family in ALWAYS {
        family.keep(closure, "")?;
    }
    // Places that programs expect, empty as they may be. Their content is not kept.
    let is_place = |path: &[u8]| {
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        depth == 0
            || matches!(
                first,
                b"run" | b"tmp" | b"srv" | b"home" | b"root" | b"mnt" | b"media"
            )
            || (first == b"var" && depth <= 1)
    };
    let directories = closure
        .tree
        .walk(b"")
        .filter(|(_, node)| node.is_directory());
    let places: Vec<Vec<u8>> = directories
        .map(|(path, _)| path)
        .filter(|path| is_place(path))
        .collect();
    for place in places.iter().filter(|place| !place.is_empty()) {
        closure.keep(place, "places that programs expect");
    }
    // Links at the top, such as /lib -> usr/lib, are part of the system's shape.
    let top = closure.tree.children(b"").map(|(name, _)| name.to_vec());
    for name in top.collect::<Vec<_>>() {
        closure.keep(&name, "places that programs expect");
    }
    for variable in ["LC_ALL", "LANG"] {
        let Some(name) = env.get(variable).filter(|name| !name.starts_with('C')) else {
            continue;
        };
        let language = name.split(['.', '@']).next().unwrap_or_default();
        let pattern = format!("usr/lib/locale/{{{language}*/**,locale-archive}}");
        let keeps = patterns_of([pattern.as_str()])?;
        keep_matching(
            closure,
            &keeps,
            &GlobSet::empty(),
            "the locale that the image is set to",
        );
    }
    Ok(())
}

/// Keeps what the programs kept so far will want. Says whether that was anything new.
pub(super) fn keep_wanted(
    closure: &mut Closure<'_>,
    done: &mut Done,
    has_modules: bool,
) -> Result<bool, RewriteError> {
    let before = closure.kept.len();
    for (wanted, family) in BY_TRAIT {
        if closure.traits.contains(wanted) && done.traits.insert(*wanted) {
            family.keep(closure, "")?;
        }
    }
    let programs: Vec<_> = closure.programs.clone().into_iter().collect();
    for (name, real) in programs {
        if !done.programs.insert(name.clone()) {
            continue;
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        for (begin, family) in BY_PROGRAM {
            let is_module_tree = matches!(*begin, "python" | "node");
            if name.starts_with(begin) && (has_modules || !is_module_tree) {
                family.keep(closure, &name)?;
            }
        }
        if name == "java" {
            keep_java(closure, &real);
        }
    }
    Ok(closure.kept.len() > before)
}

/// What was done for already.
#[derive(Debug, Default)]
pub(super) struct Done {
    traits: std::collections::BTreeSet<Trait>,
    programs: std::collections::BTreeSet<Vec<u8>>,
}

/// A Java machine is one tree: `bin/java` below its home, with modules and settings beside it.
fn keep_java(closure: &mut Closure<'_>, real: &[u8]) {
    let home = split_path(real)
        .and_then(|(bin, _)| split_path(bin))
        .map(|(home, _)| home);
    let Some(home) = home.filter(|home| !matches!(*home, b"" | b"usr" | b"usr/local")) else {
        return;
    };
    let leave = |path: &[u8]| {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        matches!(
            name,
            b"jmods" | b"man" | b"include" | b"src.zip" | b"ct.sym"
        )
    };
    closure.keep_all(home, "the Java machine", &leave);
}

/// Keeps the directories that are a program's own by name, and what its settings name.
pub(super) fn keep_own(closure: &mut Closure<'_>, program: &[u8]) -> io::Result<()> {
    let name = String::from_utf8_lossy(program).into_owned();
    // What an interpreter reads is a family's, which knows more than the name.
    if INTERPRETERS.iter().any(|begin| name.starts_with(begin)) {
        return Ok(());
    }
    let why = format!("the program's own: {name}");
    for pattern in OWN {
        let path = pattern.replace("{}", &name).into_bytes();
        if closure
            .tree
            .resolve(&path, true)
            .is_ok_and(|found| found.node.is_some())
        {
            closure.keep_all(&path, &why, &|_| false);
        }
    }
    let settings = [format!("etc/{name}"), format!("etc/{name}.conf")];
    for path in settings {
        let files: Vec<_> = closure.tree.walk(path.as_bytes()).collect();
        for (path, node) in files {
            let Some(text) = read(closure.content, node, MAX_SETTINGS)? else {
                continue;
            };
            let why = format!("named in /{}", String::from_utf8_lossy(&path));
            closure.keep_words(&text, &why, false);
        }
    }
    Ok(())
}
