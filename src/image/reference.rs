//! Image references, parsed and completed as container runtimes do
//! (`github.com/distribution/reference`: grammar in `reference.go`, completion in `normalize.go`).

use std::fmt;

use super::{Digest, DigestError};

/// Docker's registry, which stands for the registry that a reference does not name.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The folder of Docker's registry in which names without a folder live.
const OFFICIAL_FOLDER: &str = "library";
/// The longest repository name, registry included (`reference.go: RepositoryNameTotalLengthMax`).
const MAX_NAME: usize = 255;
/// The longest tag (`regexp.go: tag`).
const MAX_TAG: usize = 128;

/// Where an image is: registry, repository, and a tag or a digest or both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing at all.
    #[error("the image reference is empty")]
    Empty,
    /// The registry's name.
    #[error("`{0}` is not the name of a registry: host and optional port, for instance `registry.example.com:5000`")]
    Registry(String),
    /// The repository's name.
    #[error(
        "`{0}` is not the name of a repository: lower-case letters and digits, separated by single `.` `_` `-`, in parts separated by `/`"
    )]
    Repository(String),
    /// The name as a whole.
    #[error("the name of the repository has {0} characters, more than {MAX_NAME}")]
    TooLong(usize),
    /// A name that could be taken for a digest.
    #[error("`{0}` could be taken for an image ID: a repository's name must not be 64 hexadecimal digits")]
    LooksLikeId(String),
    /// The tag.
    #[error("`{0}` is not a tag: at most {MAX_TAG} letters, digits, `_`, `.` and `-`, the first neither `.` nor `-`")]
    Tag(String),
    /// The digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Reference {
    /// Parses a reference and completes it: `busybox` is `docker.io/library/busybox`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(is_lower_hex) {
            return Err(ReferenceError::LooksLikeId(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (registry, rest) = split_registry(rest)?;
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let repository = repository(&registry, path)?;
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(tag.to_owned()));
        }
        Ok(Self {
            registry,
            repository,
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// The registry: host and, where one was named, port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository, without the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Registry and repository.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The tag that it names.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The tag that it names, or the one that runtimes take in its place.
    pub fn tag_or_latest(&self) -> &str {
        self.tag().unwrap_or("latest")
    }

    /// The digest that it names. Where there is a tag as well, runtimes go by the digest.
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What to ask the registry for: the digest, else the tag, else `latest`.
    pub fn identifier(&self) -> String {
        self.digest
            .as_ref()
            .map_or_else(|| self.tag_or_latest().to_owned(), ToString::to_string)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.tag, &self.digest) {
            (None, None) => f.write_str(":latest"),
            (tag, digest) => {
                tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
                digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
            }
        }
    }
}

/// The first part is a registry if it could not be part of a repository: it has a dot, a colon or an upper-case
/// letter, or it is `localhost` (`normalize.go: splitDockerDomain`).
fn split_registry(text: &str) -> Result<(String, &str), ReferenceError> {
    let is_registry =
        |part: &str| part.contains(['.', ':']) || part == "localhost" || part.chars().any(|c| c.is_ascii_uppercase());
    match text.split_once('/') {
        Some((registry, rest)) if is_registry(registry) => {
            if !is_host(registry) {
                return Err(ReferenceError::Registry(registry.to_owned()));
            }
            let registry = if registry == "index.docker.io" {
                DEFAULT_REGISTRY
            } else {
                registry
            };
            Ok((registry.to_owned(), rest))
        }
        _ => Ok((DEFAULT_REGISTRY.to_owned(), text)),
    }
}

fn repository(registry: &str, path: &str) -> Result<String, ReferenceError> {
    if path.is_empty() || !path.split('/').all(is_path_part) {
        return Err(ReferenceError::Repository(path.to_owned()));
    }
    let official = registry == DEFAULT_REGISTRY && !path.contains('/');
    let repository = if official {
        format!("{OFFICIAL_FOLDER}/{path}")
    } else {
        path.to_owned()
    };
    match registry.len() + 1 + repository.len() {
        length if length > MAX_NAME => Err(ReferenceError::TooLong(length)),
        _ => Ok(repository),
    }
}

/// `regexp.go: DomainRegexp`: names of letters, digits and inner dashes, or an IPv6 address in brackets; a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if is_ipv6(address) => (None, port),
            _ => return false,
        },
        None => text.find(':').map_or((Some(text), ""), |at| {
            let (host, port) = text.split_at(at);
            (Some(host), port)
        }),
    };
    let is_port = |port: &str| {
        port.strip_prefix(':')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
    };
    host.is_none_or(|host| host.split('.').all(is_host_part)) && (port.is_empty() || is_port(port))
}

fn is_ipv6(address: &str) -> bool {
    !address.is_empty() && address.bytes().all(|c| c.is_ascii_hexdigit() || c == b':')
}

fn is_host_part(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('-')
        && !part.ends_with('-')
        && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

/// `regexp.go: pathComponent`: lower-case letters and digits, separated by one dot, one or two underscores, or dashes.
fn is_path_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = || part.split(is_word).filter(|run| !run.is_empty());
    part.starts_with(is_word)
        && part.ends_with(is_word)
        && separators().all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|c| c == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|c| is_word(c) || c == b'.' || c == b'-')
}

const fn is_lower_hex(c: u8) -> bool {
    c.is_ascii_digit() || matches!(c, b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_completed_as_runtimes_complete_them() {
        for (text, complete) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1", "docker.io/library/busybox:1"),
            ("someone/tool", "docker.io/someone/tool:latest"),
            ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("LOCALHOST/x", "LOCALHOST/x:latest"),
            ("Foo/bar", "Foo/bar:latest"),
            ("registry:5000/foo", "registry:5000/foo:latest"),
            ("[::1]:5000/foo:2", "[::1]:5000/foo:2"),
            ("r.example.com/a/b__c/d--e.f:V1._-", "r.example.com/a/b__c/d--e.f:V1._-"),
            ("registry:5000", "docker.io/library/registry:5000"),
        ] {
            assert_eq!(
                Reference::parse(text).map(|reference| reference.to_string()),
                Ok(complete.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_tag_and_a_digest_may_stand_together() {
        let reference = Reference::parse(&format!("r.example.com/x:1@{HASH}")).unwrap();
        assert_eq!((reference.tag(), reference.identifier()), (Some("1"), HASH.to_owned()));
        assert_eq!(reference.to_string(), format!("r.example.com/x:1@{HASH}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = format!("r.example.com/{}", "a".repeat(250));
        let tag = format!("x:{}", "a".repeat(129));
        for text in [
            "",
            " ",
            "x y",
            ":",
            "/x",
            "x/",
            "x//y",
            "x:",
            "x:-1",
            "x:.1",
            "r.example.com/X",
            "x@",
            "x@sha256:12",
            "-r.example.com/x",
            "r.example.com:port/x",
            "[::1/x",
            "[g::]/x",
            "x._y",
            "x___y",
            "x..y",
            "_x",
            "x\n",
            "some image:5.8.18",
            "http://r.example.com/x",
            &long,
            &tag,
            &HASH[7..],
            "r.example.com/x:1:2",
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }
}
