// SPDX-License-Identifier: GPL-2.0
/* A cache driver, compiled for the kernel before the upgrade and then put into the folder of the next one. */
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/slab.h>

static int major;
static void *pinned;

static int __init cachepin_init(void)
{
	pinned = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!pinned)
		return -ENOMEM;
	major = register_blkdev(0, "cachepin");
	if (major < 0)
		kfree(pinned);
	return major < 0 ? major : 0;
}

static void __exit cachepin_exit(void)
{
	unregister_blkdev(major, "cachepin");
	kfree(pinned);
}

module_init(cachepin_init);
module_exit(cachepin_exit);
MODULE_DESCRIPTION("Example cache driver");
MODULE_LICENSE("GPL");
