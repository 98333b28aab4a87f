//! Layers: tar entries, compression, the single pass, the layer index and merged trees
