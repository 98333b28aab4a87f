//! Advice on Dockerfiles: rules over the syntax tree and the shell inside `RUN`, fixes, and a formatter.
//!
//! [`lint`] takes a file, what is known beside it ([`Facts`]) and how to look ([`Options`]), and gives
//! [`Finding`]s in source order. It reads no disk and asks no registry.
//!
//! To add a rule, copy a file of [`mod@kiln`], [`mod@hadolint`], [`mod@shellcheck`] or [`mod@docker`], put its name into the
//! `mod.rs` beside it, and run `cargo test -p kiln-lint`: its own examples are its first test. `cargo xtask
//! lint-docs` writes its page.

pub mod diff;
pub mod directive;
mod docker;
mod engine;
pub mod facts;
pub mod finding;
mod fix;
mod format;
mod hadolint;
mod kiln;
pub mod options;
pub mod output;

pub mod pages;
pub mod pragma;
pub mod rule;
pub mod shell;
mod shellcheck;
pub mod subject;
mod walk;

pub use directive::{CheckOptions, CheckOptionsError};
pub use engine::{check, lint};
pub use facts::{ContextFacts, Day, Facts, ImageFacts};
pub use finding::{Edit, Finding, Fix, Report};
pub use fix::{Fixed, apply, fix};
pub use format::{format, meaning};
pub use options::{FailOn, LabelType, Options, OptionsError};
pub use rule::{Family, Rule, Severity, all as rules, find as find_rule};
pub use subject::Subject;
pub use walk::{WalkedStage, WalkedStep};
