"""Client and AsyncClient: the same surface, headers, retries, errors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from client.fake_server import FakeControlPlane

import sandboxd
from sandboxd import (
    NO_RETRY,
    AsyncClient,
    AsyncSandbox,
    Client,
    ConflictError,
    ConnectError,
    NotFoundError,
    OverloadedError,
    RequestTimeout,
    RetryPolicy,
    Sandbox,
    ServerError,
    WatchExpiredError,
)

QUICK = RetryPolicy(attempts=3, first_delay=0.001)


def public(kind: type) -> dict[str, Callable[..., Any]]:
    return {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "asynchronous"), [(Client, AsyncClient), (Sandbox, AsyncSandbox)])
def test_blocking_and_async_forms_have_the_same_methods(blocking: type, asynchronous: type) -> None:
    left, right = public(blocking), public(asynchronous)
    assert left.keys() == right.keys()
    for name, method in left.items():
        assert str(inspect.signature(method).parameters).replace("Client", "") == str(
            inspect.signature(right[name]).parameters
        ).replace("AsyncClient", "").replace("Client", ""), name
        assert method.__doc__ == right[name].__doc__ and method.__doc__, name


def test_everything_exported_exists_and_says_where_it_is_public() -> None:
    for name in sandboxd.__all__:
        if name in ("NodeConfig", "NodeDaemon", "OrchConfig", "Orchestrator"):
            continue  # need the native module
        value = getattr(sandboxd, name)
        if isinstance(value, type):
            assert value.__module__ == "sandboxd", name


def answer_with(seen: list[httpx.Request], *answers: httpx.Response) -> httpx.MockTransport:
    queue = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return queue.pop(0)

    return httpx.MockTransport(handle)


def test_the_token_travels_in_the_header_and_is_not_shown() -> None:
    seen: list[httpx.Request] = []
    transport = answer_with(seen, httpx.Response(200, json={"items": []}))
    with Client("http://a.test", "secret", transport=transport) as client:
        assert client.list_sandboxes() == []
        assert "secret" not in repr(client)
    assert seen[0].headers["Authorization"] == "Bearer secret"
    assert str(seen[0].url) == "http://a.test/api/v1/sandboxes"


def test_without_a_token_there_is_no_header() -> None:
    seen: list[httpx.Request] = []
    with Client("http://a.test", transport=answer_with(seen, httpx.Response(200, json={"ok": True}))) as client:
        assert client.health()
    assert "Authorization" not in seen[0].headers


def test_reads_are_repeated_until_they_work() -> None:
    seen: list[httpx.Request] = []
    answers = [httpx.Response(503, json={"error": "starting"})] * 2 + [httpx.Response(200, json={"items": []})]
    with Client("http://a.test", transport=answer_with(seen, *answers), retry=QUICK) as client:
        assert client.list_nodes() == []
    assert len(seen) == 3


def test_a_create_is_repeated_with_the_same_id_when_the_server_refused_it() -> None:
    seen: list[httpx.Request] = []
    refused = httpx.Response(429, json={"error": "full"}, headers={"Retry-After": "0"})
    done = httpx.Response(201, json={"sandbox": {"id": "x"}})
    with Client("http://a.test", transport=answer_with(seen, refused, done), retry=QUICK) as client:
        client.create_sandbox({})
    assert seen[0].content == seen[1].content


def losing(seen: list[httpx.Request], *answers: httpx.Response) -> httpx.MockTransport:
    """The first answer is lost; then these come."""
    queue = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1 or not queue:
            raise httpx.ReadTimeout("slow")
        return queue.pop(0)

    return httpx.MockTransport(handle)


def test_a_create_whose_answer_is_lost_is_repeated_with_its_key() -> None:
    seen: list[httpx.Request] = []
    done = httpx.Response(201, json={"sandbox": {"id": "x"}}, headers={"Idempotent-Replayed": "true"})
    with Client("http://a.test", transport=losing(seen, done), retry=QUICK) as client:
        assert client.create_sandbox({}).id == "x"
    first, second = seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] and first.content == second.content
    other: list[httpx.Request] = []
    with Client("http://a.test", transport=answer_with(other, done), retry=QUICK) as client:
        client.create_sandbox({})
    assert other[0].headers["Idempotency-Key"] != first.headers["Idempotency-Key"], "another call, another key"


@pytest.mark.parametrize(("retry", "key"), [(QUICK, ""), (NO_RETRY, None)])
def test_without_a_key_a_create_whose_outcome_is_unknown_is_not_repeated(retry: RetryPolicy, key: str | None) -> None:
    seen: list[httpx.Request] = []
    client = Client("http://a.test", transport=losing(seen), retry=retry)
    with client, pytest.raises(RequestTimeout, match="unknown"):
        client.create_sandbox({}, idempotency_key=key)
    assert len(seen) == 1 and "Idempotency-Key" not in seen[0].headers


def test_a_key_of_ones_own_is_sent() -> None:
    seen: list[httpx.Request] = []
    done = httpx.Response(201, json={"sandbox": {"id": "x"}})
    with Client("http://a.test", transport=answer_with(seen, done), retry=NO_RETRY) as client:
        sandbox = Sandbox.create("img", labels={"team": "red"}, idempotency_key="order-7", client=client)
    assert seen[0].headers["Idempotency-Key"] == "order-7" and sandbox.id == "x"
    assert b'"labels":{"team":"red"}' in seen[0].content.replace(b" ", b"")


def test_a_server_without_keys_that_calls_our_own_work_a_duplicate_leaves_the_outcome_unknown() -> None:
    seen: list[httpx.Request] = []
    text = "constraint failed: UNIQUE constraint failed: sandboxes.id (1555)"
    client = Client("http://a.test", transport=losing(seen, httpx.Response(500, json={"error": text})), retry=QUICK)
    with client, pytest.raises(RequestTimeout, match="unknown"):
        client.create_sandbox({})
    assert len(seen) == 2


# --- lists and Externals


def test_filters_travel_in_the_query() -> None:
    seen: list[httpx.Request] = []
    empty = httpx.Response(200, json={"items": []})
    with Client("http://a.test", transport=answer_with(seen, *[empty] * 4)) as client:
        client.list_sandboxes(phase=["Running", "Failed"], labels={"team": "a&b", "x": None}, node="n 1")
        client.list_sandboxes(phase="Pending")
        client.list_nodes(state="Ready", labels={"zone": ""})
        client.list_nodes()
    assert [list(request.url.params.multi_items()) for request in seen] == [
        [("phase", "Running,Failed"), ("label", "team=a&b"), ("label", "x"), ("node", "n 1")],
        [("phase", "Pending")],
        [("state", "Ready"), ("label", "zone=")],
        [],
    ]


PAGES = [{"items": [{"id": "a"}, {"id": "b"}], "next_cursor": "2.b"}, {"items": [{"id": "c"}]}]


def test_pages_are_asked_for_while_they_are_consumed() -> None:
    seen: list[httpx.Request] = []
    answers = [httpx.Response(200, json=page) for page in PAGES]
    with Client("http://a.test", transport=answer_with(seen, *answers)) as client:
        items = client.iter_sandboxes(phase="Running", page_size=2)
        assert seen == [], "nothing before the first is wanted"
        assert [next(items).id, next(items).id] == ["a", "b"] and len(seen) == 1
        assert [item.id for item in items] == ["c"]
    assert [str(request.url.query, "ascii") for request in seen] == [
        "phase=Running&limit=2",
        "phase=Running&limit=2&cursor=2.b",
    ]


def test_the_async_form_follows_pages_too() -> None:
    seen: list[httpx.Request] = []
    answers = [httpx.Response(200, json=page) for page in PAGES]

    async def scenario() -> list[str]:
        async with AsyncClient("http://a.test", transport=answer_with(seen, *answers)) as client:
            return [node.id async for node in client.iter_nodes(state="Ready", page_size=2)]

    assert asyncio.run(scenario()) == ["a", "b", "c"]
    assert [request.url.params.get("cursor") for request in seen] == [None, "2.b"]


def test_externals_are_bound_read_and_unbound() -> None:
    seen: list[httpx.Request] = []
    external = {"id": "e/1", "node_id": "n", "external": "h.example", "created_at": "2026-01-02T03:04:05Z"}
    answers = [{"ok": True}, {"items": [external]}, {"external": external}, {"deleted": "e/1"}]
    transport = answer_with(seen, *(httpx.Response(200, json=answer) for answer in answers))
    with Client("http://a.test", transport=transport) as client:
        client.put_external("e/1", "n", "h.example")
        (listed,) = client.list_externals()
        assert client.get_external("e/1") == listed
        client.delete_external("e/1")
    assert (listed.id, listed.node, listed.external) == ("e/1", "n", "h.example") and listed.created_at is not None
    assert seen[0].content == b'{"id":"e/1","spec":{"node_id":"n","external":"h.example"}}'
    assert [(request.method, request.url.raw_path.decode()) for request in seen[2:]] == [
        ("GET", "/api/v1/externals/e%2F1"),
        ("DELETE", "/api/v1/externals/e%2F1"),
    ]


def test_overload_is_given_up_after_the_last_try() -> None:
    seen: list[httpx.Request] = []
    refused = httpx.Response(429, json={"error": "full"}, headers={"Retry-After": "0"})
    client = Client("http://a.test", transport=answer_with(seen, refused, refused, refused), retry=QUICK)
    with client, pytest.raises(OverloadedError, match="POST /api/v1/sandboxes: full"):
        client.create_sandbox({})


def test_nobody_there_says_how_to_start_it() -> None:
    with Client("http://127.0.0.1:1", retry=QUICK) as client, pytest.raises(ConnectError, match="sandboxd up"):
        client.health()


def test_an_answer_that_is_no_json_is_a_protocol_error() -> None:
    transport = answer_with([], httpx.Response(200, text="<html>"))
    with Client("http://a.test", transport=transport) as client, pytest.raises(ServerError, match="JSON"):
        client.health()


def test_the_async_client_does_the_same_over_a_real_connection(plane: FakeControlPlane) -> None:
    async def scenario() -> None:
        async with AsyncClient(plane.url, retry=QUICK) as client:
            await client.create_sandbox({"x": 1}, "a")
            with pytest.raises(ConflictError):
                await client.create_sandbox({}, "a")
            assert [item.id for item in await client.list_sandboxes()] == ["a"]
            plane.refuse_next = [(503, {})]
            assert (await client.get_sandbox("a")).phase == "Pending"
            await client.delete_sandbox("a")
            with pytest.raises(NotFoundError):
                await client.get_sandbox("a")

    asyncio.run(scenario())


def test_hundreds_of_calls_at_once_share_the_pool(plane: FakeControlPlane) -> None:
    plane.put("a", "Running")

    async def scenario() -> list[sandboxd.SandboxInfo]:
        async with AsyncClient(plane.url) as client:
            return await asyncio.gather(*(client.get_sandbox("a") for _ in range(200)))

    assert {info.phase for info in asyncio.run(scenario())} == {"Running"}


def test_watch_gives_events_in_order_and_resumes(plane: FakeControlPlane) -> None:
    plane.put("a", "Pending")
    with Client(plane.url) as client:
        with client.watch("0") as events:
            first = next(events)
            plane.put("a", "Running")
            second = next(events)
        assert [(event.revision, event.id) for event in (first, second)] == [("1", "a"), ("2", "a")]
        with client.watch(first.revision) as events:
            assert next(events) == second
        plane.oldest_revision = 2
        with pytest.raises(WatchExpiredError), client.watch("1"):
            pass


def test_watch_asks_for_one_sandbox_only_when_told_so(plane: FakeControlPlane) -> None:
    with Client(plane.url) as client:
        with client.watch(sandbox="a/b"):
            pass
        with client.watch():
            pass
    assert [path for _, path, _ in plane.requests] == ["/api/v1/watch?sandbox=a%2Fb", "/api/v1/watch"]


def test_silence_of_the_stream_is_noticed(plane: FakeControlPlane) -> None:
    with Client(plane.url) as client, pytest.raises(RequestTimeout), client.watch(read_timeout=0.05) as events:
        next(events)
