# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures, and prints what it has measured."""
