//! Vocabulary of OCI images: digests, references, descriptors, manifests, configs, and the traits around them
