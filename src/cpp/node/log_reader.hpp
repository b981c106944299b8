// A sandbox's log as it grows, from before its first process to its end.
#pragma once

#include "node/sandbox_table.hpp"
#include "ports/output_collector.hpp"

#include <memory>
#include <string>
#include <vector>

namespace sandboxd::node {

// Waits for the output to exist while the sandbox is being made, and ends when it no longer runs and all was read.
// Errors: resource_exhausted (too many readers of this sandbox). `output` outlives the reader. Core thread.
[[nodiscard]] Result<std::unique_ptr<ports::OutputReader>> follow_entry(const EntryPtr& entry,
                                                                        ports::OutputCollector& output,
                                                                        std::vector<std::string> containers);

}  // namespace sandboxd::node
