//! ssh for git in a user namespace: there it takes itself for root, and would look for its settings, keys and known hosts
//! in root's home. Source: `ssh(1)` and `ssh_config(5)`, which take the home directory from the user database and not
//! from `HOME`.

use std::path::{Path, PathBuf};

use crate::commands::Context;

/// The command that looks in the person's own home; nothing where ssh does that by itself.
pub(super) fn command(context: &Context) -> Option<String> {
    context.namespace.as_ref()?;
    let home = context.environment.variable("HOME")?;
    Some(looking_in(&PathBuf::from(home).join(".ssh")))
}

fn looking_in(directory: &Path) -> String {
    let path = |name: &str| directory.join(name).display().to_string();
    let is_there = |name: &&str| directory.join(name).is_file();
    let mut command = "ssh".to_owned();
    if is_there(&"config") {
        command.push_str(&format!(" -F {}", quoted(&path("config"))));
    }
    // Within an option, blanks separate files unless it is quoted once more.
    let hosts = format!("UserKnownHostsFile=\"{}\"", path("known_hosts"));
    command.push_str(&format!(" -o {}", quoted(&hosts)));
    for key in ["id_ed25519", "id_ecdsa", "id_rsa"]
        .iter()
        .filter(|key| is_there(key))
    {
        command.push_str(&format!(" -i {}", quoted(&path(key))));
    }
    command
}

/// One word for the shell that git gives the command to.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_persons_own_files_are_named() {
        let folder = kiln_testkit::TempDir::new();
        let directory = folder.path().join("it's");
        std::fs::create_dir(&directory).unwrap();
        let shown = directory.display().to_string().replace('\'', r"'\''");
        let hosts = format!("ssh -o 'UserKnownHostsFile=\"{shown}/known_hosts\"'");
        assert_eq!(looking_in(&directory), hosts);
        for name in ["config", "id_rsa"] {
            std::fs::write(directory.join(name), "").unwrap();
        }
        let options = hosts.strip_prefix("ssh").unwrap();
        assert_eq!(
            looking_in(&directory),
            format!("ssh -F '{shown}/config'{options} -i '{shown}/id_rsa'")
        );
    }
}
