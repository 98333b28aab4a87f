//! The dashboard and the alert rules ask for metrics that the server has.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::conformance::client::Request;
use crate::running::Running;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring");

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

/// Every word that looks like a metric that the server should have.
fn metrics(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("kiln_registry_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn what_is_asked_for_exists() {
    let server = Running::open("");
    let target = server.target();
    target.send(&Request::new("GET", "/v2/")).unwrap();
    // A request is counted when its answer is out.
    server.wait_for(
        "kiln_registry_requests_total{operation=\"base\",status=\"200\"}",
        1.0,
    );
    let page = target.send(&Request::new("GET", "/metrics")).unwrap();
    let page = String::from_utf8(page.body).unwrap();
    let known = metrics(&page);
    let rules = read("kiln-registry.rules.yml");
    let dashboard = read("kiln-registry.dashboard.json");
    let _: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    for text in [&rules, &dashboard] {
        let asked = metrics(text);
        assert!(asked.len() > 4);
        for metric in asked {
            assert!(known.contains(metric), "{metric}");
        }
    }
    // The dashboard shows what the rules record.
    for word in dashboard.split(['"', '{', ' ', '(']) {
        if word.starts_with("kiln_registry:") {
            assert!(rules.contains(&format!("record: {word}\n")), "{word}");
        }
    }
}

/// With Prometheus' own tool, where it is installed.
#[test]
fn the_rules_do_what_they_say() {
    let test = Path::new(FOLDER).join("kiln-registry.test.yml");
    let run = Command::new("promtool")
        .args(["test", "rules"])
        .arg(test)
        .output();
    match run {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{said}");
        }
        Err(error) => {
            crate::not_checked("the registry's alert rules", &format!("promtool: {error}"));
        }
    }
}
