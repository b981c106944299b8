#include "lifecycle/sandbox_fsm.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::lifecycle {
namespace {

using enum model::Phase;
using E = Event;

constexpr auto kMoves = std::to_array<Move>({
    {pending, E::placed, scheduled},
    {pending, E::given_up, failed},
    {pending, E::stop_asked, stopped},
    {pending, E::delete_asked, deleting},

    // The node's stream may be ahead of the answer to the create call.
    {scheduled, E::create_accepted, creating},
    {scheduled, E::create_refused, failed},
    {scheduled, E::sent_back, pending},
    {scheduled, E::node_creating, creating},
    {scheduled, E::node_running, running},
    {scheduled, E::node_stopped, stopped},
    {scheduled, E::node_failed, failed},
    {scheduled, E::node_lost, failed},
    {scheduled, E::start_refused, stopped},
    {scheduled, E::wish_overtaken, stopped},
    {scheduled, E::stop_asked, stopping},
    {scheduled, E::delete_asked, deleting},

    {creating, E::create_accepted, creating},
    {creating, E::create_refused, failed},
    {creating, E::sent_back, pending},
    {creating, E::node_creating, creating},
    {creating, E::node_running, running},
    {creating, E::node_stopped, stopped},
    {creating, E::node_failed, failed},
    {creating, E::node_lost, failed},
    {creating, E::stop_asked, stopping},
    {creating, E::delete_asked, deleting},

    {running, E::create_accepted, running},
    {running, E::node_running, running},
    {running, E::node_creating, creating},  // the node makes it again, after a reboot for instance
    {running, E::node_paused, paused},
    {running, E::node_stopped, stopped},
    {running, E::node_failed, failed},
    {running, E::node_lost, failed},
    {running, E::pause_asked, pausing},
    {running, E::stop_asked, stopping},
    {running, E::delete_asked, deleting},

    {pausing, E::node_paused, paused},
    {pausing, E::node_running, pausing},
    {pausing, E::pause_refused, running},
    {pausing, E::wish_overtaken, running},
    {pausing, E::node_stopped, stopped},
    {pausing, E::node_failed, failed},
    {pausing, E::node_lost, failed},
    {pausing, E::stop_asked, stopping},
    {pausing, E::delete_asked, deleting},

    {paused, E::node_paused, paused},
    {paused, E::resume_asked, paused},
    {paused, E::wish_overtaken, paused},
    {paused, E::node_running, running},
    {paused, E::node_stopped, stopped},
    {paused, E::node_failed, failed},
    {paused, E::node_lost, failed},
    {paused, E::stop_asked, stopping},
    {paused, E::delete_asked, deleting},

    {stopping, E::node_running, stopping},
    {stopping, E::node_creating, stopping},
    {stopping, E::node_paused, stopping},
    {stopping, E::node_stopped, stopped},
    {stopping, E::node_failed, failed},
    {stopping, E::node_lost, stopped},  // stopped is what was wanted
    {stopping, E::wish_overtaken, running},
    {stopping, E::stop_asked, stopping},
    {stopping, E::start_asked, scheduled},  // stopped in order to start again
    {stopping, E::delete_asked, deleting},

    {stopped, E::node_stopped, stopped},
    {stopped, E::node_lost, stopped},
    {stopped, E::node_started, running},
    {stopped, E::start_asked, scheduled},
    {stopped, E::start_anew_asked, pending},
    {stopped, E::delete_asked, deleting},

    // A real reason is never replaced by a later "not there any more".
    {failed, E::node_failed, failed},
    {failed, E::node_recovered, running},
    {failed, E::node_started, running},
    {failed, E::node_lost, failed},
    {failed, E::start_asked, scheduled},
    {failed, E::start_anew_asked, pending},
    {failed, E::delete_asked, deleting},

    {deleting, E::delete_asked, deleting},
});

}  // namespace

std::span<const Move> moves() { return kMoves; }

std::optional<model::Phase> next(model::Phase from, Event event) {
  for (const Move& move : kMoves) {
    if (move.from == from && move.event == event) return move.to;
  }
  return std::nullopt;
}

bool is_move(model::Phase from, model::Phase to) {
  return std::any_of(kMoves.begin(), kMoves.end(),
                     [&](const Move& move) { return move.from == from && move.to == to; });
}

std::string_view to_string(Event event) {
  static constexpr std::array<std::string_view, 22> kNames{
      "placed",       "given_up",      "create_accepted", "create_refused", "sent_back",      "node_creating",
      "node_running", "node_paused",   "node_stopped",    "node_failed",    "node_recovered", "node_started",
      "node_lost",    "pause_asked",   "resume_asked",    "stop_asked",     "start_asked",    "start_anew_asked",
      "delete_asked", "pause_refused", "start_refused",   "wish_overtaken"};
  return kNames.at(static_cast<std::size_t>(event));
}

}  // namespace sandboxd::lifecycle
