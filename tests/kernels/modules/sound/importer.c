// SPDX-License-Identifier: GPL-2.0
/* Uses all that exporter exports, and imports its namespace. */
#include <linux/module.h>

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
MODULE_IMPORT_NS(EXPORTER);
MODULE_DESCRIPTION("importer");
MODULE_LICENSE("GPL");
