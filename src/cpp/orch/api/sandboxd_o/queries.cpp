#include "orch/api/sandboxd_o/queries.hpp"

#include "base/limits.hpp"
#include "base/sha256.hpp"
#include "http/text.hpp"
#include "orch/api/sandboxd_o/validate.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace sandboxd::orch::sandboxd_o {
namespace {

using model::Phase;

struct PhaseWord {
  std::string_view word;
  std::vector<Phase> phases;
};

// The words of phase_text() with the phases that it shows so.
const std::array<PhaseWord, 7>& phase_words() {
  static const std::array<PhaseWord, 7> kWords{{{"Pending", {Phase::pending}},
                                                {"Scheduled", {Phase::scheduled, Phase::creating}},
                                                {"Running", {Phase::running, Phase::pausing, Phase::stopping}},
                                                {"Paused", {Phase::paused}},
                                                {"Stopped", {Phase::stopped}},
                                                {"Failed", {Phase::failed}},
                                                {"Deleting", {Phase::deleting}}}};
  return kWords;
}

Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

std::vector<std::string> values_of(const http::Request& request, const std::string& name) {
  std::vector<std::string> out;
  const auto [begin, end] = request.query.equal_range(name);
  for (auto at = begin; at != end; ++at) out.push_back(at->second);
  return out;
}

// Every word of every `name` parameter, trimmed, without blank ones.
std::vector<std::string> words_of(const http::Request& request, const std::string& name) {
  std::vector<std::string> out;
  for (const std::string& value : values_of(request, name)) {
    for (std::string_view rest = value;;) {
      const std::size_t comma = rest.find(',');
      if (const auto word = trimmed(rest.substr(0, comma)); !word.empty()) out.emplace_back(word);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

std::string blank_or_value(const http::Request& request, const std::string& name) {
  return std::string(trimmed(request.query_value(name).value_or("")));
}

Result<LabelFilter> labels_of(const http::Request& request) {
  LabelFilter out;
  for (const std::string& value : values_of(request, "label")) {
    if (trimmed(value).empty()) continue;
    const std::size_t equals = value.find('=');
    const std::string key(trimmed(std::string_view(value).substr(0, equals)));
    if (key.empty()) return invalid("label must be key=value or key");
    std::optional<std::string> wanted;
    if (equals != std::string::npos) wanted = value.substr(equals + 1);
    const auto known = out.find(key);
    if (known != out.end() && known->second && wanted && *known->second != *wanted) {
      return invalid("label " + key + " cannot have two values");
    }
    if (known == out.end() || wanted) out[key] = std::move(wanted);
  }
  return out;
}

Result<Page> page_of(const http::Request& request) {
  Page page;
  page.cursor = blank_or_value(request, "cursor");
  const std::string limit = blank_or_value(request, "limit");
  if (limit.empty()) return page;
  const char* end = limit.data() + limit.size();
  const auto parsed = std::from_chars(limit.data(), end, page.limit);
  if (parsed.ec != std::errc() || parsed.ptr != end || page.limit < 1 || page.limit > limits::kPageMax) {
    return invalid("limit must be a number from 1 to " + std::to_string(limits::kPageMax));
  }
  return page;
}

}  // namespace

Result<SandboxQuery> sandbox_query(const http::Request& request) {
  SandboxQuery out;
  for (const std::string& word : words_of(request, "phase")) {
    const auto& known = phase_words();
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const auto& w) { return http::equals_ignoring_case(w.word, word); });
    if (found == known.end()) {
      return invalid("unknown phase \"" + word +
                     "\"; use Pending, Scheduled, Running, Paused, Stopped, Failed or Deleting");
    }
    out.phases.insert(found->phases.begin(), found->phases.end());
  }
  SBX_TRY(labels, labels_of(request));
  SBX_TRY(page, page_of(request));
  out.labels = std::move(labels);
  out.node = NodeId(blank_or_value(request, "node"));
  out.page = std::move(page);
  return out;
}

Result<NodeQuery> node_query(const http::Request& request) {
  NodeQuery out;
  for (const std::string& word : words_of(request, "state")) {
    const auto state = model::parse_node_state(word);
    if (!state) return invalid("unknown state \"" + word + "\"; use Unknown, Ready or NotReady");
    out.states.insert(*state);
  }
  SBX_TRY(labels, labels_of(request));
  SBX_TRY(page, page_of(request));
  out.labels = std::move(labels);
  out.page = std::move(page);
  return out;
}

Result<bool> force_query(const http::Request& request) {
  static constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
  const std::string text = blank_or_value(request, "force");
  if (std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end()) return true;
  if (text.empty() || std::find(kFalse.begin(), kFalse.end(), text) != kFalse.end()) return false;
  return invalid("invalid force query; use true/false");
}

std::string passed_page_query(const http::Request& request) {
  std::string out;
  const std::string limit = request.query_value("limit").value_or("");
  std::int64_t number = 0;
  const auto parsed = std::from_chars(limit.data(), limit.data() + limit.size(), number);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == limit.data() + limit.size();
  if (is_number && number > 0) out += "?limit=" + std::to_string(number);
  const std::string cursor = request.query_value("cursor").value_or("");
  if (!cursor.empty()) out += (out.empty() ? "?cursor=" : "&cursor=") + http::percent_encode(cursor);
  return out;
}

std::string passed_log_query(const http::Request& request) {
  std::string out;
  for (const char* name : {"since", "tail", "follow"}) {
    const std::string value = request.query_value(name).value_or("");
    if (value.empty()) continue;
    out += (out.empty() ? "?" : "&") + std::string(name) + "=" + http::percent_encode(value);
  }
  return out;
}

bool is_following(const http::Request& request) {
  const std::string value = request.query_value("follow").value_or("");
  return value == "1" || value == "true";
}

Result<std::optional<OnceKey>> once_key(const http::Request& request) {
  if (!request.headers.contains("Idempotency-Key")) return std::optional<OnceKey>();
  OnceKey out;
  out.key = trimmed(request.header("Idempotency-Key"));
  const bool is_visible = std::all_of(out.key.begin(), out.key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (out.key.empty() || out.key.size() > limits::kAnswerKeyLengthMax || !is_visible) {
    return invalid("Idempotency-Key must be 1 to " + std::to_string(limits::kAnswerKeyLengthMax) +
                   " visible ASCII characters");
  }
  out.fingerprint = sha256_hex(request.method + " " + request.path + "\n" + request.body);
  return std::optional<OnceKey>(std::move(out));
}

}  // namespace sandboxd::orch::sandboxd_o
