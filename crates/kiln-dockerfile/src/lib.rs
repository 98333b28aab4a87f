//! The Dockerfile language: syntax tree, variables, ignore patterns, stages and diagnostics.
//!
//! Everything here is a function of bytes: nothing touches a disk, a network or the environment. The
//! way through the crate follows a build:
//!
//! 1. [`parse::parse`] turns a [`span::SourceFile`] into a [`syntax::Dockerfile`] and diagnostics. A
//!    tree always comes out, however broken the text, so that an editor can work with it.
//! 2. [`plan::plan`] picks the stages that the target reaches and says what each one depends on.
//! 3. [`scope::StageScope`] walks the instructions of a stage once its base image is known, expands
//!    the variables and hands out [`evaluate::Evaluated`] steps that hold no variable any more.
//!
//! What is advice rather than an error is crate `kiln-lint`'s; [`logical`] gives it, and the formatter, the
//! joined lines with the place of every byte.
//!
//! Where BuildKit and its documentation differ, BuildKit's behaviour is the rule.

pub mod chmod;
mod csv;
pub mod diagnostic;
pub mod duration;
pub mod evaluate;
pub mod expand;
pub mod git;
pub mod glob;
pub mod history;
pub mod ignore;
mod lines;
pub mod logical;
mod mount;
pub mod outline;
pub mod parse;
mod pattern;
pub mod plan;
pub mod platform;
mod ports;
pub mod scope;
pub mod signal;
pub mod span;
pub mod suggest;
pub mod syntax;

pub use diagnostic::{Diagnostic, Severity};
pub use evaluate::Evaluated;
pub use parse::{Parsed, parse, parse_trigger};
pub use plan::{Origin, Plan, PlanOptions, PlannedStage, plan, plan_every_stage};
pub use scope::StageScope;
pub use span::{SourceFile, Span};
pub use syntax::{Dockerfile, Instruction, InstructionKind, Stage};
