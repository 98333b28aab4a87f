//! `kiln assemble`, against a signed repository on the loopback interface.

use std::collections::BTreeMap;

use kiln_testkit::debian::{Deb, DebianRepository, FileServer, SigningKey};

use crate::world::{World, busybox, can_run, not_checked};

/// A world with a repository, and what serves it.
pub(crate) struct Assembly {
    pub(crate) world: World,
    server: FileServer,
    key: SigningKey,
}

impl Assembly {
    fn new(packages: Vec<Deb>) -> Self {
        let key = SigningKey::new(true);
        let server = FileServer::start(DebianRepository::new(packages).publish(&key));
        let world = World::new();
        world.write("archive.gpg", key.keyring());
        Self { world, server, key }
    }

    pub(crate) fn write(&self, text: &str) {
        let repository = format!(
            "[[repository]]\nurl = \"{}\"\nsuites = [\"stable\"]\nkeyring = \"archive.gpg\"\n",
            self.server.url()
        );
        self.world
            .write("image.toml", format!("{text}\n{repository}"));
    }
}

fn app(version: &str) -> Deb {
    Deb::new("app", version)
        .file("usr/bin/app", version)
        .field("Depends", "data")
}

fn data() -> Deb {
    Deb::new("data", "1")
        .field("Architecture", "all")
        .file("usr/share/data", "data")
}

const TEXT: &str = "architectures = [\"amd64\"]\npackages = [\"app\"]";

#[test]
fn an_image_is_locked_made_and_there() {
    let assembly = Assembly::new(vec![app("1"), data()]);
    let world = &assembly.world;
    assembly.write(TEXT);
    let error = world.kiln(["assemble", "-t", "mine"]).fails(1);
    assert!(
        error.contains("hint: find the packages first: kiln assemble lock"),
        "{error}"
    );
    let said = world.kiln(["assemble", "lock"]);
    assert!(
        said.stderr.contains("locked packages: 2 for amd64"),
        "{}",
        said.stderr
    );
    said.ok();
    let lock = std::fs::read_to_string(world.dir().join("image.lock")).unwrap();
    assert!(lock.contains("name = \"data\""), "{lock}");
    let digest = world.kiln(["assemble", "-t", "mine"]).ok();
    assert!(digest.starts_with("sha256:"), "{digest}");
    let again = world.kiln(["assemble", "--offline", "--threads=1", "-q"]);
    assert_eq!(
        (again.stdout.as_str(), again.stderr.as_str()),
        (digest.as_str(), "")
    );
    let history = world.kiln(["history", "mine"]).ok();
    assert!(history.contains("app: app 1"), "{history}");
    world
        .kiln(["save", "mine", "-o", "mine.tar", "--format", "oci"])
        .ok();
}

#[test]
fn an_update_says_what_changed() {
    let assembly = Assembly::new(vec![app("1"), data()]);
    let world = &assembly.world;
    assembly.write(TEXT);
    world.kiln(["assemble", "lock"]).ok();
    let newer = DebianRepository::new(vec![
        app("2").field("Depends", "other"),
        Deb::new("other", "3"),
    ]);
    assembly.server.replace(newer.publish(&assembly.key));
    let kept = world.kiln(["assemble", "lock"]);
    assert!(kept.stderr.contains("up to date"), "{}", kept.stderr);
    let updated = world.kiln(["assemble", "lock", "--update"]);
    for line in [
        "  app 1 -> 2 (amd64)",
        "- data 1 (amd64)",
        "+ other 3 (amd64)",
    ] {
        assert!(updated.stderr.contains(line), "{}", updated.stderr);
    }
    // A build asks for what is locked, and the mirror no longer has the old one.
    assembly.write("architectures = [\"amd64\"]\npackages = [\"other\"]");
    let stale = world.kiln(["assemble"]).fails(1);
    assert!(
        stale.contains("hint: make it anew: kiln assemble lock"),
        "{stale}"
    );
}

