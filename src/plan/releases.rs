//! OpenShift's releases: which driver toolkit goes with the operating system that a node runs. Pure.
//!
//! Upstream's mapping is the same two steps, kernel → version of the operating system → toolkit
//! (`kernel_dtk_reconciler.go`, `imagestream_reconciler.go`); it knows versions of one form only.

use std::collections::BTreeMap;

use super::surroundings::Node;

/// Driver toolkits by the version of the operating system, as the tags of OpenShift's image stream name them.
pub type ReleasedToolkits = BTreeMap<String, String>;

/// The toolkit of the release whose nodes run this kernel, given without its trailing `+`.
pub(super) fn toolkit_of<'a>(kernel: &str, nodes: &[Node], released: &'a ReleasedToolkits) -> Option<&'a str> {
    let runs_it = |node: &&Node| node.kernel.strip_suffix('+').unwrap_or(&node.kernel) == kernel;
    let versions = nodes.iter().filter(runs_it).filter_map(|node| version(&node.os_image));
    let mut found = versions.filter_map(|version| toolkit(version, released));
    found.next()
}

/// The version in an operating system's name: three groups of digits and a dash with more, as in
/// `Red Hat Enterprise Linux CoreOS 411.86.202210072320-0 (Ootpa)`.
fn version(os_image: &str) -> Option<&str> {
    os_image.split_whitespace().find(|word| parts(word).is_some())
}

/// The three groups of a version, and what follows the dash.
fn parts(version: &str) -> Option<([&str; 3], &str)> {
    let (groups, build) = version.split_once('-')?;
    let mut groups = groups.split('.');
    let all = [groups.next()?, groups.next()?, groups.next()?];
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let are_numbers = groups.next().is_none() && all.iter().all(is_number) && is_number(&build);
    are_numbers.then_some((all, build))
}

/// The toolkit under that very tag. Newer nodes tell the version of RHEL where tags have OpenShift's before it
/// (`9.6.20260616-0` and `421.96.202606160912-0`): then the one tag that can be meant, if no other can.
fn toolkit<'a>(version: &str, released: &'a ReleasedToolkits) -> Option<&'a str> {
    if let Some(image) = released.get(version) {
        return Some(image);
    }
    let ([major, minor, day], build) = parts(version)?;
    let rhel = format!("{major}{minor}");
    let is_meant = |tag: &str| {
        parts(tag).is_some_and(|([_, of, at], tagged)| of == rhel && at.starts_with(day) && tagged == build)
    };
    let mut meant = released.iter().filter(|(tag, _)| is_meant(tag));
    let (_, image) = meant.next()?;
    meant.next().is_none().then_some(image.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OOTPA: &str = "Red Hat Enterprise Linux CoreOS 411.86.202210072320-0 (Ootpa)";

    fn node(kernel: &str, os_image: &str) -> Node {
        Node {
            name: "n".to_owned(),
            kernel: kernel.to_owned(),
            os_image: os_image.to_owned(),
            architecture: None,
            labels: BTreeMap::new(),
        }
    }

    fn found(kernel: &str, node: Node, tags: &[&str]) -> Option<String> {
        let released = tags.iter().map(|tag| ((*tag).to_owned(), format!("quay.io/dtk@{tag}")));
        toolkit_of(kernel, &[node], &released.collect()).map(str::to_owned)
    }

    #[test]
    fn the_kernel_of_a_node_leads_to_its_release_and_that_to_the_toolkit() {
        let tag = "411.86.202210072320-0";
        let expected = Some(format!("quay.io/dtk@{tag}"));
        // "dk-1", "dk-2", "dk-9"
        assert_eq!(found("1.2.3", node("1.2.3", OOTPA), &[tag]), expected);
        assert_eq!(found("1.2.3", node("1.2.3+", OOTPA), &[tag]), expected);
        // "dk-3", "dk-4", "dk-7", "dk-8": nothing is known, and that is no error.
        let nameless = "Red Hat Enterprise Linux CoreOS MISSING VERSION (Ootpa)";
        assert_eq!(found("1.2.3", node("1.2.3", nameless), &[tag]), None);
        assert_eq!(toolkit_of("1.2.3", &[], &ReleasedToolkits::new()), None);
        assert_eq!(found("4.5.6", node("1.2.3", OOTPA), &[tag]), None);
        assert_eq!(found("1.2.3", node("1.2.3", OOTPA), &["412.86.202210072320-0"]), None);
    }

    #[test]
    fn a_release_that_calls_itself_by_rhels_version_is_found_if_one_tag_alone_can_be_meant() {
        // "dk-10": upstream never finds it.
        let plow = || {
            node(
                "5.14.0-570.el9",
                "Red Hat Enterprise Linux CoreOS 9.6.20260616-0 (Plow)",
            )
        };
        let (meant, other) = ("421.96.202606160912-0", "421.96.202606170912-0");
        let found = |tags: &[&str]| found("5.14.0-570.el9", plow(), tags);
        assert_eq!(found(&[meant, other]), Some(format!("quay.io/dtk@{meant}")));
        assert_eq!(found(&[meant, "420.96.202606161200-0"]), None, "two could be meant");
        assert_eq!(found(&["421.94.202606160912-0", "421.96.202606160912-1"]), None);
    }

    #[test]
    fn more_than_one_digit_may_follow_the_dash_and_other_systems_have_no_version() {
        assert_eq!(
            version("CoreOS 416.94.202405291527-12 x"),
            Some("416.94.202405291527-12")
        );
        for other in [
            "Fedora CoreOS 39.20240101.3.0",
            "Debian GNU/Linux 12 (bookworm)",
            "1.2.3-",
            "1..3-0",
            "1.2.3-0a",
            "",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
