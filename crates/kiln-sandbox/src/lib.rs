//! Run a process in a root filesystem: namespaces, mounts, ids, capabilities, seccomp
