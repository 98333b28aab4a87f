//! An image out of an image: smaller, flatter or on another base, with everything else kept.
