// Schemas as a list of numbered steps. A database remembers in `user_version` how many it has had.
//
// Each step runs in one transaction together with its number, so a crash leaves a database between two steps, never
// inside one. A step that was released is never edited; a change is a new step.
#pragma once

#include "base/result.hpp"
#include "store/db.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace sandboxd::store {

struct Schema {
  std::string_view name;        // "control plane", "node": for people
  std::int32_t application_id;  // stands in the file's header, so that one is not taken for the other
  std::span<const char* const> steps;
};

[[nodiscard]] const Schema& control_plane_schema();
[[nodiscard]] const Schema& node_schema();
[[nodiscard]] const Schema& command_schema();

// Opens or makes the database and brings it up to date. Blocks. Errors: those of Database::open(), and unsupported for
// a database of a newer program, of another role or of another application, which is then left as it was.
[[nodiscard]] Result<Database> open_database(Database::Options options, const Schema& schema);

}  // namespace sandboxd::store
