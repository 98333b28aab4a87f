//! The layers that other tools get wrong, one image for each trap.

use kiln_layer::{Compression, Entry, Kind, TarWriter, Time};
use kiln_oci::{History, Image};
use kiln_testkit::{ImageBuilder, Layer};

/// A trap and what it is called.
pub(crate) struct Trap {
    pub(crate) name: &'static str,
    pub(crate) image: Image,
}

/// An image of these layers, with a config that must survive and steps without a layer in between.
fn image(layers: &[Vec<u8>]) -> Image {
    let mut builder = ImageBuilder::new().compression(Compression::Gzip { level: 1 });
    for layer in layers {
        builder = builder.layer(layer);
    }
    let image = builder.config(|config| {
        config.created = Some("2024-05-06T07:08:09Z".to_owned());
        config.config.entrypoint = Some(vec!["/bin/app".to_owned()]);
        config.config.env = vec!["A=1".to_owned(), "PATH=/bin".to_owned()];
        config
            .config
            .labels
            .insert("kept".to_owned(), "yes".to_owned());
        let field = serde_json::json!({ "nobody": "knows" });
        config.config.extra.insert("Unknown".to_owned(), field);
        let step = |by: &str| History {
            created_by: Some(by.to_owned()),
            empty_layer: true,
            ..History::default()
        };
        config.history.insert(1, step("ENV A=1"));
        config.history.push(step("ENTRYPOINT /bin/app"));
    });
    image.build()
}

/// Bytes for a file of that name.
fn text(name: &str) -> Vec<u8> {
    name.repeat(50).into_bytes()
}

/// A layer of entries as they are, with their nanoseconds.
fn raw(entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new()).with_nanos();
    for (entry, content) in entries {
        match entry.kind {
            Kind::File { .. } => tar.file(entry, &mut &content[..]).unwrap(),
            _ => tar.entry(entry).unwrap(),
        }
    }
    tar.finish().unwrap()
}

fn file(path: &str, size: usize) -> Entry {
    Entry {
        mode: 0o755,
        mtime: Time {
            seconds: 1_700_000_000,
            nanos: 123_456_789,
        },
        ..Entry::new(path, Kind::File { size: size as u64 })
    }
}

/// A file of mebibytes of which two small pieces are stored (GNU tar's PAX format 1.0).
fn sparse() -> Vec<u8> {
    let map = "2\n4096\n512\n2097152\n512\n";
    let mut body = map.as_bytes().to_vec();
    body.resize(512, 0);
    body.extend([b'x'; 512]);
    body.extend([b'y'; 512]);
    let record = |name: &str, value: &str| {
        let rest = format!(" {name}={value}\n");
        let mut len = rest.len() + 1;
        while len.to_string().len() + rest.len() != len {
            len = len.to_string().len() + rest.len();
        }
        format!("{len}{rest}")
    };
    let mut records = String::new();
    for (name, value) in [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "data/sparse"),
        ("GNU.sparse.realsize", "3145728"),
    ] {
        records.push_str(&record(name, value));
    }
    let mut tar = header("PaxHeaders/sparse", b'x', records.len());
    tar.extend(padded(records.as_bytes()));
    tar.extend(header("GNUSparseFile.0/sparse", b'0', body.len()));
    tar.extend(body);
    let mut all = header("data/", b'5', 0);
    all.extend(tar);
    all.extend([0; 1024]);
    all
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().div_ceil(512) * 512, 0);
    bytes
}

