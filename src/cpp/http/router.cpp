#include "http/router.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace sandboxd::http {
namespace {

// "/a//b/" is {"a", "", "b", ""}: empty segments count, so duplicate and trailing slashes are told apart.
std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  std::size_t begin = 1;  // after the leading slash
  while (true) {
    const std::size_t slash = path.find('/', begin);
    segments.emplace_back(path.substr(begin, slash == std::string_view::npos ? slash : slash - begin));
    if (slash == std::string_view::npos) return segments;
    begin = slash + 1;
  }
}

Error bad_pattern(const Route& route, std::string_view why) {
  return {ErrorCode::invalid_argument, "route " + route.method + " " + route.pattern + ": " + std::string(why)};
}

}  // namespace

Result<void> Router::add(Route route) {
  if (route.method.empty() || !route.handler) return bad_pattern(route, "method or handler missing");
  if (route.pattern.empty() || route.pattern.front() != '/') return bad_pattern(route, "does not start with '/'");

  auto entry = std::make_unique<Entry>();
  std::set<std::string> names;
  const std::vector<std::string> texts = split(route.pattern);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string& text = texts[i];
    if (text.empty() || text.front() != '{') {
      entry->segments.push_back({Kind::literal, text});
      continue;
    }
    const bool is_rest = text.ends_with("...}");
    if (text.back() != '}') return bad_pattern(route, "'{' without '}'");
    if (is_rest && i + 1 != texts.size()) return bad_pattern(route, "\"{name...}\" is not the last segment");
    std::string name = text.substr(1, text.size() - (is_rest ? 5 : 2));
    if (name.empty() || !names.insert(name).second) return bad_pattern(route, "parameter without a name of its own");
    entry->segments.push_back({is_rest ? Kind::rest : Kind::parameter, std::move(name)});
  }
  entry->route = std::move(route);

  // Most specific first, by the first segment that differs: then the first match is the one wanted. Two entries that
  // are equal in this order match the same paths, whatever their parameters are called.
  const auto key = [](const Entry& e) {
    std::vector<std::pair<Kind, std::string_view>> parts;
    for (const Segment& s : e.segments)
      parts.emplace_back(s.kind, s.kind == Kind::literal ? s.text : std::string_view());
    return parts;
  };
  const auto entry_key = key(*entry);
  const auto place = std::ranges::lower_bound(entries_, entry_key, {}, [&](const auto& e) { return key(*e); });
  for (auto same = place; same != entries_.end() && key(**same) == entry_key; ++same) {
    if ((*same)->route.method == entry->route.method) {
      return bad_pattern(entry->route, "already claimed by " + (*same)->route.pattern);
    }
  }
  entries_.insert(place, std::move(entry));
  return {};
}

Result<void> Router::guard(std::string_view method, std::string_view pattern, Admission admit) {
  for (const auto& entry : entries_) {
    if (entry->route.method != method || entry->route.pattern != pattern) continue;
    entry->route.admit = std::move(admit);
    return {};
  }
  return Error(ErrorCode::not_found, "no route " + std::string(method) + " " + std::string(pattern) + " to guard");
}

std::vector<std::pair<std::string, std::string>> Router::routes() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& entry : entries_) out.emplace_back(entry->route.method, entry->route.pattern);
  return out;
}

bool Router::matches(const Entry& entry, const std::vector<std::string>& segments,
                     std::map<std::string, std::string>* parameters) {
  for (std::size_t i = 0; i < entry.segments.size(); ++i) {
    if (i >= segments.size()) return false;
    const Segment& wanted = entry.segments[i];
    if (wanted.kind == Kind::rest) {
      if (parameters == nullptr) return true;
      std::string rest;
      for (std::size_t j = i; j < segments.size(); ++j) {
        if (j != i) rest += '/';
        rest += percent_decode(segments[j]);
      }
      parameters->emplace(wanted.text, std::move(rest));
      return true;
    }
    const bool is_plain = segments[i].find('%') == std::string::npos;
    const std::string decoded = is_plain ? std::string() : percent_decode(segments[i]);
    const std::string& value = is_plain ? segments[i] : decoded;
    if (wanted.kind == Kind::literal) {
      if (value != wanted.text) return false;
      continue;
    }
    if (value.empty() || value.find('/') != std::string::npos) return false;
    if (parameters != nullptr) parameters->emplace(wanted.text, value);
  }
  return entry.segments.size() == segments.size();
}

bool Router::is_same_path(const Entry& a, const Entry& b) {
  return std::ranges::equal(a.segments, b.segments, [](const Segment& one, const Segment& other) {
    return one.kind == other.kind && (one.kind != Kind::literal || one.text == other.text);
  });
}

const Router::Entry* Router::lookup(const std::string& method, const std::vector<std::string>& segments) const {
  const Entry* any = nullptr;
  for (const auto& entry : entries_) {
    const bool is_any = entry->route.method == kAnyMethod;
    if ((!is_any && entry->route.method != method) || !matches(*entry, segments, nullptr)) continue;
    // Entries of one path stand together; one that matches behind them is less specific.
    if (any != nullptr && !is_same_path(*any, *entry)) return any;
    if (!is_any) return entry.get();
    if (any == nullptr) any = entry.get();
  }
  return any;
}

std::variant<Matched, Redirect, NoRoute> Router::find(const std::string& method, const std::string& path) const {
  if (path.empty() || path.front() != '/') return NoRoute{};
  std::vector<std::string> segments = split(path);
  if (const Entry* entry = lookup(method, segments)) {
    Matched matched{&entry->route, {}};
    matches(*entry, segments, &matched.parameters);
    return matched;
  }
  // The shorter spelling. A location that a browser would read as another host ("//host") cannot come
  // out of this: parameters never match an empty segment.
  const int status = method == "GET" ? 301 : 307;
  if (segments.size() > 1 && segments.back().empty()) {
    segments.pop_back();
    if (lookup(method, segments) != nullptr) return Redirect{status, path.substr(0, path.size() - 1)};
  }
  return NoRoute{};
}

}  // namespace sandboxd::http
