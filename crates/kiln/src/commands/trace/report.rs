//! A trace as a tree for people, as JSON for programs, and as HTML for an audit.

use kiln_trust::Time;
use kiln_trust::trace::{Catalog, Fact, Known, Link};
use serde_json::{Value, json};

use super::is_whole;

/// A line for each link, the image's own layers first, and what is known of it below.
pub(super) fn tree(images: &[Known], catalog: &Catalog) -> String {
    let mut out = String::new();
    for image in images {
        let verdict = if is_whole(image, catalog) {
            "whole"
        } else {
            "BROKEN"
        };
        out.push_str(&format!(
            "{} {} ({verdict})\n",
            image.name,
            image.digest.short()
        ));
        let links = catalog.trace(&image.diff_ids);
        for (place, link) in links.iter().enumerate().rev() {
            let is_own = place + 1 == links.len();
            let indent = "  ".repeat(links.len() - place);
            let known = if is_own {
                Some(image)
            } else {
                link.images.first().copied()
            };
            out.push_str(&format!(
                "{indent}{}: {}\n",
                range(link),
                title(known, is_own)
            ));
            for line in known.into_iter().flat_map(lines) {
                out.push_str(&format!("{indent}  {line}\n"));
            }
            for other in link.images.iter().skip(1) {
                out.push_str(&format!(
                    "{indent}  the same layers as {} {}\n",
                    other.name,
                    other.digest.short()
                ));
            }
        }
        if links.len() < 2 {
            out.push_str("    no known image lies below it\n");
        }
    }
    out
}

fn range(link: &Link<'_>) -> String {
    match link.to - link.from {
        1 => format!("layer {}", link.to),
        _ => format!("layers {} to {}", link.from + 1, link.to),
    }
}

fn title(known: Option<&Known>, is_own: bool) -> String {
    let Some(image) = known else {
        return "of unknown origin".to_owned();
    };
    let word = if image.allowed {
        "allowed"
    } else {
        "NOT ALLOWED"
    };
    match is_own {
        true => format!("its own, {word}"),
        false => format!("{} {}, {word}", image.name, image.digest.short()),
    }
}

fn lines(image: &Known) -> Vec<String> {
    let why = image.why.iter().filter(|_| !image.allowed).cloned();
    why.chain(image.facts.iter().map(line)).collect()
}

fn line(fact: &Fact) -> String {
    let at = match (fact.at, fact.is_proven) {
        (Some(at), true) => format!(" at {at}, proven"),
        (Some(at), false) => format!(" at {at}"),
        (None, _) => String::new(),
    };
    let details = fact
        .details
        .iter()
        .map(|(name, value)| format!(", {name} {value}"));
    format!(
        "{} by {} ({}){at}{}",
        fact.kind,
        fact.signer,
        fact.key.short(),
        details.collect::<String>()
    )
}

/// Schema 1: `images`, each with `links` from the lowest layers up; `from` is counted from 0, `to` is behind the last.
pub(super) fn json(images: &[Known], catalog: &Catalog) -> String {
    let one = |image: &Known| {
        let links = catalog.trace(&image.diff_ids);
        let last = links.len().saturating_sub(1);
        let links = links.iter().enumerate().map(|(place, link)| {
            let own = place == last;
            let images: Vec<Value> = match own {
                true => vec![],
                false => link.images.iter().map(|known| json!(known)).collect(),
            };
            json!({"from": link.from, "to": link.to, "own": own, "allowed": if own { image.allowed } else { link.is_allowed() }, "images": images})
        });
        json!({"image": image, "whole": is_whole(image, catalog), "links": links.collect::<Vec<_>>()})
    };
    let images: Vec<Value> = images.iter().map(one).collect();
    format!("{}\n", json!({"schema": 1, "images": images}))
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}\
    table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{border:1px solid #bbb;padding:.4rem .6rem;text-align:left;vertical-align:top}\
    th{background:#f2f2f2}code{font-size:12px;word-break:break-all}.no{font-weight:bold}ul{margin:0;padding-left:1.1rem}\
    @media print{body{margin:0;max-width:none}}";

/// One file that needs nothing else: it can be kept, printed and read in ten years.
pub(super) fn html(images: &[Known], catalog: &Catalog, now: Time) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Chain of origin</title><style>{STYLE}</style></head><body>\n\
         <h1>Chain of origin</h1>\n<p>Made by kiln {} on {now}.</p>\n",
        env!("CARGO_PKG_VERSION")
    );
    for image in images {
        let verdict = match is_whole(image, catalog) {
            true => "whole: the image and every image below it is signed as the policy demands",
            false => "<span class=\"no\">broken</span>: see where it says so below",
        };
        out.push_str(&format!(
            "<h2>{}</h2>\n<p><code>{}</code></p>\n<p>The chain is {verdict}.</p>\n\
             <table><tr><th>Layers</th><th>Origin</th><th>What is known</th></tr>\n",
            escape(&image.name),
            image.digest
        ));
        let links = catalog.trace(&image.diff_ids);
        for (place, link) in links.iter().enumerate().rev() {
            let is_own = place + 1 == links.len();
            let known = if is_own {
                Some(image)
            } else {
                link.images.first().copied()
            };
            let facts: String = known
                .into_iter()
                .flat_map(lines)
                .map(|line| format!("<li>{}</li>", escape(&line)))
                .collect();
            let ids: String = image.diff_ids[link.from..link.to]
                .iter()
                .map(|id| format!("<br><code>{id}</code>"))
                .collect();
            out.push_str(&format!(
                "<tr><td>{}{ids}</td><td>{}</td><td><ul>{facts}</ul></td></tr>\n",
                range(link),
                escape(&title(known, is_own))
            ));
        }
        out.push_str("</table>\n");
    }
    out.push_str("</body></html>\n");
    out
}

/// Names come from registries, and must not become markup.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
