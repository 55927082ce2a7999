//! The chart: what helm makes of it, and what a real API server makes of that.

mod chart {
    mod helm;
    mod monitoring;
    mod network;
    mod objects;
    mod pods;
    mod rights;
    mod settings;
    mod silence;
    mod webhooks;
}