#[test]
fn what_is_wrong_is_said_with_the_line_or_the_package() {
    let assembly = Assembly::new(vec![app("1")]);
    let world = &assembly.world;
    assert!(
        world
            .kiln(["assemble"])
            .fails(1)
            .contains("cannot read `image.toml`")
    );
    assembly.write("architectures = [\"amd64\"]\npackage = [\"app\"]");
    let error = world.kiln(["assemble", "lock"]).fails(1);
    assert!(
        error.contains("image.toml:2: unknown field `package`"),
        "{error}"
    );
    assembly.write(TEXT);
    let error = world.kiln(["assemble", "lock"]).fails(1);
    assert!(
        error.contains("no set of packages for amd64") && error.contains("data"),
        "{error}"
    );
    assert!(!world.dir().join("image.lock").exists());
    world.write("image.lock", "version = 9");
    let error = world.kiln(["assemble", "lock"]).fails(1);
    assert!(error.contains("lock file"), "{error}");
}

#[test]
fn a_stranger_is_not_trusted() {
    let assembly = Assembly::new(vec![app("1"), data()]);
    assembly.write(TEXT);
    let stranger = SigningKey::new(false);
    let files: BTreeMap<_, _> = DebianRepository::new(vec![app("1"), data()]).publish(&stranger);
    assembly.server.replace(files);
    let error = assembly.world.kiln(["assemble", "lock"]).fails(1);
    assert!(
        error.contains("is not trusted") && error.contains("hint: is the keyring"),
        "{error}"
    );
    assembly.world.write("archive.gpg", "no keys");
    let error = assembly.world.kiln(["assemble", "lock"]).fails(1);
    assert!(error.contains("the keyring"), "{error}");
}

#[test]
fn presets_begin_an_image_file_or_are_made_at_once() {
    let packages = ["base-files", "ca-certificates", "netbase", "tzdata"].map(|name| {
        Deb::new(name, "1")
            .field("Architecture", "all")
            .file(&format!("usr/share/{name}"), name)
    });
    let assembly = Assembly::new(packages.to_vec());
    let world = &assembly.world;
    let url = assembly.server.url();
    let source = ["--preset=static", "--keyring=archive.gpg", "--mirror", &url];
    world.kiln(["assemble", "new"].iter().chain(&source)).ok();
    let again = world
        .kiln(["assemble", "new"].iter().chain(&source))
        .fails(1);
    assert!(again.contains("--force"), "{again}");
    world.kiln(["assemble", "lock"]).ok();
    let from_file = world.kiln(["assemble"]).ok();
    let at_once = world
        .kiln(["assemble", "-t", "small"].iter().chain(&source))
        .ok();
    assert_eq!(from_file, at_once);
    let error = world.kiln(["assemble", "--preset=windows"]).fails(2);
    assert!(error.contains("there are static, busybox"), "{error}");
}

/// A package of programs that scripts need, and one that is called dpkg and only configures.
fn small_system() -> Option<Vec<Deb>> {
    const DPKG: &str = r#"#!/bin/sh
set -e
names=
for word; do
    case $word in
        --pending) names=$(sed -n 's/^Package: //p' /var/lib/dpkg/status) ;;
        --*) ;;
        *) names="$names $word" ;;
    esac
done
for name in $names; do
    range="/^Package: $name\$/,/^\$/"
    sed -n "${range}p" /var/lib/dpkg/status | grep -q 'install ok unpacked' || continue
    [ ! -x /var/lib/dpkg/info/$name.postinst ] || /var/lib/dpkg/info/$name.postinst configure
    sed -i "${range}s/install ok unpacked/install ok installed/" /var/lib/dpkg/status
    date > /var/log/dpkg.log
done
"#;
    let program = std::fs::read(busybox()?).unwrap();
    let mut shell = Deb::new("shell", "1")
        .field("Essential", "yes")
        .program("usr/bin/busybox", program)
        .file("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        .file("etc/group", "root:x:0:\n")
        .file("usr/lib/os-release", "ID=debian\nVERSION_ID=\"13\"\n")
        .script("postinst", "echo postinst shell >> /order");
    for applet in [
        "cat", "chown", "date", "env", "grep", "id", "ls", "mkdir", "rm", "sed", "sh", "stat",
    ] {
        shell = shell.symlink(&format!("usr/bin/{applet}"), "busybox");
    }
    let dpkg = Deb::new("dpkg", "1.23")
        .field("Essential", "yes")
        .program("usr/bin/dpkg", DPKG)
        .directory("var/log")
        .directory("usr/sbin");
    Some(vec![shell, dpkg])
}

