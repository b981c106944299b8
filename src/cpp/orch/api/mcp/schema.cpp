#include "orch/api/mcp/schema.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace sandboxd::orch::mcp {
namespace {

namespace json = codec::json;
using Misfit = std::optional<std::string>;

bool is_integer(const json::value& value) {
  return value.is_int64() || value.is_uint64() ||
         (value.is_double() && std::trunc(value.get_double()) == value.get_double());
}

bool is_of_type(const json::value& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  if (type == "integer") return is_integer(value);
  return type == "number" && value.is_number();
}

Misfit check(const json::object& schema, const json::value& value, const std::string& path);

Misfit check_type(const json::object& schema, const json::value& value, const std::string& path) {
  const json::value* type = schema.if_contains("type");
  if (type == nullptr) return std::nullopt;
  std::vector<std::string_view> allowed;
  if (type->is_string()) allowed.emplace_back(type->get_string());
  if (type->is_array()) {
    for (const json::value& one : type->get_array()) allowed.emplace_back(one.get_string());
  }
  if (std::ranges::any_of(allowed, [&](std::string_view one) { return is_of_type(value, one); })) return std::nullopt;
  std::string wanted;
  for (const std::string_view one : allowed) wanted += (wanted.empty() ? "" : " or ") + std::string(one);
  return path + ": type: " + codec::write_json(value).substr(0, 64) + " is not of type " + wanted;
}

Misfit check_members(const json::object& schema, const json::object& value, const std::string& path) {
  json::array missing;
  if (const json::value* required = schema.if_contains("required")) {
    for (const json::value& name : required->as_array()) {
      if (!value.contains(name.get_string())) missing.push_back(name);
    }
  }
  if (!missing.empty()) return path + ": required: missing properties: " + codec::write_json(json::value(missing));
  const json::value* properties = schema.if_contains("properties");
  const json::value* additional = schema.if_contains("additionalProperties");
  json::array unexpected;
  for (const auto& [name, member] : value) {
    const json::value* known = properties == nullptr ? nullptr : properties->as_object().if_contains(name);
    if (known == nullptr && additional != nullptr && additional->is_object()) known = additional;
    if (known == nullptr && additional != nullptr && additional->is_bool() && !additional->get_bool()) {
      unexpected.emplace_back(name);
    }
    if (known == nullptr) continue;
    if (auto why = check(known->as_object(), member, path + "/" + std::string(name))) return why;
  }
  if (unexpected.empty()) return std::nullopt;
  return path + ": unexpected additional properties " + codec::write_json(json::value(unexpected));
}

Misfit check_number(const json::object& schema, const json::value& value, const std::string& path) {
  const double number = value.to_number<double>();
  const json::value* low = schema.if_contains("minimum");
  const json::value* high = schema.if_contains("maximum");
  if (low != nullptr && number < low->to_number<double>()) {
    return path + ": minimum: must not be below " + codec::write_json(*low);
  }
  if (high != nullptr && number > high->to_number<double>()) {
    return path + ": maximum: must not be above " + codec::write_json(*high);
  }
  return std::nullopt;
}

Misfit check(const json::object& schema, const json::value& value, const std::string& path) {
  if (auto why = check_type(schema, value, path)) return why;
  if (const json::value* choices = schema.if_contains("enum")) {
    const json::array& list = choices->as_array();
    if (std::ranges::find(list, value) == list.end()) return path + ": enum: is none of " + codec::write_json(*choices);
  }
  if (value.is_object()) return check_members(schema, value.get_object(), path);
  if (value.is_number()) return check_number(schema, value, path);
  const json::value* items = schema.if_contains("items");
  if (!value.is_array() || items == nullptr) return std::nullopt;
  const json::array& list = value.get_array();
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (auto why = check(items->as_object(), list[i], path + "/" + std::to_string(i))) return why;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> misfit(const codec::json::object& schema, const codec::json::value& value) {
  auto why = check(schema, value, {});
  if (why && why->starts_with(": ")) why->erase(0, 2);  // of the whole
  return why;
}

}  // namespace sandboxd::orch::mcp
