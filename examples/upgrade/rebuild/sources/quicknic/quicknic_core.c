// SPDX-License-Identifier: GPL-2.0
/* What every quicknic card shares: ring sizes. Its symbol lives in a namespace of its own. */
#include <linux/log2.h>
#include <linux/module.h>

unsigned int quicknic_ring_size(unsigned int wanted);

unsigned int quicknic_ring_size(unsigned int wanted)
{
	return roundup_pow_of_two(clamp(wanted, 64U, 4096U));
}
EXPORT_SYMBOL_NS_GPL(quicknic_ring_size, QUICKNIC);

MODULE_DESCRIPTION("Example network driver, shared part");
MODULE_LICENSE("GPL");
