// SPDX-License-Identifier: GPL-2.0
/* Uses a symbol that nobody exports, if it is there. */
#include <linux/module.h>

int nobody_exports_this(void) __weak;

static int __init weak_init(void)
{
	pr_info("weak: %s\n", nobody_exports_this ? "there" : "not there");
	return 0;
}

static void __exit weak_exit(void)
{
}

module_init(weak_init);
module_exit(weak_exit);
MODULE_DESCRIPTION("weak");
MODULE_LICENSE("GPL");
