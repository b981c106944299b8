// The life of a sandbox: a table of (phase, event) -> phase. What is not in the table does not happen.
//
// At rest: `failed` and `stopped` keep their record until somebody starts or deletes them; `deleting` ends with the
// record gone, whatever else arrives meanwhile. A paused one that is to go on is `paused` until its node says that it
// runs. Phases of wishes (pausing, stopping) end by the node's own news, which come in their order, not by the answers
// to calls, which may overtake them.
#pragma once

#include "model/sandbox.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace sandboxd::lifecycle {

enum class Event {
  placed,           // a node and its ports were reserved
  given_up,         // no node in time
  create_accepted,  // the node has taken it on
  create_refused,   // the node will never make it
  sent_back,        // the node has no room for it: to be placed anew
  node_creating,    // what the node says of it ...
  node_running,
  node_paused,
  node_stopped,
  node_failed,
  node_recovered,  // it runs after all: a polled node may see a failure that was none
  node_started,    // it runs again: a start was asked of the node itself
  node_lost,       // the node does not know it any more, or is gone for good
  pause_asked,     // what the user wants ...
  resume_asked,
  stop_asked,
  start_asked,       // on the node that has its files
  start_anew_asked,  // no node has anything of it
  delete_asked,
  pause_refused,  // the node's answer to a wish: it cannot be done
  start_refused,
  wish_overtaken,  // another was asked of the node itself after ours
};

struct Move {
  model::Phase from;
  Event event;
  model::Phase to;
};

[[nodiscard]] std::span<const Move> moves();
// The phase after `event`; the same phase when the event only confirms it; nullopt when it is not for this phase and is
// to be ignored (late news) or refused (a wish).
[[nodiscard]] std::optional<model::Phase> next(model::Phase from, Event event);
// True when some event leads from one to the other.
[[nodiscard]] bool is_move(model::Phase from, model::Phase to);
[[nodiscard]] std::string_view to_string(Event event);

}  // namespace sandboxd::lifecycle
