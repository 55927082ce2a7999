// SPDX-License-Identifier: GPL-2.0
/* Needs an in-tree module that is there in every series: lc_create() is exported by lru_cache. */
#include <linux/lru_cache.h>
#include <linux/module.h>

static int __init needs_lru_init(void)
{
	pr_info("needs_lru: %d\n", lc_create != NULL);
	return 0;
}

static void __exit needs_lru_exit(void)
{
}

module_init(needs_lru_init);
module_exit(needs_lru_exit);
MODULE_DESCRIPTION("needs_lru");
MODULE_LICENSE("GPL");
