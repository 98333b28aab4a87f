//! The JSON API and the token service over a real database: who may do what, what the answers are, and
//! what hostile requests get.

mod accounts;
mod content;
mod distribution;
mod document;
mod hostile;
mod logins;
mod replicas;
mod rights;
mod tokens;
mod world;
