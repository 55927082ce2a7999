//! Where an address is: on the public network, in a private one, on the link, on this machine.
//!
//! A registry names other hosts (its token service, a redirect to its storage). They are followed only to places
//! where the registry itself is, so that nobody reaches through us what only we can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Public = 0,
    Private = 1,
    Link = 2,
    Machine = 4,
}

/// A set of places that may be reached; the public network always belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Places(u8);

impl Places {
    /// The public network alone.
    pub const PUBLIC: Self = Self(0);
    /// Private networks too (RFC 1918, shared address space, unique local addresses).
    pub const PRIVATE: Self = Self(Place::Private as u8);
    /// Link-local addresses too, where clouds keep their metadata services.
    pub const LINK: Self = Self(Place::Link as u8);
    /// This machine too.
    pub const MACHINE: Self = Self(Place::Machine as u8);
    /// Everywhere.
    pub const ANYWHERE: Self = Self(Self::PRIVATE.0 | Self::LINK.0 | Self::MACHINE.0);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both sets have.
    #[must_use]
    pub(super) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Where these addresses are.
    pub(super) fn of(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        addresses
            .into_iter()
            .fold(Self::PUBLIC, |places, address| Self(places.0 | place_of(address) as u8))
    }

    /// Whether an address may be reached.
    pub(super) fn allow(self, address: IpAddr) -> bool {
        let place = place_of(address) as u8;
        self.0 & place == place
    }
}

fn place_of(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_of_v4(address),
        IpAddr::V6(address) => embedded_v4(address).map_or_else(|| place_of_v6(address), place_of_v4),
    }
}

/// IANA's special-purpose registries; what nobody should reach at all counts as the link.
fn place_of_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [0 | 127, ..] => Place::Machine,
        [169, 254, ..] | [224..=255, ..] => Place::Link,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] => {
            Place::Private
        }
        _ => Place::Public,
    }
}

fn place_of_v6(address: Ipv6Addr) -> Place {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Place::Machine,
        [0xfe80..=0xfebf | 0xff00..=0xffff, ..] => Place::Link,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Place::Private,
        _ => Place::Public,
    }
}

/// The IPv4 address inside a mapped, translated (NAT64) or 6to4 address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let ([0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..]) =
        address.segments()
    else {
        return None;
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// A name that leads to a place which may not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that may not be reached from here")]
pub(super) struct ForbiddenPlace;

/// Resolves names, and keeps only addresses in the places that may be reached.
///
/// Checking here, and not before the request, leaves no gap in which a name could change its address.
pub(super) struct GuardedResolver {
    pub(super) places: Places,
    /// Hosts of proxies, which the administrator named: wherever they are.
    pub(super) proxies: Vec<String>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let places = if self.proxies.contains(&host) {
            Places::ANYWHERE
        } else {
            self.places
        };
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|found| places.allow(found.ip())).collect();
            if allowed.is_empty() {
                return Err(ForbiddenPlace.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart_by_place() {
        let rows = [
            ("8.8.8.8", Place::Public),
            ("2606:4700::1", Place::Public),
            ("127.0.0.1", Place::Machine),
            ("0.0.0.0", Place::Machine),
            ("::1", Place::Machine),
            ("::ffff:127.0.0.1", Place::Machine),
            ("64:ff9b::7f00:1", Place::Machine),
            ("2002:7f00:1::", Place::Machine),
            ("169.254.169.254", Place::Link),
            ("::ffff:169.254.169.254", Place::Link),
            ("fe80::1", Place::Link),
            ("10.1.2.3", Place::Private),
            ("172.31.0.1", Place::Private),
            ("172.32.0.1", Place::Public),
            ("192.168.1.1", Place::Private),
            ("100.100.100.200", Place::Private),
            ("fd00:ec2::254", Place::Private),
        ];
        for (address, place) in rows {
            assert_eq!(place_of(address.parse().unwrap()), place, "{address}");
        }
    }

    #[test]
    fn a_set_of_places_allows_what_it_names_and_the_public_network() {
        let private = Places::of(["10.0.0.1".parse().unwrap()]);
        assert!(private.allow("192.168.0.1".parse().unwrap()));
        assert!(private.allow("1.1.1.1".parse().unwrap()));
        assert!(!private.allow("127.0.0.1".parse().unwrap()));
        assert!(!Places::PUBLIC.allow("10.0.0.1".parse().unwrap()));
        assert!(Places::ANYWHERE.allow("169.254.169.254".parse().unwrap()));
        assert_eq!(Places::ANYWHERE.within(Places::LINK.and(Places::PRIVATE)), Places(3));
    }

    #[tokio::test]
    async fn names_that_lead_to_this_machine_are_refused_unless_it_may_be_reached() {
        let resolve = async |places| {
            let resolver = GuardedResolver {
                places,
                proxies: Vec::new(),
            };
            resolver
                .resolve("localhost".parse().unwrap())
                .await
                .map(Iterator::count)
        };
        assert!(resolve(Places::MACHINE).await.unwrap() > 0);
        assert!(resolve(Places::PUBLIC).await.unwrap_err().is::<ForbiddenPlace>());
    }
}
