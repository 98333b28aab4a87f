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
    /// PEM certificates to trust beside the system's, from `SSL_CERT_FILE`.
    pub(crate) ca_certificates: Option<Vec<u8>>,
}

impl Environment {
    /// Looks around. `home` is what `--home` said.
    pub(crate) fn read(home: Option<PathBuf>) -> Result<Self, Report> {
        let ca_file = path("SSL_CERT_FILE");
        let home = home.map_or_else(|| default_home(path("HOME")), Ok)?;
        let directories = configuration_directory(path("HOME"));
        let directories = directories.iter().chain([&home]);
        Ok(Self {
            configuration_files: directories.map(|path| path.join("config.toml")).collect(),
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
