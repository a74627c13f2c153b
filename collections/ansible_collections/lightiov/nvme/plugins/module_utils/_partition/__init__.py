# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host, controller and namespace each VM of the fleet gets: intent and resources in, placements out.

intent    what the operator wrote            resources  what the hosts have
ledger    what is left of it                 fit        one VM on one host
index     hosts by what they have left       planner    all VMs on all hosts
explain   why a VM does not fit              moves      what would have to go elsewhere
"""
