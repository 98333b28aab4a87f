//! An image's config and a root filesystem become a process
