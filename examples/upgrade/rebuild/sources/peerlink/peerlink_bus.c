// SPDX-License-Identifier: GPL-2.0
/* The bus that peerlink needs. */
#include <linux/module.h>

int peerlink_bus_lanes(void);

int peerlink_bus_lanes(void)
{
	return 4;
}
EXPORT_SYMBOL_GPL(peerlink_bus_lanes);

MODULE_DESCRIPTION("Example accelerator interconnect, bus");
MODULE_LICENSE("GPL");
