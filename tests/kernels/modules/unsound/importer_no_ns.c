// SPDX-License-Identifier: GPL-2.0
/* Uses exporter's symbol in a namespace without importing it. */
#include <linux/module.h>

int exporter_in_namespace(void);

static int __init importer_no_ns_init(void)
{
	return exporter_in_namespace() - 3;
}

static void __exit importer_no_ns_exit(void)
{
}

module_init(importer_no_ns_init);
module_exit(importer_no_ns_exit);
MODULE_DESCRIPTION("importer_no_ns");
MODULE_LICENSE("GPL");
