"""The C++ rules hold in this tree, and each rule finds a planted breach (a lint that cannot fail proves nothing)."""

from __future__ import annotations

from pathlib import Path

import pytest
from lint import coroutines, determinism, layers, lengths
from lint.cpp_text import Violation, blank, blocks

ROOT = Path(__file__).resolve().parents[3]


def plant(root: Path, name: str, text: str) -> Path:
    """Write one file of a small tree."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


def show(violations: list[Violation]) -> str:
    """One per line, for assertion messages."""
    return "\n" + "\n".join(map(str, violations))


def test_layers_hold() -> None:
    found = layers.check(ROOT)
    assert not found, show(found)


def test_every_folder_has_a_layer() -> None:
    folders = {path.name for path in (ROOT / "src/cpp").iterdir() if path.is_dir() and any(path.rglob("*.[ch]pp"))}
    assert folders <= set(layers.ALLOWED), f"no layer for {sorted(folders - set(layers.ALLOWED))}"


@pytest.mark.parametrize(
    ("name", "include"),
    [
        ("model/a.hpp", '"sched/b.hpp"'),  # upwards
        ("base/a.hpp", '"model/b.hpp"'),
        ("sched/a.cpp", '"ports/b.hpp"'),
        ("sched/a.cpp", "<boost/asio/awaitable.hpp>"),  # decisions know no Asio
        ("lifecycle/a.cpp", "<thread>"),
        ("store/a.cpp", '"http/b.hpp"'),  # siblings
        ("network/a.cpp", '"cni/b.hpp"'),
        ("containerd/a.cpp", '"proc/b.hpp"'),
        ("orch/engine.cpp", '"store/b.hpp"'),  # a core names an adapter
        ("orch/engine.cpp", '"http/b.hpp"'),
        ("node/agent.cpp", '"containerd/b.hpp"'),
        ("node/agent.cpp", '"node/node_daemon.hpp"'),  # a core includes its root
        ("orch/engine.cpp", '"orch/api/sandboxd_o/b.hpp"'),
        ("orch/engine.cpp", '"node/agent.hpp"'),
        ("orch/api/opensbx/a.cpp", '"orch/api/bhatti/b.hpp"'),  # dialects are siblings
        ("orch/api/opensbx/a.cpp", '"store/b.hpp"'),
        ("world/a.cpp", '"store/b.hpp"'),
        ("world/a.cpp", '"orch/orchestrator.hpp"'),
        ("ports/a.hpp", "<boost/asio/steady_timer.hpp>"),
        ("store/a.cpp", "<boost/beast/http.hpp>"),  # libraries stay where they belong
        ("http/a.cpp", "<sqlite3.h>"),
        ("node/agent.cpp", "<grpcpp/grpcpp.h>"),
        ("model/a.hpp", "<pybind11/pybind11.h>"),
        ("surprise/a.cpp", '"base/b.hpp"'),
    ],
)
def test_layering_breach_is_found(tmp_path: Path, name: str, include: str) -> None:
    if include.startswith('"'):
        plant(tmp_path, f"src/cpp/{include.strip(chr(34))}", "")
    plant(tmp_path, f"src/cpp/{name}", f"#include {include}\n")
    assert [hit for hit in layers.check(tmp_path) if hit.path.endswith(name)]


@pytest.mark.parametrize(
    ("name", "include"),
    [
        ("sched/a.cpp", '"model/b.hpp"'),
        ("store/a.cpp", '"codec/b.hpp"'),
        ("orch/engine.cpp", '"sched/b.hpp"'),
        ("orch/orchestrator.cpp", '"store/b.hpp"'),
        ("orch/orchestrator.cpp", '"orch/api/sandboxd_o/b.hpp"'),
        ("orch/api/sandboxd_o/a.cpp", '"orch/service.hpp"'),
        ("orch/api/sandboxd_o/a.cpp", '"http/b.hpp"'),
        ("node/node_daemon.cpp", '"containerd/b.hpp"'),
        ("world/a.cpp", '"orch/engine.hpp"'),
        ("http/a.cpp", "<boost/beast/http.hpp>"),
    ],
)
def test_allowed_include_is_quiet(tmp_path: Path, name: str, include: str) -> None:
    if include.startswith('"'):
        plant(tmp_path, f"src/cpp/{include.strip(chr(34))}", "")
    plant(tmp_path, f"src/cpp/{name}", f"#include {include}\n")
    found = layers.check(tmp_path)
    assert not found, show(found)


def test_runs_are_reproducible() -> None:
    found = determinism.check(ROOT)
    assert not found, show(found)


@pytest.mark.parametrize(
    "code",
    [
        "auto t = std::chrono::steady_clock::now();",
        "auto t = std::chrono::system_clock::now();",
        "std::random_device device;",
        "int n = rand();",
        'auto home = std::getenv("HOME");',
        "std::this_thread::sleep_for(1s);",
        "std::uniform_int_distribution<int> dice(1, 6);",
        "std::unordered_map<int, int> m; void f() { for (auto& e : m) use(e); }",
        "std::unordered_set<std::string> s_; auto x = s_.begin();",
    ],
)
def test_chance_is_found(tmp_path: Path, code: str) -> None:
    plant(tmp_path, "src/cpp/sched/a.cpp", code + "\n")
    assert determinism.check(tmp_path, {})


def test_words_in_comments_and_texts_are_no_chance(tmp_path: Path) -> None:
    plant(tmp_path, "src/cpp/sched/a.cpp", '// steady_clock::now() is banned\nauto s = "rand()";\n')
    assert not determinism.check(tmp_path, {})


def test_adapters_may_read_the_clock(tmp_path: Path) -> None:
    plant(tmp_path, "src/cpp/http/a.cpp", "auto t = std::chrono::steady_clock::now();\n")
    assert not determinism.check(tmp_path, {})


def test_stale_allowance_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "src/cpp/sched/a.cpp", "int x;\n")
    assert determinism.check(tmp_path, {("sched/a.cpp", "clock"): "was needed once"})


def test_coroutine_subset_holds() -> None:
    found = coroutines.check(ROOT)
    assert not found, show(found)


@pytest.mark.parametrize(
    "code",
    [
        "Task<void> f() { if (co_await g()) h(); }",
        "Task<void> f() { if (auto x = 1; co_await g()) h(); }",
        "Task<void> f() { while (co_await g()) h(); }",
        "Task<void> f() { switch (co_await g()) { default: break; } }",
        "Task<void> f() { for (int i = 0; i < co_await g(); ++i) h(); }",
        "Task<void> f() { auto x = c ? co_await a() : b; }",
        "Task<void> f() { auto x = T{co_await a(), 1}; }",
        "Task<void> f() { auto x = T{.a = co_await a()}; }",
        "Task<void> f() { h({co_await a()}); }",
        "Task<void> f() { auto x = co_await a() + co_await b(); }",
        "Task<void> f() { try { g(); } catch (const E& e) { co_await undo(); } }",
        "void f() { spawn([this]() -> Task<void> { co_await g(); }); }",
        "void f() { spawn([x = 1] () mutable -> Task<int> { co_return x; }); }",
        "void f() { spawn([&] { if (a) { co_return; } }); }",
        "Task<int> f(int a, std::string b = {});",
        "void f() { co_spawn(e, g(), boost::asio::detached); }",
    ],
)
def test_forbidden_coroutine_shape_is_found(tmp_path: Path, code: str) -> None:
    plant(tmp_path, "src/cpp/orch/a.cpp", f"namespace x {{\n{code}\n}}  // namespace x\nTask<void> unused();\n")
    assert coroutines.check(tmp_path, "src/cpp")


@pytest.mark.parametrize(
    "code",
    [
        "Task<void> f() { auto x = co_await g(); if (x) h(); }",
        "Task<void> f() { if (auto x = co_await g(); x) h(); }",
        "Task<void> f() { for (auto& e : co_await g()) h(e); }",
        "Task<void> f() { SBX_CO_TRY(x, co_await g(a, b)); co_return x; }",
        "Task<void> f() { for (;;) { co_await g(); } }",
        "Task<void> f() { try { co_await g(); } catch (const E& e) { failed = true; } }",
        "void f() { spawn([](int a) -> Task<void> { co_await g(a); }, 1); }",
        "void f() { post([x] { spawn([](int a) -> Task<void> { co_await g(a); }, x); }); }",
        "Task<int> f(int a, std::string b) { auto v = std::vector<int>{1, 2}; co_return v[a ? 1 : 0]; }",
        "struct S { Task<void> f() override { co_await g(); } int x = 3; };",
        "Task<void> f() { switch (x) { case 1: { co_await g(); break; } default: co_await h(); } }",
        "// if (co_await g()) in a comment\nTask<void> f();",
    ],
)
def test_good_coroutine_is_quiet(tmp_path: Path, code: str) -> None:
    plant(tmp_path, "src/cpp/orch/a.cpp", f"namespace x {{\n{code}\n}}  // namespace x\n")
    found = coroutines.check(tmp_path, "src/cpp")
    assert not found, show(found)


def test_lengths_hold() -> None:
    found = lengths.check(ROOT)
    assert not found, show(found)


def test_long_files_and_functions_are_found(tmp_path: Path) -> None:
    plant(tmp_path, "src/cpp/base/long_file.cpp", "int x;\n" * 401)
    plant(tmp_path, "src/cpp/base/long_function.cpp", "namespace n {\nvoid f(int a) {\n" + "  g();\n" * 71 + "}\n}\n")
    plant(tmp_path, "src/sandboxd/long.py", "def f():\n" + "    g()\n" * 71)
    assert len(lengths.check(tmp_path)) == 3


def test_blanking_keeps_offsets() -> None:
    text = 'a("}{") /* { */ // {\n{ R"(})" \'{\' }\n'
    assert len(blank(text)) == len(text)
    assert len(blocks(blank(text))) == 1