/// A ustar header.
fn header(name: &str, kind: u8, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    block[108..115].copy_from_slice(b"0000000");
    block[116..123].copy_from_slice(b"0000000");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[136..147].copy_from_slice(b"00000000001");
    block[148..156].copy_from_slice(b"        ");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// All of them. Every image has `data/` files that a trim can take, and at least three layers.
pub(crate) fn all() -> Vec<Trap> {
    let trap = |name, layers: Vec<Vec<u8>>| Trap {
        name,
        image: image(&layers),
    };
    vec![
        trap("link-target-replaced-above", link_target_replaced()),
        trap("opaque-directory", opaque()),
        trap("directory-to-file-and-back", directory_file_directory()),
        trap("attributes-and-owners", attributes()),
        trap("deleted-then-added-again", deleted_then_added()),
        trap(
            "sparse",
            vec![
                sparse(),
                Layer::new().file("b", "b").tar(),
                Layer::new().file("c", "c").tar(),
            ],
        ),
        trap("long-names", long_names()),
        trap("very-many-whiteouts", many_whiteouts()),
        trap("link-to-a-file-below", link_below()),
        trap("through-a-linked-directory", linked_directory()),
        trap("devices-and-pipes", devices()),
    ]
}

fn link_target_replaced() -> Vec<Vec<u8>> {
    vec![
        Layer::new()
            .file("data/A", text("old"))
            .hardlink("B", "data/A")
            .file("data/C", text("see"))
            .hardlink("D", "data/C")
            .tar(),
        Layer::new()
            .file("data/A", text("new"))
            .whiteout("data/C")
            .tar(),
        Layer::new().hardlink("E", "D").tar(),
    ]
}

fn opaque() -> Vec<Vec<u8>> {
    vec![
        Layer::new()
            .directory("data")
            .file("data/old", text("old"))
            .directory("data/sub")
            .file("data/sub/deep", text("deep"))
            .tar(),
        Layer::new()
            .directory("data")
            .opaque("data")
            .file("data/new", text("new"))
            .tar(),
        Layer::new().file("data/last", text("last")).tar(),
    ]
}

fn directory_file_directory() -> Vec<Vec<u8>> {
    vec![
        Layer::new()
            .directory("x")
            .file("x/a", text("a"))
            .file("data/y", text("y"))
            .tar(),
        Layer::new().file("x", text("file")).tar(),
        Layer::new().directory("x").file("x/b", text("b")).tar(),
        Layer::new().symlink("data2", "data").whiteout("x/b").tar(),
    ]
}

fn attributes() -> Vec<Vec<u8>> {
    let mut ping = file("bin/ping", 4);
    // A version 2 capability set with cap_net_raw, as the kernel stores it.
    let capability = vec![
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    ping.xattrs
        .insert(b"security.capability".to_vec(), capability);
    (ping.uid, ping.gid, ping.mode) = (1_000_000, 2_000_000, 0o4755);
    let mut directory = Entry::directory("data", 0o1777);
    directory
        .xattrs
        .insert(b"user.binary".to_vec(), vec![0, 255, 10, b'=']);
    let link = Entry {
        xattrs: ping.xattrs.clone(),
        mode: ping.mode,
        uid: ping.uid,
        gid: ping.gid,
        mtime: ping.mtime,
        ..Entry::new(
            "bin/pong",
            Kind::Hardlink {
                target: b"bin/ping".to_vec(),
            },
        )
    };
    vec![
        raw(&[
            (Entry::directory("bin", 0o750), &[]),
            (ping, b"ping"),
            (link, &[]),
            (directory, &[]),
            (file("data/x", 1), b"x"),
        ]),
        Layer::new()
            .entry(&Entry {
                uid: 7,
                gid: 8,
                ..Entry::directory("bin", 0o711)
            })
            .tar(),
        Layer::new().file("c", "c").tar(),
    ]
}

fn deleted_then_added() -> Vec<Vec<u8>> {
    vec![
        Layer::new()
            .directory("data")
            .file("data/a", text("one"))
            .file("data/b", text("b"))
            .tar(),
        Layer::new().whiteout("data/a").whiteout("data/b").tar(),
        Layer::new().file("data/a", text("two")).tar(),
        Layer::new().whiteout("data").tar(),
        Layer::new()
            .directory("data")
            .file("data/c", text("three"))
            .tar(),
        // A removal and what comes instead in one layer: the removal is for what lies below.
        Layer::new()
            .file("data/c", text("four"))
            .whiteout("data/c")
            .tar(),
    ]
}

fn long_names() -> Vec<Vec<u8>> {
    let long = |letter: &str| letter.repeat(200);
    let deep = format!("data/{}/{}/{}", long("d"), long("e"), long("f"));
    let odd = Entry {
        mode: 0o644,
        ..Entry::new(
            b"data/\xff\xfe\n\t \xc3\xa4".to_vec(),
            Kind::File { size: 1 },
        )
    };
    vec![
        Layer::new()
            .file(&deep, text("deep"))
            .symlink("far", &format!("{}/{}", long("g"), long("h")))
            .tar(),
        raw(&[(odd, b"o")]),
        Layer::new()
            .hardlink(&format!("data/{}", long("z")), &deep)
            .tar(),
    ]
}

fn many_whiteouts() -> Vec<Vec<u8>> {
    let many = 3_000;
    let mut lower = Layer::new();
    let mut middle = Layer::new();
    for number in 0..many {
        lower = lower.file(&format!("data/{:02}/{number}", number % 50), "x");
        middle = middle.whiteout(&format!("data/{:02}/{number}", number % 50));
    }
    vec![
        lower.tar(),
        middle.file("data/07/stays", "x").tar(),
        Layer::new().file("data/07/7", "again").tar(),
    ]
}

fn link_below() -> Vec<Vec<u8>> {
    vec![
        Layer::new()
            .file("data/a", text("a"))
            .file("data/b", text("b"))
            .tar(),
        Layer::new().hardlink("data2/c", "data/a").tar(),
        Layer::new()
            .whiteout("data/a")
            .hardlink("d", "data2/c")
            .tar(),
    ]
}

fn linked_directory() -> Vec<Vec<u8>> {
    vec![
        Layer::new()
            .directory("usr/lib")
            .file("usr/lib/a", text("a"))
            .symlink("lib", "usr/lib")
            .file("data/x", "x")
            .tar(),
        Layer::new()
            .file("lib/b", text("b"))
            .whiteout("lib/a")
            .tar(),
        Layer::new().file("usr/lib/c", text("c")).tar(),
    ]
}

fn devices() -> Vec<Vec<u8>> {
    let device = |path: &str, kind| Entry {
        mode: 0o660,
        gid: 5,
        ..Entry::new(path, kind)
    };
    vec![
        Layer::new()
            .entry(&device("data/null", Kind::Char { major: 1, minor: 3 }))
            .entry(&device(
                "data/disk",
                Kind::Block {
                    major: 259,
                    minor: 300_000,
                },
            ))
            .entry(&device("data/pipe", Kind::Fifo))
            .tar(),
        Layer::new().whiteout("data/disk").tar(),
        Layer::new().file("data/null", "now a file").tar(),
    ]
}
