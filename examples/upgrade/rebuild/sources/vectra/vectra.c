// SPDX-License-Identifier: GPL-2.0
/* An accelerator driver as far as loading it goes: it asks for firmware once it finds a card, and there is none. */
#include <linux/firmware.h>
#include <linux/module.h>
#include <linux/pci.h>

#define VECTRA_FIRMWARE "vectra/microcode.bin"

static int vectra_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	const struct firmware *firmware;
	int err = request_firmware(&firmware, VECTRA_FIRMWARE, &pdev->dev);

	if (err)
		return err;
	dev_info(&pdev->dev, "firmware of %zu bytes\n", firmware->size);
	release_firmware(firmware);
	return 0;
}

static const struct pci_device_id vectra_ids[] = {
	{ PCI_DEVICE(0xfff2, 0x0001) },
	{ }
};
MODULE_DEVICE_TABLE(pci, vectra_ids);

static struct pci_driver vectra_driver = {
	.name = "vectra",
	.id_table = vectra_ids,
	.probe = vectra_probe,
};
module_pci_driver(vectra_driver);

MODULE_FIRMWARE(VECTRA_FIRMWARE);
MODULE_DESCRIPTION("Example accelerator driver");
MODULE_LICENSE("Dual MIT/GPL");
