// Fields of a request body as Go's decoder takes them, and its words for what does not fit. Pure.
//
//   SBX_TRY(value, parse_go_json(body));
//   GoErrors errors;
//   const GoReader in(value, errors, "CreateSandboxRequest");
//   in.read("image", out.image);
//   in.object("resources", "ResourceLimits", [&](const GoReader& limits) { limits.read("memory", out.memory); });
//   SBX_CHECK(errors.status());
//
// Names match whatever the letters' case; null is as if the field were absent; everything else is read to the end, and
// the first problem of the text is what counts, as in the original.
#pragma once

#include "base/result.hpp"
#include "orch/api/opensbx/go_json.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::opensbx {

class GoErrors {
 public:
  // Of the value that begins at `at` in the text.
  void add(std::size_t at, std::string message);
  [[nodiscard]] Result<void> status() const;

 private:
  struct Problem {
    std::size_t at = 0;
    std::string message;
  };
  std::optional<Problem> first_;
};

class GoReader {
 public:
  // The body itself, to be read as a struct called `type`. Everything must outlive the reader.
  GoReader(const GoValue& body, GoErrors& errors, std::string type);

  void read(std::string_view name, std::string& out) const;
  void read(std::string_view name, std::int64_t& out) const { read_integer(name, "int", out); }
  void read_wide(std::string_view name, std::int64_t& out) const { read_integer(name, "int64", out); }
  void read(std::string_view name, double& out) const;
  // Nothing for an absent list or null, which is not the same as an empty one.
  void read(std::string_view name, std::optional<std::vector<std::string>>& out) const;
  void read(std::string_view name, std::map<std::string, std::string>& out) const;
  // Whether it is there, and not null.
  [[nodiscard]] bool has(std::string_view name) const;
  template <class Visit>
  void object(std::string_view name, const std::string& type, Visit visit) const {
    each(name, [&](const GoValue& value) {
      if (is(value, GoValue::Kind::object, name, "models." + type)) {
        visit(GoReader(value, *errors_, type, path_ + std::string(name) + "."));
      }
    });
  }

 private:
  GoReader(const GoValue& value, GoErrors& errors, std::string type, std::string path)
      : value_(&value), errors_(&errors), type_(std::move(type)), path_(std::move(path)) {}

  template <class Visit>
  void each(std::string_view name, Visit visit) const {
    for (std::size_t i = 0; i < value_->names.size(); ++i) {
      const GoValue& item = value_->items[i];
      if (same_name(value_->names[i], name) && item.kind != GoValue::Kind::null) visit(item);
    }
  }
  static bool same_name(std::string_view a, std::string_view b);
  bool is(const GoValue& value, GoValue::Kind kind, std::string_view name, std::string_view go_type) const;
  void misfit(const GoValue& value, std::string_view name, std::string_view go_type) const;
  void misfit_number(const GoValue& value, std::string_view name, std::string_view go_type) const;
  void add(const GoValue& value, std::string_view what, std::string_view name, std::string_view go_type) const;
  void read_integer(std::string_view name, std::string_view go_type, std::int64_t& out) const;

  const GoValue* value_;
  GoErrors* errors_;
  std::string type_;
  std::string path_;  // of the struct, with its dot
};

// "Key: 'KillCommandRequest.Signal' Error:Field validation for 'Signal' failed on the 'required' tag"
[[nodiscard]] Error required(std::string_view type, std::string_view field);

}  // namespace sandboxd::orch::opensbx
