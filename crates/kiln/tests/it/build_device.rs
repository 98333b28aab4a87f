//! `RUN --device`: devices by their specifications.

use crate::world::World;

const SPECIFICATION: &str = "cdiVersion: \"0.6.0\"
kind: vendor.example/sink
devices:
- name: one
  containerEdits:
    env: [SINK=found]
    deviceNodes:
    - {path: /dev/sink, hostPath: /dev/zero}
    mounts:
    - {hostPath: @DIR@/library, containerPath: /opt/sink, options: [ro, bind]}
";

#[test]
fn a_device_is_there_while_the_step_runs() {
    let Some(world) = World::with_base("a_device_is_there_while_the_step_runs") else {
        return;
    };
    world.write("library", "library\n");
    let directory = world.dir().display().to_string();
    world.write("cdi/sink.yaml", SPECIFICATION.replace("@DIR@", &directory));
    let dockerfile = "FROM base\nRUN --device=vendor.example/sink=one,required \
        test -c /dev/sink && head -c 3 /dev/sink | wc -c >/out && echo $SINK >>/out && cat /opt/sink >>/out\n\
        RUN test ! -e /dev/sink && test -z \"$SINK\"\n";
    let args = [
        "--cdi-dir=cdi",
        "--allow=device=vendor.example/sink",
        "-t",
        "it",
    ];
    world.build(dockerfile, &args).ok();
    assert_eq!(
        world.kiln(["run", "--rm", "it", "cat", "/out"]).ok(),
        "3\nfound\nlibrary\n"
    );
    let files = world.files("it");
    assert!(
        !files
            .iter()
            .any(|file| file.contains("sink") || file.ends_with(" opt")),
        "{files:?}"
    );
    let again = world.build(dockerfile, &args);
    assert!(again.stderr.contains("CACHED"), "{}", again.stderr);
    again.ok();
    let refused = world.build(dockerfile, &["--cdi-dir=cdi"]).fails(1);
    assert!(
        refused.contains("--allow device=vendor.example/sink=one"),
        "{refused}"
    );
    let unknown = world
        .build(dockerfile, &["--cdi-dir=nowhere", "--allow=device"])
        .fails(1);
    assert!(
        unknown.contains("no specification in") && unknown.contains("nowhere"),
        "{unknown}"
    );
    let optional = dockerfile.replace(",required", "").replace(
        "test -c /dev/sink &&",
        "test ! -e /dev/sink || exit 1; exit 0;",
    );
    let left_out = world.build(&optional, &["--cdi-dir=cdi"]);
    assert!(
        left_out.stderr.contains("warning: left out"),
        "{}",
        left_out.stderr
    );
    left_out.ok();
}
