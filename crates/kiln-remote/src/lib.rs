//! The client's side of registries: references to content, authentication, pulls and pushes, referrers, and the
//! docker daemon's socket.
