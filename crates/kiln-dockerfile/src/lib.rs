//! The Dockerfile language: syntax tree, variables, ignore patterns, stages and diagnostics
