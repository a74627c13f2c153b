// SPDX-License-Identifier: GPL-2.0-only
/* When an owner knows that a slot is empty. */
#include "check.h"
#include "vacancy.h"

static void test_seen(void)
{
	struct liov_vacancy vacancy = {};

	CHECK(!liov_vacancy_has(&vacancy, 0));
	liov_vacancy_add(&vacancy, 0);
	liov_vacancy_add(&vacancy, 63);

	/* Neither another slot's read nor one without GENERATION will do. */
	liov_vacancy_confirm(&vacancy, 7);
	liov_vacancy_show(&vacancy, 1, 7);
	liov_vacancy_confirm(&vacancy, 7);
	CHECK(liov_vacancy_has(&vacancy, 0));
	liov_vacancy_show(&vacancy, 0, 7);
	CHECK(liov_vacancy_has(&vacancy, 0));

	liov_vacancy_confirm(&vacancy, 7);
	CHECK(!liov_vacancy_has(&vacancy, 0));
	CHECK(liov_vacancy_has(&vacancy, 63));
	liov_vacancy_show(&vacancy, 63, 7);
	liov_vacancy_confirm(&vacancy, 7);
	CHECK(!liov_vacancy_has(&vacancy, 63));
}

/* What is read while GENERATION changes is thrown away, and read again. */
static void test_changed(void)
{
	struct liov_vacancy vacancy = {};

	liov_vacancy_add(&vacancy, 5);
	liov_vacancy_confirm(&vacancy, 1);
	liov_vacancy_show(&vacancy, 5, 2);
	liov_vacancy_confirm(&vacancy, 2);
	CHECK(liov_vacancy_has(&vacancy, 5));

	liov_vacancy_show(&vacancy, 5, 2);
	liov_vacancy_confirm(&vacancy, 3);
	CHECK(liov_vacancy_has(&vacancy, 5));

	/* The former read is forgotten, too. */
	liov_vacancy_confirm(&vacancy, 3);
	CHECK(liov_vacancy_has(&vacancy, 5));
	liov_vacancy_show(&vacancy, 5, 3);
	liov_vacancy_confirm(&vacancy, 3);
	CHECK(!liov_vacancy_has(&vacancy, 5));
}

/* A slot that is emptied after it was read has not been seen to be empty. */
static void test_late(void)
{
	struct liov_vacancy vacancy = {};

	liov_vacancy_confirm(&vacancy, 1);
	liov_vacancy_show(&vacancy, 5, 1);
	liov_vacancy_add(&vacancy, 5);
	liov_vacancy_confirm(&vacancy, 2);
	CHECK(liov_vacancy_has(&vacancy, 5));
}

int main(void)
{
	test_seen();
	test_changed();
	test_late();
	return failures ? 1 : 0;
}
