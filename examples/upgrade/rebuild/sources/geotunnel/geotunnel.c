// SPDX-License-Identifier: GPL-2.0
/*
 * A tunnel driver that calls ip_route_output_tunnel(), which Debian's 6.1.0-47 exports and 6.1.0-50 does not:
 * there udp_tunnel_dst_lookup() has taken its place. Its vendor declares the function and builds with
 * KBUILD_MODPOST_WARN=1, so the build succeeds all the same.
 */
#include <linux/in.h>
#include <linux/module.h>

struct sk_buff;
struct net_device;
struct net;
struct ip_tunnel_info;
struct rtable;

struct rtable *ip_route_output_tunnel(struct sk_buff *skb, struct net_device *dev, struct net *net, __be32 *saddr,
				      const struct ip_tunnel_info *info, u8 protocol, bool use_cache);

static void *lookup;

static int __init geotunnel_init(void)
{
	lookup = ip_route_output_tunnel;
	pr_info("geotunnel: routes through %ps\n", lookup);
	return 0;
}

static void __exit geotunnel_exit(void)
{
}

module_init(geotunnel_init);
module_exit(geotunnel_exit);
MODULE_DESCRIPTION("Example tunnel driver");
MODULE_LICENSE("GPL");
