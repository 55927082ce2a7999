// SPDX-License-Identifier: GPL-2.0
/* Needs an in-tree module: crc32c() is exported by libcrc32c. */
#include <linux/crc32c.h>
#include <linux/module.h>

static int __init needs_in_tree_init(void)
{
	pr_info("needs_in_tree: %08x\n", crc32c(~0, "", 0));
	return 0;
}

static void __exit needs_in_tree_exit(void)
{
}

module_init(needs_in_tree_init);
module_exit(needs_in_tree_exit);
MODULE_DESCRIPTION("needs_in_tree");
MODULE_LICENSE("GPL");
