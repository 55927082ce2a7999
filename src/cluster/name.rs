//! Names that objects can have. What a Module names becomes a part of a URL: anything else must not get that far.

/// The longest name of an object (RFC 1123 subdomain).
const LONGEST_NAME: usize = 253;

/// Whether an object can have this name. One that cannot does not exist, and is never asked for: `../other/secrets/x`
/// in a Module would otherwise reach into another namespace.
pub(super) fn is_possible(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let parts = name.split('.');
    name.len() <= LONGEST_NAME
        && parts.into_iter().all(|part| {
            part.bytes().next().is_some_and(is_inner)
                && part.bytes().last().is_some_and(is_inner)
                && part.bytes().all(|byte| is_inner(byte) || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_api_server_would_admit_is_a_name() {
        for name in ["a", "pull-secret", "a.b-c.d", "0", &"a".repeat(253)] {
            assert!(is_possible(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../kube-system/secrets/token",
            "a/b",
            "a?watch=true",
            "a#b",
            "a%2fb",
            "A",
            "-a",
            "a-",
            "a..b",
            "a b",
            "ä",
            &"a".repeat(254),
        ] {
            assert!(!is_possible(name), "{name}");
        }
    }
}
