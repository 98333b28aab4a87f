//! Generated images, archives and throw-away directories for tests
