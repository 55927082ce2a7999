//! What the owner of a webhook decides about its certificates: how long they live, when they are renewed,
//! and which names they are for.

use crate::error::SettingsError;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::ServerName;

/// Certificates are dated this far back, so that an API server whose clock is behind takes them at once.
pub(crate) const BACKDATE: SignedDuration = SignedDuration::from_mins(10);

/// More names than any webhook has: a cap on what gets into a certificate.
const MAX_NAMES: usize = 64;

/// The shortest life: next to what certificates are dated back, a third of it must leave room for a renewal.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// `moment` and `span` later, or the end of time: no clock, however wrong, may panic.
pub(crate) fn later(moment: Timestamp, span: SignedDuration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// `moment` less what certificates are dated back.
pub(crate) fn backdated(moment: Timestamp) -> Timestamp {
    moment.checked_sub(BACKDATE).unwrap_or(Timestamp::MIN)
}

/// How long certificates live, and after which part of their life they are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) ca_lifetime: SignedDuration,
    pub(crate) leaf_lifetime: SignedDuration,
    pub(crate) renew_at: Fraction,
}

/// A part of a life, such as two thirds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    numerator: u32,
    denominator: u32,
}

impl Fraction {
    /// Two thirds: what most controllers renew at.
    pub const TWO_THIRDS: Self = Self {
        numerator: 2,
        denominator: 3,
    };

    /// `None` unless it lies strictly between nothing and the whole.
    pub const fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if numerator > 0 && numerator < denominator {
            Some(Self { numerator, denominator })
        } else {
            None
        }
    }

    /// This part of `seconds`, rounded down.
    fn of(self, seconds: i64) -> i64 {
        let part = i128::from(seconds) * i128::from(self.numerator) / i128::from(self.denominator);
        i64::try_from(part).unwrap_or(seconds)
    }
}

impl Default for Policy {
    /// A CA for a year, serving certificates for thirty days, both replaced at two thirds.
    fn default() -> Self {
        Self {
            ca_lifetime: SignedDuration::from_hours(365 * 24),
            leaf_lifetime: SignedDuration::from_hours(30 * 24),
            renew_at: Fraction::TWO_THIRDS,
        }
    }
}

impl Policy {
    /// # Errors
    /// If a life is shorter than an hour, or a serving certificate would outlive its CA.
    pub fn new(
        ca_lifetime: SignedDuration,
        leaf_lifetime: SignedDuration,
        renew_at: Fraction,
    ) -> Result<Self, SettingsError> {
        if leaf_lifetime < SHORTEST_LIFE {
            return Err(SettingsError::LifeTooShort { life: leaf_lifetime });
        }
        if ca_lifetime < leaf_lifetime {
            return Err(SettingsError::LeafOutlivesCa {
                ca: ca_lifetime,
                leaf: leaf_lifetime,
            });
        }
        Ok(Self {
            ca_lifetime,
            leaf_lifetime,
            renew_at,
        })
    }

    /// When something that lives from `not_before` to `not_after` is to be replaced.
    pub(crate) fn renewal(&self, not_before: Timestamp, not_after: Timestamp) -> Timestamp {
        let start = not_before.as_second();
        let life = not_after.as_second().saturating_sub(start);
        Timestamp::from_second(start.saturating_add(self.renew_at.of(life))).unwrap_or(not_after)
    }
}

/// The DNS names that a serving certificate must be good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// The names under which an API server calls a Service: `<service>.<namespace>.svc`, and with the cluster's domain.
    ///
    /// # Errors
    /// If the two do not make a DNS name.
    pub fn of_service(service: &str, namespace: &str) -> Result<Self, SettingsError> {
        Self::new([
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ])
    }

    /// # Errors
    /// If there is none, there are more than 64, or one is not a DNS name.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, SettingsError> {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        names.sort();
        names.dedup();
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(SettingsError::NumberOfNames {
                count: names.len(),
                most: MAX_NAMES,
            });
        }
        match names.iter().find(|name| !is_dns_name(name)) {
            Some(bad) => Err(SettingsError::NotADnsName { name: bad.clone() }),
            None => Ok(Self(names)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// These names, and those of `others` for which there is room.
    pub(crate) fn with(&self, others: &[String]) -> Self {
        let mut names = self.0.clone();
        for other in others {
            if names.len() < MAX_NAMES && is_dns_name(other) && !names.contains(other) {
                names.push(other.clone());
            }
        }
        Self(names)
    }
}

fn is_dns_name(name: &str) -> bool {
    matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_comes_at_two_thirds_of_a_life() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(Policy::default().renewal(at(1_000), at(1_900)), at(1_600));
    }

    #[test]
    fn a_fraction_lies_between_nothing_and_the_whole() {
        assert!(Fraction::new(0, 3).is_none());
        assert!(Fraction::new(3, 3).is_none());
        assert_eq!(Fraction::new(2, 3), Some(Fraction::TWO_THIRDS));
    }

    #[test]
    fn a_serving_certificate_may_not_outlive_its_ca() {
        let (day, hour) = (SignedDuration::from_hours(24), SignedDuration::from_hours(1));
        assert!(Policy::new(day, hour, Fraction::TWO_THIRDS).is_ok());
        let refused = Policy::new(hour, day, Fraction::TWO_THIRDS);
        assert!(matches!(refused, Err(SettingsError::LeafOutlivesCa { .. })));
        let refused = Policy::new(day, SignedDuration::from_mins(59), Fraction::TWO_THIRDS);
        assert!(matches!(refused, Err(SettingsError::LifeTooShort { .. })));
    }

    #[test]
    fn only_dns_names_are_names_of_a_webhook() {
        assert!(Names::of_service("hook", "default").is_ok());
        for bad in ["", "a b", "10.0.0.1", "hook..svc"] {
            assert!(
                matches!(Names::new([bad]), Err(SettingsError::NotADnsName { .. })),
                "{bad}"
            );
        }
        assert!(matches!(
            Names::new(Vec::<String>::new()),
            Err(SettingsError::NumberOfNames { .. })
        ));
    }

    #[test]
    fn names_of_others_are_added_once_and_only_while_there_is_room() {
        let names = Names::new(["a.ns.svc"]).unwrap();
        let others: Vec<String> = (0..200)
            .map(|n| format!("n{n}.ns.svc"))
            .chain(["a.ns.svc".to_owned()])
            .collect();
        assert_eq!(names.with(&others).iter().count(), MAX_NAMES);
        assert_eq!(names.with(&["a.ns.svc".to_owned(), "not a name".to_owned()]), names);
    }
}
