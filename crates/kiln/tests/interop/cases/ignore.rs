//! `.dockerignore` and its quirks.

use crate::case::Case;

/// A tree that patterns cut pieces from, and the script that follows.
macro_rules! in_tree {
    ($script:literal) => {
        concat!(
            "mkdir -p src/lib/deep doc 'odd name' vendor/keep\n",
            "touch a.md README.md b.txt src/a.md src/lib/b.md src/lib/deep/c.txt doc/x.md doc/y.txt\n",
            "touch 'odd name/z' vendor/v vendor/keep/k .env\n",
            $script
        )
    };
}

pub(super) const CASES: &[Case] = &[
    Case::new("ignore-plain", "FROM base:1\nCOPY . /c/\n")
        .context("mkdir d; touch a b d/a d/c; printf 'b\\n/d/c\\n' > .dockerignore"),
    Case::new("ignore-wildcards", IGNORE).context(in_tree!("printf '*.md\\n!README.md\\n**/c.txt\\n' > .dockerignore")),
    Case::new("ignore-everything-but", IGNORE).context(in_tree!("printf '*\\n!src/lib\\n!doc/x.md\\n' > .dockerignore")),
    Case::new("ignore-child-again", IGNORE).context(in_tree!("printf 'vendor\\n!vendor/keep\\n' > .dockerignore")),
    Case::new("ignore-order", IGNORE).context(in_tree!("printf '!src/a.md\\nsrc\\n!src/lib\\nsrc/lib/deep\\n' > .dockerignore")),
    Case::new("ignore-comments", IGNORE).context(in_tree!("printf '# a.md\\n #b.txt\\n\\n  doc/  \\n./src/lib/../a.md\\n' > .dockerignore")),
    Case::new("ignore-dockerfile", IGNORE).context(in_tree!("printf 'Dockerfile\\n.dockerignore\\n' > .dockerignore")),
    Case::new("ignore-double-star", IGNORE).context(in_tree!("printf '**/*.md\\n!**/lib/*.md\\nsrc/**\\n!src/lib/deep/**\\n' > .dockerignore")),
    Case::new("ignore-classes", IGNORE).context(in_tree!("printf '[ab].*\\ndoc/[^x].txt\\n?env\\nodd name\\n' > .dockerignore")),
    Case::new("ignore-beside-dockerfile", IGNORE).flags(&["-f", "ignore-beside-dockerfile/other.Dockerfile"])
        .context(in_tree!("mv Dockerfile other.Dockerfile; echo doc > .dockerignore; echo src > other.Dockerfile.dockerignore")),
    Case::new("ignore-named-context", "FROM base:1\nCOPY --from=more . /m/\nCOPY . /c/\n").flags(&["--build-context", "more=more-ignored"])
        .context("mkdir ../more-ignored; touch ../more-ignored/a ../more-ignored/b a b; echo a > ../more-ignored/.dockerignore; echo b > .dockerignore"),
    Case::new("ignore-needed-file", "FROM base:1\nCOPY a.md /\n").context(in_tree!("echo a.md > .dockerignore")).refused(),
    Case::new("ignore-bom", IGNORE).context(in_tree!("printf '\\357\\273\\277a.md\\r\\nb.txt\\r\\n' > .dockerignore")),
];

const IGNORE: &str = "FROM base:1\nCOPY . /c/\n";
