//! What a token has to allow: pulling, pushing, removing, and reading another repository of which blobs are taken.

/// What a token has to allow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    repository: String,
    actions: &'static str,
    /// Another repository that is read from.
    from: Option<String>,
}

impl Scope {
    /// To pull.
    pub(super) fn pull(repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            actions: "pull",
            from: None,
        }
    }

    /// To pull and to push.
    pub(super) fn push(repository: &str) -> Self {
        Self {
            actions: "pull,push",
            ..Self::pull(repository)
        }
    }

    /// To push, and to take blobs of another repository.
    pub(super) fn mount(repository: &str, from: &str) -> Self {
        Self {
            from: Some(from.to_owned()),
            ..Self::push(repository)
        }
    }

    /// To push, and to remove manifests.
    pub(super) fn remove(repository: &str) -> Self {
        Self {
            actions: "pull,push,delete",
            ..Self::pull(repository)
        }
    }

    /// Whether something is written.
    pub(super) fn writes(&self) -> bool {
        self.actions != "pull"
    }

    /// What a login that works is remembered for: whoever may pull need not be allowed to push.
    pub(super) fn remembered_as(&self) -> String {
        if self.writes() {
            format!("{} {}", self.repository, self.actions)
        } else {
            self.repository.clone()
        }
    }

    /// The scopes in the words of token services (distribution specification, "token scope").
    pub(super) fn in_words(&self) -> Vec<String> {
        let own = format!("repository:{}:{}", self.repository, self.actions);
        let from = self.from.as_ref().map(|from| format!("repository:{from}:pull"));
        std::iter::once(own).chain(from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_worded_as_token_services_want_them() {
        let rows = [
            (Scope::pull("a/b"), vec!["repository:a/b:pull"]),
            (Scope::push("a/b"), vec!["repository:a/b:pull,push"]),
            (Scope::remove("a/b"), vec!["repository:a/b:pull,push,delete"]),
            (
                Scope::mount("a/b", "c"),
                vec!["repository:a/b:pull,push", "repository:c:pull"],
            ),
        ];
        for (scope, words) in rows {
            assert_eq!(scope.in_words(), words);
        }
    }
}
