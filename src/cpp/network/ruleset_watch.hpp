// Notices when somebody removes our tables (`nft flush ruleset`, a firewall service that restarts): without them the
// sandboxes would have the host's default forwarding.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <memory>
#include <string>

namespace sandboxd::network {

class RulesetWatch {
 public:
  // Subscribes to the kernel's nftables notifications of the calling thread's network namespace.
  [[nodiscard]] static Result<std::shared_ptr<RulesetWatch>> open(boost::asio::any_io_executor executor,
                                                                  std::string table);

  // Returns when a table of that name was deleted by anybody, ourselves included, or when notifications were lost.
  // Throws operation_aborted when cancelled.
  [[nodiscard]] Task<void> table_deleted();

  explicit RulesetWatch(boost::asio::posix::stream_descriptor socket, std::string table);

 private:
  [[nodiscard]] bool drain();

  boost::asio::posix::stream_descriptor socket_;
  std::string table_;
};

}  // namespace sandboxd::network
