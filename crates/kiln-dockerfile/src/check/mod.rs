//! The rules of `docker build --check`.
