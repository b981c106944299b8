"""kill -9 of every daemon, at random and at named steps, while sandboxes are created and deleted.

Afterwards: what the client was told is what the API says; every sandbox that was alive throughout has its old process;
containers, namespaces, nft elements, mounts, listeners and reserved ports are exactly those of the listed sandboxes.

SANDBOXD_CHAOS_KILLS sets the number of kills (50; ./check --full: 300), SANDBOXD_CHAOS_SEED replays the choices.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from pathlib import Path

import httpx
from support import images
from support.instance import Instance, make_spec
from support.leak_checker import all_node_items, settle
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


class Churn:
    """Clients that create and delete without end and write down what they were told."""

    def __init__(self, instance: Instance, ledger: Ledger, seed: int) -> None:
        self.instance, self.ledger = instance, ledger
        self.stop = threading.Event()
        self.numbers = itertools.count()
        self.random = random.Random(seed)
        self.threads = [threading.Thread(target=self.run, name=f"churn-{n}") for n in range(2)]

    def run(self) -> None:
        with httpx.Client(base_url=self.instance.url, timeout=5, trust_env=False) as client:
            while not self.stop.is_set():
                mine = [id for id in self.ledger.living() if id.startswith("churn")]
                if len(mine) < CHURN_MAX:
                    self.create(client)
                # Mostly those that got somewhere, so that every step is come to; some in the middle of their making.
                for id in mine[: len(mine) // 2]:
                    if self.random.random() < 0.1 or self.has_arrived(client, id):
                        self.delete(client, id)
                        break
                self.stop.wait(0.1)

    def has_arrived(self, client: httpx.Client, id: str) -> bool:
        """True when it is neither on its way nor unknown."""
        try:
            answer = client.get(f"/api/v1/sandboxes/{id}")
            return answer.status_code == 200 and answer.json()["sandbox"]["status"]["phase"] in ("Running", "Failed")
        except httpx.HTTPError:
            return False

    def create(self, client: httpx.Client) -> None:
        id = f"churn-{next(self.numbers)}"
        self.ledger.created(id, "unknown")
        spec = make_spec(image=images.WEB, ports=(8000,), cpu="10m")
        try:
            status = client.post("/api/v1/sandboxes", json={"id": id, "spec": spec}).status_code
        except httpx.ConnectError:
            status = 503  # never sent
        except httpx.HTTPError:
            return
        self.ledger.created(id, "acked" if status == 201 else "refused")

    def delete(self, client: httpx.Client, id: str) -> None:
        self.ledger.deleted(id, "unknown")
        try:
            status = client.delete(f"/api/v1/sandboxes/{id}").status_code
        except httpx.HTTPError:
            return
        if status in (200, 404):
            self.ledger.deleted(id, "acked")

    def __enter__(self) -> Churn:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


def start_times(pids: dict[str, int]) -> dict[str, tuple[int, str]]:
    """Pid and start time of each process: a pid alone could have been given out again."""
    return {
        key: (pid, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]) for key, pid in pids.items()
    }


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

        with Churn(instance, ledger, seed):
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


def quiet(instance: Instance) -> dict[str, str] | None:
    """{id: phase} when no sandbox is on its way anywhere, at the control plane and on the node."""
    phases = {item["id"]: item["status"]["phase"] for item in instance.get("/api/v1/sandboxes")["items"]}
    if any(phase in ("Pending", "Scheduled", "Deleting") for phase in phases.values()):
        return None
    if any(item["phase"] in ("creating", "deleting") for item in all_node_items(instance)):
        return None
    return phases
