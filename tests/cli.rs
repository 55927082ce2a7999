//! The program as people and scripts run it.

mod cli {
    mod check;
    mod definition;
    mod example;
    mod explain;
    mod guide;
    mod impatience;
    mod program;
    mod sign;
    mod support;
    mod toolkit;
}
