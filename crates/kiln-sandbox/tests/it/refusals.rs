//! What cannot be started, and what is said about it.

use std::fs;

use crate::world::{World, run};

#[test]
fn each_reason_has_its_words_and_its_code() {
    let Some(world) = World::new("each_reason_has_its_words_and_its_code") else {
        return;
    };
    fs::write(world.lower().join("text"), "not a program").unwrap();
    fs::write(world.lower().join("script"), "#!/no/such/interpreter\n").unwrap();
    fs::write(
        world.lower().join("foreign"),
        b"\x7fELF\x02\x01\x01\0garbage",
    )
    .unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["script", "foreign"] {
        let path = world.lower().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (program, code, words, hint) in [
        ("nosuch", 127, "nosuch", "PATH"),
        ("/no/such", 127, "/no/such", ""),
        ("/text", 126, "permission denied", ""),
        ("/script", 127, "/script", "interpreter"),
        ("/foreign", 126, "/foreign", "another processor"),
    ] {
        let mut spec = world.shell("");
        spec.args = vec![program.into()];
        let error = run(&spec).map(drop).unwrap_err();
        assert_eq!(error.exit_code(), Some(code), "{program}: {error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(
            error.hint().unwrap_or_default().contains(hint),
            "{program}: {:?}",
            error.hint()
        );
    }
    let mut spec = world.shell("true");
    spec.cwd = "/nowhere".into();
    let error = run(&spec).map(drop).unwrap_err();
    assert!(
        error.to_string().contains("working directory /nowhere"),
        "{error}"
    );
    assert_eq!(error.exit_code(), None);
}
