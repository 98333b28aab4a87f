//! What a program needs: from the libraries that its ELF headers name to the packages that have them.
//!
//! ```text
//! program --ELF--> libc.so.6, libssl.so.3 --Contents of the repository--> libc6, libssl3
//! ```
//!
//! Nothing is run, unlike `ldd`. What a program opens by itself while it runs (`dlopen`) is in no header.

mod contents;
mod edit;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use kiln_packages::elf::{Elf, InvalidElf, is_elf};

use crate::locking::{LockContext, LockError, suites};
use crate::spec::Architecture;

pub use edit::{EditError, with_application};

/// The most bytes of a program.
const MAX_PROGRAM: u64 = 2 << 30;
/// The most files of a directory that are looked at.
const MAX_FILES: usize = 200_000;

/// What programs ask of the image that they are to be in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Architectures that the programs are for, by Debian's names.
    pub architectures: BTreeSet<Architecture>,
    /// Libraries and dynamic linkers that are not among the files themselves.
    pub libraries: BTreeSet<String>,
    /// The programs, seen from where was looked.
    pub programs: Vec<PathBuf>,
}

/// Why it cannot be said what programs need.
#[derive(Debug, thiserror::Error)]
pub enum NeedsError {
    /// A file or directory cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program's headers lead nowhere.
    #[error("`{}` is damaged", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: InvalidElf,
    },
    /// It is for a processor that Debian has no architecture for.
    #[error("`{}` is for a processor that Debian does not know (ELF machine {machine})", path.display())]
    Machine {
        /// The file.
        path: PathBuf,
        /// Its number in the header.
        machine: u16,
    },
    /// There is no program.
    #[error("`{}` holds no program in the ELF format", path.display())]
    NoProgram {
        /// Where was looked.
        path: PathBuf,
    },
    /// There are more files than any application has.
    #[error("`{}` holds more than {MAX_FILES} files", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

/// Looks at a program, or at all of a directory. Links are not followed.
///
/// # Errors
/// When there is no program, or one cannot be read.
pub fn needs(path: &Path) -> Result<Needs, NeedsError> {
    let mut files = vec![];
    let data = fs::metadata(path).map_err(read(path))?;
    match data.is_dir() {
        true => walk(path, &mut files)?,
        false => files.push(path.to_owned()),
    }
    let mut needs = Needs::default();
    let mut own = BTreeSet::new();
    for file in &files {
        let Some(elf) = elf(file)? else {
            continue;
        };
        let machine = architecture(&elf);
        needs
            .architectures
            .insert(machine.ok_or_else(|| NeedsError::Machine {
                path: file.clone(),
                machine: elf.machine,
            })?);
        let name = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        own.extend(name.into_iter().chain(elf.soname.clone()));
        let linker = elf
            .interpreter
            .iter()
            .filter_map(|path| path.rsplit('/').next());
        needs
            .libraries
            .extend(linker.map(str::to_owned).chain(elf.needed));
        if elf.interpreter.is_some() || elf.soname.is_none() {
            let inside = file.strip_prefix(path).unwrap_or(file);
            needs.programs.push(inside.to_owned());
        }
    }
    needs.libraries.retain(|name| !own.contains(name));
    match needs.programs.is_empty() {
        true => Err(NeedsError::NoProgram {
            path: path.to_owned(),
        }),
        false => Ok(needs),
    }
}

fn read(path: &Path) -> impl FnOnce(io::Error) -> NeedsError {
    let path = path.to_owned();
    move |source| NeedsError::Read { path, source }
}

/// All files below a directory, in the order of their names.
fn walk(root: &Path, files: &mut Vec<PathBuf>) -> Result<(), NeedsError> {
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).map_err(read(&directory))? {
            let entry = entry.map_err(read(&directory))?;
            let kind = entry.file_type().map_err(read(&directory))?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
            if files.len() + pending.len() > MAX_FILES {
                return Err(NeedsError::TooMany {
                    path: root.to_owned(),
                });
            }
        }
    }
    files.sort();
    Ok(())
}

/// The headers of a file, if it is an ELF file.
fn elf(path: &Path) -> Result<Option<Elf>, NeedsError> {
    let mut file = fs::File::open(path).map_err(read(path))?;
    let mut begin = vec![];
    let limited = file.by_ref().take(4).read_to_end(&mut begin);
    limited.map_err(read(path))?;
    if !is_elf(&begin) {
        return Ok(None);
    }
    let rest = file.take(MAX_PROGRAM).read_to_end(&mut begin);
    rest.map_err(read(path))?;
    let elf = Elf::parse(&begin).map_err(|source| NeedsError::Elf {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(elf))
}

/// Debian's name for what an ELF file is for (System V ABI, `e_machine`). 32-bit ARM is taken for the one with
/// a floating-point unit, which all others than very old ones have.
fn architecture(elf: &Elf) -> Option<Architecture> {
    let name = match (elf.machine, elf.is_64, elf.is_big_endian) {
        (3, false, false) => "i386",
        (8, true, false) => "mips64el",
        (21, true, false) => "ppc64el",
        (22, true, true) => "s390x",
        (40, false, false) => "armhf",
        (62, true, false) => "amd64",
        (183, true, false) => "arm64",
        (243, true, false) => "riscv64",
        (258, true, false) => "loong64",
        _ => return None,
    };
    name.parse().ok()
}

/// The packages that have libraries, by the libraries' names: several where the repositories have it more
/// than once, the likeliest first; none where they do not have it.
///
/// # Errors
/// When a repository cannot be reached or trusted.
pub fn providers(
    context: &LockContext<'_>,
    architecture: Architecture,
    libraries: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<String>>, LockError> {
    let mut found: BTreeMap<String, Vec<String>> = libraries
        .iter()
        .map(|name| (name.clone(), vec![]))
        .collect();
    for (suite, repository) in suites(context)? {
        for component in &repository.components {
            let Some((url, content)) =
                suite.contents(context.downloads, component, architecture)?
            else {
                continue;
            };
            contents::find(content, &mut found)
                .map_err(|source| crate::RepositoryError::Read { url, source })?;
        }
    }
    for packages in found.values_mut() {
        packages.sort_by(|a, b| a.len().cmp(&b.len()).then(a.cmp(b)));
        packages.dedup();
    }
    Ok(found)
}