/// The small system and a program whose scripts look around; nothing where it cannot run.
pub(crate) fn system(test: &str, postinst: &str) -> Option<Assembly> {
    let (Some(mut packages), true) = (small_system(), can_run()) else {
        not_checked(test, "there is no static busybox, or no user namespace");
        return None;
    };
    let tool = Deb::new("tool", "1:2.0")
        .field("Priority", "required")
        .file("etc/tool.conf", "abc")
        .list("conffiles", "/etc/tool.conf\n")
        .list("triggers", "interest-noawait /usr/share/tool\n")
        .script(
            "preinst",
            "echo preinst $1 $DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_ARCH >> /order",
        )
        .script("postinst", postinst);
    packages.push(tool);
    packages.push(Deb::new("optional", "1"));
    Some(Assembly::new(packages))
}

pub(crate) const SYSTEM: &str = "architectures = [\"amd64\"]\npriorities = [\"required\"]\nscripts = \"run\"\n\
                      config = { user = \"0\" }";

#[test]
fn maintainer_scripts_run_and_leave_a_database() {
    let looks = "echo postinst tool >> /order; echo $SOURCE_DATE_EPOCH $DEBIAN_FRONTEND > /said\n\
                 /usr/sbin/policy-rc.d || echo $? >> /said; ls /sys/class/net >> /said; date > /tmp/now";
    let Some(assembly) = system("maintainer scripts", looks) else {
        return;
    };
    let world = &assembly.world;
    assembly.write(SYSTEM);
    world.kiln(["assemble", "lock"]).ok();
    let digest = world
        .kiln(["assemble", "-t", "system", "--sbom", "bill.json"])
        .ok();
    let shown = |path: &str| world.kiln(["run", "system", "cat", path]).ok();
    assert_eq!(
        shown("/order"),
        "postinst shell\npreinst install tool amd64\npostinst tool\n"
    );
    assert_eq!(shown("/said"), "1704067200 noninteractive\n101\nlo\n");
    let status = shown("/var/lib/dpkg/status");
    assert!(
        !status.contains("unpacked") && !status.contains("optional"),
        "{status}"
    );
    assert!(
        status.contains("Conffiles:\n /etc/tool.conf 900150983cd24fb0d6963f7d28e17f72\n"),
        "{status}"
    );
    assert_eq!(
        shown("/var/lib/dpkg/triggers/File"),
        "/usr/share/tool tool/noawait\n"
    );
    assert_eq!(
        shown("/var/lib/dpkg/info/tool.list"),
        "/.\n/etc/tool.conf\n"
    );
    let files = world.files("system").join("\n");
    for gone in ["policy-rc.d", "tmp/now", "dpkg.log", "status.d"] {
        assert!(!files.contains(gone), "{files}");
    }
    let bill = std::fs::read_to_string(world.dir().join("bill.json")).unwrap();
    assert!(
        bill.contains("pkg:deb/debian/tool@1:2.0?arch=amd64&distro=debian-13"),
        "{bill}"
    );
    // Remembered, and made anew from nothing: the same.
    assert_eq!(world.kiln(["assemble", "--offline", "-q"]).ok(), digest);
    let other = World::new();
    for name in ["image.toml", "image.lock", "archive.gpg"] {
        other.write(name, std::fs::read(world.dir().join(name)).unwrap());
    }
    assert_eq!(other.kiln(["assemble", "--threads=1", "-q"]).ok(), digest);
}

