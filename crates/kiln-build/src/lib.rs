//! From a Dockerfile to an image: plan, cache keys, execution
