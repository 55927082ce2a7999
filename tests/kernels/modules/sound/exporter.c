// SPDX-License-Identifier: GPL-2.0
/* Exports a symbol for everybody, one for GPL-compatible modules, and one in a namespace. */
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

int exporter_plain(void)
{
	return 1;
}
EXPORT_SYMBOL(exporter_plain);

int exporter_gpl(void)
{
	return 2;
}
EXPORT_SYMBOL_GPL(exporter_gpl);

int exporter_in_namespace(void)
{
	return 3;
}
EXPORT_SYMBOL_NS_GPL(exporter_in_namespace, NAMESPACE);

MODULE_DESCRIPTION("exporter");
MODULE_LICENSE("GPL");
