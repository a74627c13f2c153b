/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line, and what it runs. */
#ifndef LIOV_OPTIONS_H
#define LIOV_OPTIONS_H

#include "session.h"
#include "types.h"
#include "util.h"

enum bench_mode {
	BENCH_RANDREAD,
	BENCH_RANDWRITE,
	BENCH_READ,
	BENCH_WRITE,
};

/**
 * struct options - the command line, parsed; what is not given has a default
 * @uuid: the mdev
 * @operand: second operand: an image, or what to provoke
 * @input: --input, NULL: standard input
 * @output: --output, NULL: standard output
 * @slot: --namespace, or SLOT_ONLY
 * @disk: --disk, or NULL
 * @lba: --lba
 * @count: --count, 0: up to the end of the disk
 * @seed: --seed; 1 by default
 * @seeded: --seed was given
 * @queues: --queues
 * @queue_depth: --queue-depth
 * @block_size: --block-size
 * @seconds: --seconds
 * @memory: --memory
 * @mode: --mode
 * @json: --json
 * @write_only: --write-only
 * @check_only: --check-only
 * @destroy: --yes-destroy-data
 * @raw: --raw
 * @hugepages: --hugepages
 * @let_go: --let-go
 */
struct options {
	const char *uuid;
	const char *operand;
	const char *input;
	const char *output;
	u32 slot;
	const char *disk;
	u64 lba;
	u64 count;
	u64 seed;
	bool seeded;
	u32 queues;
	u32 queue_depth;
	u64 block_size;
	u32 seconds;
	u64 memory;
	enum bench_mode mode;
	bool json;
	bool write_only;
	bool check_only;
	bool destroy;
	bool raw;
	bool hugepages;
	bool let_go;
};

/* Bytes of one command of a copy. */
#define COPY_IO_BYTES (256 * KIB)

int options_parse(struct options *o, const char *command, const char *accepted,
		  u32 operands, int argc, char **argv);
const char *bench_mode_name(enum bench_mode mode);

/* Opens what the options name, for commands of @io_bytes. */
int options_session(const struct options *o, struct session *s, u32 queues,
		    u64 io_bytes);

/* The subcommands; each returns the exit status. */
int cmd_identify(const struct options *o);
int cmd_read(const struct options *o);
int cmd_write(const struct options *o);
int cmd_verify(const struct options *o);
int cmd_copy_in(const struct options *o);
int cmd_copy_out(const struct options *o);
int cmd_blank(const struct options *o);
int cmd_bench(const struct options *o);
int cmd_hold(const struct options *o);
int cmd_setup(const struct options *o);
int cmd_provoke(const struct options *o);

#endif
