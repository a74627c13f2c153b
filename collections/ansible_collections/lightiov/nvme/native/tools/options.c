// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <string.h>

#include "../abi/lightiov_abi.h"
#include "options.h"
#include "progress.h"
#include "util.h"

static const struct option long_options[] = {
	{ "namespace", required_argument, NULL, 'n' },
	{ "disk", required_argument, NULL, 'k' },
	{ "lba", required_argument, NULL, 'l' },
	{ "count", required_argument, NULL, 'c' },
	{ "input", required_argument, NULL, 'i' },
	{ "output", required_argument, NULL, 'o' },
	{ "seed", required_argument, NULL, 's' },
	{ "queues", required_argument, NULL, 'q' },
	{ "queue-depth", required_argument, NULL, 'd' },
	{ "block-size", required_argument, NULL, 'b' },
	{ "seconds", required_argument, NULL, 't' },
	{ "mode", required_argument, NULL, 'm' },
	{ "memory", required_argument, NULL, 'M' },
	{ "json", no_argument, NULL, 'j' },
	{ "write-only", no_argument, NULL, 'W' },
	{ "check-only", no_argument, NULL, 'C' },
	{ "yes-destroy-data", no_argument, NULL, 'D' },
	{ "raw", no_argument, NULL, 'R' },
	{ "hugepages", no_argument, NULL, 'H' },
	{ "let-go", no_argument, NULL, 'G' },
	{ "progress", no_argument, NULL, 'P' },
	{ NULL, 0, NULL, 0 },
};

static const char * const bench_modes[] = {
	[BENCH_RANDREAD] = "randread",
	[BENCH_RANDWRITE] = "randwrite",
	[BENCH_READ] = "read",
	[BENCH_WRITE] = "write",
};

const char *bench_mode_name(enum bench_mode mode)
{
	return bench_modes[mode];
}

static int parse_mode(const char *text, enum bench_mode *mode)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bench_modes); i++) {
		if (strcmp(text, bench_modes[i]))
			continue;
		*mode = i;
		return STATUS_OK;
	}
	return fail(STATUS_USAGE,
		    "--mode %s: there is no such mode; choose randread, randwrite, read or write",
		    text);
}

static int parse_range(const char *name, const char *text, u64 min, u64 max,
		       u64 *value)
{
	if (parse_number(text, value) && *value >= min && *value <= max)
		return STATUS_OK;
	return fail(STATUS_USAGE,
		    "--%s %s: it must be a number from %llu to %llu, decimal or 0x hexadecimal, with or without a suffix K, M, G or T",
		    name, text, min, max);
}

static int parse_u32(const char *name, const char *text, u32 min, u32 max,
		     u32 *value)
{
	u64 number;
	int status = parse_range(name, text, min, max, &number);

	if (!status)
		*value = (u32)number;
	return status;
}

static int parse_one(struct options *o, int key, const char *name,
		     const char *text)
{
	switch (key) {
	case 'n':
		return parse_u32(name, text, 0, LIOV_MAX_NAMESPACES - 1,
				 &o->slot);
	case 'k':
		o->disk = text;
		break;
	case 'l':
		return parse_range(name, text, 0, ~0ull, &o->lba);
	case 'c':
		return parse_range(name, text, 1, ~0ull, &o->count);
	case 'i':
		o->input = text;
		break;
	case 'o':
		o->output = text;
		break;
	case 's':
		o->seeded = true;
		return parse_range(name, text, 0, ~0ull, &o->seed);
	case 'q':
		return parse_u32(name, text, 1, LIOV_MAX_QUEUE_PAIRS,
				 &o->queues);
	case 'd':
		return parse_u32(name, text, 1, 65535, &o->queue_depth);
	case 'b':
		return parse_range(name, text, 512, 1024 * MIB,
				   &o->block_size);
	case 't':
		return parse_u32(name, text, 1, 1000000, &o->seconds);
	case 'm':
		return parse_mode(text, &o->mode);
	case 'M':
		return parse_range(name, text, MIB, 1ull << 40, &o->memory);
	case 'j':
		o->json = true;
		break;
	case 'W':
		o->write_only = true;
		break;
	case 'C':
		o->check_only = true;
		break;
	case 'D':
		o->destroy = true;
		break;
	case 'R':
		o->raw = true;
		break;
	case 'H':
		o->hugepages = true;
		break;
	case 'G':
		o->let_go = true;
		break;
	case 'P':
		progress_in_lines();
		break;
	}
	return STATUS_OK;
}

int options_parse(struct options *o, const char *command, const char *accepted,
		  u32 operands, int argc, char **argv)
{
	int key, index = 0, status;

	*o = (struct options){
		/* What has no option to choose one uses none, and no more. */
		.slot = strchr(accepted, 'n') ? SLOT_ONLY : SLOT_NONE,
		.memory = strchr(accepted, 'M') ? 4096 * MIB : 0,
		.seed = 1,
		.queues = 1,
		.queue_depth = 32,
		.block_size = 4 * KIB,
		.seconds = 10,
	};
	opterr = 0;
	while ((key = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (key == '?')
			return fail(STATUS_USAGE,
				    "%s: '%s' is unknown or lacks its value; see 'liov help'",
				    command, argv[optind - 1]);
		if (!strchr(accepted, key))
			return fail(STATUS_USAGE,
				    "%s: it has no option --%s; see 'liov help'",
				    command, long_options[index].name);
		status = parse_one(o, key, long_options[index].name, optarg);
		if (status)
			return status;
	}
	if (o->disk && o->slot != SLOT_ONLY)
		return fail(STATUS_USAGE,
			    "%s: --disk and --namespace exclude each other; leave out one",
			    command);
	if ((u32)(argc - optind) != operands)
		return fail(STATUS_USAGE,
			    "%s: it takes %u operand%s, not %d; see 'liov help'",
			    command, operands, operands == 1 ? "" : "s",
			    argc - optind);
	o->uuid = argv[optind];
	if (operands > 1)
		o->operand = argv[optind + 1];
	return STATUS_OK;
}

int options_session(const struct options *o, struct session *s, u32 queues,
		    u64 io_bytes)
{
	const struct session_config config = {
		.uuid = o->uuid,
		.slot = o->slot,
		.disk = o->disk,
		.queues = queues,
		.depth = o->queue_depth,
		.io_bytes = io_bytes,
		.memory = o->memory,
		.hugepages = o->hugepages,
	};

	return session_open(s, &config);
}
