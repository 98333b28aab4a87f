//! RUN with its mounts and here-documents resolved.

use super::{StageScope, clean};
use crate::diagnostic::Diagnostic;
use crate::evaluate::{EvaluatedRun, Mount, MountKind, RunForm, Script};
use crate::expand::Lexer;
use crate::mount::{self, Settings, Type};
use crate::parse::heredoc;
use crate::plan::Origin;
use crate::syntax::{CommandLine, Heredoc, Instruction, MountFlag, Run};

impl StageScope {
    pub(super) fn run(
        &mut self,
        run: &Run,
        instruction: &Instruction,
    ) -> Result<EvaluatedRun, Diagnostic> {
        let (form, args, script) = self.command(run);
        let mut mounts = Vec::new();
        let mut agents = 0;
        for flag in &run.mounts {
            mounts.push(self.mount(flag, &mut agents)?);
        }
        Ok(EvaluatedRun {
            args,
            form,
            script,
            mounts,
            network: run.network,
            security: run.security,
            devices: run.devices.clone(),
            env: self.visible.entries.clone(),
            build_args: self.present_args(),
            proxy_env: self.proxies(),
            workdir: self.workdir.clone(),
            display: self.display(run, instruction),
        })
    }

    fn command(&self, run: &Run) -> (RunForm, Vec<String>, Option<Script>) {
        let text = match &run.command {
            CommandLine::Exec(args) => return (RunForm::Exec, args.clone(), None),
            CommandLine::Shell(word) => &word.text,
        };
        match run.heredocs.as_slice() {
            [] => (RunForm::Shell, self.in_shell(text), None),
            [only] if is_sole(text) => {
                let content = only.stripped();
                if content.starts_with("#!") {
                    // The name comes from the Dockerfile and must not leave the directory.
                    let path = format!("/dev/pipes{}", clean(&format!("/{}", only.name)));
                    let args = vec![path.clone()];
                    return (RunForm::Script, args, Some(Script { path, content }));
                }
                (RunForm::Heredoc, self.in_shell(&content), None)
            }
            several => (RunForm::Shell, self.in_shell(&rejoin(text, several)), None),
        }
    }

    /// The instruction as written, set variables filled in, for people to read.
    fn display(&self, run: &Run, instruction: &Instruction) -> String {
        let lexer = Lexer {
            raw_quotes: true,
            keep_unset: true,
            ..Lexer::new(self.fixed.escape)
        };
        let original = &instruction.original;
        let mut text = match lexer.expand(original, &self.visible) {
            Ok(expanded) => expanded.value,
            Err(_) => original.clone(),
        };
        if let ([first, ..], CommandLine::Shell(word)) = (run.heredocs.as_slice(), &run.command)
            && is_sole(&word.text)
        {
            let content = first.content.trim();
            let more = if content.contains('\n') { "..." } else { "" };
            let line = content.lines().next().unwrap_or_default();
            text.push_str(&format!(" ({line}{more})"));
        }
        text
    }

    fn mount(&mut self, flag: &MountFlag, agents: &mut usize) -> Result<Mount, Diagnostic> {
        let settings = mount::settings(flag, &mut |word| self.expand(word))?;
        let from = match &settings.from {
            Some(word) => Some(self.fixed.names.mount_source(word, self.stage)?),
            None => None,
        };
        let source = clean(&format!("/{}", settings.source))[1..].to_string();
        let (kind, target) = match settings.kind {
            Type::Bind => (
                MountKind::Bind {
                    from,
                    source,
                    writable: !settings.readonly,
                },
                None,
            ),
            Type::Cache => (self.cache(&settings, from, source), None),
            Type::Tmpfs => (
                MountKind::Tmpfs {
                    size: settings.size,
                },
                None,
            ),
            Type::Secret => secret(&settings),
            Type::Ssh => {
                let socket = format!("/run/buildkit/ssh_agent.{agents}");
                *agents += 1;
                (ssh(&settings), Some(socket))
            }
        };
        let target = match (settings.target.is_empty(), &kind) {
            (true, MountKind::Secret { .. } | MountKind::Ssh { .. }) => target,
            _ => Some(clean(&self.absolute(&settings.target))),
        };
        if target.as_deref() == Some("/") {
            return Err(
                Diagnostic::error(flag.span, "a mount cannot have / as its target")
                    .with_help("give it a target below /"),
            );
        }
        Ok(Mount { target, kind })
    }

    fn cache(&self, settings: &Settings, from: Option<Origin>, source: String) -> MountKind {
        let id = match settings.id.is_empty() {
            true => lexical(&settings.target),
            false => settings.id.clone(),
        };
        let namespace = self.fixed.build_args.get("BUILDKIT_CACHE_MOUNT_NS");
        let id = match namespace.filter(|namespace| !namespace.is_empty()) {
            Some(namespace) => format!("{namespace}/{id}"),
            None => id,
        };
        MountKind::Cache {
            id,
            from: from.filter(|origin| *origin != Origin::Scratch),
            source,
            sharing: settings.sharing.unwrap_or_default(),
            writable: !settings.readonly,
            mode: settings.mode.unwrap_or(0o755),
            uid: settings.uid.unwrap_or(0),
            gid: settings.gid.unwrap_or(0),
        }
    }
}

/// A secret and, if none is given, its target.
fn secret(settings: &Settings) -> (MountKind, Option<String>) {
    let base = |path: &str| {
        path.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or("")
            .to_string()
    };
    let id = match (settings.source.is_empty(), settings.id.is_empty()) {
        (false, _) => settings.source.clone(),
        (true, false) => settings.id.clone(),
        (true, true) => base(&settings.target),
    };
    // A secret that goes into a variable is a file only if a target is asked for.
    let target = settings
        .env
        .is_none()
        .then(|| format!("/run/secrets/{}", base(&id)));
    let kind = MountKind::Secret {
        id,
        env: settings.env.clone(),
        mode: settings.mode.unwrap_or(0o400),
        uid: settings.uid.unwrap_or(0),
        gid: settings.gid.unwrap_or(0),
        required: settings.required,
    };
    (kind, target)
}

fn ssh(settings: &Settings) -> MountKind {
    MountKind::Ssh {
        id: match settings.id.is_empty() {
            true => "default".to_string(),
            false => settings.id.clone(),
        },
        mode: settings.mode.unwrap_or(0o600),
        uid: settings.uid.unwrap_or(0),
        gid: settings.gid.unwrap_or(0),
        required: settings.required,
    }
}

/// Whether a command is nothing but the opening of a here-document.
fn is_sole(text: &str) -> bool {
    heredoc::opening(text).is_some()
}

/// The command with its here-documents behind it, for a shell that knows them.
fn rejoin(text: &str, heredocs: &[Heredoc]) -> String {
    let mut joined = text.to_string();
    for heredoc in heredocs {
        joined.push('\n');
        joined.push_str(&heredoc.content);
        joined.push_str(&heredoc.name);
    }
    joined
}

/// A path cleaned as it is, relative or not, as Go's `path.Clean` does for paths without `..`.
fn lexical(path: &str) -> String {
    let cleaned = clean(path);
    match path.starts_with('/') {
        true => cleaned,
        false if cleaned == "/" => ".".to_string(),
        false => cleaned[1..].to_string(),
    }
}
