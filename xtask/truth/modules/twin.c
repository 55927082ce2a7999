// SPDX-License-Identifier: GPL-2.0
/* Exports one symbol, whose name cases alter so that somebody else exports it already. */
#include <linux/module.h>

void lc_crXate(void);
void lc_crXate(void)
{
}
EXPORT_SYMBOL(lc_crXate);

MODULE_DESCRIPTION("twin");
MODULE_LICENSE("GPL");
