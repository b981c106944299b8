// GET /api/v1/watch: every change of sandboxes and nodes as server-sent events.
//
//   id: <revision>
//   event: sandbox_put | sandbox_gone | node_put | node_gone
//   data: {"revision":N,"sandbox":{...}} or {"revision":N,"node":{...}}
//
// Starts after `Last-Event-ID` (header) or `?after=`; without either, at the present. A revision that is too old, or of
// another life of the database, answers 410: list again, then watch from the list's revision. `?sandbox=<id>` restricts
// to one sandbox. Heartbeats are not events. A comment every kSseKeepAlive keeps the connection alive. A watcher that
// falls behind is ended.
#pragma once

#include "http/message.hpp"
#include "orch/service.hpp"
#include "ports/clock.hpp"

namespace sandboxd::orch::sandboxd_o {

[[nodiscard]] Task<http::Response> watch(SandboxService& service, ports::Clock& clock, http::Request request);

}  // namespace sandboxd::orch::sandboxd_o
