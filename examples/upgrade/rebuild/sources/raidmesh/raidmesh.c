// SPDX-License-Identifier: GPL-2.0
/* A storage driver that needs an in-tree module: crc32c() is exported by libcrc32c. */
#include <linux/crc32c.h>
#include <linux/module.h>

static int __init raidmesh_init(void)
{
	pr_info("raidmesh: checksum of nothing is %08x\n", crc32c(~0, "", 0));
	return 0;
}

static void __exit raidmesh_exit(void)
{
}

module_init(raidmesh_init);
module_exit(raidmesh_exit);
MODULE_DESCRIPTION("Example distributed RAID driver");
MODULE_LICENSE("GPL");
