// ports::OutputReader over the log holder's files: reads what is there, then what directory changes announce.
#pragma once

#include "aio/blocking_pool.hpp"
#include "logs/directory_watch.hpp"
#include "ports/output_collector.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>
#include <vector>

namespace sandboxd::logs {

// Core thread. `changes` and `files` outlive the reader. Errors: not_found, resource_exhausted, invalid_argument (a
// name that is no plain path segment), storage_failed.
[[nodiscard]] Result<std::unique_ptr<ports::OutputReader>> follow_logs(boost::asio::any_io_executor executor,
                                                                       DirectoryWatch& changes,
                                                                       aio::BlockingPool& files,
                                                                       const std::string& data_dir, SandboxId sandbox,
                                                                       const std::vector<std::string>& containers);

}  // namespace sandboxd::logs
