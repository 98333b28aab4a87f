//! `kiln trace`.

use kiln_oci::Image;
use kiln_testkit::{ImageBuilder, Layer, MemoryRegistry};

use super::key::with_keys;

/// An image of layers with a file each.
fn of(layers: &[&str]) -> Image {
    let add = |image: ImageBuilder, name: &&str| image.layer(&Layer::new().file(name, *name).tar());
    layers.iter().fold(ImageBuilder::new(), add).build()
}

const POLICY: &str = "version = 1\n\
    [[key]]\nname = 'base-team'\nfile = 'base.pub'\n[[key]]\nname = 'app-team'\nfile = 'app.pub'\n\
    [[role]]\nname = 'base'\nkeys = ['base-team']\n[[role]]\nname = 'app'\nkeys = ['app-team']\n\
    [[image]]\nrepositories = ['*/base']\nrequire = [{ role = 'base' }]\n\
    [[image]]\nrepositories = ['*/app']\nrequire = [{ role = 'app' }]\n";

#[test]
fn from_the_app_down_to_a_signed_base() {
    let registry = MemoryRegistry::start();
    registry.put_image("base", Some("1"), &of(&["one", "two"]));
    registry.put_image("app", Some("1"), &of(&["one", "two", "three"]));
    registry.put_image("app", Some("2"), &of(&["one", "other", "three"]));
    let world = with_keys(&["base", "app"]);
    world.write("trust.toml", POLICY);
    let name = |rest: &str| format!("{}/{rest}", registry.host());
    let sign = |image: &str, key: &str| {
        world
            .kiln([
                "sign",
                &name(image),
                &format!("--key={key}.key"),
                "--password-file=pw",
            ])
            .ok();
    };
    let base = format!("--base={}", name("base:1"));
    let trace = |image: &str, more: &[&str]| {
        let image = name(image);
        let args = ["trace", "--policy=trust.toml", &image];
        world.kiln(args.iter().chain(more))
    };
    sign("app:1", "app");
    sign("app:2", "app");
    // A base that the wrong team signed is not one.
    sign("base:1", "app");
    let said = trace("app:1", &[&base]);
    assert!(
        said.stdout.contains("(BROKEN)") && said.stdout.contains("base:1"),
        "{said:?}"
    );
    said.fails(1);
    sign("base:1", "base");
    let said = trace(
        "app:1",
        &[&base, "--catalog=known.json", "--html=audit.html"],
    )
    .ok();
    assert!(said.contains("(whole)"), "{said}");
    assert!(
        said.contains("layer 3: its own, allowed") && said.contains("layers 1 to 2: "),
        "{said}"
    );
    assert!(said.contains("signature by base-team"), "{said}");
    let page = std::fs::read_to_string(world.dir().join("audit.html")).unwrap();
    assert!(
        page.contains("<h2>") && !page.contains("http:") && !page.contains("https:"),
        "it needs nothing else"
    );
    // Without the base, from what was remembered.
    trace("app:1", &["--catalog=known.json"]).ok();
    let json = trace("app:1", &["--catalog=known.json", "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["images"][0]["whole"], true);
    assert_eq!(json["images"][0]["links"][0]["to"], 2);
    // One that only looks like a child.
    let said = trace("app:2", &["--catalog=known.json"]);
    assert!(
        said.stdout.contains("no known image lies below it"),
        "{said:?}"
    );
    said.fails(1);
    world.write("known.json", "{}");
    assert!(
        trace("app:1", &["--catalog=known.json"])
            .fails(1)
            .contains("is no catalog")
    );
}
