// SPDX-License-Identifier: GPL-2.0-only
/* liov: uses a lightiov-passthrough mdev without a VM.  See liov(8). */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "util.h"

/* Letters are those of long_options in options.c. */
static const struct command {
	const char *name;
	int (*run)(const struct options *o);
	const char *options;
	u32 operands;
	const char *usage;
} commands[] = {
	{ "identify", cmd_identify, "j", 1, "UUID [--json]" },
	{ "read", cmd_read, "nklcodH", 1,
	  "UUID [--lba L] [--count N] [DISK] [--output FILE]" },
	{ "write", cmd_write, "nklcidRDPH", 1,
	  "UUID [--lba L] [--count N] [DISK] [--input FILE] [--raw]\n"
	  "                  [--progress] [--yes-destroy-data]" },
	{ "verify", cmd_verify, "nklcsqdWCDH", 1,
	  "UUID {--yes-destroy-data [--write-only] | --check-only}\n"
	  "                  [--lba L] [--count N] [--seed S] [DISK] [--queues Q]" },
	{ "copy-in", cmd_copy_in, "nkdRDPH", 2,
	  "UUID {IMAGE | -} [DISK] [--raw]\n"
	  "                  [--progress] [--yes-destroy-data]" },
	{ "copy-out", cmd_copy_out, "nkdH", 2,
	  "UUID {IMAGE | -} [DISK]" },
	{ "blank", cmd_blank, "nkdDPH", 1,
	  "UUID [DISK] [--progress] [--yes-destroy-data]" },
	{ "bench", cmd_bench, "nklcsqdbtmjDH", 1,
	  "UUID [--mode randread|randwrite|read|write] [--block-size B] [--seconds T]\n"
	  "                  [--queues Q] [--lba L] [--count N] [--seed S]\n"
	  "                  [DISK] [--json] [--yes-destroy-data]" },
	{ "hold", cmd_hold, "qdGH", 1, "UUID [--queues Q] [--let-go]" },
	{ "setup", cmd_setup, "nkqdMjH", 1,
	  "UUID [--memory SIZE] [--queues Q] [DISK] [--json]" },
	{ "provoke", cmd_provoke, "nkdcsH", 2,
	  "UUID unmap|reset|queues|mailbox|hostile [DISK] [--count N] [--seed S]" },
};

static void print_help(void)
{
	size_t i;

	printf("liov uses a lightiov-passthrough mdev without a VM; liov(8) explains it.\n\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  liov %-11s%s\n", commands[i].name, commands[i].usage);
	printf("\nDISK, where there are several: --disk NAME|ID, or --namespace I.\n");
	printf("All but identify: [--queue-depth D] [--hugepages].\n");
	printf("Numbers are decimal or 0x hexadecimal, K, M, G, T after them powers of 1024.\n"
	       "Exit status: 0 done, 1 I/O or verification failed, 2 wrong usage or environment.\n");
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct command *command;
	struct options options;
	size_t i;
	int status;

	if (!strcmp(name, "help") || !strcmp(name, "--help")) {
		print_help();
		return STATUS_OK;
	}
	if (!strcmp(name, "--version")) {
		printf("liov %s\n", LIOV_VERSION);
		return STATUS_OK;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		command = &commands[i];
		if (strcmp(command->name, name))
			continue;
		status = options_parse(&options, name, command->options,
				       command->operands, argc - 1, argv + 1);
		return status ? status : command->run(&options);
	}
	return fail(STATUS_USAGE, "'%s' is not a command; see 'liov help'",
		    name);
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	/* Output that did not reach its file is not success. */
	if ((fflush(stdout) || ferror(stdout)) && !status)
		status = fail(STATUS_IO,
			      "standard output cannot be written; free space or choose another file");
	return status;
}
