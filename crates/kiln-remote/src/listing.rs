//! Lists of tags and repositories, page by page.
//!
//! Source: distribution specification, "Listing Tags"; the catalog is Docker's, which the specification leaves out.

use std::collections::{HashSet, VecDeque};

use kiln_fetch::{Method, Url};
use serde::Deserialize;

use crate::answer::next_link;
use crate::auth::{Scope, form};
use crate::endpoint::{Call, Place};
use crate::error::RemoteError;
use crate::remote::Remote;
use crate::repository::{Repository, is_tag};

/// The longest page that is read, in bytes: some registries send 100,000 tags at once whatever is asked for.
const MAX_PAGE: u64 = 32 << 20;

/// The most names in a list: more is a registry that makes them up.
const MAX_NAMES: usize = 10_000_000;

/// How many names are asked for at once. Registries may send fewer.
const PAGE: usize = 1000;

impl Repository {
    /// The tags, in the registry's order, fetched as they are needed. `last` is the tag after which to begin.
    #[must_use]
    pub fn tags(&self, last: Option<&str>) -> Names {
        let path = self.path("tags/list");
        Names::new(
            &self.remote,
            self.registry(),
            self.name(),
            &path,
            self.pull_scope(),
            last,
        )
    }
}

impl Remote {
    /// The repositories of a registry that the user may see, in its order, fetched as they are needed. Large public
    /// registries do not tell.
    #[must_use]
    pub fn catalog(&self, registry: &str, last: Option<&str>) -> Names {
        Names::new(self, registry, "", "_catalog", Scope::Catalog, last)
    }
}

/// Tags or repositories. After an error it ends.
#[derive(Debug)]
pub struct Names {
    remote: Remote,
    registry: String,
    repository: String,
    scope: Scope,
    next: Option<Page>,
    page: VecDeque<String>,
    seen: HashSet<String>,
    count: usize,
}

#[derive(Debug)]
enum Page {
    First(String),
    Linked(Url),
}

impl Names {
    fn new(
        remote: &Remote,
        registry: &str,
        repository: &str,
        path: &str,
        scope: Scope,
        last: Option<&str>,
    ) -> Self {
        let mut path = format!("{path}?n={PAGE}");
        if let Some(last) = last {
            path.push_str("&last=");
            path.push_str(&form(last));
        }
        Self {
            remote: remote.clone(),
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            scope,
            next: Some(Page::First(path)),
            page: VecDeque::new(),
            seen: HashSet::new(),
            count: 0,
        }
    }

    fn fetch(&mut self, page: Page) -> Result<(), RemoteError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(alias = "repositories")]
            tags: Option<Vec<String>>,
        }
        let registry = self.remote.registry(&self.registry)?;
        let endpoint = &registry.origin;
        let what = match self.repository.as_str() {
            "" => self.registry.clone(),
            repository => format!("{}/{repository}", self.registry),
        };
        let mut call = Call::new(
            Method::Get,
            String::new(),
            &what,
            &self.repository,
            self.scope.clone(),
        );
        call.place = match page {
            Page::First(path) => Place::Path(path),
            Page::Linked(url) => Place::Url(url),
        };
        let mut response = endpoint.expect(&call, &[200])?;
        let question = endpoint.question(&what);
        if let Some(link) = next_link(&response) {
            let url = Url::parse(&response.url)?.join(&link)?;
            if !url.same_origin(&endpoint.home()?) {
                return Err(question.nonsense("the next page of the list is on another host"));
            }
            if !self.seen.insert(url.to_string()) {
                return Err(question.nonsense("the pages of the list go in a circle"));
            }
            self.next = Some(Page::Linked(url));
        }
        let body = question.body(&mut response, MAX_PAGE)?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|error| question.nonsense(format!("no list of names: {error}")))?;
        let names = answer.tags.unwrap_or_default();
        let tags = self.scope != Scope::Catalog;
        if let Some(bad) = names
            .iter()
            .find(|name| if tags { !is_tag(name) } else { !is_name(name) })
        {
            return Err(question.nonsense(format!("`{}` cannot be a name", bad.escape_debug())));
        }
        self.count += names.len();
        if self.count > MAX_NAMES {
            return Err(question.nonsense(format!("the list has more than {MAX_NAMES} names")));
        }
        self.page.extend(names);
        Ok(())
    }
}

impl Iterator for Names {
    type Item = Result<String, RemoteError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.page.is_empty() {
            let page = self.next.take()?;
            if let Err(error) = self.fetch(page) {
                self.next = None;
                return Some(Err(error));
            }
        }
        self.page.pop_front().map(Ok)
    }
}

/// Roughly a repository's name: nothing that could upset a terminal.
fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}
