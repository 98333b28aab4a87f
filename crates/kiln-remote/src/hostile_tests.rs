//! Properties that hold for any text: what registries and files hold is not chosen by us.

use kiln_fetch::Url;
use proptest::prelude::*;

use crate::answer::{clean, link_target};
use crate::auth::{Challenge, form, realm};
use crate::hosts::HostSpec;
use crate::repository::is_tag;

/// Text that comes near to a header field more often than chance would.
fn near_field() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("Bearer ".to_owned()),
        Just("Basic".to_owned()),
        Just("realm=".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(", ".to_owned()),
        Just("; rel=\"next\"".to_owned()),
        Just("<".to_owned()),
        Just(">".to_owned()),
        "[a-z=,\" ]{0,6}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_field_upsets_the_parsers(field in near_field()) {
        let _ = Challenge::choose([field.as_str()].into_iter());
        let _ = link_target(&field);
        let _ = HostSpec::parse(&field, false);
        let _ = is_tag(&field);
    }

    #[test]
    fn a_challenge_is_read_as_it_was_written(
        realm in "https://[a-z]{1,8}/[ -~]{0,12}",
        service in "[ -~]{1,12}",
        scopes in prop::collection::vec("[a-z:,/*]{1,12}", 0..3),
    ) {
        let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let field = format!(
            "Bearer realm=\"{}\",service=\"{}\", scope=\"{}\"",
            quote(&realm),
            quote(&service),
            scopes.join(" ")
        );
        let expected = Challenge::Bearer { realm, service: Some(service), scopes };
        prop_assert_eq!(Challenge::choose([field.as_str()].into_iter()), Some(expected));
    }

    #[test]
    fn what_is_shown_is_one_line_without_control_characters(text in any::<String>()) {
        let shown = clean(&text);
        prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
        prop_assert!(shown.chars().count() <= 400);
    }

    #[test]
    fn what_goes_into_a_query_ends_nothing(text in any::<String>()) {
        prop_assert!(form(&text).bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
    }

    #[test]
    fn a_tag_stays_in_its_path_segment(tag in "[a-zA-Z0-9._/%?#-]{0,12}") {
        if is_tag(&tag) {
            let url = format!("https://r.example/v2/a/manifests/{tag}");
            let parsed = Url::parse(&url).expect("a URL");
            prop_assert_eq!(parsed.path_and_query(), format!("/v2/a/manifests/{tag}"));
        }
    }

    #[test]
    fn a_host_is_read_as_it_was_written(
        secure in any::<bool>(),
        host in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}",
        port in prop::option::of(1_u16..),
        path in "(/[a-z]{1,5}){0,3}",
    ) {
        let scheme = if secure { "https" } else { "http" };
        let shown = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let spec = HostSpec::parse(&format!("{scheme}://{shown}{path}"), true).expect("a host");
        prop_assert_eq!(spec.secure, secure);
        prop_assert!(spec.host == shown || spec.host == host);
        prop_assert_eq!(spec.path, path);
    }

    #[test]
    fn a_stranger_is_not_related(a in "[a-z]{3,8}", b in "[a-z]{3,8}") {
        prop_assume!(a != b);
        let home = Url::parse(&format!("https://registry.{a}.example")).expect("a URL");
        let other = Url::parse(&format!("https://registry.{b}.example")).expect("a URL");
        prop_assert!(!realm::is_related(&home, &other, &[]));
        prop_assert!(realm::is_related(&home, &home, &[]));
    }
}
