#include "world/scenario.hpp"

#include "base/limits.hpp"
#include "codec/json.hpp"
#include "sched/policy.hpp"
#include "world/faults.hpp"

#include <algorithm>

namespace sandboxd::world {
namespace {

namespace json = codec::json;
using codec::Reader;

std::int64_t to_ms(Duration duration) { return duration / std::chrono::milliseconds(1); }

void read_ms(const Reader& in, codec::FieldName name, Duration& out) {
  std::int64_t ms = to_ms(out);
  in.read(name, ms);
  out = std::chrono::milliseconds(ms);
}

void read_permille(const Reader& in, codec::FieldName name, std::uint64_t& out) {
  auto value = static_cast<std::int64_t>(out);
  in.read(name, value);
  out = static_cast<std::uint64_t>(std::clamp<std::int64_t>(value, 0, 1000));
}

json::object to_object(const Weather& weather) {
  json::object out;
  out["loss_permille"] = weather.loss_permille;
  out["double_permille"] = weather.double_permille;
  out["late_permille"] = weather.late_permille;
  out["delay_spread_ms"] = to_ms(weather.delay_spread);
  return out;
}

void read(const Reader& in, Weather& weather) {
  read_permille(in, "loss_permille", weather.loss_permille);
  read_permille(in, "double_permille", weather.double_permille);
  read_permille(in, "late_permille", weather.late_permille);
  read_ms(in, "delay_spread_ms", weather.delay_spread);
}

json::object to_object(const PlannedFault& fault) {
  json::object out;
  out["at_us"] = fault.at / std::chrono::microseconds(1);
  out["kind"] = fault.kind;
  out["node"] = fault.node;
  out["lasts_ms"] = to_ms(fault.lasts);
  out["detail"] = fault.detail;
  return out;
}

void read(const Reader& in, PlannedFault& fault) {
  std::int64_t at_us = 0;
  in.require("at_us", at_us);
  fault.at = std::chrono::microseconds(at_us);
  in.require("kind", fault.kind);
  in.read("node", fault.node);
  read_ms(in, "lasts_ms", fault.lasts);
  in.read("detail", fault.detail);
  if (find_fault(fault.kind) == nullptr) in.fail("unknown kind of fault \"" + fault.kind + "\"");
  if (at_us < 0 || fault.node < 0 || fault.lasts.count() < 0) in.fail("must not be negative");
}

json::object to_object(const FaultPlan& plan) {
  json::object out;
  out["weather"] = to_object(plan.weather);
  json::array& faults = out["faults"].emplace_array();
  for (const PlannedFault& fault : plan.faults) faults.push_back(to_object(fault));
  return out;
}

void read(const Reader& in, FaultPlan& plan) {
  in.object("weather", [&](const Reader& weather) { read(weather, plan.weather); });
  in.each("faults", [&](const Reader& item) { read(item, plan.faults.emplace_back()); });
  const bool in_order = std::is_sorted(plan.faults.begin(), plan.faults.end(),
                                       [](const PlannedFault& a, const PlannedFault& b) { return a.at < b.at; });
  if (!in_order) in.fail("faults must stand in the order of at_us");
}

json::object to_object(const Workload& load) {
  json::object out;
  out["clients"] = load.clients;
  out["live_max"] = load.live_max;
  out["pause_min_ms"] = to_ms(load.pause_min);
  out["pause_max_ms"] = to_ms(load.pause_max);
  out["cpu_milli_max"] = load.cpu_milli_max;
  out["memory_mib_max"] = load.memory_mib_max;
  out["ports_max"] = load.ports_max;
  out["ttl_permille"] = load.ttl_permille;
  out["selector_permille"] = load.selector_permille;
  out["pair_permille"] = load.pair_permille;
  out["cordon_permille"] = load.cordon_permille;
  out["ending_permille"] = load.ending_permille;
  out["restart_permille"] = load.restart_permille;
  out["life_permille"] = load.life_permille;
  return out;
}

void read(const Reader& in, Workload& load) {
  in.read("clients", load.clients);
  in.read("live_max", load.live_max);
  read_ms(in, "pause_min_ms", load.pause_min);
  read_ms(in, "pause_max_ms", load.pause_max);
  in.read("cpu_milli_max", load.cpu_milli_max);
  in.read("memory_mib_max", load.memory_mib_max);
  in.read("ports_max", load.ports_max);
  in.read("ttl_permille", load.ttl_permille);
  in.read("selector_permille", load.selector_permille);
  in.read("pair_permille", load.pair_permille);
  in.read("cordon_permille", load.cordon_permille);
  in.read("ending_permille", load.ending_permille);
  in.read("restart_permille", load.restart_permille);
  load.life_permille = 0;  // a scenario from before there were any says nothing of them
  in.read("life_permille", load.life_permille);
  const bool in_range = load.clients >= 0 && load.live_max > 0 && load.ports_max >= 0 && load.pause_min.count() >= 0 &&
                        load.pause_max >= load.pause_min && load.ttl_permille >= 0 && load.selector_permille >= 0 &&
                        load.pair_permille >= 0 && load.cordon_permille >= 0 && load.ending_permille >= 0 &&
                        load.restart_permille >= 0 && load.life_permille >= 0;
  if (!in_range) in.fail("numbers must not be negative, and pause_max_ms not below pause_min_ms");
}

void read_policy(const Reader& in, std::string& policy) {
  in.read("policy", policy);
  if (policy.empty()) return;
  if (const auto parsed = sched::parse_policy(policy); !parsed) in.fail("policy: " + parsed.error().message());
}

}  // namespace

Scenario scenario_of(const World& world, bool settle) {
  Scenario out;
  out.seed = world.seed();
  out.options = world.options();
  out.options.wrap_store = nullptr;
  out.options.wrap_transport = nullptr;
  out.options.plan = world.plan();
  out.run_for = world.elapsed();
  out.settle = settle;
  return out;
}

std::string to_json(const FaultPlan& plan) { return codec::write_json(to_object(plan)); }

std::string to_json(const Scenario& scenario) {
  json::object out;
  out["seed"] = scenario.seed;
  out["run_ms"] = to_ms(scenario.run_for);
  out["settle"] = scenario.settle;
  out["nodes"] = scenario.options.nodes;
  out["light_nodes"] = scenario.options.light_nodes;
  out["images_ready"] = scenario.options.images_ready;
  if (!scenario.options.policy.empty()) out["policy"] = scenario.options.policy;
  out["draw_faults"] = scenario.options.faults;
  out["workload"] = scenario.options.workload;
  out["load"] = to_object(scenario.options.load);
  if (scenario.options.plan) {
    json::object plan = to_object(*scenario.options.plan);
    for (auto& [key, value] : plan) out[key] = std::move(value);
  }
  return codec::write_json(out);
}

Result<FaultPlan> parse_plan(std::string_view text) {
  SBX_TRY(document, codec::read_json(text));
  codec::ReadErrors errors;
  FaultPlan plan;
  read(Reader(document, errors), plan);
  SBX_CHECK(errors.status());
  return plan;
}

Result<Scenario> parse_scenario(std::string_view text) {
  SBX_TRY(document, codec::read_json(text));
  codec::ReadErrors errors;
  const Reader in(document, errors);
  Scenario out;
  auto seed = static_cast<std::int64_t>(out.seed);
  in.read("seed", seed);
  out.seed = static_cast<std::uint64_t>(seed);
  read_ms(in, "run_ms", out.run_for);
  in.read("settle", out.settle);
  in.read("nodes", out.options.nodes);
  in.read("light_nodes", out.options.light_nodes);
  in.read("images_ready", out.options.images_ready);
  read_policy(in, out.options.policy);
  in.read("draw_faults", out.options.faults);
  in.read("workload", out.options.workload);
  in.object("load", [&](const Reader& load) { read(load, out.options.load); });
  if (in.has("faults")) read(in, out.options.plan.emplace());
  if (out.options.nodes < 0 || out.options.nodes > static_cast<int>(limits::kNodesMax)) {
    in.fail("nodes must be 0 to " + std::to_string(limits::kNodesMax));
  }
  SBX_CHECK(errors.status());
  return out;
}

std::unique_ptr<World> run(const Scenario& scenario) {
  auto world = std::make_unique<World>(scenario.seed, scenario.options);
  world->run_for(scenario.run_for);
  if (scenario.settle) world->settle();
  return world;
}

Scenario shrink(Scenario scenario, int attempts_max) {
  {
    const auto whole = run(scenario);
    if (whole->check().empty()) return scenario;
    if (!scenario.options.plan) scenario.options.plan = whole->plan();
  }
  std::size_t piece = std::max<std::size_t>(scenario.options.plan->faults.size() / 2, 1);
  for (std::size_t from = 0; attempts_max > 0; --attempts_max) {
    std::vector<PlannedFault>& faults = scenario.options.plan->faults;
    if (from >= faults.size()) {
      if (piece == 1) break;
      piece /= 2;
      from = 0;
      continue;
    }
    Scenario shorter = scenario;
    auto& left = shorter.options.plan->faults;
    const auto begin = left.begin() + static_cast<std::ptrdiff_t>(from);
    left.erase(begin, left.begin() + static_cast<std::ptrdiff_t>(std::min(from + piece, left.size())));
    if (run(shorter)->check().empty()) {
      from += piece;
    } else {
      scenario = std::move(shorter);
    }
  }
  return scenario;
}

}  // namespace sandboxd::world
