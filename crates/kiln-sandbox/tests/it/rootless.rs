//! The same as an ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::world::{World, not_checked};

#[test]
fn an_ordinary_user_is_root_inside() {
    let test = "an_ordinary_user_is_root_inside";
    let Some(world) = World::new(test) else {
        return;
    };
    // A place that the user may enter: the build directory may be closed to others.
    let place = std::env::temp_dir().join(format!("kiln-rootless-{}", std::process::id()));
    let _ = fs::remove_dir_all(&place);
    let copied = Command::new("cp")
        .arg("-a")
        .arg(world.lower())
        .arg(&place)
        .status();
    assert!(copied.unwrap().success());
    for directory in ["proc", "dev", "sys"] {
        fs::create_dir_all(place.join(directory)).unwrap();
    }
    let init = place.join("init");
    fs::copy(env!("CARGO_BIN_EXE_kiln-sandbox-init"), &init).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
    let user = |command: &str| {
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&init)
            .arg(&place)
            .args(["/bin/sh", "-c", command])
            .output()
    };
    match user("id -u; echo $$; grep -c . /proc/self/uid_map; mount 2>&1 | grep -c ' /proc '") {
        Err(_) => not_checked(test, "there is no setpriv"),
        Ok(output) if output.status.code() == Some(3) => {
            not_checked(
                test,
                "this machine has no user namespaces for ordinary users",
            );
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(
                lines[..3],
                ["0", "1", "1"],
                "{text} {}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(user("exit 9").unwrap().status.code(), Some(9));
            assert_eq!(
                user("cat /dev/null && echo x >/dev/null")
                    .unwrap()
                    .status
                    .code(),
                Some(0)
            );
        }
    }
    let _ = fs::remove_dir_all(&place);
}
