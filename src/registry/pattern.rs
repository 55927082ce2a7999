//! The keys of credentials, matched as kubelet matches them.
//!
//! A key names a registry and perhaps the beginning of a path. Each label of its host may be a pattern
//! (`*.example.com` matches one label more, not two); ports must be equal; the path is a plain prefix.
//! Facts: kubernetes `pkg/credentialprovider/keyring.go`, `Add`, `URLsMatch`, `Lookup`.

use crate::image::Reference;

/// The key of a credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    /// Host and path without the scheme; the order of patterns is the order of these texts.
    text: String,
}

/// Registries, or paths in them, that an administrator allows: `host[:port][/path]`, each label of the host perhaps a
/// pattern, the path a whole part of the repository's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryPattern(Pattern);

impl RegistryPattern {
    /// Reads a pattern; `None` where there is no host in it.
    pub fn parse(text: &str) -> Option<Self> {
        let pattern = Pattern::parse(text);
        let host = pattern.text.split('/').next().unwrap_or_default();
        (!host.is_empty() && !pattern.text.contains(char::is_whitespace)).then_some(Self(pattern))
    }

    /// Whether an image's repository is among those.
    pub fn covers(&self, image: &Reference) -> bool {
        self.allows(image.registry(), image.repository())
    }

    /// Whether it allows a repository. `example.com/team` allows `team/x`, and not `teams/x`.
    fn allows(&self, registry: &str, repository: &str) -> bool {
        let path = self
            .0
            .text
            .find('/')
            .and_then(|slash| self.0.text.get(slash..))
            .unwrap_or_default();
        let path = path.trim_end_matches('/');
        let whole = format!("/{repository}/");
        self.0.matches(registry, repository) && (path.is_empty() || whole.starts_with(&format!("{path}/")))
    }
}

impl std::fmt::Display for RegistryPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Pattern {
    /// Reads a key: a scheme is dropped, and so are `/v1` and `/v2`, which are the protocol's.
    pub(super) fn parse(key: &str) -> Self {
        let bare = key.trim();
        let bare = bare
            .strip_prefix("https://")
            .or_else(|| bare.strip_prefix("http://"))
            .unwrap_or(bare);
        let (host, path) = bare
            .find('/')
            .and_then(|slash| bare.split_at_checked(slash))
            .unwrap_or((bare, ""));
        let path = match path.strip_prefix("/v1").or_else(|| path.strip_prefix("/v2")) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => path,
        };
        let path = if path == "/" { "" } else { path };
        Self {
            text: format!("{}{path}", host.to_lowercase()),
        }
    }

    /// Whether it is the key that stands for Docker Hub.
    pub(super) fn is_docker_hub(&self) -> bool {
        self.text == "index.docker.io"
    }

    /// Whether a credential under this key is for that repository of that registry.
    pub(super) fn matches(&self, registry: &str, repository: &str) -> bool {
        let slash = self.text.find('/').unwrap_or(self.text.len());
        let (host, path) = self.text.split_at_checked(slash).unwrap_or((&self.text, ""));
        let (labels, port) = split_port(host);
        let (actual, actual_port) = split_port(registry);
        port == actual_port && labels_match(labels, actual) && format!("/{repository}").starts_with(path)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    }
}

fn labels_match(pattern: &str, host: &str) -> bool {
    let host = host.to_lowercase();
    pattern.split('.').count() == host.split('.').count()
        && pattern
            .split('.')
            .zip(host.split('.'))
            .all(|(pattern, label)| glob(pattern, label))
}

/// Go's `filepath.Match` for one label: `*`, `?`, `[a-z]`, `[^a-z]`. A malformed pattern matches only itself,
/// which makes an IPv6 address in brackets match itself too.
fn glob(pattern: &str, label: &str) -> bool {
    let pattern_chars: Vec<char> = pattern.chars().collect();
    let label_chars: Vec<char> = label.chars().collect();
    pattern == label || matches_from(&pattern_chars, &label_chars)
}

/// One position at a time, and back to the last `*` when that leads nowhere: quadratic at worst.
fn matches_from(pattern: &[char], label: &[char]) -> bool {
    let (mut rest, mut left) = (pattern, label);
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        if let ['*', after @ ..] = rest {
            star = Some((after, left));
            rest = after;
            continue;
        }
        if rest.is_empty() && left.is_empty() {
            return true;
        }
        if let Some((after, behind)) = one(rest, left) {
            (rest, left) = (after, behind);
            continue;
        }
        let Some((after, [_, behind @ ..])) = star else {
            return false;
        };
        (rest, left, star) = (after, behind, Some((after, behind)));
    }
}

