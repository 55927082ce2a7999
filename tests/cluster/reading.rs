//! Secrets are read by name only; what is forbidden says which permission is missing; Events reach people.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::events::v1::Event;
use kmm_preflight::cluster::secrets::{pull_secret_names, pull_secrets, secret, secret_metadata};
use kmm_preflight::cluster::{CallError, Events, Notice, Permission, Weight};
use kube::api::ListParams;
use kube::{Api, Resource};

use crate::ground::{apply, client, cluster};

const OBJECTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: pull, namespace: default}
stringData: {a: secret-word}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: loader, namespace: default}
imagePullSecrets: [{name: pull}, {name: absent}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: default}
";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_read_by_name_and_no_name_leads_elsewhere() {
    let Some((cluster, admin)) = cluster(&[OBJECTS]).await else {
        return;
    };
    let names = pull_secret_names(&admin, "default", "loader")
        .await
        .expect("read")
        .expect("an account");
    assert_eq!(names, ["pull", "absent"]);
    assert_eq!(pull_secret_names(&admin, "default", "none").await, Ok(None));
    let found = pull_secrets(&admin, "default", &names).await.expect("read");
    let [(first, Some(pull)), (second, None)] = found.as_slice() else {
        panic!("one of two exists");
    };
    assert_eq!((first.as_str(), second.as_str()), ("pull", "absent"));
    assert_eq!(
        pull.data
            .as_ref()
            .and_then(|data| data.get("a"))
            .map(|a| a.0.as_slice()),
        Some(&b"secret-word"[..])
    );
    let metadata = secret_metadata(&admin, "default", "pull")
        .await
        .expect("read")
        .expect("a Secret");
    assert!(metadata.resource_version.is_some());

    apply(
        &cluster,
        &OBJECTS.replace("namespace: default", "namespace: kube-public"),
    );
    for name in ["../../kube-public/secrets/pull", "pull?", ""] {
        let reached = secret(&admin, "default", name).await;
        assert!(matches!(reached, Ok(None)), "{name}");
        assert!(
            matches!(secret_metadata(&admin, "default", name).await, Ok(None)),
            "{name}"
        );
        assert_eq!(pull_secret_names(&admin, "default", name).await, Ok(None), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named() {
    let Some((cluster, _admin)) = cluster(&[OBJECTS]).await else {
        return;
    };
    let kubeconfig = cluster
        .kubeconfig_for_service_account("default", "nobody")
        .expect("a token");
    let refused = secret(&client(&kubeconfig).await, "default", "pull")
        .await
        .expect_err("forbidden");
    let CallError::Forbidden {
        permission: Some(permission),
        ..
    } = &refused
    else {
        panic!("{refused:?}");
    };
    let expected = Permission {
        verb: "get".to_owned(),
        resource: "secrets".to_owned(),
        group: String::new(),
        namespace: Some("default".to_owned()),
    };
    assert_eq!(permission, &expected);
    assert_eq!(
        refused.to_string(),
        "the operator's service account lacks the permission to get secrets in namespace default"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stands_on_its_object_and_a_second_one_is_counted() {
    let Some((_cluster, client)) = cluster(&[OBJECTS]).await else {
        return;
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let on = accounts.get("loader").await.expect("read").object_ref(&());
    let events = Events::new(client.clone(), "pod-1".to_owned());
    for _ in 0..2 {
        let notice = Notice {
            weight: Weight::Warning,
            reason: "WouldNotLoad",
            action: "Validating",
            note: "é".repeat(2000),
            related: None,
        };
        events.publish(&on, notice).await;
    }
    let events: Api<Event> = Api::namespaced(client, "default");
    let found = events.list(&ListParams::default()).await.expect("listed");
    let ours: Vec<_> = found
        .iter()
        .filter(|event| event.reason.as_deref() == Some("WouldNotLoad"))
        .collect();
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].series.as_ref().map(|series| series.count), Some(2));
    assert_eq!(
        ours[0].regarding.as_ref().and_then(|on| on.name.as_deref()),
        Some("loader")
    );
    let note = ours[0].note.as_deref().unwrap_or_default();
    assert!(note.len() <= 1024 && note.ends_with('…'), "{}", note.len());
}
