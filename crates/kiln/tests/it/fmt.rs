//! `kiln fmt`.

use crate::world::World;

const LOOSE: &str = "from debian:12 as build\nrun   echo 'a  b'\ncmd [\"a\",\"b\"]\n";
const NEAT: &str = "FROM debian:12 AS build\nRUN echo 'a  b'\nCMD [\"a\", \"b\"]\n";

#[test]
fn files_and_standard_input_are_formatted() {
    let world = World::new();
    assert_eq!(
        world.kiln_with_input(["fmt", "-"], LOOSE.as_bytes()).ok(),
        NEAT
    );
    let file = world.write("Dockerfile", LOOSE);
    let name = file.to_str().unwrap();
    let shown = world.kiln(["fmt", "--check", name]);
    shown.fails(1);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        LOOSE,
        "nothing was written"
    );
    let shown = world.kiln(["fmt", "--diff", name]).ok();
    assert!(
        shown.contains("-from debian:12 as build\n+FROM")
            || shown.contains("+FROM debian:12 AS build"),
        "{shown}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), NEAT);
    assert_eq!(world.kiln(["fmt", "--check", name]).ok(), "");
}

#[test]
fn a_broken_file_stays_as_it_is() {
    let world = World::new();
    let text = "from a\nrum b\n";
    assert_eq!(
        world.kiln_with_input(["fmt", "-"], text.as_bytes()).ok(),
        text
    );
}
