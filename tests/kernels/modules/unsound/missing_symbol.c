// SPDX-License-Identifier: GPL-2.0
/* Uses a symbol that nobody exports. */
#include <linux/module.h>

int nobody_exports_this(void);

static int __init missing_symbol_init(void)
{
	return nobody_exports_this();
}

static void __exit missing_symbol_exit(void)
{
}

module_init(missing_symbol_init);
module_exit(missing_symbol_exit);
MODULE_DESCRIPTION("missing_symbol");
MODULE_LICENSE("GPL");
