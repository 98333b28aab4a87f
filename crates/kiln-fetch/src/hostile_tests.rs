//! Properties that hold for any text: what servers, users and environments send is not chosen by us.

use proptest::prelude::*;

use crate::date::parse_http_date;
use crate::no_proxy::NoProxy;
use crate::range::ContentRange;
use crate::redact::redact;
use crate::url::{Url, filename_from_url};

/// Text that comes near to a URL more often than chance would.
fn near_url() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("http".to_owned()),
        Just("https://".to_owned()),
        Just("user:pass@".to_owned()),
        Just("[::1]".to_owned()),
        Just(":8080".to_owned()),
        Just("/../".to_owned()),
        Just("%2".to_owned()),
        "[:/?#@%.\\[\\]a-c0-9]{0,4}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_url_means_the_same_after_printing(text in near_url()) {
        if let Ok(url) = Url::parse(&text) {
            let printed = url.to_string();
            let again = Url::parse(&printed).expect("what was printed can be read");
            prop_assert!(again.same_origin(&url));
            prop_assert_eq!(again.to_string(), printed);
        }
    }

    #[test]
    fn no_location_leads_out_of_http(location in near_url()) {
        let base = Url::parse("https://home.example/a/b").expect("a URL");
        if let Ok(target) = base.join(&location) {
            let printed = target.to_string();
            prop_assert!(printed.starts_with("https://") || printed.starts_with("http://"));
        }
    }

    #[test]
    fn a_secret_is_never_shown(
        secret in "[a-z]{12}",
        host in "[a-z.]{1,8}",
        path in "[a-z/@:]{0,8}",
    ) {
        let url = format!("https://{secret}:{secret}@{host}/{path}?a={secret}&b={secret}");
        prop_assert!(!redact(&url).contains(&secret));
        if let Err(error) = Url::parse(&url.replace("https", "ftp")) {
            prop_assert!(!error.to_string().contains(&secret));
        }
    }

    #[test]
    fn a_file_name_stays_in_its_folder(text in near_url()) {
        if let Some(name) = filename_from_url(&text) {
            prop_assert!(!name.is_empty() && name != "." && name != "..");
            prop_assert!(!name.contains(['/', '\0']));
        }
    }

    #[test]
    fn no_text_upsets_the_small_parsers(text in any::<String>(), host in any::<String>()) {
        let _ = parse_http_date(&text);
        let _ = ContentRange::parse(&text);
        let _ = NoProxy::parse(&text).covers(&host, 1);
        let _ = redact(&text);
    }
}
