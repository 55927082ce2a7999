//! One leads, never two; another takes over when it goes, at once or after its Lease expired.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kmm_preflight::cluster::{Clock, Election, LeaseSettings};
use kube::Api;
use tokio::time::{Instant, timeout};

use crate::ground::{SOON, cluster};

fn settings(identity: &str) -> LeaseSettings {
    LeaseSettings {
        lease_duration: Duration::from_secs(5),
        renew_deadline: Duration::from_secs(3),
        retry_period: Duration::from_secs(1),
        ..LeaseSettings::new("default".to_owned(), "kmm-preflight".to_owned(), identity.to_owned())
    }
}

fn clock() -> Clock {
    Arc::new(|| Timestamp::UNIX_EPOCH)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_leads_at_once_when_the_first_gives_up_and_later_when_it_dies() {
    let Some((_cluster, client)) = cluster(&[]).await else {
        return;
    };
    let first = Election::start(client.clone(), settings("first"), clock());
    timeout(SOON, first.leadership().gained())
        .await
        .expect("the first leads");
    let second = Election::start(client.clone(), settings("second"), clock());
    let third = Election::start(client.clone(), settings("third"), clock());
    assert!(!second.leadership().is_held() && !third.leadership().is_held());

    let first_leadership = first.leadership();
    first.release().await;
    assert!(!first_leadership.is_held());
    let (leader, other) = whoever_leads(second, third).await;
    let leases: Api<Lease> = Api::default_namespaced(client);
    let spec = leases.get("kmm-preflight").await.expect("read").spec.expect("a spec");
    assert_eq!(
        spec.lease_transitions,
        Some(1),
        "given up by the first, taken by another"
    );

    // Like a crash: nothing is given up, and the other waits until the Lease has expired.
    let died = Instant::now();
    drop(leader);
    timeout(SOON, other.leadership().gained())
        .await
        .expect("the other leads");
    assert!(died.elapsed() > Duration::from_secs(3), "{:?}", died.elapsed());
}

/// The one that leads, and the one that does not.
async fn whoever_leads(one: Election, other: Election) -> (Election, Election) {
    let (mut first, mut second) = (one.leadership(), other.leadership());
    let led = timeout(SOON, async {
        tokio::select! {
            () = first.gained() => true,
            () = second.gained() => false,
        }
    });
    if led.await.expect("one of them leads") {
        (one, other)
    } else {
        (other, one)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_renew_stops_leading_by_itself_and_leads_again_later() {
    let Some((mut cluster, client)) = cluster(&[]).await else {
        return;
    };
    let election = Election::start(client, settings("alone"), clock());
    let mut leadership = election.leadership();
    timeout(SOON, leadership.gained()).await.expect("it leads");
    cluster.stop_api_server();
    let stopped = Instant::now();
    timeout(SOON, leadership.lost()).await.expect("it stops");
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    cluster.start_api_server().expect("started again");
    timeout(SOON, leadership.gained()).await.expect("it leads again");
}
