//! Local content: blobs, references, layer indexes, snapshots, leases, collection, layouts and archives
