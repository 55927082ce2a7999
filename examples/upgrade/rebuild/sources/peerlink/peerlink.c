// SPDX-License-Identifier: GPL-2.0
/* An interconnect between accelerators. Needs peerlink_bus, which its image forgets. */
#include <linux/module.h>

int peerlink_bus_lanes(void);

static int __init peerlink_init(void)
{
	pr_info("peerlink: %d lanes\n", peerlink_bus_lanes());
	return 0;
}

static void __exit peerlink_exit(void)
{
}

module_init(peerlink_init);
module_exit(peerlink_exit);
MODULE_DESCRIPTION("Example accelerator interconnect");
MODULE_LICENSE("GPL");
