//! What a container of a Job may do: as little as it can do with.

use k8s_openapi::api::core::v1::{Capabilities, SeccompProfile, SecurityContext};

/// The user of whatever is not a builder, unless the cluster chooses one.
pub(super) const USER: i64 = 65532;

/// What buildah needs to map the users of its namespace.
const OF_BUILDER: [&str; 3] = ["SETUID", "SETGID", "SETFCAP"];

/// Nothing that Pod Security's `restricted` would refuse. Without a user, OpenShift's `restricted-v2` has nothing to refuse
/// either: it gives one of the namespace's own.
pub(super) fn restricted(user: Option<i64>) -> SecurityContext {
    SecurityContext {
        run_as_non_root: Some(true),
        run_as_user: user,
        run_as_group: user,
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..SecurityContext::default()
    }
}

/// Root, with what buildah needs to make a user namespace: no seccomp profile, for the runtime's forbids that, and three
/// capabilities.
pub(super) fn builder(privileged: bool) -> SecurityContext {
    let root = SecurityContext {
        run_as_user: Some(0),
        run_as_group: Some(0),
        run_as_non_root: Some(false),
        ..SecurityContext::default()
    };
    if privileged {
        return SecurityContext {
            privileged: Some(true),
            ..root
        };
    }
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: Some(OF_BUILDER.map(str::to_owned).into()),
        }),
        ..root
    }
}