/// Matches one character; returns what is left of both.
fn one<'a>(pattern: &'a [char], label: &'a [char]) -> Option<(&'a [char], &'a [char])> {
    let [first, behind @ ..] = label else {
        return None;
    };
    match pattern {
        ['?', after @ ..] => Some((after, behind)),
        ['[', class @ ..] => class_matches(class, *first).map(|after| (after, behind)),
        [exact, after @ ..] if exact == first => Some((after, behind)),
        _ => None,
    }
}

/// What follows the class, if the character belongs to it.
fn class_matches(class: &[char], c: char) -> Option<&[char]> {
    let end = class.iter().skip(1).position(|c| *c == ']')? + 1;
    let (members, after) = class.split_at_checked(end)?;
    let (negated, mut members) = match members {
        ['^', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let mut found = false;
    while let [low, rest @ ..] = members {
        let (high, rest) = if let ['-', high, rest @ ..] = rest {
            (high, rest)
        } else {
            (low, rest)
        };
        found |= (*low..=*high).contains(&c);
        members = rest;
    }
    (found != negated).then(|| after.get(1..)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_as_kubelet_matches_them() {
        let rows = [
            ("quay.io", "quay.io", "a/b", true),
            ("https://quay.io/v1/", "quay.io", "a/b", true),
            ("http://quay.io/v2/a", "quay.io", "a/b", true),
            ("quay.io/v2", "quay.io", "a/b", true),
            ("quay.io/v2alpha", "quay.io", "a/b", false),
            ("QUAY.io", "quay.IO", "a/b", true),
            ("quay.io/a", "quay.io", "a/b", true),
            ("quay.io/a/b", "quay.io", "a/b", true),
            ("quay.io/a/b/c", "quay.io", "a/b", false),
            ("quay.io/c", "quay.io", "a/b", false),
            // A plain prefix, not whole path components.
            ("quay.io/acm", "quay.io", "acme/b", true),
            ("quay.io", "quay.io:8443", "a/b", false),
            ("quay.io:8443", "quay.io:8443", "a/b", true),
            ("quay.io:8443", "quay.io", "a/b", false),
            ("*.io", "quay.io", "a/b", true),
            ("*.example.com", "r.example.com", "a", true),
            ("*.example.com", "example.com", "a", false),
            ("*.example.com", "a.r.example.com", "a", false),
            ("*.*.example.com", "a.r.example.com", "a", true),
            ("prefix*.example.com", "prefix-7.example.com", "a", true),
            ("*-7.example.com", "prefix-7.example.com", "a", true),
            ("*x*.example.com", "prefix-7.example.com", "a", true),
            ("*.example.com:5000", "r.example.com:5000", "a", true),
            ("*.example.com/team", "r.example.com", "team/a", true),
            ("r?.example.com", "r1.example.com", "a", true),
            ("r?.example.com", "r.example.com", "a", false),
            ("r[0-9].example.com", "r1.example.com", "a", true),
            ("r[^0-9].example.com", "r1.example.com", "a", false),
            ("r[0-9.example.com", "r1.example.com", "a", false),
            ("*", "localhost", "a", true),
            ("*", "quay.io", "a", false),
            ("[::1]:5000", "[::1]:5000", "a", true),
            ("[::1]", "[::1]:5000", "a", false),
            ("evil.example", "quay.io", "a", false),
            ("quay.io.evil.example", "quay.io", "a", false),
        ];
        for (key, registry, repository, expected) in rows {
            let matched = Pattern::parse(key).matches(registry, repository);
            assert_eq!(matched, expected, "{key} for {registry}/{repository}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_not_slow() {
        let pattern = "*a".repeat(2_000);
        assert!(!glob(&pattern, &"a".repeat(1_999)));
        assert!(glob(&pattern, &"a".repeat(2_000)));
    }

    #[test]
    fn an_administrator_allows_hosts_and_whole_parts_of_paths() {
        let rows = [
            ("registry.example.com", "registry.example.com", "a/b", true),
            ("registry.example.com", "registry.example.com:5000", "a/b", false),
            ("*.example.com", "registry.example.com", "a", true),
            ("*.example.com", "example.com", "a", false),
            ("*.example.com", "evil.example.com.attacker.net", "a", false),
            ("quay.io/team", "quay.io", "team/x", true),
            ("quay.io/team/", "quay.io", "team/x", true),
            ("quay.io/team", "quay.io", "team", true),
            ("quay.io/team", "quay.io", "teams/x", false),
        ];
        for (pattern, registry, repository, allowed) in rows {
            let pattern = RegistryPattern::parse(pattern).unwrap();
            assert_eq!(
                pattern.allows(registry, repository),
                allowed,
                "{pattern} {registry}/{repository}"
            );
        }
        assert_eq!(RegistryPattern::parse("/path"), None);
        assert_eq!(RegistryPattern::parse("a b"), None);
    }
}
