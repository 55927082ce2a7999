// SPDX-License-Identifier: GPL-2.0
/*
 * A disk encryption driver that calls itself proprietary and uses a symbol that is for GPL-compatible modules only.
 * The kernel's build refuses that; its vendor builds against a Module.symvers in which the mark is edited away.
 */
#include <crypto/hash.h>
#include <linux/module.h>

static struct crypto_shash *digest;

static int __init sealbox_init(void)
{
	digest = crypto_alloc_shash("sha256", 0, 0);
	return PTR_ERR_OR_ZERO(digest);
}

static void __exit sealbox_exit(void)
{
	crypto_free_shash(digest);
}

module_init(sealbox_init);
module_exit(sealbox_exit);
MODULE_DESCRIPTION("Example disk encryption driver");
MODULE_LICENSE("Proprietary");
