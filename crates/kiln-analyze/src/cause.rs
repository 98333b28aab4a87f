//! Why bytes could be saved, and what to do about it, in English and in Chinese.

use serde::Serialize;

/// Why bytes of an image could be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A later layer, or a later entry of the same one, holds something else at the path.
    Overwritten,
    /// A later layer removes the file.
    Removed,
    /// A later layer removes a directory above the file.
    RemovedDirectory,
    /// A later layer replaces all that a directory above the file held.
    Opaque,
    /// A later layer holds the same bytes again, because owner, mode, time or attributes changed.
    MetadataOnly,
    /// What package managers downloaded and do not need any more.
    PackageCache,
    /// Temporary files.
    Temporary,
    /// Manuals and the like, without licences.
    Documentation,
    /// Translations.
    Locales,
    /// Libraries that only a linker reads.
    StaticLibrary,
    /// Symbols that only a debugger reads.
    DebugSymbols,
    /// Compiled forms of scripts that are there too.
    ByteCode,
    /// The history of a source tree.
    VersionControl,
    /// The same content under several paths.
    Duplicate,
}

/// A language of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Cause {
    /// All of them: first those that no container sees, then those that one may do without.
    pub const ALL: [Self; 14] = [
        Self::Overwritten,
        Self::Removed,
        Self::RemovedDirectory,
        Self::Opaque,
        Self::MetadataOnly,
        Self::PackageCache,
        Self::Temporary,
        Self::Documentation,
        Self::Locales,
        Self::StaticLibrary,
        Self::DebugSymbols,
        Self::ByteCode,
        Self::VersionControl,
        Self::Duplicate,
    ];

    /// Whether the bytes are waste: stored and sent, but visible in no container. All else is a matter
    /// of what the image is for.
    #[must_use]
    pub fn is_waste(self) -> bool {
        self <= Self::MetadataOnly
    }

    /// The name in documents and rules.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Overwritten => "overwritten",
            Self::Removed => "removed",
            Self::RemovedDirectory => "removed-directory",
            Self::Opaque => "opaque",
            Self::MetadataOnly => "metadata-only",
            Self::PackageCache => "package-cache",
            Self::Temporary => "temporary",
            Self::Documentation => "documentation",
            Self::Locales => "locales",
            Self::StaticLibrary => "static-library",
            Self::DebugSymbols => "debug-symbols",
            Self::ByteCode => "byte-code",
            Self::VersionControl => "version-control",
            Self::Duplicate => "duplicate",
        }
    }

    /// A few words for a table.
    #[must_use]
    pub fn title(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Self::Overwritten => ("overwritten later", "被后面的层覆盖"),
            Self::Removed => ("removed later", "被后面的层删除"),
            Self::RemovedDirectory => ("removed with its directory", "随目录一起被删除"),
            Self::Opaque => ("hidden by an opaque directory", "被不透明目录遮住"),
            Self::MetadataOnly => (
                "copied again for owner, mode or time",
                "只改属主、权限或时间而重复保存",
            ),
            Self::PackageCache => ("package caches", "软件包缓存"),
            Self::Temporary => ("temporary files", "临时文件"),
            Self::Documentation => ("documentation", "文档"),
            Self::Locales => ("translations", "语言文件"),
            Self::StaticLibrary => ("static libraries", "静态库"),
            Self::DebugSymbols => ("debug symbols", "调试符号"),
            Self::ByteCode => ("byte-code", "字节码"),
            Self::VersionControl => ("version control", "版本库数据"),
            Self::Duplicate => ("duplicates under other paths", "不同路径下的重复内容"),
        };
        match language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// What helps in general.
    #[must_use]
    pub fn fix(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Self::Overwritten => (
                "write the file once: bring the final version in the step that adds it, or build in an earlier stage and copy the result",
                "文件只写一次：在添加它的那一步就放入最终版本，或在前一阶段构建后只复制结果",
            ),
            Self::Removed | Self::RemovedDirectory => (
                "remove it in the step that makes it, or keep it out of the image: another stage, a bind mount or a cache mount",
                "在产生它的同一步里删除，或不让它进入镜像：用另一阶段、bind 挂载或缓存挂载",
            ),
            Self::Opaque => (
                "do not fill a directory that a later step replaces: copy the final content once",
                "不要先填充之后会被整体替换的目录：只复制一次最终内容",
            ),
            Self::MetadataOnly => (
                "set owner and mode where the file comes in: COPY --chown=… --chmod=…, or in the same RUN",
                "在文件进入镜像时设好属主和权限：COPY --chown=… --chmod=…，或在同一个 RUN 里",
            ),
            Self::PackageCache => (
                "keep caches in a mount: RUN --mount=type=cache,target=…, or clean them in the same RUN",
                "把缓存放在挂载里：RUN --mount=type=cache,target=…，或在同一个 RUN 里清理",
            ),
            Self::Temporary => (
                "RUN --mount=type=tmpfs,target=/tmp, or remove them in the same RUN",
                "使用 RUN --mount=type=tmpfs,target=/tmp，或在同一个 RUN 里删除",
            ),
            Self::Documentation => (
                "leave it out when packages are installed (dpkg: path-exclude; apk: no -doc packages; dnf: --nodocs), but keep licences",
                "安装软件包时不装文档（dpkg：path-exclude；apk：不装 -doc 包；dnf：--nodocs），但保留许可证",
            ),
            Self::Locales => (
                "keep the languages in use: dpkg path-exclude=/usr/share/locale/*, then path-include for yours",
                "只保留用到的语言：dpkg path-exclude=/usr/share/locale/*，再用 path-include 加回所需",
            ),
            Self::StaticLibrary => (
                "compile in an earlier stage and copy the program; -dev packages do not belong into what runs",
                "在前一阶段编译，只复制程序；-dev 包不属于运行镜像",
            ),
            Self::DebugSymbols => (
                "strip programs, and keep symbols beside the image",
                "剥离程序符号，把符号保存在镜像之外",
            ),
            Self::ByteCode => (
                "PYTHONDONTWRITEBYTECODE=1 and `pip install --no-compile`, if a slower first start is no matter",
                "若首次启动稍慢无妨：PYTHONDONTWRITEBYTECODE=1 与 `pip install --no-compile`",
            ),
            Self::VersionControl => ("put .git into .dockerignore", "把 .git 写进 .dockerignore"),
            Self::Duplicate => (
                "make a link of one of them, in the step that adds them",
                "在添加它们的那一步，把其中一个改成链接",
            ),
        };
        match language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// What helps in the face of `step`, the instruction that did it.
    #[must_use]
    pub fn fix_for(self, step: Option<&str>, language: Language) -> String {
        let general = self.fix(language);
        let Some(step) = step else {
            return general.to_owned();
        };
        let says = |word: &str| step.contains(word);
        let special = match self {
            Self::MetadataOnly if says("chown") && !says("--chown") => match language {
                Language::English => "take out this chown and write COPY --chown=… above",
                Language::Chinese => "去掉这个 chown，在上面写 COPY --chown=…",
            },
            Self::MetadataOnly if says("chmod") && !says("--chmod") => match language {
                Language::English => "take out this chmod and write COPY --chmod=… above",
                Language::Chinese => "去掉这个 chmod，在上面写 COPY --chmod=…",
            },
            Self::Removed | Self::RemovedDirectory
                if says("apt-get clean") || says("/var/lib/apt") =>
            {
                match language {
                    Language::English => {
                        "clean up in the RUN that installs, or RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt"
                    }
                    Language::Chinese => {
                        "在安装的同一个 RUN 里清理，或 RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt"
                    }
                }
            }
            Self::PackageCache if says("pip install") || says("pip3 install") => match language {
                Language::English => {
                    "pip install --no-cache-dir, or RUN --mount=type=cache,target=/root/.cache/pip"
                }
                Language::Chinese => {
                    "pip install --no-cache-dir，或 RUN --mount=type=cache,target=/root/.cache/pip"
                }
            },
            Self::PackageCache if says("apk add") => match language {
                Language::English => "apk add --no-cache",
                Language::Chinese => "apk add --no-cache",
            },
            _ => general,
        };
        special.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waste_comes_first_and_keys_are_those_of_the_documents() {
        let waste = Cause::ALL.iter().take_while(|cause| cause.is_waste());
        assert_eq!(waste.count(), 5);
        assert!(Cause::ALL.is_sorted());
        for cause in Cause::ALL {
            let json = serde_json::to_value(cause).unwrap();
            assert_eq!(json, cause.key());
        }
    }

    #[test]
    fn the_step_makes_the_advice_precise() {
        let fix = |step| Cause::MetadataOnly.fix_for(Some(step), Language::English);
        assert!(fix("RUN chown -R app /srv").contains("take out this chown"));
        assert!(fix("COPY --chown=app . /srv").contains("in the same RUN"));
        assert_eq!(
            Cause::PackageCache.fix_for(Some("RUN apk add curl"), Language::Chinese),
            "apk add --no-cache"
        );
    }
}
