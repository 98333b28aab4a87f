//! An image that is only looked at, wherever it is: nothing of it is kept but what is found out.

use std::cell::OnceCell;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use kiln_analyze::Subject;
use kiln_oci::{Image, Platform, Reference, Source as _};
use kiln_remote::daemon::Daemon;
use kiln_store::{Lease, Store, archive, layout};

use super::end::remote_image;
use super::place::{Place, Spot};
use super::source::by_daemon;
use crate::commands::{Context, find_image};
use crate::registries::{self, RegistryArgs};
use crate::ui::{self, report::Report, size::Size};

/// How often a person is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Where images are looked for.
pub(crate) struct Places<'a> {
    context: &'a Context,
    registry: &'a RegistryArgs,
    /// The store, which is also where indexes of layers from elsewhere are kept.
    pub(crate) store: Store,
    /// Holds what the docker daemon told.
    lease: OnceCell<Lease>,
}

impl<'a> Places<'a> {
    /// Opens the store.
    pub(crate) fn open(context: &'a Context, registry: &'a RegistryArgs) -> Result<Self, Report> {
        Ok(Self {
            context,
            registry,
            store: context.store()?,
            lease: OnceCell::new(),
        })
    }

    /// The image called `name`, with the indexes of its layers. Without a scheme it is looked for in the
    /// store, then among files, then in a registry.
    ///
    /// # Errors
    /// If it is not there or a layer cannot be read.
    pub(crate) fn subject(
        &self,
        name: &str,
        platform: Option<&Platform>,
    ) -> Result<Subject, Report> {
        let image = self.image(name, platform)?;
        let read = Arc::new(AtomicU64::new(0));
        let total = image.manifest.layers.iter().map(|layer| layer.size).sum();
        telling(&read, total, || {
            Ok(Subject::load(name, image, &self.store, &read)?)
        })
    }

    /// The image alone.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn image(&self, name: &str, platform: Option<&Platform>) -> Result<Image, Report> {
        let wanted = platform.cloned().unwrap_or_else(Platform::host);
        let environment = &self.context.environment;
        let is_scheme = name.contains("://")
            || ["oci:", "oci-archive:", "docker-archive:", "docker-daemon:"]
                .iter()
                .any(|scheme| name.starts_with(scheme));
        if is_scheme {
            return self.in_place(&Place::parse(name, environment)?, platform, &wanted);
        }
        if let Some(image) = self.store.image_by_id(name)? {
            return Ok(image);
        }
        let reference = name.parse::<Reference>();
        if let Ok(reference) = &reference
            && self.store.reference(reference)?.is_some()
        {
            return find_image(&self.store, name, &wanted);
        }
        let spot = Spot::parse(name, environment);
        if spot.path.join("oci-layout").is_file() {
            let place = Place::Layout(spot);
            return self.in_place(&place, platform, &wanted);
        }
        if spot.path.is_file() {
            return self.in_archive(&spot, platform, &wanted);
        }
        let place = Place::Registry(reference?);
        self.in_place(&place, platform, &wanted).map_err(|report| {
            report.hint(format!(
                "`{name}` is not in the store either (`kiln images` lists what is), and no file or layout"
            ))
        })
    }

    fn in_place(
        &self,
        place: &Place,
        platform: Option<&Platform>,
        wanted: &Platform,
    ) -> Result<Image, Report> {
        match place {
            Place::Registry(name) => {
                let remote = registries::remote(self.context, self.registry, Arc::default())?;
                remote_image(&remote.repository(name), name, wanted)
            }
            Place::Store(name) => Ok(self.store.image(name, wanted)?),
            Place::Layout(spot) | Place::OciArchive(spot) => {
                let layout = layout::open_into(&spot.path, &self.store)?;
                Ok(layout.find(spot.wanted.as_deref(), wanted)?)
            }
            Place::DockerArchive(spot) => self.in_archive(spot, platform, wanted),
            Place::Daemon(name) => self.in_daemon(name, platform, wanted),
        }
    }

    /// An archive of either kind. The only image in it is it, whatever it runs on.
    fn in_archive(
        &self,
        spot: &Spot,
        platform: Option<&Platform>,
        wanted: &Platform,
    ) -> Result<Image, Report> {
        let images = archive::open_images(&spot.path, &self.store)?;
        let is_called = |names: &[String]| match spot.wanted.as_deref() {
            None => true,
            Some(wanted) => names
                .iter()
                .any(|name| name == wanted || name.rsplit(':').next() == Some(wanted)),
        };
        let mut found: Vec<&Image> = images
            .iter()
            .filter(|(_, names)| is_called(names))
            .map(|(image, _)| image)
            .collect();
        if let ([image], None) = (&found[..], platform) {
            return Ok((*image).clone());
        }
        let there = found.len();
        found.retain(|image| image.config.platform.satisfies(wanted));
        match found.first() {
            Some(image) => Ok((*image).clone()),
            None => Err(Report::new(format!(
                "none of the {there} images in `{}` is it",
                spot.path.display()
            ))
            .hint("write FILE:NAME, and --platform, to choose one")),
        }
    }

    /// The daemon tells its images as a stream, which is kept as long as the lease.
    fn in_daemon(
        &self,
        name: &Reference,
        platform: Option<&Platform>,
        wanted: &Platform,
    ) -> Result<Image, Report> {
        let path = match self.lease.get() {
            Some(lease) => lease.scratch_path()?,
            None => {
                let lease = self.store.lease()?;
                self.lease.get_or_init(|| lease).scratch_path()?
            }
        };
        let options = kiln_fetch::ClientOptions {
            cancelled: Arc::new(AtomicBool::new(false)),
            ..kiln_fetch::ClientOptions::default()
        };
        let daemon = Daemon::new(&self.context.environment.docker_host, options);
        let daemon = daemon.map_err(by_daemon)?;
        let mut archive = daemon.export(&[&name.familiar()]).map_err(by_daemon)?;
        std::io::copy(&mut archive, &mut File::create(&path)?)?;
        let spot = Spot { path, wanted: None };
        self.in_archive(&spot, platform, wanted)
    }
}

/// Does `work`, and on a terminal tells how many of `total` bytes were read, once that takes a while.
fn telling<T>(
    read: &AtomicU64,
    total: u64,
    work: impl FnOnce() -> Result<T, Report>,
) -> Result<T, Report> {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let (done, is_done) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut told = false;
            while is_done.recv_timeout(TELL_EVERY) == Err(RecvTimeoutError::Timeout) {
                let bytes = read.load(Ordering::Relaxed);
                if bytes > 0 {
                    told = true;
                    let (bytes, total) = (Size(bytes.min(total)), Size(total));
                    ui::redraw(&format!("reading layers: {bytes} of {total}"));
                }
            }
            if told {
                ui::redraw("");
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Writes `text` to the file `path`, which appears whole, or to standard output.
pub(crate) fn deliver(text: &str, path: Option<&Path>) -> Result<(), Report> {
    use std::io::Write as _;
    let Some(path) = path else {
        return Ok(ui::print(text)?);
    };
    let partial = super::partial::Partial::create(path)?;
    let mut out = partial.writer()?;
    out.write_all(text.as_bytes())?;
    out.flush()?;
    drop(out);
    partial.publish()
}
