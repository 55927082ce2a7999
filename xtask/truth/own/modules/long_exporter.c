// SPDX-License-Identifier: GPL-2.0
/* Exports a symbol whose name is longer than the 55 letters that a record of __versions holds. */
#include <linux/module.h>

int exported_by_a_name_that_is_longer_than_the_older_form_of_versions_holds(void);
int exported_by_a_name_that_is_longer_than_the_older_form_of_versions_holds(void)
{
	return 1;
}
EXPORT_SYMBOL(exported_by_a_name_that_is_longer_than_the_older_form_of_versions_holds);

MODULE_DESCRIPTION("long_exporter");
MODULE_LICENSE("GPL");
