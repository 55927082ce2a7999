//! The program as people and scripts run it.

mod cli {
    mod check;
    mod definition;
    mod explain;
    mod program;
    mod support;
}
