"""kill -9 of node agent and containerd, alone and together, while twenty sandboxes come and go.

Runs under runc mostly and under runsc sometimes; two sandboxes fail every second and are started again. Afterwards
API, containerd, namespaces, nft, mounts, cgroups and ports agree without a difference, no acknowledged create or delete
is lost, and what ran throughout has its old process.

SANDBOXD_NODE_KILLS sets the number of kills (12; ./check --full: 200), SANDBOXD_CHAOS_SEED replays the choices.
"""

from __future__ import annotations

import os
import random
import time

from support import images
from support.churn import Churn, quiet, start_times
from support.instance import Instance
from support.leak_checker import settle
from support.ledger import Ledger
from support.waiting import wait_until

KILLS = int(os.environ.get("SANDBOXD_NODE_KILLS") or (200 if os.environ.get("SANDBOXD_CHECK_MODE") == "full" else 12))
STEADY = 4
RESTLESS = ("restless-runc", "restless-runsc")
ALIVE_MAX = 14  # of the churn: with the steady and the restless ones twenty
VICTIMS = [("node",), ("containerd",), ("node", "containerd"), ("containerd", "node")]
WEIGHTS = [40, 35, 15, 10]


def kill(instance: Instance, victims: tuple[str, ...]) -> int:
    """Kill those of the roles that live at this moment; how many did."""
    return sum(instance.pid(role) is not None and bool(instance.kill(role)) for role in victims)


def kill_loop(instance: Instance, choices: random.Random) -> int:
    """At least KILLS kills; now and then the next one comes before everything is back."""
    kills = 0
    while kills < KILLS:
        time.sleep(choices.uniform(0.0, 0.6))  # anywhere in whatever is under way; decides no outcome
        kills += kill(instance, choices.choices(VICTIMS, WEIGHTS)[0])
        if choices.random() < 0.2:
            wait_until(lambda: instance.pid("node"), "a new node agent", 30)
            time.sleep(choices.uniform(0.0, 0.3))
            kills += kill(instance, ("node",))
        instance.wait_back(90)
    return kills


def test_kills_of_node_agent_and_containerd_lose_and_leak_nothing() -> None:
    seed = int(os.environ.get("SANDBOXD_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SANDBOXD_CHAOS_SEED={seed} SANDBOXD_NODE_KILLS={KILLS}")
    instance, ledger, problems = Instance(runtime="runc"), Ledger(), []
    try:
        instance.up()
        images.import_into(instance.containerd_socket, instance.root)
        steady = [f"steady-{number}" for number in range(STEADY)]
        for number, id in enumerate(steady):
            runtime = "runsc" if number == 0 else "runc"
            cpu = "200m" if runtime == "runsc" else "10m"
            instance.create(id, image=images.WEB, ports=(8000,), runtime=runtime, cpu=cpu)
        for id in RESTLESS:
            runtime = id.rsplit("-", 1)[1]
            instance.create(id, shell="sleep 1; exit 1", runtime=runtime, cpu="100m", restart_policy="on_failure")
        for id in [*steady, *RESTLESS]:
            ledger.created(id, "acked")
            instance.wait_phase(id, "Running")
        keys = {key_of(instance, id) for id in steady}
        before = {key: value for key, value in start_times(instance.task_pids()).items() if key in keys}
        assert len(before) == STEADY

        with Churn(instance, ledger, seed, alive_max=ALIVE_MAX, runsc_share=0.15):
            kills = kill_loop(instance, random.Random(seed))

        instance.wait_back()
        settled = wait_until(lambda: quiet(instance), "every sandbox in a lasting phase", 180)
        problems += ledger.compare(settled)
        for id in [*steady, *RESTLESS]:
            if settled.get(id) != "Running":
                problems.append(f"{id}: {instance.sandbox(id)}")
        tries = {id: restarts(instance, id) for id in RESTLESS}
        for id in RESTLESS:
            wait_until(lambda id=id: restarts(instance, id) > tries[id], f"{id} to be started again after all", 120)
        for id in RESTLESS:  # they change while they are looked at
            instance.delete(id)
            instance.wait_gone(id)
        after = start_times(instance.task_pids())
        problems += [f"{key}: was {old}, is {after.get(key)}" for key, old in before.items() if after.get(key) != old]
        problems += settle(instance, 90)
        failed = [id for id, phase in settled.items() if phase == "Failed"]
        print(
            f"{kills} kills; creates acknowledged {ledger.count(create='acked')}, unknown "
            f"{ledger.count(create='unknown')}; deletes acknowledged {ledger.count(delete='acked')}, unknown "
            f"{ledger.count(delete='unknown')}; restarts {tries}; failed {failed}"
        )
        assert ledger.count(create="acked") > STEADY + KILLS // 5, "the churn hardly got through"
        problems += [f"{id} failed: {(instance.sandbox(id) or {}).get('status')}" for id in failed]
        if problems:
            problems.append(f"logs: {instance.keep_logs(f'node-kills-{seed}')}")
    except BaseException as error:
        error.add_note(f"logs: {instance.keep_logs(f'node-kills-{seed}')}")
        raise
    finally:
        problems += instance.destroy()
    assert not problems, "\n".join(problems)


def key_of(instance: Instance, id: str) -> str:
    """The runtime's id of its container."""
    return str(instance.node_get(f"/v1/sandboxes/{id}")["sandbox"]["containers"]["main"]["id"])


def restarts(instance: Instance, id: str) -> int:
    found = instance.sandbox(id)
    assert found is not None, id
    return sum(int(container.get("restarts", 0)) for container in found["status"].get("containers") or [])
