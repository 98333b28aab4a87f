//! `kiln completions`.

use crate::world::World;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.kiln(["completions", shell]).ok();
        assert!(
            script.contains("shell-on-fail") || script.contains("build"),
            "{shell}"
        );
    }
    world.kiln(["completions", "tcsh"]).fails(2);
}
