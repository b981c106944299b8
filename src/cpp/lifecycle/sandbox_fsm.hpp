// The life of a sandbox: a table of (phase, event) -> phase. What is not in the table does not happen.
//
// Terminal for the platform: `failed` and `stopped` keep their record until somebody deletes them; `deleting` ends with
// the record gone, whatever else arrives meanwhile.
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
  node_lost,       // the node does not know it any more, or is gone for good
  pause_asked,     // what the user wants ...
  resume_asked,
  stop_asked,
  start_asked,
  delete_asked,
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
