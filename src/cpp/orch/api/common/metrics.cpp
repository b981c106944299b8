#include "orch/api/common/metrics.hpp"

#include "orch/api/common/metrics_text.hpp"

#include <map>

namespace sandboxd::orch::common {
namespace {

Labels route_labels(const std::pair<std::string, std::string>& route) {
  return {{"method", route.second}, {"route", route.first.empty() ? std::string_view("none") : route.first}};
}

void add_requests(MetricsText& out, const http::Traffic& traffic) {
  const char* name = "sandboxd_http_requests_total";
  out.family(name, "counter", "Answers by route and status; route \"none\" is what no route took.");
  for (const auto& [route, counts] : traffic.routes()) {
    for (const auto& [status, count] : counts.answers) {
      Labels labels = route_labels(route);
      const std::string text = std::to_string(status);
      labels.emplace_back("status", text);
      out.sample(name, labels, count);
    }
  }
  name = "sandboxd_http_request_seconds";
  out.family(name, "histogram", "From a request's first byte to the last of its answer; streams are not in here.");
  for (const auto& [route, counts] : traffic.routes()) {
    if (counts.latency.count() > 0) out.histogram(name, route_labels(route), counts.latency);
  }
}

void add_connections(MetricsText& out, const http::Traffic& traffic) {
  out.one("sandboxd_http_connections", "gauge", "Connections that are open.", traffic.connections);
  out.one("sandboxd_http_streams", "gauge", "Answers without an end that are open.", traffic.streams);
  out.one("sandboxd_http_connections_total", "counter", "Connections accepted.", traffic.accepted);
  out.one("sandboxd_http_refused_total", "counter", "Connections refused because there were too many.",
          traffic.refused);
  out.one("sandboxd_http_evicted_total", "counter", "Idle connections closed to make room.", traffic.evicted);
  out.one("sandboxd_http_timeouts_total", "counter", "Requests or answers that did not get across in time.",
          traffic.timed_out);
}

// The answers are the sandboxes' own, so nothing but their statuses is told.
void add_proxy(MetricsText& out, const http::Traffic& traffic) {
  std::map<int, std::uint64_t> answers;
  for (const auto& [route, counts] : traffic.routes()) {
    for (const auto& [status, count] : counts.answers) answers[status] += count;
  }
  const char* name = "sandboxd_proxy_answers_total";
  out.family(name, "counter", "Answers of the reverse proxy by status; 101 is a connection that was tunnelled.");
  for (const auto& [status, count] : answers) {
    const std::string text = std::to_string(status);
    out.sample(name, {{"status", text}}, count);
  }
  out.one("sandboxd_proxy_connections", "gauge", "Connections to the reverse proxy that are open.",
          traffic.connections);
  out.one("sandboxd_proxy_streams", "gauge", "Answers and tunnels of the reverse proxy that are open.",
          traffic.streams);
  out.one("sandboxd_proxy_refused_total", "counter", "Connections to the reverse proxy refused: too many.",
          traffic.refused);
}

void add_objects(MetricsText& out, const Figures& figures) {
  out.family("sandboxd_sandboxes", "gauge", "Sandboxes by phase.");
  for (const auto& [phase, count] : figures.sandboxes) {
    out.sample("sandboxd_sandboxes", {{"phase", model::to_string(phase)}}, count);
  }
  out.family("sandboxd_nodes", "gauge", "Nodes by state.");
  for (const auto& [state, count] : figures.nodes) {
    out.sample("sandboxd_nodes", {{"state", model::to_string(state)}}, count);
  }
  out.one("sandboxd_nodes_cordoned", "gauge", "Nodes that take no new sandboxes.", figures.nodes_cordoned);
  out.family("sandboxd_damaged_records", "gauge", "Records of the database that cannot be read and were kept aside.");
  out.sample("sandboxd_damaged_records", {{"table", "sandboxes"}}, figures.damaged_sandboxes);
  out.sample("sandboxd_damaged_records", {{"table", "nodes"}}, figures.damaged_nodes);
  out.one("sandboxd_placements_total", "counter", "Sandboxes placed on a node.", figures.placements);
  out.one("sandboxd_revision", "gauge", "Number of the last committed change.", figures.revision);
}

void add_engine(MetricsText& out, const Figures& figures) {
  out.one("sandboxd_engine_turns_total", "counter", "Turns of the engine.", figures.turns);
  out.one("sandboxd_engine_commits_total", "counter", "Transactions that the database took.", figures.commits);
  out.one("sandboxd_engine_failed_commits_total", "counter", "Transactions that the database refused.",
          figures.failed_commits);
  out.one("sandboxd_engine_commands_total", "counter", "Wishes of clients that a turn has taken.", figures.commands);
  out.one("sandboxd_engine_observations_total", "counter", "News of nodes that a turn has taken.",
          figures.observations);
  out.family("sandboxd_commit_seconds", "histogram", "Time of a transaction, its sync to the disk included.");
  out.histogram("sandboxd_commit_seconds", {}, figures.commit_time);
  const char* name = "sandboxd_queue_length";
  out.family(name, "gauge", "What waits: for a turn (inbox), for the database (held), for capacity (placement).");
  out.sample(name, {{"queue", "inbox"}}, figures.inbox);
  out.sample(name, {{"queue", "held"}}, figures.held);
  out.sample(name, {{"queue", "placement"}}, figures.waiting);
  out.one("sandboxd_node_calls", "gauge", "Calls to nodes under way or waiting for their turn.",
          figures.calls_to_nodes);
  out.one("sandboxd_watchers", "gauge", "Open watch streams.", figures.watchers);
}

}  // namespace

std::string metrics_text(const Figures& figures, const http::Traffic& traffic, const http::Traffic& proxy,
                         const LogDrops& drops) {
  MetricsText out;
  add_objects(out, figures);
  add_engine(out, figures);
  add_requests(out, traffic);
  add_connections(out, traffic);
  add_proxy(out, proxy);
  const char* name = "sandboxd_log_dropped_total";
  out.family(name, "counter", "Log lines that the writer could not take.");
  out.sample(name, {{"kind", "access"}}, drops.bulk);
  out.sample(name, {{"kind", "other"}}, drops.other);
  return out.take();
}

}  // namespace sandboxd::orch::common