#[test]
fn a_script_that_fails_is_shown_with_what_it_said() {
    let Some(assembly) = system("failing maintainer scripts", "echo no way >&2; exit 7") else {
        return;
    };
    assembly.write(SYSTEM);
    assembly.world.kiln(["assemble", "lock"]).ok();
    let error = assembly.world.kiln(["assemble"]).fails(1);
    assert!(
        error.contains("a maintainer script ended with 7") && error.contains("no way"),
        "{error}"
    );
}

#[test]
fn users_and_files_come_on_top_of_what_scripts_made() {
    let Some(assembly) = system("users after maintainer scripts", ":") else {
        return;
    };
    let world = &assembly.world;
    assembly.write(&format!(
        "{}\n[[user]]\nname = \"app\"\nuid = 1000\n[[file]]\npath = \"/etc/tool.conf\"\ncontent = \"mine\"\n",
        SYSTEM.replace("user = \"0\"", "")
    ));
    world.kiln(["assemble", "lock"]).ok();
    world.kiln(["assemble", "-t", "system"]).ok();
    assert_eq!(world.kiln(["run", "system", "id", "-u"]).ok(), "65532\n");
    let passwd = world
        .kiln(["run", "system", "cat", "/etc/passwd", "/etc/tool.conf"])
        .ok();
    assert!(
        passwd.starts_with("root:x:0:0::/root:/bin/sh\nnonroot:x:65532:")
            && passwd.ends_with("\napp:x:1000:1000:app:/home/app:/sbin/nologin\nmine"),
        "{passwd}"
    );
}

/// A program for amd64 that needs `libc.so.6` and `libfoo.so.1`: only what is read of one.
fn elf() -> Vec<u8> {
    let mut file = vec![0_u8; 0x400];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[3, 0, 62, 0, 1, 0, 0, 0]);
    put(32, &64_u64.to_le_bytes());
    put(52, &[64, 0, 56, 0, 3, 0, 64, 0]);
    let mut segment = |number: usize, kind: u32, offset: u64, size: u64| {
        let at = 64 + 56 * number;
        put(at, &kind.to_le_bytes());
        put(at + 4, &4_u32.to_le_bytes());
        for (place, value) in [
            (8, offset),
            (16, offset),
            (24, offset),
            (32, size),
            (40, size),
        ] {
            put(at + place, &value.to_le_bytes());
        }
    };
    segment(0, 1, 0, 0x400);
    segment(1, 3, 0x200, 28);
    segment(2, 2, 0x300, 16 * 5);
    put(0x200, b"/lib64/ld-linux-x86-64.so.2\0");
    put(0x280, b"\0libc.so.6\0libfoo.so.1\0");
    let entries = [(1_u64, 1_u64), (1, 11), (5, 0x280), (10, 23), (0, 0)];
    for (number, (tag, value)) in entries.into_iter().enumerate() {
        put(0x300 + 16 * number, &tag.to_le_bytes());
        put(0x308 + 16 * number, &value.to_le_bytes());
    }
    file
}

