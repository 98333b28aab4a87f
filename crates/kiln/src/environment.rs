//! What kiln takes from its surroundings: environment variables, the working directory, the user. Read
//! here and nowhere else, and passed on as values.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]

use std::io::IsTerminal as _;
use std::path::PathBuf;

use crate::ui::report::Report;

/// The surroundings of one run.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// The store's directory.
    pub(crate) home: PathBuf,
    /// Where configuration is looked for; what a later file says wins.
    pub(crate) configuration_files: Vec<PathBuf>,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// Whether standard error may be coloured.
    pub(crate) color: bool,
    /// `SOURCE_DATE_EPOCH`, as text.
    pub(crate) source_date_epoch: Option<String>,
    /// The socket of the person's ssh agent.
    pub(crate) ssh_agent: Option<PathBuf>,
    /// Proxies for kiln's own requests.
    pub(crate) proxies: kiln_fetch::Proxies,
    /// Where credentials for registries are kept, the first that has one wins; `kiln login` writes to the
    /// first.
    pub(crate) credential_files: Vec<PathBuf>,
    /// Where docker's daemon listens, as `DOCKER_HOST` has it.
    pub(crate) docker_host: String,
    /// Folders of programs, from `PATH`.
    pub(crate) program_folders: Vec<PathBuf>,
    /// Directories with one folder for each registry's `hosts.toml` or certificates.
    pub(crate) hosts_directories: Vec<PathBuf>,
    /// PEM certificates to trust beside the system's, from `SSL_CERT_FILE`.
    pub(crate) ca_certificates: Option<Vec<u8>>,
}

impl Environment {
    /// Looks around. `home` is what `--home` said.
    pub(crate) fn read(home: Option<PathBuf>) -> Result<Self, Report> {
        let ca_file = path("SSL_CERT_FILE");
        let home = home.map_or_else(|| default_home(path("HOME")), Ok)?;
        let own = configuration_directory(path("HOME"));
        let directories = own.iter().chain([&home]);
        Ok(Self {
            configuration_files: directories.map(|path| path.join("config.toml")).collect(),
            docker_host: text("DOCKER_HOST")
                .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
            program_folders: std::env::var_os("PATH")
                .map(|all| std::env::split_paths(&all).collect())
                .unwrap_or_default(),
            credential_files: credential_files(path("HOME").as_ref()),
            hosts_directories: hosts_directories(own.as_deref()),
            home,
            directory: std::env::current_dir().map_err(|error| {
                Report::from(error).hint("the working directory may have been removed")
            })?,
            color: std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_some_and(|term| term != "dumb"),
            source_date_epoch: text("SOURCE_DATE_EPOCH"),
            ssh_agent: path("SSH_AUTH_SOCK"),
            proxies: kiln_fetch::Proxies {
                http: either("http_proxy", "HTTP_PROXY"),
                https: either("https_proxy", "HTTPS_PROXY"),
                no_proxy: either("no_proxy", "NO_PROXY"),
            },
            ca_certificates: ca_file.and_then(|file| std::fs::read(file).ok()),
        })
    }

    /// One more variable by its name, for `--build-arg NAME` and `--secret id=x,env=NAME`, which take
    /// their values from here.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        text(name)
    }

    /// The same, where an empty value is a value: an empty password is one.
    pub(crate) fn given(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// `path` seen from the working directory.
    pub(crate) fn absolute(&self, path: impl Into<PathBuf>) -> PathBuf {
        self.directory.join(path.into())
    }
}

/// `$KILN_HOME`, else `/var/lib/kiln` for root and `$XDG_DATA_HOME/kiln` for others.
fn default_home(user_home: Option<PathBuf>) -> Result<PathBuf, Report> {
    if let Some(home) = path("KILN_HOME") {
        return Ok(home);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/kiln"));
    }
    let data = path("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let data = data.or_else(|| user_home.map(|home| home.join(".local/share")));
    let data = data.ok_or_else(|| {
        Report::new("there is no place for kiln's store: neither KILN_HOME nor HOME is set")
    })?;
    Ok(data.join("kiln"))
}

/// `$XDG_CONFIG_HOME/kiln`; without that variable `/etc/kiln` for root and `~/.config/kiln` for others.
fn configuration_directory(user_home: Option<PathBuf>) -> Option<PathBuf> {
    let own = path("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let own = own.map(|path| path.join("kiln"));
    own.or_else(|| match rustix::process::geteuid().is_root() {
        true => Some(PathBuf::from("/etc/kiln")),
        false => user_home.map(|home| home.join(".config/kiln")),
    })
}

/// Where docker, podman and the like keep logins, so that one login serves all.
fn credential_files(user_home: Option<&PathBuf>) -> Vec<PathBuf> {
    let home = |rest: &str| user_home.map(|home| home.join(rest));
    let docker = path("DOCKER_CONFIG").or_else(|| home(".docker"));
    let podman = path("XDG_RUNTIME_DIR").map(|path| path.join("containers/auth.json"));
    let config = path("XDG_CONFIG_HOME").or_else(|| home(".config"));
    let files = [
        path("REGISTRY_AUTH_FILE"),
        docker.map(|path| path.join("config.json")),
        podman,
        config.map(|path| path.join("containers/auth.json")),
    ];
    files.into_iter().flatten().collect()
}

/// kiln's own folder, then those that containerd and docker read.
fn hosts_directories(own: Option<&std::path::Path>) -> Vec<PathBuf> {
    let own = own.map(|path| path.join("certs.d"));
    let others = ["/etc/containerd/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.into_iter().chain(others).collect()
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn either(lower: &str, upper: &str) -> Option<String> {
    text(lower).or_else(|| text(upper))
}
