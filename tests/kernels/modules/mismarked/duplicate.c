// SPDX-License-Identifier: GPL-2.0
/* Exports a symbol that the kernel exports itself. */
#include <linux/kernel.h>
#include <linux/module.h>

int hex_to_bin(unsigned char ch)
{
	return ch;
}
EXPORT_SYMBOL(hex_to_bin);

MODULE_DESCRIPTION("duplicate");
MODULE_LICENSE("GPL");
