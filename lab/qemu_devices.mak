# What the hosts' machine is made of, and nothing else: the fewer devices, the sooner QEMU is built.
CONFIG_Q35=y
CONFIG_VTD=y
CONFIG_PCIE_PORT=y
CONFIG_PXB=y
# Half of PXB, though no host has it.
CONFIG_CXL=y
CONFIG_CXL_MEM_DEVICE=y
CONFIG_NVME_PCI=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
