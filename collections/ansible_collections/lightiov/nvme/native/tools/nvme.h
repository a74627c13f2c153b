/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What goes over the wire to an NVMe controller, as far as the tools use it.
 * Sections are those of the NVM Express Base Specification, revision 1.4.
 */
#ifndef LIOV_NVME_H
#define LIOV_NVME_H

#include <assert.h>
#include <linux/types.h>

/* Section 6, figure "Opcodes for NVM Commands". */
enum nvme_opcode {
	NVME_FLUSH		= 0x00,
	NVME_WRITE		= 0x01,
	NVME_READ		= 0x02,
	NVME_WRITE_ZEROES	= 0x08,
};

/**
 * struct nvme_sqe - submission queue entry, sections 4.2, 6.8, 6.9, 6.15, 6.16
 * @opcode: enum nvme_opcode
 * @flags: 0: not fused, PRPs
 * @cid: command ID, echoed in the completion
 * @nsid: namespace ID
 * @reserved: command dwords 2 and 3
 * @metadata: unused
 * @prp1: first PRP entry, section 4.3
 * @prp2: second PRP entry, or the address of the PRP list
 * @slba: starting LBA, command dwords 10 and 11
 * @length: number of logical blocks, 0's based, in the low 16 bits
 * @dword13: Dataset Management hints, unused
 * @dword14: unused without protection information
 * @dword15: unused without protection information
 */
struct nvme_sqe {
	__u8 opcode;
	__u8 flags;
	__le16 cid;
	__le32 nsid;
	__le64 reserved;
	__le64 metadata;
	__le64 prp1;
	__le64 prp2;
	__le64 slba;
	__le32 length;
	__le32 dword13;
	__le32 dword14;
	__le32 dword15;
};

/**
 * struct nvme_cqe - completion queue entry, section 4.6
 * @result: command specific
 * @reserved: command dword 1
 * @sq_head: SQ head pointer
 * @sq_id: SQ identifier
 * @cid: of the command
 * @status: phase tag in bit 0, status field (4.6.1) above it
 */
struct nvme_cqe {
	__le32 result;
	__le32 reserved;
	__le16 sq_head;
	__le16 sq_id;
	__le16 cid;
	__le16 status;
};

static_assert(sizeof(struct nvme_sqe) == 64, "section 4.2");
static_assert(sizeof(struct nvme_cqe) == 16, "section 4.6");

#define NVME_CQE_PHASE		1u
#define NVME_CQE_STATUS(word)	((word) >> 1)

/* Status field: Status Code in bits 7:0, Status Code Type in bits 10:8. */
#define NVME_STATUS_CODE(status)	((status) & 0xff)
#define NVME_STATUS_TYPE(status)	(((status) >> 8) & 0x7)
#define NVME_STATUS_MASK		0x7ffu

/* Generic Command Status 08h: Command Aborted due to SQ Deletion. */
#define NVME_SQ_DELETED			0x008u

/* Number of Logical Blocks is a 0's based 16-bit field. */
#define NVME_MAX_BLOCKS		0x10000u

/* For messages. */
const char *nvme_opcode_name(__u8 opcode);
const char *nvme_status_name(__u32 status);

#endif
