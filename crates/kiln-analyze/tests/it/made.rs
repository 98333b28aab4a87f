//! Subjects made of layers in memory.

use std::sync::Arc;

use kiln_analyze::Subject;
use kiln_layer::{Compression, index_tar};
use kiln_oci::Image;
use kiln_testkit::{ImageBuilder, Layer};

/// An image of these layers, and its indexes.
pub(crate) fn subject(layers: impl IntoIterator<Item = Layer>) -> Subject {
    with_steps(layers.into_iter().map(|layer| ("", layer)))
}

/// The same, with the step that made each layer.
pub(crate) fn with_steps<'a>(layers: impl IntoIterator<Item = (&'a str, Layer)>) -> Subject {
    let mut image = ImageBuilder::new().compression(Compression::None);
    let mut indexes = vec![];
    let mut steps = vec![];
    for (step, layer) in layers {
        let (tar, index) = layer.finish();
        image = image.layer(&tar);
        indexes.push(Arc::new(index));
        steps.push(step.to_owned());
    }
    let image = image.config(|config| {
        for (history, step) in config.history.iter_mut().zip(steps) {
            history.created_by = Some(step);
        }
    });
    Subject::new("made", image.build(), indexes)
}

/// A subject of an image, its layers read.
pub(crate) fn of_image(name: &str, image: Image) -> Subject {
    let indexes = image.layers.iter().map(|layer| {
        let (_, plain) = kiln_layer::decompress(layer.open().unwrap()).unwrap();
        Arc::new(index_tar(plain, &mut std::io::sink()).unwrap())
    });
    let indexes = indexes.collect();
    Subject::new(name, image, indexes)
}

/// So many bytes that do not depend on anything but `seed`.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    kiln_testkit::noise(seed, len)
}
