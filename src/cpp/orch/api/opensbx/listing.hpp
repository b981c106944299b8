// A directory as `ls -la` shows it, made from what is known of its entries. Pure.
#pragma once

#include "model/command.hpp"

#include <string>
#include <vector>

namespace sandboxd::orch::opensbx {

// "drwxr-xr-x"
[[nodiscard]] std::string mode_text(std::uint32_t mode);
// One line an entry, in the order given, columns aligned, under a line with the total of their blocks.
[[nodiscard]] std::string directory_text(const std::vector<model::FileInfo>& entries, WallTime now);
// The one line of something that is no directory.
[[nodiscard]] std::string file_text(const model::FileInfo& file, WallTime now);

}  // namespace sandboxd::orch::opensbx
