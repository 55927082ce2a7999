//! Alerts and what they ask: metrics that exist.

use serde_json::Value;

use crate::chart::helm::{rendered, text};

const WATCHED: &str = "serviceMonitor: {enabled: true}\nprometheusRule: {enabled: true, labels: {release: monitoring}}";

#[test]
fn nothing_of_prometheus_is_installed_unasked() {
    let Some(release) = rendered("") else { return };
    assert!(release.has_no("ServiceMonitor") && release.has_no("PrometheusRule"));
}

#[test]
fn every_alert_says_what_is_wrong_and_asks_a_metric_that_is_documented() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).expect("docs/metrics.md");
    let Some(release) = rendered(WATCHED) else { return };
    let rule = release.the("PrometheusRule");
    assert_eq!(rule["metadata"]["labels"]["release"], "monitoring");
    let alerts = rule["spec"]["groups"][0]["rules"].as_array().expect("alerts");
    assert!(alerts.len() >= 7);
    for alert in alerts {
        let (name, expression) = (text(&alert["alert"]), text(&alert["expr"]));
        assert!(text(&alert["annotations"]["summary"]).len() > 20, "{name}");
        assert!(text(&alert["annotations"]["description"]).len() > 20, "{name}");
        assert!(expression.contains(r#"namespace="checks""#), "{name}: {expression}");
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/metrics.md does not tell what to do about {name}"
        );
        for metric in metrics(expression) {
            assert!(
                page.contains(&format!("| `{metric}` |")),
                "{name}: docs/metrics.md has no {metric}"
            );
        }
    }
}

/// The names of this program's metrics in an expression.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("kmm_preflight_"))
}

#[test]
fn prometheus_fills_in_its_own_templates() {
    let Some(release) = rendered(WATCHED) else { return };
    let alerts = release.the("PrometheusRule")["spec"]["groups"][0]["rules"]
        .as_array()
        .expect("alerts")
        .clone();
    let unreadable = |alert: &&Value| alert["alert"] == "KmmPreflightUnreadable";
    let summary = alerts.iter().find(unreadable).expect("the alert")["annotations"]["summary"].clone();
    assert_eq!(summary, "Some objects of kind {{ $labels.kind }} cannot be read");
}
