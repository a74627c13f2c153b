// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controller's namespaces, and what they are known by.
 */
#include <linux/string.h>

#include "namespace.h"

/* Caller holds lock. */
struct liov_namespace *liov_namespace_find(struct liov_ctrl *ctrl, u32 nsid)
{
	struct liov_namespace *ns;

	list_for_each_entry(ns, &ctrl->namespaces, node)
		if (ns->nsid == nsid)
			return ns;
	return NULL;
}

/* The longer identity, where there are two, as Linux chooses. */
void liov_ns_id_get(const struct liov_namespace *ns, struct liov_ns_id *id)
{
	id->len = 0;
	if (memchr_inv(ns->nguid, 0, sizeof(ns->nguid))) {
		id->len = sizeof(ns->nguid);
		memcpy(id->bytes, ns->nguid, id->len);
	} else if (memchr_inv(ns->eui64, 0, sizeof(ns->eui64))) {
		id->len = sizeof(ns->eui64);
		memcpy(id->bytes, ns->eui64, id->len);
	}
}

bool liov_ns_id_equal(const struct liov_ns_id *a, const struct liov_ns_id *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

/* @hex is without the prefix. */
int liov_ns_id_parse(struct liov_ns_id *id, const char *hex)
{
	size_t digits = strlen(hex);

	if (digits != 2 * 16 && digits != 2 * 8)
		return -EINVAL;
	id->len = digits / 2;
	return hex2bin(id->bytes, hex, id->len);
}

/* @text has room for LIOV_NS_ID_TEXT. */
void liov_ns_id_print(const struct liov_ns_id *id, char *text)
{
	strscpy(text, LIOV_NS_ID_PREFIX, LIOV_NS_ID_TEXT);
	*bin2hex(text + strlen(text), id->bytes, id->len) = '\0';
}
