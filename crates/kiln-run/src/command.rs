//! Arguments and environment of a container, from the image's config and what the person adds.
//!
//! Source: OCI image specification, "config.md", and "conversion.md", section "Args"; Docker's rule that a
//! new entry point drops the image's `Cmd`.

use kiln_oci::ContainerConfig;

/// Where programs are looked for if the image does not say: what Docker and BuildKit set.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program and its arguments: entry point, then command. `entrypoint` replaces the image's entry
/// point and drops its command; non-empty `args` replace its command. Empty if nothing names a program.
#[must_use]
pub fn argv(
    config: &ContainerConfig,
    entrypoint: Option<&[String]>,
    args: &[String],
) -> Vec<String> {
    let own = config.entrypoint.as_deref().unwrap_or_default();
    let command = config.cmd.as_deref().unwrap_or_default();
    let (program, default) = match entrypoint {
        Some(entrypoint) => (entrypoint, &[][..]),
        None => (own, command),
    };
    let rest = if args.is_empty() { default } else { args };
    program.iter().chain(rest).cloned().collect()
}

/// The image's environment with `PATH` and `HOME` filled in where it leaves them out, then `extra` on
/// top. Later values replace earlier ones in place.
#[must_use]
pub fn effective_env(
    config: &ContainerConfig,
    home: &str,
    extra: &[(String, String)],
) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = vec![];
    let mut set = |name: &str, value: &str| match env.iter_mut().find(|(old, _)| old == name) {
        Some((_, old)) => value.clone_into(old),
        None => env.push((name.to_owned(), value.to_owned())),
    };
    set("PATH", DEFAULT_PATH);
    for (name, value) in config.env_pairs() {
        set(name, value);
    }
    for (name, value) in extra {
        set(name, value);
    }
    if !env.iter().any(|(name, _)| name == "HOME") {
        env.push(("HOME".to_owned(), home.to_owned()));
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn entry_point_and_command_combine_as_in_docker() {
        let config = ContainerConfig {
            entrypoint: Some(words("/entry -v")),
            cmd: Some(words("serve now")),
            ..ContainerConfig::default()
        };
        assert_eq!(argv(&config, None, &[]), words("/entry -v serve now"));
        assert_eq!(
            argv(&config, None, &words("other")),
            words("/entry -v other")
        );
        assert_eq!(argv(&config, Some(&words("sh")), &[]), words("sh"));
        assert_eq!(
            argv(&config, Some(&words("sh")), &words("-c x")),
            words("sh -c x")
        );
        assert_eq!(argv(&config, Some(&[]), &words("ls /")), words("ls /"));
        assert!(argv(&ContainerConfig::default(), None, &[]).is_empty());
    }

    #[test]
    fn what_the_image_leaves_out_is_filled_in() {
        let config = ContainerConfig {
            env: words("A=1 PATH=/x B="),
            ..ContainerConfig::default()
        };
        let env = effective_env(&config, "/root", &[("A".into(), "2".into())]);
        let pairs: Vec<String> = env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(pairs, ["PATH=/x", "A=2", "B=", "HOME=/root"]);
    }
}
