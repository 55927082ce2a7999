// SPDX-License-Identifier: GPL-2.0
/* Uses what long_exporter exports. */
#include <linux/module.h>

int exported_by_a_name_that_is_longer_than_the_older_form_of_versions_holds(void);

static int __init long_importer_init(void)
{
	pr_info("long_importer: %d\n", exported_by_a_name_that_is_longer_than_the_older_form_of_versions_holds());
	return 0;
}

static void __exit long_importer_exit(void)
{
}

module_init(long_importer_init);
module_exit(long_importer_exit);
MODULE_DESCRIPTION("long_importer");
MODULE_LICENSE("GPL");
