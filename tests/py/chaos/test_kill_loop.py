"""kill -9 of every daemon, at random and at named steps, while sandboxes are created and deleted.

Afterwards: what the client was told is what the API says; every sandbox that was alive throughout has its old process;
containers, namespaces, nft elements, mounts, listeners and reserved ports are exactly those of the listed sandboxes.

SANDBOXD_CHAOS_KILLS sets the number of kills (50; ./check --full: 300), SANDBOXD_CHAOS_SEED replays the choices.
"""

from __future__ import annotations

import itertools
import os
import random
import time

import httpx
from support import images
from support.churn import Churn, quiet, start_times
from support.instance import Instance
from support.leak_checker import settle
from support.ledger import Ledger
from support.waiting import wait_until

KILLS = int(os.environ.get("SANDBOXD_CHAOS_KILLS") or (300 if os.environ.get("SANDBOXD_CHECK_MODE") == "full" else 50))
SURVIVORS = 20
CHURN_MAX = 10  # sandboxes of the churn alive at once
STEPS = [
    "create.accepted",
    "create.slot_claimed",
    "create.output_opened",
    "create.image_ready",
    "create.policy_set",
    "create.container_created",
    "create.container_started",
    "create.probe_passed",
    "create.published",
    "create.running",
    "delete.marked",
    "delete.unpublished",
    "delete.containers_removed",
    "delete.slot_destroyed",
    "delete.output_removed",
    "delete.erased",
]


def arm(instance: Instance, step: str = "") -> None:
    """What the next node agent reads at its start; the running one does not notice."""
    setting = f'[node]\ncrash_at_step = "{step}"\n' if step else ""
    new = instance.config_file.with_suffix(".new")
    new.write_text(setting)
    new.replace(instance.config_file)


def kill_at_step(instance: Instance, step: str) -> None:
    """Kill the node agent; its successor kills itself at `step`; the one after that stays."""
    arm(instance, step)
    first = instance.kill("node")
    second = wait_until(lambda: pid if (pid := instance.pid("node")) != first else None, "the armed node agent", 30)
    # It has read its configuration when it serves, or when it is dead again.
    wait_until(lambda: instance.pid("node") != second or serves(instance), "the armed node agent at work", 60)
    arm(instance)
    wait_until(lambda: instance.pid("node") != second, f"the node agent dead at {step}", 60)


def serves(instance: Instance) -> bool:
    """True when the node agent answers."""
    try:
        return instance.node_client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def kill_loop(instance: Instance, choices: random.Random) -> tuple[int, int]:
    """Kill at least KILLS times; returns how many there were and how many of them at a named step."""
    kills = at_steps = 0
    steps = itertools.cycle(choices.sample(STEPS, len(STEPS)))
    roles = itertools.cycle(("node", "orch", "containerd"))
    while kills < KILLS:
        role = next(roles)
        if role == "node":
            kill_at_step(instance, f"{next(steps)}:{choices.randint(1, 3)}")
            kills, at_steps = kills + 2, at_steps + 1
        else:
            time.sleep(choices.uniform(0.0, 0.4))  # anywhere in whatever is under way; decides no outcome
            instance.kill(role)
            kills += 1
        instance.wait_back()
    return kills, at_steps


def test_fifty_kills_lose_and_leak_nothing() -> None:
    seed = int(os.environ.get("SANDBOXD_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SANDBOXD_CHAOS_SEED={seed} SANDBOXD_CHAOS_KILLS={KILLS}")
    choices = random.Random(seed)
    instance, ledger, problems = Instance(runtime="runc"), Ledger(), []
    try:
        arm(instance)
        instance.up()
        images.import_into(instance.containerd_socket, instance.root)
        survivors = [f"survivor-{number}" for number in range(SURVIVORS)]
        for id in survivors:
            instance.create(id, args=["/bin/sleep", "100000"], ports=(8000,))
            ledger.created(id, "acked")
        for id in survivors:
            instance.wait_phase(id, "Running")
        before = start_times(instance.task_pids())
        assert len(before) == SURVIVORS

        with Churn(instance, ledger, seed, alive_max=CHURN_MAX):
            kills, at_steps = kill_loop(instance, choices)
        assert kills >= KILLS and at_steps >= min(10, KILLS // 5), (kills, at_steps)

        instance.wait_back()
        settled = wait_until(lambda: quiet(instance), "every sandbox in a lasting phase", 120)
        problems += ledger.compare(settled)
        problems += [f"{id}: {settled.get(id)}" for id in survivors if settled.get(id) != "Running"]
        after = start_times(instance.task_pids())
        problems += [
            f"{key}: was {before[key]}, is {after.get(key)}" for key in before if after.get(key) != before[key]
        ]
        problems += settle(instance, 60)
        print(
            f"{kills} kills, {at_steps} at named steps; creates acknowledged {ledger.count(create='acked')}, unknown "
            f"{ledger.count(create='unknown')}; deletes acknowledged {ledger.count(delete='acked')}, unknown "
            f"{ledger.count(delete='unknown')}; failed {[id for id, phase in settled.items() if phase == 'Failed']}"
        )
        assert ledger.count(create="acked") > SURVIVORS + KILLS // 5, "the churn hardly got through"
        if problems:
            problems.append(f"logs: {instance.keep_logs(f'chaos-{seed}')}")
    except BaseException as error:
        error.add_note(f"logs: {instance.keep_logs(f'chaos-{seed}')}")
        raise
    finally:
        problems += instance.destroy()
    assert not problems, "\n".join(problems)
