//! What is stored is either visible or lost, and nothing is both: held against layers that a generator
//! makes up.

use std::collections::HashSet;

use kiln_analyze::analysis::analyze;
use kiln_analyze::waste::Layering;
use kiln_layer::Kind;
use kiln_testkit::Layer;

use crate::made::subject;

/// Small numbers that depend on the seed alone (SplitMix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % end
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.below(3);
        let parts = (0..depth).map(|_| ["a", "b", "c", "dir"][self.below(4) as usize]);
        parts.collect::<Vec<_>>().join("/")
    }
}

/// A layer that, most of the time, fits over anything: links into nothing make an image that is no image.
fn layer(random: &mut Random) -> Layer {
    let mut layer = Layer::new();
    let mut own: Vec<String> = vec![];
    for _ in 0..random.below(12) {
        let path = random.path();
        layer = match random.below(10) {
            0 => layer.directory(&path),
            1 => layer.whiteout(&path),
            2 => layer.opaque(&path),
            3 => layer.symlink(&path, "a"),
            4 if !own.is_empty() => {
                let target = &own[random.below(own.len() as u64) as usize];
                if *target == path {
                    continue;
                }
                layer.hardlink(&path, target)
            }
            _ => {
                own.push(path.clone());
                let content = vec![b'x'; random.below(4) as usize * 100];
                layer.file(&path, content)
            }
        };
    }
    layer
}

#[test]
fn stored_is_visible_or_lost() {
    let mut fitting = 0;
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let count = 1 + random.below(5);
        let subject = subject((0..count).map(|_| layer(&mut random)));
        let Ok(layering) = Layering::of(&subject.indexes()) else {
            continue;
        };
        fitting += 1;
        let mut visible = HashSet::new();
        for (_, node) in layering.tree.walk(&[]) {
            if matches!(node.entry().kind, Kind::File { .. }) {
                let inode = node.inode();
                visible.insert((inode.layer().unwrap(), inode.entry()));
            }
        }
        let mut lost = HashSet::new();
        for one in &layering.lost {
            let entry = &subject.layers[one.layer].index.entries[one.entry].entry;
            if matches!(entry.kind, Kind::File { .. }) {
                assert!(
                    lost.insert((one.layer, one.entry)),
                    "seed {seed}: lost twice"
                );
            }
            assert!(one.by >= one.layer, "seed {seed}");
        }
        let mut stored = HashSet::new();
        for (number, layer) in subject.layers.iter().enumerate() {
            for (entry, indexed) in layer.index.entries.iter().enumerate() {
                if matches!(indexed.entry.kind, Kind::File { .. }) {
                    stored.insert((number, entry));
                }
            }
        }
        assert!(visible.is_disjoint(&lost), "seed {seed}");
        assert_eq!(&visible | &lost, stored, "seed {seed}");
        let analysis = analyze(&subject).unwrap();
        assert!(analysis.waste.bytes + analysis.optional.bytes <= analysis.stored.bytes);
        let hidden: u64 = analysis.layers.iter().map(|layer| layer.hidden.bytes).sum();
        let wastes: u64 = analysis.layers.iter().map(|layer| layer.wastes.bytes).sum();
        assert_eq!(
            (hidden, wastes),
            (analysis.waste.bytes, analysis.waste.bytes)
        );
    }
    assert!(fitting > 300, "only {fitting} images are whole");
}
