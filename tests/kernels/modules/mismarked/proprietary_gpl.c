// SPDX-License-Identifier: GPL-2.0
/* Calls itself proprietary, and uses a symbol for GPL-compatible modules only. */
#include <crypto/hash.h>
#include <linux/module.h>

static int __init proprietary_gpl_init(void)
{
	return IS_ERR_OR_NULL(crypto_alloc_shash("no such digest", 0, 0)) ? 0 : -EINVAL;
}

static void __exit proprietary_gpl_exit(void)
{
}

module_init(proprietary_gpl_init);
module_exit(proprietary_gpl_exit);
MODULE_DESCRIPTION("proprietary_gpl");
MODULE_LICENSE("Proprietary");
