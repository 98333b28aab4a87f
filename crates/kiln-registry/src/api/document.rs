//! The API's OpenAPI 3.1 document, made from the handlers' annotations and the table of endpoints.
//!
//! The annotations say what is special to an endpoint. What all share is added here: how they fail, how to log
//! in, and what each needs, from the same table that the guard goes by.

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::OpenApi as _;

use super::{
    Need, Problem, audit, endpoints, maintenance, me, members, projects, repositories, robots,
    rules, users,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "kiln registry",
        version = "1",
        description = "Accounts, projects, robots, tokens, the audit log and the content of a kiln registry. Images \
            themselves are pushed and pulled by the OCI distribution specification, below /v2/.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        show,
        me::show,
        me::change_password,
        me::list_tokens,
        me::create_token,
        me::end_token,
        users::list,
        users::create,
        users::show,
        users::change,
        users::delete,
        users::list_tokens,
        users::end_token,
        projects::list,
        projects::create,
        projects::show,
        projects::change,
        projects::delete,
        projects::access,
        members::list,
        members::set,
        members::remove,
        robots::list,
        robots::create,
        robots::show,
        robots::change,
        robots::delete,
        robots::renew,
        robots::list_all,
        robots::create_for_all,
        robots::show_of_all,
        robots::change_of_all,
        robots::delete_of_all,
        robots::renew_of_all,
        repositories::list,
        repositories::delete,
        repositories::history,
        repositories::tags,
        repositories::delete_tag,
        repositories::tag_history,
        repositories::undo,
        repositories::delete_manifest,
        rules::list,
        rules::create,
        rules::preview,
        rules::delete,
        maintenance::show_collection,
        maintenance::collect,
        maintenance::preview_collection,
        maintenance::show_scrub,
        maintenance::begin_scrub,
        audit::list_all,
        audit::list,
    ),
    components(schemas(Problem))
)]
struct Document;

/// Show this document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "document", operation_id = "show_document",
    responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn show() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}

/// The document as JSON text, indented, with a line end.
#[must_use]
pub fn openapi() -> String {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "basic": { "type": "http", "scheme": "basic", "description": "A name, and a password or token" },
        "bearer": { "type": "http", "scheme": "bearer", "description": "A personal, refresh or robot token" },
    });
    for endpoint in endpoints() {
        let operation = &mut document["paths"][endpoint.path][endpoint.method];
        if operation.is_object() {
            complete(operation, endpoint.need);
        }
    }
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn complete(operation: &mut Value, need: Need) {
    operation["responses"]["default"] = json!({
        "description": "What went wrong",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    operation["security"] = match need {
        Need::Nothing => json!([{}, { "basic": [] }, { "bearer": [] }]),
        _ => json!([{ "basic": [] }, { "bearer": [] }]),
    };
    let needs = format!("Needs {need}.");
    let description = match operation["description"].as_str() {
        Some(text) if !text.is_empty() => format!("{text}\n\n{needs}"),
        _ => needs,
    };
    operation["description"] = json!(description);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_and_the_table_have_the_same_endpoints() {
        let document: Value = serde_json::from_str(&openapi()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(|method| (method.clone(), path.clone()))
            })
            .collect();
        let table: BTreeSet<(String, String)> = endpoints()
            .iter()
            .map(|endpoint| (endpoint.method.to_owned(), endpoint.path.to_owned()))
            .collect();
        assert_eq!(documented, table);
        assert_eq!(table.len(), endpoints().len(), "no row is there twice");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_what_it_needs() {
        let document: Value = serde_json::from_str(&openapi()).unwrap();
        let mut names = BTreeSet::new();
        for endpoint in endpoints() {
            let operation = &document["paths"][endpoint.path][endpoint.method];
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(names.insert(name.clone()), "{name} is there twice");
            let description = operation["description"].as_str().unwrap();
            assert!(
                description.contains(&endpoint.need.to_string()),
                "{name}: {description}"
            );
            for parameter in endpoint.path.split('{').skip(1) {
                let parameter = parameter.split('}').next().unwrap();
                let listed = operation["parameters"].as_array().unwrap();
                assert!(
                    listed.iter().any(|known| known["name"] == parameter),
                    "{name}: {parameter}"
                );
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(map) => map.iter().for_each(|(key, value)| match value.as_str() {
                    Some(target) if key == "$ref" => found.push(target),
                    _ => references(value, found),
                }),
                Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(&openapi()).unwrap();
        let mut found = vec![];
        references(&document, &mut found);
        assert!(found.len() > 20);
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn what_needs_a_place_has_it_in_its_path() {
        for endpoint in endpoints() {
            let parameter = match endpoint.need {
                Need::Project(_) => "{project}",
                Need::Repository(_) => "{repository}",
                _ => continue,
            };
            assert!(
                endpoint.path.contains(parameter),
                "{} {}",
                endpoint.method,
                endpoint.path
            );
            let reads = super::super::guard::looks_only(endpoint.need);
            if reads == Some(true) {
                assert!(
                    endpoint.method == "get" || endpoint.path.ends_with("/preview"),
                    "{} {} changes something with a right that only reads",
                    endpoint.method,
                    endpoint.path
                );
            }
        }
    }
}
