// Notices when somebody else changes our tables in any way: deletes one (`nft flush ruleset`, a firewall service that
// restarts), flushes a chain, takes away a rule or an element, or adds one. Without them the sandboxes would have the
// host's default forwarding. And when somebody may have taken away our rules in other programs' chains.
//
// Costs nothing but reading the kernel's notifications, whose last one of each transaction names the thread that made
// it. Our own thread is known by the announcement (ruleset.hpp) in its transactions, not by its number here: the kernel
// counts in the first PID namespace.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>
#include <linux/netlink.h>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::network {

class RulesetWatch {
 public:
  // Subscribes to the kernel's nftables notifications of the calling thread's network namespace. To be open before our
  // first transaction.
  [[nodiscard]] static Result<std::shared_ptr<RulesetWatch>> open(boost::asio::any_io_executor executor,
                                                                  std::string table);

  struct Seen {
    std::string program;  // who it was, for people
    bool tables = false;  // a table of that name was changed
    bool hooks = false;   // something was taken from the table `ip filter`, or a chain made there: our rules may lack
  };
  // Returns when another program did such a thing, or when notifications were lost, which may have told of both.
  // Forgotten is what happened before our latest announcement, which put everything back. Before the first one nobody
  // is another. Throws operation_aborted when cancelled.
  [[nodiscard]] Task<Seen> changed_by_another();

  explicit RulesetWatch(boost::asio::posix::stream_descriptor socket, std::string table);

 private:
  // What was seen of a transaction that has not ended.
  struct Transaction {
    std::uint32_t port = 0;  // the netlink address of its maker
    bool touches = false;
    bool touches_hooks = false;
    bool announces = false;
  };

  [[nodiscard]] std::optional<Seen> drain();
  void see(const std::string& program, bool tables, bool hooks);
  void take(const nlmsghdr& header);
  void take_change(const nlmsghdr& header);
  void take_end(const nlmsghdr& header);

  boost::asio::posix::stream_descriptor socket_;
  std::string table_;
  Transaction open_;
  std::optional<std::uint32_t> own_thread_;
  std::optional<Seen> other_;
};

}  // namespace sandboxd::network
