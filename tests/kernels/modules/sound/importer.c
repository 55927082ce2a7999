// SPDX-License-Identifier: GPL-2.0
/* Uses all that exporter exports, and imports its namespace. */
#include <linux/module.h>
#include <linux/version.h>

/* Since Linux 6.13 a namespace is written as a string. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define NAMESPACE "EXPORTER"
#else
#define NAMESPACE EXPORTER
#endif

int exporter_plain(void);
int exporter_gpl(void);
int exporter_in_namespace(void);

static int __init importer_init(void)
{
	pr_info("importer: %d\n", exporter_plain() + exporter_gpl() + exporter_in_namespace());
	return 0;
}

static void __exit importer_exit(void)
{
}

module_init(importer_init);
module_exit(importer_exit);
MODULE_IMPORT_NS(NAMESPACE);
MODULE_DESCRIPTION("importer");
MODULE_LICENSE("GPL");