#[test]
fn what_a_program_needs_is_found_and_added() {
    let contents = "usr/lib64/ld-linux-x86-64.so.2 libs/libc6\n\
                    usr/lib/x86_64-linux-gnu/libc.so.6 libs/libc6\n\
                    usr/lib/x86_64-linux-gnu/libfoo.so.1 libs/libfoo1t64,libs/libfoo1-other\n";
    let packages = ["libc6", "libfoo1t64", "base"].map(|name| Deb::new(name, "1"));
    let key = SigningKey::new(true);
    let repository = DebianRepository {
        contents: Some(contents.to_owned()),
        ..DebianRepository::new(packages.to_vec())
    };
    let assembly = Assembly {
        world: World::new(),
        server: FileServer::start(repository.publish(&key)),
        key,
    };
    let world = &assembly.world;
    world.write("archive.gpg", assembly.key.keyring());
    world.write("bin/tool", elf());
    assembly.write("architectures = [\"amd64\"]\npackages = [\"base\"] # mine");
    let offered = world.kiln(["assemble", "--from", "bin/tool"]).fails(1);
    for words in [
        "libfoo.so.1 is in libfoo1t64 (also in libfoo1-other)",
        "add libc6, libfoo1t64, /usr/local/bin/tool to image.toml?",
        "hint: --yes",
    ] {
        assert!(offered.contains(words), "{offered}");
    }
    world.kiln(["assemble", "--from", "bin/tool", "--yes"]).ok();
    let text = std::fs::read_to_string(world.dir().join("image.toml")).unwrap();
    assert!(
        text.contains("packages = [\"libc6\", \"libfoo1t64\", \"base\"] # mine\n")
            && text.contains("path = \"/usr/local/bin/tool\"\nsource = \"bin/tool\"")
            && text.contains("entrypoint = [\"/usr/local/bin/tool\"]"),
        "{text}"
    );
    world.kiln(["assemble", "lock"]).ok();
    world.kiln(["assemble", "-t", "tool"]).ok();
    let again = world.kiln(["assemble", "--from", "bin", "--yes"]);
    assert!(again.stderr.contains("has all of it"), "{}", again.stderr);
    again.ok();
    world.write("bin/tool", &elf()[..0x290]);
    let error = world.kiln(["assemble", "--from", "bin/tool"]).fails(1);
    assert!(error.contains("is damaged"), "{error}");
    world.write("bin/tool", "#!/bin/sh\n");
    let error = world.kiln(["assemble", "--from", "bin"]).fails(1);
    assert!(error.contains("no program in the ELF format"), "{error}");
}

#[test]
fn a_dockerfile_can_begin_with_an_assembled_image() {
    let packages = ["base-files", "ca-certificates", "netbase", "tzdata"].map(|name| {
        Deb::new(name, "1")
            .field("Architecture", "all")
            .file(&format!("usr/share/{name}"), name)
    });
    let assembly = Assembly::new(packages.to_vec());
    let world = &assembly.world;
    let configuration = format!(
        "[assemble]\nmirror = \"{}\"\nkeyring = \"{}\"\n",
        assembly.server.url(),
        world.dir().join("archive.gpg").display()
    );
    std::fs::create_dir_all(world.home()).unwrap();
    std::fs::write(world.home().join("config.toml"), configuration).unwrap();
    let said = world.build(
        "FROM kiln:presets/static\nCOPY image.toml /\n",
        &["-t", "one"],
    );
    assert_eq!(
        said.code,
        Some(1),
        "there is no image.toml yet: {}",
        said.stderr
    );
    assembly.write("architectures = [\"amd64\", \"arm64\"]\npackages = [\"tzdata\"]");
    world
        .build(
            "FROM kiln:presets/static\nCOPY image.toml /\n",
            &["-t", "one"],
        )
        .ok();
    assert!(
        world
            .files("one")
            .iter()
            .any(|line| line.ends_with(" usr/share/netbase"))
    );
    // Not asked again: it is in the store now.
    let _ = assembly.server.asked();
    world
        .build(
            "FROM kiln:presets/static\nCOPY image.toml /x\n",
            &["-t", "two"],
        )
        .ok();
    assert!(assembly.server.asked().is_empty());
    let context = [
        "-t",
        "three",
        "--platform=linux/arm64",
        "--build-context",
        "tiny=image.toml",
    ];
    let unlocked = world
        .build("FROM tiny\nCOPY image.toml /\n", &context)
        .fails(1);
    assert!(unlocked.contains("kiln assemble lock"), "{unlocked}");
    world.kiln(["assemble", "lock"]).ok();
    world.build("FROM tiny\nCOPY image.toml /\n", &context).ok();
    let other = world.build("FROM kiln:presets/none\n", &[]).fails(1);
    assert!(other.contains("there is no preset `none`"), "{other}");
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let assembly = Assembly::new(vec![data()]);
    let world = &assembly.world;
    let url = assembly.server.url();
    let new = [
        "assemble",
        "new",
        "--mirror",
        &url,
        "--suite=stable",
        "--keyring=archive.gpg",
    ];
    world.kiln(new).ok();
    let text = std::fs::read_to_string(world.dir().join("image.toml")).unwrap();
    assert!(text.starts_with("# base: "), "{text}");
}
